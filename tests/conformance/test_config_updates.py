"""A real channel's configuration is changed by what we compute, sign and send.

The embedded ledger is held to the same in `tests/integration/ledger/test_config_updates.py`.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from veilmesh_fabric import (
    BroadcastError,
    ConfigInForce,
    ConfigOvertakenError,
    ConfigUpdateRequest,
    ConsentError,
    DeliverError,
    EndorseError,
    EvaluateError,
    Gateway,
    SubmitError,
    blocks,
    submit_config_update,
    verify_blocks,
)
from veilmesh_fabric.channel_config import Address
from veilmesh_fabric.ordering import OrdererEndpoint, broadcast, orderer_endpoints
from veilmesh_network import channel_edits as edits
from veilmesh_network.admission import admit
from veilmesh_network.certificates import NodeRole
from veilmesh_network.consortium import Consortium
from veilmesh_network.errors import NetworkError
from veilmesh_network.fabric.binaries import find_binaries
from veilmesh_network.network import ADMIN, AUDITOR, Network, OrganisationKind
from veilmesh_network.organisation import Organisation
from veilmesh_node.cli.main import main
from veilmesh_node.cli.provisioning import write_client_home

from tests.conformance.changes import (
    ONCE,
    chain,
    peer_of,
    require_joining_and_leaving,
    require_revocation,
    vote,
)
from tests.fabric_network import FabricNetwork, found_consortium, running_network


@pytest.fixture(scope="module")
def fabric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FabricNetwork]:
    """A network of these tests' own: what they change stays changed."""
    with running_network(tmp_path_factory.mktemp("changing") / "network") as network:
        asyncio.run(found_consortium(network))
        yield network


@pytest.fixture
def consortium(fabric: FabricNetwork) -> Consortium:
    return Consortium(Network.load(fabric.network.folder))


async def submit(
    fabric: FabricNetwork, request: ConfigUpdateRequest, current: ConfigInForce, *, through: str = "Org1MSP"
) -> ConfigInForce:
    async with peer_of(fabric, through) as peer:
        return await submit_config_update(
            request,
            current,
            gateway=Gateway(peer, fabric.identity(through, ADMIN)),
            orderers=orderer_endpoints(current.config),
            timeout_s=30,
        )


async def test_an_update_comes_into_force_and_every_peer_has_it(
    fabric: FabricNetwork, consortium: Consortium
) -> None:
    before = await consortium.configuration()
    changed = await consortium.change(lambda root: edits.with_batches(root, max_message_count=77))
    assert changed.config.sequence == before.config.sequence + 1
    for msp_id in fabric.members:
        found = await consortium.configuration(msp_id)
        assert found.config.root == changed.config.root
        assert found.config.orderer.max_message_count == 77
    # Fabric's own configuration is, byte for byte, what our rules make of the update.
    report = verify_blocks(await chain(fabric, "Org2MSP"), anchor=fabric.genesis)
    assert report.violation is None
    assert report.transactions["CONFIG", "VALID"] == changed.config.sequence + 1


async def test_a_revoked_certificate_is_refused_by_every_peer(
    fabric: FabricNetwork, consortium: Consortium
) -> None:
    await require_revocation(fabric, consortium)


async def test_what_was_endorsed_before_a_revocation_is_not_ordered_after_it(
    fabric: FabricNetwork, consortium: Consortium
) -> None:
    organisation = fabric.network.organisation("org3")
    organisation.issue("leaver", role=NodeRole.CLIENT, attributes={"role": "operator"})
    async with fabric.contract("Org3MSP", fabric.identity("Org3MSP", "leaver"), retry=ONCE) as contract:
        endorsed = await contract.endorse(*vote())
        path = organisation.revoke(["leaver"])
        await consortium.change(lambda root: edits.with_revocations(root, "Org3MSP", [path.read_bytes()]))
        with pytest.raises(SubmitError, match="permission denied"):
            await endorsed.submit()


async def test_a_reader_is_cut_off_by_its_revocation(fabric: FabricNetwork, consortium: Consortium) -> None:
    """The block that revokes is not sent to the one it revokes."""
    organisation = fabric.network.organisation("audit")
    organisation.issue("reader", role=NodeRole.CLIENT, attributes={"role": "auditor"})
    reader = fabric.identity("AuditMSP", "reader")
    height = (await consortium.configuration()).height
    async with peer_of(fabric, "Org1MSP") as peer:
        following = asyncio.create_task(_last_number(blocks(peer, reader, fabric.network.channel)))
        await asyncio.sleep(0)
        path = organisation.revoke(["reader"])
        changed = await consortium.change(
            lambda root: edits.with_revocations(root, "AuditMSP", [path.read_bytes()])
        )
        assert changed.block_number == height
        assert await following == (height - 1, "FORBIDDEN")


