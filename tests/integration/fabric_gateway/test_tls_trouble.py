"""Why there is no TLS connection: the error names the cause, and what to do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest
from fabric_protos.gateway import gateway_pb2_grpc
from veilmesh_fabric import (
    DeliverError,
    EvaluateError,
    Gateway,
    GatewayAddress,
    Gateways,
    RetryPolicy,
    SigningIdentity,
    TlsClient,
    TlsPair,
)
from veilmesh_fabric.tls_probe import probe
from veilmesh_network.certificates import CertificateAuthority, KeyPair, Validity

from tests.integration.fabric_gateway.scripted_peer import ScriptedPeer

NOW = datetime.now(UTC).replace(microsecond=0)
HOSTS = ("localhost", "127.0.0.1")
ONCE = RetryPolicy(attempts=1)


@asynccontextmanager
async def listening(pair: KeyPair, *, clients: CertificateAuthority | None = None) -> AsyncIterator[str]:
    """A peer that shows `pair`, and asks clients for a certificate of `clients`, if given."""
    server = grpc.aio.server()
    gateway_pb2_grpc.add_GatewayServicer_to_server(ScriptedPeer([]), server)
    credentials = grpc.ssl_server_credentials(
        [(pair.key_pem, pair.certificate_pem)],
        None if clients is None else clients.root.certificate_pem,
        require_client_auth=clients is not None,
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=None)


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks a gateway, and returns what went wrong."""

    identity: SigningIdentity

    async def trouble(self, address: GatewayAddress, tls: TlsClient) -> str:
        async with Gateways.dial([address], lambda: tls) as gateways:
            gateway = Gateway(gateways, self.identity, retry=ONCE)
            with pytest.raises(EvaluateError) as not_evaluated:
                await gateway.contract("veil", "mesh").evaluate("Get")
            assert not_evaluated.value.code is grpc.StatusCode.UNAVAILABLE
            with pytest.raises(DeliverError) as not_delivered:
                await gateway.height("veil")
            assert not_evaluated.value.message == str(not_delivered.value)
            return not_evaluated.value.message


@pytest.fixture(scope="session")
def asker(alice: SigningIdentity) -> Asker:
    return Asker(alice)


@pytest.fixture(scope="session")
def stranger() -> CertificateAuthority:
    return CertificateAuthority.create("tlsca.org9.example.com", "org9.example.com")


@pytest.mark.parametrize(
    ("begins", "ends", "said"),
    [
        (-2, -1, f"expired on {NOW - timedelta(days=1):%Y-%m-%d %H:%M} UTC: have it renewed"),
        (1, 2, "check this machine's clock"),
    ],
    ids=["expired", "not yet"],
)
async def test_a_server_certificate_out_of_its_time(
    tls_authority: CertificateAuthority, asker: Asker, begins: int, ends: int, said: str
) -> None:
    validity = Validity(NOW + timedelta(days=begins), NOW + timedelta(days=ends))
    pair = tls_authority.issue_tls("peer0", hosts=HOSTS, validity=validity)
    async with listening(pair) as address:
        told = await asker.trouble(GatewayAddress(address), TlsClient(tls_authority.root.certificate_pem))
    assert told.startswith(f"gateway {address}: ")
    assert said in told


async def test_a_server_of_another_authority(
    tls_authority: CertificateAuthority, stranger: CertificateAuthority, asker: Asker
) -> None:
    async with listening(tls_authority.issue_tls("peer0", hosts=HOSTS)) as address:
        told = await asker.trouble(GatewayAddress(address), TlsClient(stranger.root.certificate_pem))
    assert "CN=tlsca.org1.example.com" in told
    assert "which the TLS roots given here do not hold" in told


async def test_a_server_of_an_authority_that_was_made_anew(
    tls_authority: CertificateAuthority, asker: Asker
) -> None:
    earlier = CertificateAuthority.create("tlsca.org1.example.com", "org1.example.com")
    async with listening(tls_authority.issue_tls("peer0", hosts=HOSTS)) as address:
        told = await asker.trouble(GatewayAddress(address), TlsClient(earlier.root.certificate_pem))
    assert told.endswith("do not hold (they hold one of that name, with another key: of another network?)")


async def test_a_server_of_another_name(tls_authority: CertificateAuthority, asker: Asker) -> None:
    roots = TlsClient(tls_authority.root.certificate_pem)
    async with listening(tls_authority.issue_tls("peer0", hosts=("peer0.example.com",))) as address:
        told = await asker.trouble(GatewayAddress(address), roots)
        assert "not for '127.0.0.1' but for" in told
        assert "'peer0.example.com'" in told
        told = await asker.trouble(GatewayAddress.parse(f"{address} as peer1.example.com"), roots)
        assert "not for 'peer1.example.com'" in told


async def test_a_server_that_asks_for_a_certificate(
    tls_authority: CertificateAuthority, stranger: CertificateAuthority, asker: Asker
) -> None:
    roots = tls_authority.root.certificate_pem
    pair = stranger.issue_tls("client.org9.example.com")
    async with listening(tls_authority.issue_tls("peer0", hosts=HOSTS), clients=tls_authority) as address:
        assert "none is given here" in await asker.trouble(GatewayAddress(address), TlsClient(roots))
        shown = TlsClient(roots, TlsPair(pair.certificate_pem, pair.key_pem))
        assert "not of an authority it trusts" in await asker.trouble(GatewayAddress(address), shown)


async def test_a_name_that_is_none(tls_authority: CertificateAuthority) -> None:
    told = await probe("127.0.0.1:1", "x" * 70, TlsClient("ü".encode() + tls_authority.root.certificate_pem))
    assert told == "Connection refused" or "label" in told


async def test_nobody_there(tls_authority: CertificateAuthority, asker: Asker) -> None:
    told = await asker.trouble(GatewayAddress("127.0.0.1:1"), TlsClient(tls_authority.root.certificate_pem))
    assert told == "gateway 127.0.0.1:1: Connection refused"


async def test_a_renewed_authority_is_trusted_without_a_restart(
    tls_authority: CertificateAuthority,
    stranger: CertificateAuthority,
    alice: SigningIdentity,
    tmp_path: Path,
) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_bytes(stranger.root.certificate_pem)
    async with (
        listening(tls_authority.issue_tls("peer0", hosts=HOSTS)) as address,
        Gateways.dial([GatewayAddress(address)], TlsClient.in_files(roots)) as gateways,
    ):
        contract = Gateway(gateways, alice, retry=ONCE).contract("veil", "mesh")
        with pytest.raises(EvaluateError, match="do not hold"):
            await contract.evaluate("Get")
        both = stranger.root.certificate_pem + "# Zürich\n".encode() + tls_authority.root.certificate_pem
        roots.write_bytes(both)
        assert await contract.evaluate("Get", "a") == b"Get a"
