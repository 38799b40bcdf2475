"""What operators and clients of a real network get wrong: one clear message at the command line, with what to
do, the right exit code, and a ledger that is still whole.

Elsewhere are: lying peers (`test_audit.py`, `tests/integration/audit`), lying chaincode
(`test_endorsement.py`), slow peers and messages above the limit (`test_gateway_errors.py`,
`test_refusals.py`), and a folder that is used wrongly while nothing in it is broken (`test_network_life.py`).
"""

import asyncio
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from os import kill
from pathlib import Path

import pytest
from veilmesh_fabric import SystemClock
from veilmesh_network import running
from veilmesh_network.certificates import CertificateAuthority, NodeRole, Validity
from veilmesh_network.errors import BringUpError, LedgerNotReadyError
from veilmesh_network.fabric.binaries import BIN_VARIABLE, find_binaries
from veilmesh_network.fabric.definition import Definition, approve
from veilmesh_network.fabric.deployment import approve_for, until_usable
from veilmesh_network.fabric.membership import Member, members_of
from veilmesh_network.fabric.package import ChaincodePackage, member_package
from veilmesh_network.fabric.plan import Orderers
from veilmesh_network.loopback import HOST
from veilmesh_network.network import AUDITOR, Network
from veilmesh_network.supervisor import LedgerProcess
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.provisioning import write_client_home
from veilmesh_node.demo.shell import Answer, run

from tests.fabric_network import (
    FabricNetwork,
    found_consortium,
    free_first_port,
    require_binaries,
    running_network,
)

pytestmark = pytest.mark.fabric

NOW = datetime.now(UTC).replace(microsecond=0)
PAST = Validity(NOW - timedelta(days=2), NOW - timedelta(days=1))
YESTERDAY = f"expired on {PAST.not_after:%Y-%m-%d %H:%M:%S} UTC"


def told(answer: Answer) -> str:
    """Return an error's message and hint, having looked that there is no traceback."""
    assert "Traceback" not in answer.said
    error = answer.document["error"]
    assert error["code"] != "DEFECT"
    return f"{error['message']} | {error['hint']}"


