"""Certificates and keys that are renewed while a node runs."""

import asyncio
import shutil
import socket
import ssl
import urllib.request
from collections.abc import Callable
from hashlib import sha256

import pytest
from veilmesh_chaincode.records.registry import NodeStatus
from veilmesh_network.certificates import NodeRole
from veilmesh_network.organisation import IdentityFiles

from tests.integration.node.live_consortium import LiveConsortium, LiveNode


@pytest.fixture(scope="module")
def node(consortium: LiveConsortium) -> LiveNode:
    node = consortium.add_node("org3", name="renewed")
    node.start()
    return node


def issued(node: LiveNode, name: str) -> IdentityFiles:
    """Return what the organisation issues for a renewal."""
    return node.organisation.issue(
        name, role=NodeRole.CLIENT, attributes={"role": "node"}, tls_hosts=("127.0.0.1",)
    )


def shown(node: LiveNode) -> str:
    """Return the digest of the certificate that the node shows to its organisation's applications."""
    operator = node.organisation.identity("operator")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    assert operator.tls is not None
    context.load_cert_chain(operator.tls.certificate, operator.tls.key)
    host, _, port = node.config.api_listen.rpartition(":")
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain) as wrapped:
        certificate = wrapped.getpeercert(binary_form=True)
    assert certificate is not None
    return sha256(certificate).hexdigest()


def metric(node: LiveNode, line: str) -> float:
    with urllib.request.urlopen(f"http://{node.config.metrics_listen}/metrics") as answer:
        text = answer.read().decode()
    (found,) = [each for each in text.splitlines() if each.startswith(line)]
    return float(found.rpartition(" ")[2])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - a node tells nobody
            await asyncio.sleep(0.2)


async def test_a_tls_certificate_is_shown_and_registered_once_its_key_is_there(node: LiveNode) -> None:
    before = node.home.tls_certificate_sha256()
    renewed = issued(node, "renewed-tls").tls
    assert renewed is not None
    expiry = metric(node, 'veilmesh_certificate_expiry_seconds{certificate="tls"}')

    shutil.copyfile(renewed.certificate, node.home.tls_certificate)
    assert await asyncio.to_thread(shown, node) == before
    await until(lambda: metric(node, 'veilmesh_renewal_waits{certificate="tls"}') == 1)

    shutil.copyfile(renewed.key, node.home.tls_key)
    after = node.home.tls_certificate_sha256()
    await until(lambda: shown(node) == after != before)
    assert metric(node, 'veilmesh_renewal_waits{certificate="tls"}') == 0
    assert metric(node, 'veilmesh_certificate_expiry_seconds{certificate="tls"}') > expiry

    async with node.ledger() as ledger, asyncio.timeout(20):
        while (record := await ledger.node(node.config.node_id)).tls_certificate_sha256 != after:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.2)
    assert record.status is NodeStatus.PENDING  # members look at it again
    assert "Traceback" not in node.log.read_text()


async def test_an_identity_is_used_from_the_next_call_on(node: LiveNode) -> None:
    renewed = issued(node, "renewed-identity")
    for name in ("signcerts", "keystore"):
        (source,) = (renewed.msp_dir / name).iterdir()
        (target,) = (node.home.msp / name).iterdir()
        shutil.copyfile(source, target)
    await until(lambda: "read anew" in node.log.read_text())
    status = await node.settled()
    assert status.ledger_reachable
    assert metric(node, 'veilmesh_renewal_waits{certificate="identity"}') == 0
