"""Nodes as processes with a daemon each, and `veilmesh content` as their operators call it."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from veilmesh.v1 import node_pb2
from veilmesh_node.cli import provisioning
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.main import main
from veilmesh_node.content import content_id
from veilmesh_node.content.private_daemon import PrivateDaemon, new_swarm_key

from tests.integration.node.live_consortium import LiveConsortium, LiveNode, portrait, refused

pytestmark = [pytest.mark.ipfs, pytest.mark.faces, pytest.mark.slow]


@dataclass(frozen=True, slots=True)
class Member:
    node: LiveNode
    daemon: PrivateDaemon

    @property
    def home(self) -> Path:
        return self.node.home.folder

    def call(self, method: str, request: Any) -> Any:
        return asyncio.run(self.node.call(method, request))


def join(live: LiveConsortium, organisation: str, folder: Path, swarm_key: str) -> Member:
    """Make a member with a daemon and a node that uses it; both run, and the node is active."""
    daemon = PrivateDaemon.make(folder, swarm_key).start(online=True)
    daemon.keep_address()
    node = live.add_node(organisation)
    config = node.config.model_copy(update={"ipfs_api": daemon.address})
    (node.home.folder / "node.toml").write_text(config.to_toml())
    operator = node.organisation.identity("operator")
    provisioning.write_client_home(
        live.network,
        node.organisation,
        operator,
        node.home.folder,
        keys="operator",
        node_address=config.api_listen,
    )
    node.start()
    asyncio.run(live.registered(node))
    live.approve(node.name)
    return Member(node, daemon)


@pytest.fixture(scope="module")
def members(_ipfs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Member, Member]]:
    pytest.importorskip("dlib", reason="the nodes encode faces: install the [faces] extra")
    folder, swarm_key = tmp_path_factory.mktemp("content"), new_swarm_key()
    live = LiveConsortium.found(folder / "consortium")
    joined: list[Member] = []
    try:
        joined += [join(live, name, folder / f"{name}-ipfs", swarm_key) for name in ("org1", "org2")]
        org1, org2 = joined
        org2.daemon.connect(org1.daemon)
        yield org1, org2
    finally:
        for member in joined:
            member.daemon.stop()
        live.close()


@pytest.fixture
def veilmesh(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str, expect: ExitCode = ExitCode.OK, as_json: bool = True) -> Any:
        with pytest.raises(SystemExit) as leaving:
            main([*words, "--json"] if as_json else words)
        said = capsys.readouterr()
        assert leaving.value.code == expect, said.err
        return json.loads(said.out) if as_json else said.out + said.err

    return run


def test_the_life_of_a_surrogate(members: tuple[Member, Member], veilmesh: Any) -> None:
    org1, org2 = members
    enrolled = org1.call("Enrol", node_pb2.EnrolRequest(photos=[portrait()])).reference
    cid = enrolled.surrogate_cid
    listed = {"cid": cid, "owners": ["Org1MSP"], "ours": False}

    status = veilmesh("content", "status", "--home", str(org2.home))
    assert (status["listed"], status["missing"], status["surplus"]) == (1, [listed], [])
    assert status["daemon"]["peers"] == 1
    shown = veilmesh("content", "status", "--home", str(org2.home), as_json=False)
    assert re.search(rf"^missing +{cid} +Org1MSP", shown, re.MULTILINE)
    assert shown.endswith("mend it with: veilmesh content sync\n")
    synced = veilmesh("content", "sync", "--home", str(org2.home))
    assert (synced["pinned"], synced["failures"]) == ([cid], [])
    assert veilmesh("content", "status", "--home", str(org2.home))["missing"] == []
    own = veilmesh("content", "sync", "--home", str(org1.home))
    assert (own["before"]["missing"], own["before"]["unlisted"]) == ([], [])

    org1.daemon.stop()  # and the other member still has it
    surrogate = org2.call("GetSurrogate", node_pb2.GetSurrogateRequest(reference_id=enrolled.reference_id))
    assert content_id(surrogate.image) == cid
    assert veilmesh("content", "status", "--home", str(org2.home))["daemon"]["peers"] == 0

    error = veilmesh("content", "status", "--home", str(org1.home), expect=ExitCode.UNAVAILABLE)["error"]
    assert error["code"] == "CONTENT_UNAVAILABLE"
    assert "ipfs_api" in error["hint"]

    org2.daemon.run("pin", "rm", cid)
    org2.daemon.run("repo", "gc")  # now nobody has it, who is up
    synced = veilmesh("content", "sync", "--home", str(org2.home), expect=ExitCode.UNAVAILABLE)
    assert synced["failures"] == [
        {"cid": cid, "owners": ["Org1MSP"], "reason": f"content {cid} is not in the store"}
    ]
    org1.daemon.start(online=True).connect(org2.daemon)
    said = veilmesh("content", "sync", "--home", str(org2.home), as_json=False)
    assert said == "1 listed, 1 pinned anew, 0 unpinned, 0 blocks collected\n"
    org1.call("Erase", node_pb2.EraseRequest(reference_id=enrolled.reference_id))
    assert cid not in org1.daemon.run("refs", "local")
    synced = veilmesh("content", "sync", "--home", str(org2.home))
    assert synced["unpinned"] == [cid]
    assert cid not in org2.daemon.run("refs", "local")


async def test_while_the_daemon_is_down_nothing_is_half_released(members: tuple[Member, Member]) -> None:
    org1, _ = members
    node = org1.node
    reference = (await node.call("Enrol", node_pb2.EnrolRequest(photos=[portrait()]))).reference
    before = await node.settled()
    org1.daemon.stop()
    async with refused(grpc.StatusCode.UNAVAILABLE, "CONTENT_UNAVAILABLE") as detail:
        await node.call("Enrol", node_pb2.EnrolRequest(photos=[portrait(1)], idempotency_key="again"))
    assert "IPFS daemon" in detail.message
    status = await node.status()
    assert [each.what for each in status.disagreements if not each.reference_id] == [
        f"surrogates: {detail.message}"
    ]
    async with refused(grpc.StatusCode.UNAVAILABLE, "CONTENT_UNAVAILABLE") as detail:
        await node.call("Erase", node_pb2.EraseRequest(reference_id=reference.reference_id))
    assert detail.operation_id  # what is destroyed is destroyed; the rest follows by itself

    org1.daemon.start(online=True)
    after = await node.settled()
    assert not after.disagreements
    assert after.reference_count == before.reference_count - 1
    assert reference.surrogate_cid not in org1.daemon.run("refs", "local")
    again = await node.call("Enrol", node_pb2.EnrolRequest(photos=[portrait(1)], idempotency_key="again"))
    assert again.reference.surrogate_cid in org1.daemon.run("pin", "ls", "--type=recursive", "-q")
    await node.call("Erase", node_pb2.EraseRequest(reference_id=again.reference.reference_id))


def test_a_home_without_a_daemon_says_how_to_name_one(
    members: tuple[Member, Member], veilmesh: Any, tmp_path: Path
) -> None:
    org1, _ = members
    for name in ("client.toml", "node.toml"):
        (tmp_path / name).write_text((org1.home / name).read_text())
    (tmp_path / "node.toml").write_text(org1.node.config.to_toml())
    error = veilmesh("content", "sync", "--home", str(tmp_path), expect=ExitCode.USAGE)["error"]
    assert "set ipfs_api" in error["message"]
