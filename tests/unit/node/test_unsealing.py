"""A picture's key leaves its keeper only after the ledger says that two organisations consent."""

import json
from hashlib import sha256

import pytest
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.unsealing import Unsealing, UnsealingId, UnsealingStatus
from veilmesh_node.errors import LedgerUnavailableError, SealedKeyError, SealingError
from veilmesh_node.sealed_key import Keeper, SealedKey
from veilmesh_node.sealing import SealingKey

from tests.unit.chaincode.consortium import AUDITOR, identity
from tests.unit.chaincode.refusing import refuses
from tests.unit.node.plugs import MemoryConsortium, MemoryNode

KEY = bytes(range(32))
PICTURE = sha256(b"the released file").hexdigest()
RECOVERY = '{"format": "..."}'


@pytest.fixture
def org1(consortium: MemoryConsortium) -> MemoryNode:
    return consortium.nodes["Org1MSP"]


@pytest.fixture
def keeper(org1: MemoryNode) -> Keeper:
    return Keeper(org1.node_id, org1.sealing_key.public_hex())


@pytest.fixture
def sealed(keeper: Keeper) -> bytes:
    return keeper.seal(KEY, RECOVERY, PICTURE).encode()


async def order(consortium: MemoryConsortium, keeper: Keeper, sealed: bytes, picture: str = PICTURE) -> str:
    """Return the id of an order by Org2, to which nobody else has consented yet."""
    unsealing = await consortium.world.unseal(
        "Org2MSP",
        output_sha256=picture,
        sealed_key_sha256=sha256(sealed).hexdigest(),
        keeper_node_id=keeper.node_id,
        keeper_key_sha256=keeper.key_sha256,
    )
    return unsealing.unsealing_id


async def on_record(consortium: MemoryConsortium, unsealing_id: str) -> UnsealingStatus:
    """Return what an auditor reads."""
    request = UnsealingId(unsealing_id=unsealing_id)
    auditor = identity(AUDITOR, "auditor")
    return (await consortium.world.call(auditor, "release:GetUnsealing", request, Unsealing)).status


async def test_the_key_is_given_out_after_two_consents_and_not_before(
    consortium: MemoryConsortium, org1: MemoryNode, keeper: Keeper, sealed: bytes
) -> None:
    unsealing_id = await order(consortium, keeper, sealed)
    with refuses(RefusalCode.NOT_GRANTED):
        await org1.node.unsealings.open(unsealing_id, sealed)
    await consortium.world.consent_unsealing("Org3MSP", unsealing_id)
    opened = await org1.node.unsealings.open(unsealing_id, sealed)
    assert (opened.key.reveal(), opened.recovery) == (KEY, RECOVERY)
    assert await on_record(consortium, unsealing_id) is UnsealingStatus.FULFILLED
    assert KEY.hex() not in repr(opened) + repr(keeper)


async def test_nothing_is_given_out_that_the_ledger_does_not_know(
    consortium: MemoryConsortium, org1: MemoryNode, keeper: Keeper, sealed: bytes
) -> None:
    """The answer of the ledger is lost; asked again, the node finds its own mark there."""
    unsealing_id = await order(consortium, keeper, sealed)
    await consortium.world.consent_unsealing("Org1MSP", unsealing_id)
    org1.ledger.lose_answers = True
    with pytest.raises(LedgerUnavailableError):
        await org1.node.unsealings.open(unsealing_id, sealed)
    org1.ledger.lose_answers = False
    opened = await org1.node.unsealings.open(unsealing_id, sealed)
    assert opened.key.reveal() == KEY
    consortium.world.now_s += 1000
    with refuses(RefusalCode.UNSEALING_EXPIRED):
        await org1.node.unsealings.open(unsealing_id, sealed)


async def test_a_refused_order_opens_nothing(
    consortium: MemoryConsortium, org1: MemoryNode, keeper: Keeper, sealed: bytes
) -> None:
    unsealing_id = await order(consortium, keeper, sealed)
    await consortium.world.consent_unsealing("Org3MSP", unsealing_id)
    await consortium.world.refuse_unsealing("Org1MSP", unsealing_id)
    with refuses(RefusalCode.ALREADY_CONCLUDED):
        await org1.node.unsealings.open(unsealing_id, sealed)


async def test_only_the_keeper_opens(consortium: MemoryConsortium, keeper: Keeper, sealed: bytes) -> None:
    unsealing_id = await order(consortium, keeper, sealed)
    await consortium.world.consent_unsealing("Org3MSP", unsealing_id)
    with refuses(RefusalCode.NOT_KEEPER):
        await consortium.nodes["Org2MSP"].node.unsealings.open(unsealing_id, sealed)
    with pytest.raises(SealingError):
        SealedKey.parse(sealed).open(SealingKey.generate())


async def test_an_order_opens_the_one_key_that_it_is_about(
    consortium: MemoryConsortium, org1: MemoryNode, keeper: Keeper, sealed: bytes
) -> None:
    unsealing_id = await order(consortium, keeper, sealed)
    await consortium.world.consent_unsealing("Org3MSP", unsealing_id)
    another = keeper.seal(KEY, RECOVERY, PICTURE).encode()
    with pytest.raises(SealedKeyError, match="another sealed key"):
        await org1.node.unsealings.open(unsealing_id, another)
    assert await on_record(consortium, unsealing_id) is UnsealingStatus.GRANTED


async def test_an_order_on_one_picture_with_the_key_of_another(
    consortium: MemoryConsortium, org1: MemoryNode, keeper: Keeper, sealed: bytes
) -> None:
    unsealing_id = await order(consortium, keeper, sealed, picture=sha256(b"harmless").hexdigest())
    await consortium.world.consent_unsealing("Org3MSP", unsealing_id)
    with pytest.raises(SealedKeyError, match="another picture"):
        await org1.node.unsealings.open(unsealing_id, sealed)


@pytest.mark.parametrize("change", [{"keeper_node_id": "other"}, {"output_sha256": "0" * 64}])
def test_what_stands_beside_the_sealing_is_bound_by_it(
    org1: MemoryNode, sealed: bytes, change: dict[str, str]
) -> None:
    changed = SealedKey.parse(sealed).replace(**change)
    with pytest.raises(SealingError):
        changed.open(org1.sealing_key)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", json.dumps({"format": "other"}).encode()])
def test_what_is_no_sealed_key(content: bytes) -> None:
    with pytest.raises(SealedKeyError):
        SealedKey.parse(content)


async def test_an_unknown_order(org1: MemoryNode, sealed: bytes) -> None:
    with pytest.raises(Refusal, match="unknown"):
        await org1.node.unsealings.open("0" * 64, sealed)
