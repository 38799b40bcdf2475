"""`python -m veilmesh_chaincode` as a process: it starts, answers, tells its figures and ends on SIGTERM."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path
from urllib.request import urlopen

import grpc.aio
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_network.certificates import CertificateAuthority

from tests.integration.chaincode.remote_peer import connected, dial
from tests.unit.chaincode.shim.fake_peer import FakePeer
from tests.unit.chaincode.shim.serving import creator

AUTHORITY = CertificateAuthority.create("tlsca.org1.example.com", "org1.example.com")


def environment(folder: Path, **changes: str) -> dict[str, str]:
    pair = AUTHORITY.issue_tls("chaincode", hosts=["localhost"])
    files = {
        "KEY": pair.key_pem,
        "CERT": pair.certificate_pem,
        "CLIENT_CACERT": AUTHORITY.root.certificate_pem,
    }
    for name, pem in files.items():
        (folder / name).write_bytes(pem)
    return {
        "PATH": os.environ["PATH"],
        "CHAINCODE_ID": "veilmesh_1.0:abcd",
        "CHAINCODE_SERVER_ADDRESS": "127.0.0.1:0",
        **{f"CHAINCODE_TLS_{name}": str(folder / name) for name in files},
        **changes,
    }


async def start(variables: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "veilmesh_chaincode", env=variables, stderr=asyncio.subprocess.PIPE
    )


async def line_with(process: asyncio.subprocess.Process, pattern: str) -> re.Match[str]:
    assert process.stderr is not None
    async for line in process.stderr:
        if found := re.search(pattern, line.decode()):
            return found
    raise AssertionError(f"the process ended without a line with {pattern!r}")


async def test_a_service_from_start_to_end(tmp_path: Path, unused_tcp_port: int) -> None:
    metrics = f"127.0.0.1:{unused_tcp_port}"
    process = await start(environment(tmp_path, CHAINCODE_METRICS_ADDRESS=metrics))
    port = int((await line_with(process, r"served on port (\d+)"))[1])
    own = AUTHORITY.issue_tls("peer0")
    peer = FakePeer()
    async with (
        dial(port, AUTHORITY.root.certificate_pem, own.certificate_pem, own.key_pem) as channel,
        connected(peer, channel) as call,
    ):
        answer = await peer.execute(b"registry:ListNodes", b"{}", creator=creator("operator"))
        refusal = Refusal.from_message(answer.message)
        assert refusal is not None
        assert refusal.code is RefusalCode.NOT_FOUNDED
        assert peer.package_id == "veilmesh_1.0:abcd"
        figures = await asyncio.to_thread(lambda: urlopen(f"http://{metrics}/metrics").read())
        assert b'veilmesh_chaincode_transactions_total{status="409"} 1.0' in figures
        assert b"veilmesh_chaincode_streams 1.0" in figures
        process.send_signal(signal.SIGTERM)
        assert (await call.code()).name == "OK"
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    variables = environment(tmp_path)
    process = await start(variables)
    port = int((await line_with(process, r"served on port (\d+)"))[1])
    own = AUTHORITY.issue_tls("peer0")

    async def answers(roots: bytes) -> bool:
        async with dial(port, roots, own.certificate_pem, own.key_pem) as channel:
            try:
                await HealthStub(channel).Check(HealthCheckRequest(), timeout=5)
            except grpc.aio.AioRpcError:
                return False
            return True

    other = CertificateAuthority.create("tlsca2.org1.example.com", "org1.example.com")
    roots = AUTHORITY.root.certificate_pem
    assert (await answers(roots), await answers(other.root.certificate_pem)) == (True, False)
    renewed = other.issue_tls("chaincode", hosts=["localhost"])
    (tmp_path / "KEY").write_bytes(renewed.key_pem)
    (tmp_path / "CERT").write_bytes(renewed.certificate_pem)
    assert (await answers(roots), await answers(other.root.certificate_pem)) == (False, True)
    process.terminate()
    assert await process.wait() == 0


async def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    process = await start(environment(tmp_path, CHAINCODE_ID=""))
    await line_with(process, r"the chaincode service cannot start: CHAINCODE_ID is not set")
    assert await process.wait() == 1
