"""Which lists count, and what stops everybody."""

from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from veilmesh_network.certificates import CertificateAuthority
from veilmesh_node.errors import HomeError, UnauthenticatedError
from veilmesh_node.rpc.caller import Caller
from veilmesh_node.rpc.revocation_lists import RevocationLists

AUTHORITY = CertificateAuthority.create("tlsca.org1.example.com", organisation="org1.example.com")
STRANGER = CertificateAuthority.create("tlsca.org1.example.com", organisation="org1.example.com")
LEAVER, STAYER = (AUTHORITY.issue_tls(name).certificate for name in ("leaver", "stayer"))


def caller(certificate: x509.Certificate) -> Caller:
    digest = sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    return Caller(digest, certificate.issuer, certificate.serial_number, {})


@pytest.fixture
def lists(tmp_path: Path) -> RevocationLists:
    (tmp_path / "roots.pem").write_bytes(AUTHORITY.root.certificate_pem)
    return RevocationLists(tmp_path / "crls", tmp_path / "roots.pem")


def publish(tmp_path: Path, authority: CertificateAuthority, name: str = "crl.pem") -> Path:
    path = tmp_path / "crls" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(authority.revoke([LEAVER]).public_bytes(Encoding.PEM))
    return path


def test_a_list_counts_from_the_next_call_on(lists: RevocationLists, tmp_path: Path) -> None:
    lists.check(caller(LEAVER))
    path = publish(tmp_path, AUTHORITY)
    with pytest.raises(UnauthenticatedError, match="revoked"):
        lists.check(caller(LEAVER))
    lists.check(caller(STAYER))
    path.unlink()
    lists.check(caller(LEAVER))


def test_a_list_of_a_namesake_stops_everybody(lists: RevocationLists, tmp_path: Path) -> None:
    publish(tmp_path, STRANGER)
    with pytest.raises(HomeError, match="none of the client authorities signed it"):
        lists.check(caller(STAYER))


def test_an_unreadable_list_stops_everybody_and_the_start(lists: RevocationLists, tmp_path: Path) -> None:
    path = publish(tmp_path, AUTHORITY)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(HomeError, match=r"crl\.pem"):
        lists.check(caller(STAYER))
    with pytest.raises(HomeError, match=r"crl\.pem"):
        RevocationLists(tmp_path / "crls", tmp_path / "roots.pem")


def test_authorities_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match=r"roots\.pem"):
        RevocationLists(tmp_path, tmp_path / "roots.pem")