# --- Whoever brings a network up -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of one member, with a consortium in its ledger; down."""
    folder = tmp_path_factory.mktemp("made") / "network"
    with running_network(folder, members=1) as network:
        asyncio.run(found_consortium(network))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy for each test to spoil."""
    copy = shutil.copytree(made, tmp_path / "network")
    yield copy
    LedgerProcess(copy).stop()


def up(folder: Path) -> Answer:
    return run("network", "up", "--dir", folder)


def refused(folder: Path) -> str:
    """Return what `network up` says that fails; nothing is left running then."""
    answer = up(folder)
    assert answer.exit_code is ExitCode.FAILED
    assert LedgerProcess(folder).pid() is None
    return told(answer)


def require_whole(folder: Path, blocks: int) -> None:
    audit = run("audit", "verify", "--home", folder / "auditor")
    assert audit.exit_code is ExitCode.OK, audit.document
    assert audit.document["blocks"] == blocks


FOUNDED = 4  # blocks: the channel's first, the approval, the definition, the founding


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        (("v2.2.15", "v2.2.15"), "is Fabric v2.2.15, which is not supported: take `peer` and `orderer` of"),
        (("v3.1.5", "v2.5.12"), "orderer is v2.5.12: they must be of one release"),
    ],
)
def test_binaries_of_the_wrong_version(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, versions: tuple[str, str], said: str
) -> None:
    _put_in_place_of_binaries(tmp_path, monkeypatch, *versions)
    assert said in refused(folder)


def test_binaries_too_old_for_the_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Network.create(tmp_path / "network", members=1, orderers=Orderers.RAFT, port=free_first_port())
    _put_in_place_of_binaries(tmp_path, monkeypatch, "v2.5.12", "v2.5.12")
    assert "the network was made for Fabric 3, and" in refused(made.folder)


def _put_in_place_of_binaries(
    folder: Path, monkeypatch: pytest.MonkeyPatch, peer_version: str, orderer_version: str
) -> None:
    for name, version in (("peer", peer_version), ("orderer", orderer_version)):
        (folder / name).write_text(f"#!/bin/sh\necho 'Version: {version}'\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv(BIN_VARIABLE, str(folder))


@pytest.mark.parametrize(
    ("process", "step"), [("orderer1.example.com", "1 orderer"), ("peer0.org1.example.com", "1 peer")]
)
def test_a_port_that_is_taken_after_it_was_looked_at(folder: Path, process: str, step: str) -> None:
    """Such an orderer or peer panics; what is told is its reason."""
    settings = Network.load(folder).require_fabric()
    orderer, peer = settings.ports.orderer(1), settings.ports.member(1)
    port = orderer.operations if process.startswith("orderer") else peer.chaincode_callback
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(BringUpError) as failed:
            LedgerProcess(folder).start("veilmesh_network.fabric.supervise", patience_s=120)
    said = str(failed.value)
    assert said.startswith(f"{step} started: {process} ended (exit status 2): ")
    assert f"{port}: bind: address already in use; another process has taken the port meanwhile" in said
    assert "goroutine" not in said
    assert LedgerProcess(folder).pid() is None


def _expired_peer(network: Network) -> str:
    member = network.members[0]
    pair = member.tls.issue_tls("peer0.org1.example.com", hosts=("127.0.0.1",), validity=PAST)
    files = member.identity("peer0").tls
    assert files is not None
    files.certificate.write_bytes(pair.certificate_pem)
    files.key.write_bytes(pair.key_pem)
    return f"TLS certificate {files.certificate} {YESTERDAY}; have these issued anew"


def _another_organisations_msp(network: Network) -> str:
    mine, other = network.members[0].identity("peer0").msp_dir, network.auditors[0].identity("admin").msp_dir
    shutil.rmtree(mine)
    shutil.copytree(other, mine)
    return f"identity in {mine} is of 'CN=ca.audit.example.com,O=audit.example.com', not of 'CN=ca.org1"


def _no_msp(network: Network) -> str:
    shutil.rmtree(network.members[0].identity("peer0").msp_dir)
    return "Org1MSP has no identity 'peer0'"


def _half_made(network: Network) -> str:
    (network.folder / "network.toml").unlink()
    return "is not empty and holds no network: choose another folder, or remove this one"


def _no_network(network: Network) -> str:
    (network.folder / "network.toml").write_text("channel = 1\n")
    return f"the network in {network.folder} cannot be read: KeyError('organisations')"


@pytest.mark.parametrize(
    "spoil", [_expired_peer, _another_organisations_msp, _no_msp, _half_made, _no_network]
)
def test_a_folder_that_is_not_in_order(folder: Path, spoil: Callable[[Network], str]) -> None:
    said = spoil(Network.load(folder))
    assert said in refused(folder)


def test_data_of_another_network_are_moved_away_as_told(folder: Path) -> None:
    peer = folder / "fabric" / "peer0.org1.example.com"
    (peer / "channel.sha256").write_text("0" * 64 + "\n")
    assert f"{peer / 'data'} holds the ledger of another network" in refused(folder)
    (peer / "data").rename(peer / "others")
    assert up(folder).exit_code is ExitCode.OK
    require_whole(folder, FOUNDED)


def test_an_orderer_that_lost_its_blocks_orders_no_second_chain(folder: Path) -> None:
    data = folder / "fabric" / "orderer1.example.com" / "data"
    data.rename(data.with_name("lost"))
    assert f"peer0.org1.example.com has {FOUNDED} blocks and the orderers only 1" in refused(folder)
    shutil.rmtree(data)
    data.with_name("lost").rename(data)
    assert up(folder).exit_code is ExitCode.OK
    require_whole(folder, FOUNDED)


def test_half_started_and_killed_it_goes_on(tmp_path: Path) -> None:
    require_binaries()
    network = Network.create(
        tmp_path / "network",
        members=1,
        orderers=Orderers.RAFT,
        port=free_first_port(),
        channel_capability=find_binaries().release.channel_capability,
    )
    process = LedgerProcess(network.folder)

    def killed_when_installed(step: str) -> None:
        if "installed" in step and (pid := process.pid()) is not None:
            kill(pid, signal.SIGKILL)

    with pytest.raises(LedgerNotReadyError, match=r"did not start: see .*ledger\.log"):
        process.start("veilmesh_network.fabric.supervise", progress=killed_when_installed, patience_s=120)
    try:
        assert up(network.folder).exit_code is ExitCode.OK
        require_whole(network.folder, FOUNDED - 1)
    finally:
        running.down(network.folder)


# --- Whoever uses one ------------------------------------------------------------------------------------


@pytest.fixture
def home(fabric_network: FabricNetwork, tmp_path: Path) -> Path:
    """A client's home on the shared network, for each test to spoil."""
    asyncio.run(found_consortium(fabric_network))
    network = fabric_network.network
    write_client_home(network, network.auditors[0], network.auditors[0].identity(AUDITOR), tmp_path / "home")
    return tmp_path / "home"


