"""An audit of real peers: two organisations' at once, from block 0, from a checkpoint, and reported."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2
from veilmesh_chaincode.records.registry import ApproveModel
from veilmesh_fabric import blocks, connect
from veilmesh_network.network import AUDITOR
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.provisioning import write_client_home
from veilmesh_node.demo.shell import Answer, run

from tests.fabric_network import FabricNetwork, found_consortium
from tests.integration.audit.deliver_server import delivering
from tests.unit.fabric.tampering import change_block


@pytest.fixture(scope="module", params=["raft", "bft"])
def network(request: pytest.FixtureRequest) -> FabricNetwork:
    found: FabricNetwork = request.getfixturevalue(
        {"raft": "fabric_network", "bft": "fabric_bft_network"}[request.param]
    )
    asyncio.run(found_consortium(found))
    return found


@pytest.fixture
def home(network: FabricNetwork, tmp_path: Path) -> Path:
    auditor = network.network.auditors[0]
    write_client_home(network.network, auditor, auditor.identity(AUDITOR), tmp_path / "auditor")
    return tmp_path / "auditor"


def peers_of(network: FabricNetwork, *msp_ids: str) -> list[str]:
    return [word for msp_id in msp_ids for word in ("--peer", network.network.gateways(msp_id)[0])]


def verify(home: Path, *options: str | Path) -> Answer:
    return run("audit", "verify", "--home", home, *options)


async def act(network: FabricNetwork, model: str) -> None:
    async with network.contract("Org2MSP") as contract:
        await contract.submit(
            "registry:ApproveModel", ApproveModel(model_digest=model * 64, name="an encoder").to_bytes()
        )


def test_two_organisations_peers_agree_in_every_block(network: FabricNetwork, home: Path) -> None:
    answer = verify(home, *peers_of(network, "Org1MSP", "Org2MSP"))
    assert answer.exit_code is ExitCode.OK, answer.document
    assert [peer["organization"] for peer in answer.document["peers"]] == ["Org1MSP", "Org2MSP"]
    assert answer.document["commit_hashes"]
    assert answer.document["checks"]["peers-agree"] == answer.document["blocks"] > 3
    assert not answer.document["taken_on_trust"]


def test_the_homes_gateways_are_all_compared(network: FabricNetwork, home: Path) -> None:
    answer = verify(home)
    assert answer.exit_code is ExitCode.OK, answer.document
    assert sorted(peer["organization"] for peer in answer.document["peers"]) == sorted(network.members)


def test_a_second_audit_reads_what_is_new(network: FabricNetwork, home: Path, tmp_path: Path) -> None:
    options = ["--checkpoint", str(tmp_path / "checkpoint"), *peers_of(network, "Org2MSP", "Org3MSP")]
    before = verify(home, *options)
    asyncio.run(act(network, "c"))
    after = verify(home, *options)
    assert (before.exit_code, after.exit_code) == (ExitCode.OK, ExitCode.OK)
    assert after.document["verified_before"] == before.document["blocks"] < after.document["blocks"]


def test_what_the_organisations_did_is_reported(network: FabricNetwork, home: Path, tmp_path: Path) -> None:
    asyncio.run(act(network, "d"))
    answer = run(
        *("audit", "report", tmp_path / "report", "--home", home),
        *peers_of(network, "Org1MSP", "Org3MSP"),
    )
    assert answer.exit_code is ExitCode.OK, answer.document
    organizations = answer.document["chronicle"]["organizations"]
    told = {
        msp_id: {(each["function"], each["subject"]) for each in organization["decisions"]}
        for msp_id, organization in organizations.items()
    }
    chaincode = network.network.chaincode
    assert all(
        ("lifecycle:Approve", f"chaincode {chaincode} 1.0, sequence 1") in told[msp_id]
        for msp_id in network.members
    )
    assert any(("lifecycle:Commit", f"chaincode {chaincode}") in acts for acts in told.values())
    assert any(("registry:FoundConsortium", "the consortium") in acts for acts in told.values())
    assert ("registry:ApproveModel", f"model an encoder, {'d' * 64}") in told["Org2MSP"]
    assert (tmp_path / "report" / "report.html").exists()


@pytest.fixture
def chain(network: FabricNetwork) -> Sequence[bytes]:
    async def read() -> list[bytes]:
        async with connect(network.network.gateways("Org1MSP")[0], network.tls_roots) as channel:
            stream = blocks(
                channel, network.identity(network.auditor), network.network.channel, stop="newest"
            )
            return [block.SerializeToString(deterministic=True) async for block in stream]

    return asyncio.run(read())


def suppressed(message: Any) -> None:
    message.metadata.metadata[common_pb2.TRANSACTIONS_FILTER] = b"\x0b"


def lies(chain: Sequence[bytes]) -> Iterator[tuple[str, Sequence[bytes]]]:
    last = len(chain) - 1
    yield "validation code", [*chain[:last], change_block(chain[last], suppressed)]
    yield "height", chain[:-1]


def test_a_liar_beside_a_real_peer_is_named(
    network: FabricNetwork, chain: Sequence[bytes], home: Path
) -> None:
    real = peers_of(network, "Org1MSP")
    for what, told in lies(chain):
        with delivering(told, network.network.organisation("Org3MSP").tls) as liar:
            answer = verify(home, *real, "--peer", liar.address, "--wait", "2")
            violation = answer.document["violation"]
            assert answer.exit_code is ExitCode.INTEGRITY
            assert what in violation["message"]
            assert list(violation["blamed"]) == [f"Org3MSP at {liar.address}"]
