"""The commands of docs/operators-guide.md, run as they stand there by Fabric's own command line tools.

The guide's boxes marked `bash` are one script, its `configtx.yaml` is written first; what a Fabric CA would
have issued comes from the development authorities, and orderer and peers are started as services would be.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from veilmesh_chaincode.records.registry import FoundConsortium
from veilmesh_fabric import Gateway, RetryPolicy, SigningIdentity, connect
from veilmesh_network.fabric.binaries import BIN_VARIABLE, Release, find_binaries
from veilmesh_network.fabric.configuration import Program, orderer_program, peer_program
from veilmesh_network.fabric.plan import Orderers, PortPlan
from veilmesh_network.loopback import HOST
from veilmesh_network.network import OPERATOR, Network

from tests.conftest import PROJECT
from tests.fabric_network import free_first_port, require_binaries

GUIDE = PROJECT / "docs" / "operators-guide.md"
TOOLS = ("configtxgen", "osnadmin")
START_TIMEOUT_S = 30
PATIENT = RetryPolicy(attempts=40)  # the new release of the chaincode has only just been started

pytestmark = pytest.mark.fabric


@pytest.fixture
def network(tmp_path: Path) -> Network:
    """Two members, an auditor and an orderer: their certificates alone."""
    require_binaries()
    missing = [tool for tool in TOOLS if shutil.which(tool, path=_path()) is None]
    if missing:
        pytest.skip(f"the operator's guide also needs {', '.join(missing)} of Fabric's release archive")
    return Network.create(
        tmp_path / "network",
        members=2,
        port=free_first_port(),
        orderers=Orderers.RAFT,
        channel_capability=find_binaries().release.channel_capability,
    )


async def test_the_guide_as_it_stands(network: Network, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "organisations").symlink_to(network.folder / "organisations")
    (network.folder / "organisations" / "orderer.example.com").symlink_to(network.orderer.dir)
    assert network.fabric is not None
    ports = network.fabric.ports
    with _started(network, ports):
        try:
            _run_guide(work, network, ports)
            await _founds_the_consortium(network)
        finally:
            _end_services(work)


async def _founds_the_consortium(network: Network) -> None:
    """Submit a first change: it takes both members' services, of the release that the guide ended with."""
    member = network.members[0]
    identity = SigningIdentity.from_msp_folder(member.identity(OPERATOR).msp_dir, member.msp_id)
    request = FoundConsortium(members=["Org1MSP", "Org2MSP"], auditors=["AuditMSP"])
    async with connect(network.gateways(member.msp_id)[0], network.tls_roots.read_bytes()) as channel:
        contract = Gateway(channel, identity, retry=PATIENT).contract("veilmesh", "veilmesh")
        submitted = await contract.submit("registry:FoundConsortium", request.to_bytes())
    assert submitted.block_number > 5  # after genesis, four approvals and two definitions


@contextmanager
def _started(network: Network, ports: PortPlan) -> Iterator[None]:
    binaries = find_binaries()
    programs = [
        orderer_program(network, "orderer1", ports.orderer(1), binaries),
        *(
            peer_program(network, member, ports.member(number), binaries)
            for number, member in enumerate(network.members, start=1)
        ),
    ]
    processes = [_start(program) for program in programs]
    try:
        for port in (ports.orderer(1).admin, *(ports.member(number).peer for number in (1, 2))):
            _await_listening(port)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _start(program: Program) -> subprocess.Popen[bytes]:
    with program.log.open("wb") as log:
        return subprocess.Popen(program.arguments, env=dict(program.environment), stdout=log, stderr=log)


def _await_listening(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, f"nothing listens on port {port}"
            time.sleep(0.05)
        else:
            return


def _run_guide(work: Path, network: Network, ports: PortPlan) -> None:
    variables = {
        "orderer_host": HOST,
        "orderer_port": str(ports.orderer(1).service),
        "orderer": f"{HOST}:{ports.orderer(1).service}",
        "orderer_admin": f"{HOST}:{ports.orderer(1).admin}",
    }
    for number in (1, 2):
        member = ports.member(number)
        variables |= {
            f"peer{number}_host": HOST,
            f"peer{number}_port": str(member.peer),
            f"peer{number}": f"{HOST}:{member.peer}",
            f"chaincode{number}": f"{HOST}:{member.chaincode}",
            f"new_chaincode{number}": f"{HOST}:{member.chaincode_metrics}",
        }
    configuration = {"FABRIC_CFG_PATH": str(network.folder / "fabric" / "peer0.org1.example.com")}
    environment = {
        **os.environ,
        **variables,
        **configuration,
        "FABRIC_LOGGING_SPEC": "error",
        "PATH": _path(),
    }
    (work / "guide.sh").write_text(_script())
    with (work / "guide.log").open("wb") as log:
        done = subprocess.run(
            ["bash", "guide.sh"],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, (work / "guide.log").read_text()[-3000:]


def _script() -> str:
    """Return the guide's commands; the chaincode services that it starts are left running, told by pid."""
    boxes = re.findall(r"^```(bash|yaml)\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    (configtx,) = [text for kind, text in boxes if kind == "yaml" and text.startswith("# configtx.yaml")]
    if find_binaries().release is Release.V2_5:
        configtx, changed = re.subn(r"\{V3_0: true\}(?= +# V2_0 on Fabric 2\.5)", "{V2_0: true}", configtx)
        assert changed == 1
    commands = [text for kind, text in boxes if kind == "bash"]
    assert len(commands) > 5
    return "\n".join(
        [
            "set -euo pipefail",
            "trap 'jobs -p > services.pids' EXIT",
            f"cat > configtx.yaml <<EOF\n{configtx}EOF",
            *commands,
        ]
    )


def _end_services(work: Path) -> None:
    for line in (work / "services.pids").read_text().split():
        os.kill(int(line), 15)


def _path() -> str:
    """Return where tools and this very Python are found."""
    folders = [str(Path(sys.executable).parent), os.environ.get(BIN_VARIABLE), os.environ["PATH"]]
    return os.pathsep.join(filter(None, folders))