def _set(home: Path, name: str, value: str) -> None:
    lines = (home / "client.toml").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(f"{name} = ")]
    assert len(kept) == len(lines) - 1
    (home / "client.toml").write_text("\n".join([f"{name} = {value}", *kept]) + "\n")


def _of_another_msp(home: Path, network: Network) -> None:
    del network
    _set(home, "msp_id", '"Org1MSP"')


def _no_such_folder(home: Path, network: Network) -> None:
    del network
    _set(home, "msp", '"elsewhere"')


def _definition_of_the_organisation(home: Path, network: Network) -> None:
    """The folder that a channel's configuration is made of, which holds no identity."""
    shutil.rmtree(home / "msp")
    shutil.copytree(network.auditors[0].dir / "msp", home / "msp")


def _expired(home: Path, network: Network) -> None:
    pair = network.auditors[0].signing.issue_signing("late", role=NodeRole.CLIENT, validity=PAST)
    (certificate,) = (home / "msp" / "signcerts").iterdir()
    (key,) = (home / "msp" / "keystore").iterdir()
    certificate.write_bytes(pair.certificate_pem)
    key.write_bytes(pair.key_pem)


def _other_roots(home: Path, network: Network) -> None:
    del network
    stranger = CertificateAuthority.create("tlsca.org9.example.com", "org9.example.com")
    (home / "gateway-roots.pem").write_bytes(stranger.root.certificate_pem)


def _nobody_there(home: Path, network: Network) -> None:
    del network
    _set(home, "gateways", '["127.0.0.1:1"]')


def _other_channel(home: Path, network: Network) -> None:
    del network
    _set(home, "channel", '"elsewhere"')


def _other_chaincode(home: Path, network: Network) -> None:
    del network
    _set(home, "chaincode", '"nothing"')


@pytest.mark.parametrize(
    ("spoil", "exit_code", "said"),
    [
        (_of_another_msp, ExitCode.REFUSED, ("creator org unknown", "do `msp_id` and the MSP folder belong")),
        (_no_such_folder, ExitCode.USAGE, ("no signing certificate: ", "home/elsewhere/signcerts")),
        (_definition_of_the_organisation, ExitCode.USAGE, ("no signing certificate: ", "home/msp/signcerts")),
        (_expired, ExitCode.USAGE, ("home/msp: certificate 'CN=late", YESTERDAY)),
        (_other_roots, ExitCode.UNAVAILABLE, ("CN=tlsca.org", "which the TLS roots given here do not hold")),
        (_nobody_there, ExitCode.UNAVAILABLE, ("127.0.0.1:1: Connection refused", "is the ledger up")),
        (_other_channel, ExitCode.UNAVAILABLE, ("for channel [elsewhere]", "the channel and the chaincode")),
        (_other_chaincode, ExitCode.UNAVAILABLE, ("chaincode nothing", "the channel and the chaincode")),
    ],
)
def test_a_clients_home_that_is_not_in_order(
    fabric_network: FabricNetwork,
    home: Path,
    spoil: Callable[[Path, Network], None],
    exit_code: ExitCode,
    said: tuple[str, ...],
) -> None:
    spoil(home, fabric_network.network)
    answer = run("policy", "show", "--home", home)
    assert answer.exit_code is exit_code
    for words in said:
        assert words in told(answer)


