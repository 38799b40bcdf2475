"""The real contracts behind the service: every function answers and writes as on the ledger in memory."""

import pytest
from veilmesh_chaincode.chaincode import Chaincode
from veilmesh_chaincode.key_endorsement import all_of_peers
from veilmesh_chaincode.shim import stub, transaction
from veilmesh_chaincode.stub import Creator

from tests.unit.chaincode.life import live
from tests.unit.chaincode.shim.fake_ledger import FakeLedger
from tests.unit.chaincode.shim.fake_peer import READY_2_5, READY_3_1, FakePeer
from tests.unit.chaincode.shim.serving import serving


@pytest.mark.parametrize("ready", [READY_2_5, READY_3_1], ids=["2.5", "3.1"])
async def test_every_function_does_the_same(ready: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    creators: dict[bytes, Creator] = {}
    monkeypatch.setattr(stub, "creator_of", creators.__getitem__)
    peer = FakePeer(FakeLedger(), ready=ready)
    async with serving(Chaincode(), peer):
        for world, step, expected in live():
            monkeypatch.setattr(transaction, "time", lambda now_s=world.now_s: float(now_s))
            creators[step.who.identity_sha256.encode()] = step.who
            peer.ledger.state = {key: entry.value for key, entry in world.ledger.state.items()}
            peer.ledger.history = {
                key: [(version.tx_id, version.at_s, version.value) for version in versions]
                for key, versions in world.ledger.history.items()
            }
            answer = await peer.execute(
                step.function.encode(),
                *([] if step.request is None else [step.request.to_bytes()]),
                creator=step.who.identity_sha256.encode(),
                at_s=world.now_s,
                tx_id=step.tx_id,
            )
            assert answer.status == 200, (step.function, answer.message)
            assert answer.payload == expected.response.payload, step.function
            assert answer.event == expected.event, step.function
            assert answer.writes == expected.stub.writes, step.function
            assert answer.view.policies == {
                key: all_of_peers(msp_ids) for key, msp_ids in expected.stub.endorsers.items()
            }, step.function
    assert peer.dropped == 0
