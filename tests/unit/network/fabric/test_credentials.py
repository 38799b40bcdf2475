"""Certificates that a Fabric network cannot run on: each is named with what is wrong with it."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from veilmesh_network.certificates import Validity
from veilmesh_network.errors import CredentialsError, NetworkError
from veilmesh_network.fabric.credentials import require_credentials
from veilmesh_network.fabric.plan import Orderers
from veilmesh_network.network import Network

_NOW = datetime.now(UTC).replace(microsecond=0)
_PAST = Validity(_NOW - timedelta(days=2), _NOW - timedelta(days=1))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "network"
    return Network.create(folder, members=1, orderers=Orderers.RAFT).folder


@pytest.fixture
def network(made: Path, tmp_path: Path) -> Network:
    return Network.load(shutil.copytree(made, tmp_path / "network"))


def _msp(network: Network, name: str) -> Path:
    return network.members[0].identity(name).msp_dir


def test_a_new_network_has_what_it_needs(network: Network) -> None:
    require_credentials(network)


def test_expired_tls_certificates_are_all_named_with_their_dates(network: Network) -> None:
    for organisation, files in (
        (network.orderer, network.orderer.identity("orderer1").tls),
        (network.members[0], network.members[0].service("chaincode")),
    ):
        assert files is not None
        pair = organisation.tls.issue_tls("late", hosts=("127.0.0.1",), validity=_PAST)
        files.certificate.write_bytes(pair.certificate_pem)
        files.key.write_bytes(pair.key_pem)
    with pytest.raises(CredentialsError) as found:
        require_credentials(network)
    said = str(found.value)
    for path in ("identities/orderer1/tls/server.crt", "services/chaincode/server.crt"):
        assert f"{path} expired on {_NOW - timedelta(days=1):%Y-%m-%d %H:%M:%S} UTC" in said
    assert said.endswith("have these issued anew by the organisation's authority")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (("AuditMSP", "admin"), "is of 'CN=ca.audit.example.com,O=audit.example.com', not of 'CN=ca.org1"),
        (("Org1MSP", "operator"), "is no peer's: its organizational units are ['client']"),
    ],
)
def test_the_msp_folder_of_somebody_else(network: Network, other: tuple[str, str], said: str) -> None:
    msp_id, name = other
    source = network.organisation(msp_id).identity(name).msp_dir
    shutil.rmtree(_msp(network, "peer0"))
    shutil.copytree(source, network.members[0].dir / "identities" / "peer0" / "msp")
    with pytest.raises(CredentialsError) as found:
        require_credentials(network)
    assert f"identities/peer0/msp {said}" in str(found.value)


def test_a_key_that_is_not_there_or_does_not_fit(network: Network) -> None:
    key = _msp(network, "admin") / "keystore" / "key.pem"
    key.write_bytes((_msp(network, "peer0") / "keystore" / "key.pem").read_bytes())
    with pytest.raises(CredentialsError, match="identities/admin/msp: private key does not belong to"):
        require_credentials(network)
    key.unlink()
    with pytest.raises(CredentialsError, match="holds 0 files where exactly one private key belongs"):
        require_credentials(network)


def test_an_identity_that_is_not_there(network: Network) -> None:
    shutil.rmtree(_msp(network, "peer0"))
    with pytest.raises(NetworkError, match="Org1MSP has no identity 'peer0'"):
        require_credentials(network)