@pytest.mark.parametrize("off_s", [-75, 75, -3600, 3600])
def test_a_clients_clock_that_is_off(home: Path, off_s: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemClock, "now", lambda _: datetime.now(UTC) + timedelta(seconds=off_s))
    answer = run("policy", "show", "--home", home)
    assert (answer.exit_code, answer.refusal) == (ExitCode.REFUSED, "CLOCK_SKEW")
    tellable = {f"is {near:+d} s off the" for near in range(off_s - 2, off_s + 3)}
    assert any(words in told(answer) for words in tellable)
    assert "set this machine's clock" in told(answer)


def test_the_first_block_of_another_network(home: Path, made: Path) -> None:
    shutil.copy(made / "channel.block", home / "channel.block")
    answer = run("audit", "verify", "--home", home)
    assert answer.exit_code is ExitCode.INTEGRITY
    assert "block 0 is not the trusted one" in answer.document["violation"]["message"]


@asynccontextmanager
async def third_member(network: Network) -> AsyncIterator[tuple[Member, Definition, ChaincodePackage]]:
    """Yield a member, the definition in force, and the package that its peer has installed for that."""
    async with members_of(network) as (_, _, member):
        definition = Definition(network.chaincode, network.require_fabric().chaincode_version, 1)
        address = f"{HOST}:{member.ports.chaincode}"
        yield member, definition, member_package(member.organisation, address, definition.label)


async def approve_another(network: Network, package_id: str) -> None:
    async with third_member(network) as (member, definition, _):
        await approve(member.lifecycle(network.channel), definition, package_id, member.msp_id)


async def approve_the_right_one(network: Network) -> None:
    """As each `up` does."""
    async with third_member(network) as (member, definition, package):
        await approve_for(member, network.channel, definition, package)
        await until_usable(member, network.channel, network.chaincode, "registry:GetConsortium")


def test_a_package_approved_under_another_id_by_one_member(fabric_network: FabricNetwork, home: Path) -> None:
    """The others go on; what is wrong stands in the status, and approving the right one mends it."""
    network = fabric_network.network
    package_id = f"veilmesh_1.0:{'0' * 64}"
    asyncio.run(approve_another(network, package_id))
    try:
        status = run("network", "status", "--dir", network.folder)
        assert [peer["installed"] for peer in status.document["peers"]] == [True, True, False]
        said = "does not answer"
        for _ in range(5):  # peers of a busy machine may take longer than a status waits
            if "does not answer" in said:
                said = run("network", "status", "--dir", network.folder, as_json=False).said
        assert (
            f"Org3MSP approved package {package_id}, which peer0.org3.example.com has not installed" in said
        )
        assert run("registry", "organisations", "--home", home).exit_code is ExitCode.OK
    finally:
        asyncio.run(approve_the_right_one(network))
    status = run("network", "status", "--dir", network.folder)
    assert [peer["installed"] for peer in status.document["peers"]] == [True, True, True]


def test_after_all_that_the_shared_ledger_is_whole(home: Path) -> None:
    audit = run("audit", "verify", "--home", home)
    assert audit.exit_code is ExitCode.OK
    assert len(audit.document["peers"]) == 3