async def _last_number(stream: Any) -> tuple[int, str]:
    """Return the number of the last block that came, and why no other did."""
    last = -1
    try:
        async for block in stream:
            last = block.header.number
    except DeliverError as err:
        return last, err.status
    raise AssertionError("a stream without end ended")


async def test_the_orderer_refuses_what_lacks_consent(fabric: FabricNetwork, consortium: Consortium) -> None:
    current = await consortium.configuration()
    request = ConfigUpdateRequest.between(
        current.config, edits.with_batches(current.config.root, max_message_count=5)
    ).signed_by(fabric.identity("Org1MSP", ADMIN))
    with pytest.raises(ConsentError, match="BatchSize wants 'Admins' of 1 of"):
        await submit(fabric, request, current)
    envelope = request.envelope(fabric.identity("Org1MSP", ADMIN), datetime.now(UTC))
    with pytest.raises(BroadcastError, match="/Channel/Orderer/BatchSize not satisfied") as refused:
        await broadcast(orderer_endpoints(current.config), envelope)
    assert refused.value.status == "BAD_REQUEST"


async def test_an_auditor_sends_no_update(fabric: FabricNetwork, consortium: Consortium) -> None:
    current = await consortium.configuration()
    request = ConfigUpdateRequest.between(
        current.config, edits.with_batches(current.config.root, max_message_count=5)
    ).signed_by(fabric.identity("OrdererMSP", ADMIN))
    envelope = request.envelope(fabric.identity("AuditMSP", AUDITOR), datetime.now(UTC))
    with pytest.raises(BroadcastError) as refused:
        await broadcast(orderer_endpoints(current.config), envelope)
    assert refused.value.status == "FORBIDDEN"


async def test_of_two_updates_one_comes_first(fabric: FabricNetwork, consortium: Consortium) -> None:
    current = await consortium.configuration()
    both = [
        ConfigUpdateRequest.between(
            current.config, edits.with_batches(current.config.root, max_message_count=count)
        ).signed_by(fabric.identity("OrdererMSP", ADMIN))
        for count in (61, 62)
    ]
    outcomes = await asyncio.gather(*(submit(fabric, each, current) for each in both), return_exceptions=True)
    assert sum(isinstance(outcome, ConfigInForce) for outcome in outcomes) == 1, outcomes
    assert sum(isinstance(outcome, ConfigOvertakenError) for outcome in outcomes) == 1, outcomes


async def test_an_update_whose_answer_was_lost_is_found_in_force(
    fabric: FabricNetwork, consortium: Consortium
) -> None:
    current = await consortium.configuration()
    request = ConfigUpdateRequest.between(
        current.config, edits.with_batches(current.config.root, max_message_count=63)
    ).signed_by(fabric.identity("OrdererMSP", ADMIN))
    first = await submit(fabric, request, current)
    assert (await submit(fabric, request, current)).block_number == first.block_number


async def test_the_next_orderer_is_asked_where_one_is_down(
    fabric: FabricNetwork, consortium: Consortium
) -> None:
    current = await consortium.configuration()
    request = ConfigUpdateRequest.between(
        current.config,
        edits.with_anchor_peers(current.config.root, "Org2MSP", [Address("127.0.0.1", 1), _anchor(current)]),
    ).signed_by(fabric.identity("Org2MSP", ADMIN))
    down = OrdererEndpoint("127.0.0.1:1", fabric.tls_roots)
    async with peer_of(fabric, "Org2MSP") as peer:
        changed = await submit_config_update(
            request,
            current,
            gateway=Gateway(peer, fabric.identity("Org2MSP", ADMIN)),
            orderers=[down, *orderer_endpoints(current.config)],
        )
    assert changed.config.sequence == current.config.sequence + 1


def _anchor(current: ConfigInForce) -> Address:
    (anchor,) = next(
        each.anchor_peers for each in current.config.application.organizations if each.msp_id == "Org2MSP"
    )
    return anchor


async def test_a_file_is_signed_by_fabrics_own_command_too(
    fabric: FabricNetwork, consortium: Consortium, tmp_path: Path
) -> None:
    """One admin signs with our code, the other with `peer channel signconfigtx`."""
    current = await consortium.configuration()
    root = edits.with_auditor(current.config.root, "GuestMSP", _stranger(fabric).definition())
    request = ConfigUpdateRequest.between(current.config, root).signed_by(fabric.identity("Org1MSP", ADMIN))
    file = tmp_path / "update.pb"
    file.write_bytes(request.to_bytes())
    sign_with_fabric(fabric, "Org2MSP", file)
    signed = ConfigUpdateRequest.from_bytes(file.read_bytes())
    assert len(signed.signatures) == 2
    changed = await submit(fabric, signed, current)
    assert edits.auditors(changed.config.root) == ["AuditMSP", "GuestMSP"]
    await consortium.change(lambda root: edits.without(root, "GuestMSP"))


