"""Certificates and keys that change under a client that runs."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest
from veilmesh_fabric import IdentityError, SigningIdentity
from veilmesh_fabric.tls import TlsClient, TlsPair

from tests.unit.fabric.identities import NOW, certificate_pem, key_pem, p256


def write_pair(folder: Path, name: str, *, days: int = 1) -> None:
    """Write an MSP folder with a new key."""
    key = p256()
    (folder / "signcerts").mkdir(parents=True, exist_ok=True)
    (folder / "keystore").mkdir(exist_ok=True)
    (folder / "signcerts" / "cert.pem").write_bytes(
        certificate_pem(
            key,
            name,
            not_before=NOW + timedelta(days=days - 1, hours=-1),
            not_after=NOW + timedelta(days=days),
        )
    )
    (folder / "keystore" / "key.pem").write_bytes(key_pem(key))


def test_an_identity_is_read_again_when_its_files_change(tmp_path: Path) -> None:
    write_pair(tmp_path, "old")
    identity = SigningIdentity.in_msp_folder(tmp_path, "Org1MSP")
    old = identity()
    assert identity() is old
    write_pair(tmp_path, "new")
    assert identity().certificate.common_name == "new"


def test_a_certificate_without_its_key_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_pair(tmp_path / "now", "old")
    write_pair(tmp_path / "next", "new")
    identity = SigningIdentity.in_msp_folder(tmp_path / "now", "Org1MSP")
    certificate, key = "signcerts/cert.pem", "keystore/key.pem"
    (tmp_path / "now" / certificate).write_bytes((tmp_path / "next" / certificate).read_bytes())
    for _ in range(3):
        assert identity().certificate.common_name == "old"
    assert "does not belong" in identity.failure
    assert caplog.text.count("does not belong") == 1
    caplog.set_level(logging.INFO)
    (tmp_path / "now" / key).write_bytes((tmp_path / "next" / key).read_bytes())
    assert identity().certificate.common_name == "new"
    assert identity.failure == ""


@pytest.mark.parametrize("damage", ["half", "two", "none", "future"])
def test_a_renewal_that_cannot_be_used_leaves_what_was_there(tmp_path: Path, damage: str) -> None:
    write_pair(tmp_path, "old")
    identity = SigningIdentity.in_msp_folder(tmp_path, "Org1MSP")
    file = tmp_path / "signcerts" / "cert.pem"
    match damage:
        case "half":
            file.write_bytes(file.read_bytes()[:200])
        case "two":
            (tmp_path / "signcerts" / "new.pem").write_bytes(file.read_bytes())
        case "none":
            file.unlink()
        case "future":
            write_pair(tmp_path, "new", days=3)
    assert identity().certificate.common_name == "old"
    assert str(tmp_path) in identity.failure


def test_a_link_that_is_moved_is_a_change(tmp_path: Path) -> None:
    """As a mounted secret is renewed: one link to the folder of all files is replaced."""
    for name in ("old", "new"):
        write_pair(tmp_path / name, name)
    link = tmp_path / "msp"
    link.symlink_to("old")
    identity = SigningIdentity.in_msp_folder(link, "Org1MSP")
    identity()
    link.unlink()
    link.symlink_to("new")
    assert identity().certificate.common_name == "new"


def write_tls(folder: Path, name: str = "peer", *, lasts: timedelta = timedelta(days=1)) -> tuple[Path, Path]:
    key = p256()
    certificate, private = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(
        certificate_pem(key, name, not_before=NOW - timedelta(days=2), not_after=NOW + lasts)
    )
    private.write_bytes(key_pem(key))
    return certificate, private


def test_what_a_client_trusts_and_shows_is_read_again(tmp_path: Path) -> None:
    certificate, key = write_tls(tmp_path)
    roots = tmp_path / "roots.pem"
    roots.write_bytes(certificate.read_bytes())
    tls = TlsClient.in_files(roots, certificate, key)
    before = tls()
    roots.write_bytes(roots.read_bytes() + certificate.read_bytes())  # several in one file
    assert tls().roots_pem == roots.read_bytes()
    assert tls().pair == before.pair
    write_tls(tmp_path, "renewed")
    assert tls().pair != before.pair


def test_a_tls_pair_that_does_not_fit_is_named(tmp_path: Path) -> None:
    certificate, key = write_tls(tmp_path)
    key.write_bytes(key_pem(p256()))
    with pytest.raises(IdentityError, match=f"{key} does not belong to certificate {certificate}"):
        TlsPair.read(certificate, key)
    key.write_bytes(b"")
    with pytest.raises(IdentityError, match=str(key)):
        TlsPair.read(certificate, key)
    with pytest.raises(IdentityError, match="No such file"):
        TlsPair.read(tmp_path / "none", key)


def test_a_tls_certificate_out_of_its_time_is_named(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="expired on"):
        TlsPair.read(*write_tls(tmp_path, lasts=-timedelta(days=1)))
    (tmp_path / "roots.pem").write_bytes(b"none")
    with pytest.raises(IdentityError, match="readable PEM"):
        TlsClient.in_files(tmp_path / "roots.pem")


def test_a_key_is_not_shown(tmp_path: Path) -> None:
    pair = TlsPair.read(*write_tls(tmp_path))
    assert "PRIVATE KEY" not in repr(TlsClient(b"", pair))
