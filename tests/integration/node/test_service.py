"""The node as a process: how it starts, why it does not, how it ends."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from veilmesh_ml.onnx_encoder import OnnxEncoder
from veilmesh_network.certificates import NodeRole, Validity
from veilmesh_network.loopback import free_port
from veilmesh_node.cli.exit import ExitCode

from tests.integration.node.live_consortium import LiveConsortium, LiveNode
from tests.unit.ml.tiny_onnx import write_encoder

pytestmark = pytest.mark.faces


def start_and_fail(node: LiveNode, exit_code: ExitCode = ExitCode.USAGE) -> str:
    """Start a node that cannot start; return what it says."""
    node.launch()
    assert isinstance(node.process, subprocess.Popen)
    assert node.process.wait(timeout=60) == exit_code
    return next(line for line in node.log.read_text().splitlines() if line.startswith("error: "))


@pytest.fixture
def node(consortium: LiveConsortium, request: pytest.FixtureRequest) -> LiveNode:
    name = "n" + str(abs(hash(request.node.name)))[:10]
    return consortium.add_node("org3", name=name)


def test_a_wrong_passphrase(node: LiveNode) -> None:
    node.passphrase_file.write_text("incorrect horse\n")
    assert start_and_fail(node, ExitCode.FAILED) == "error: the passphrase does not open the node's key file"


def test_a_missing_passphrase_file(node: LiveNode) -> None:
    node.passphrase_file.unlink()
    assert "does not exist" in start_and_fail(node)


def test_a_folder_that_is_no_home(node: LiveNode) -> None:
    (node.home.folder / "node.toml").unlink()
    assert start_and_fail(node).endswith("is no node's home: it has no node.toml")


def test_settings_that_are_wrong(node: LiveNode) -> None:
    with (node.home.folder / "node.toml").open("a") as file:
        file.write('colour = "blue"\n')
    assert "colour: Extra inputs are not permitted" in start_and_fail(node)


async def test_another_encoder(node: LiveNode) -> None:
    with (node.home.folder / "node.toml").open("a") as file:
        file.write('encoder = "tiny.onnx"\n')
    assert "cannot read" in start_and_fail(node)
    encoder = write_encoder(node.home.folder)
    node.launch()
    status = await node.wait_until_answering()
    assert status.model_digest == OnnxEncoder.load(encoder).model_digest
    assert node.stop() == ExitCode.OK


def test_one_process_to_a_vault(org1: LiveNode) -> None:
    second = LiveNode("second", org1.organisation, org1.home, org1.config, org1.consortium)
    second.passphrase_file.write_text("correct horse\n")
    assert "is in use by another process" in start_and_fail(second, ExitCode.FAILED)


def test_an_address_that_is_taken(org1: LiveNode, node: LiveNode) -> None:
    file = node.home.folder / "node.toml"
    file.write_text(file.read_text().replace(node.config.api_listen, org1.config.api_listen))
    assert f"cannot listen on {org1.config.api_listen}" in start_and_fail(node)


def test_an_expired_identity(node: LiveNode) -> None:
    now = datetime.now(UTC)
    expired = node.organisation.issue(
        f"{node.name}-expired",
        role=NodeRole.CLIENT,
        attributes={"role": "node"},
        validity=Validity(now - timedelta(days=2), now - timedelta(days=1)),
    )
    (node.home.msp / "signcerts" / "cert.pem").write_bytes(expired.certificate.read_bytes())
    (node.home.msp / "keystore" / "key.pem").write_bytes(expired.key.read_bytes())
    assert "expired on" in start_and_fail(node)


def test_a_node_stops_when_told(node: LiveNode) -> None:
    node.start()
    assert node.stop() == 0
    assert "Traceback" not in node.log.read_text()


async def test_without_a_ledger_a_node_waits(node: LiveNode, consortium: LiveConsortium) -> None:
    file = node.home.folder / "node.toml"
    file.write_text(file.read_text().replace(consortium.network.address, f"127.0.0.1:{free_port()}"))
    node.launch()
    status = await node.wait_until_answering()
    assert not status.ledger_reachable
    assert not status.agreement_checked
    node.kill()


def test_the_home_is_the_owners_alone(node: LiveNode) -> None:
    def mode(path: Path) -> int:
        return path.stat().st_mode & 0o777

    home = node.home
    assert mode(home.folder) == 0o700
    secrets = [home.key_file, home.tls_key, home.msp / "keystore" / "key.pem", home.vault / "vault.db"]
    assert {mode(path) for path in secrets} == {0o600}