def sign_with_fabric(fabric: FabricNetwork, msp_id: str, file: Path) -> None:
    organisation = fabric.network.organisation(msp_id)
    subprocess.run(
        [find_binaries().peer, "channel", "signconfigtx", "-f", file],
        env={
            **os.environ,
            "FABRIC_CFG_PATH": str(fabric.network.folder / "fabric" / f"peer0.{organisation.domain}"),
            "CORE_PEER_LOCALMSPID": msp_id,
            "CORE_PEER_MSPCONFIGPATH": str(organisation.identity(ADMIN).msp_dir),
        },
        check=True,
        capture_output=True,
    )


def _stranger(fabric: FabricNetwork) -> Organisation:
    folder = fabric.network.folder.parent / "guest.example.com"
    return Organisation.create(folder, "GuestMSP", "guest.example.com")


def test_a_fourth_member_joins_with_its_peer_counts_and_leaves(fabric: FabricNetwork) -> None:
    require_joining_and_leaving(fabric)


def test_who_is_not_let_in_leaves_no_trace(fabric: FabricNetwork) -> None:
    network = Network.load(fabric.network.folder)
    with pytest.raises(NetworkError, match="Org2MSP is in the channel already"):
        admit(network, "org2", OrganisationKind.MEMBER, print)
    with pytest.raises(NetworkError, match="no name for an organisation"):
        admit(network, "Org 5", OrganisationKind.MEMBER, print)
    assert Network.load(network.folder).organisations == network.organisations


async def caught_up(fabric: FabricNetwork, msp_id: str, to: ConfigInForce) -> list[bytes]:
    """Return the chain of a peer that was cut off, once it is readable to its own organisation again."""
    async with asyncio.timeout(90):
        while True:
            try:
                found = await chain(fabric, msp_id)
            except DeliverError:
                found = []
            if len(found) >= to.height:
                return found
            await asyncio.sleep(0.5)


async def test_a_member_leaves_and_comes_back(fabric: FabricNetwork, consortium: Consortium) -> None:
    third = fabric.network.organisation("org3")
    await consortium.change(lambda root: edits.without(root, "Org3MSP"))
    async with fabric.contract("Org3MSP", through="Org1MSP", retry=ONCE) as contract:
        with pytest.raises(EvaluateError, match="access denied"):
            await contract.evaluate("registry:GetConsortium")
    async with fabric.contract("Org1MSP", retry=ONCE) as contract:
        await contract.submit(*vote())
        with pytest.raises(EndorseError):
            await contract.endorse(*vote(), endorsing_organizations=["Org3MSP"])
    anchor = Address("127.0.0.1", int(fabric.network.gateways("Org3MSP")[0].rpartition(":")[2]))
    changed = await consortium.change(
        lambda root: edits.with_member(root, "Org3MSP", third.definition(), [anchor])
    )
    report = verify_blocks(await caught_up(fabric, "Org3MSP", changed), anchor=fabric.genesis)
    assert report.violation is None
    async with fabric.contract("Org3MSP") as contract:
        await contract.submit(*vote())


def test_the_commands_do_the_same(
    fabric: FabricNetwork, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`network revoke` at once; and an auditor's admission by a file that two admins sign."""
    fabric.network.organisation("org1").issue("leaver", role=NodeRole.CLIENT)
    _told(capsys, "network", "revoke", "org1", "leaver", "--dir", fabric.network.folder)
    guest = Organisation.create(tmp_path / "guest", "VisitorMSP", "visitor.example.com")
    homes = [_home(fabric, name, tmp_path / name) for name in ("org1", "org2")]
    file = tmp_path / "admit.update"
    public = ("--auditor", "--msp", guest.dir / "msp")
    _told(capsys, "channel", "admit", file, "VisitorMSP", *public, "--home", homes[0])
    for home in homes:
        signed = _told(capsys, "channel", "sign", file, "--home", home)
    assert signed["complete"]
    submitted = _told(capsys, "channel", "submit", file, "--home", homes[1])
    shown = _told(capsys, "channel", "show", "--home", homes[0])
    assert shown["sequence"] == submitted["sequence"]
    assert [each["msp_id"] for each in shown["auditors"]] == ["AuditMSP", "VisitorMSP"]


def _home(fabric: FabricNetwork, name: str, folder: Path) -> Path:
    organisation = fabric.network.organisation(name)
    write_client_home(fabric.network, organisation, organisation.identity(ADMIN), folder)
    return folder


def _told(capsys: pytest.CaptureFixture[str], *words: str | Path) -> Any:
    """Return what a command prints, if it succeeds."""
    with pytest.raises(SystemExit) as leaving:
        main([*map(str, words), "--json"])
    said = capsys.readouterr()
    assert not leaving.value.code, said.err
    return json.loads(said.out)
