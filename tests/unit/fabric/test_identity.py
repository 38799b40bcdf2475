from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fabric_protos.msp import identities_pb2
from veilmesh_fabric.errors import IdentityError
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.signing import verify

from tests.unit.fabric.identities import NOW, PrivateKey, certificate_pem, key_pem, p256

ALL_KINDS: list[PrivateKey] = [
    p256(),
    ec.generate_private_key(ec.SECP384R1()),
    ed25519.Ed25519PrivateKey.generate(),
]


@pytest.mark.parametrize("key", ALL_KINDS, ids=["P-256", "P-384", "Ed25519"])
def test_an_identity_signs_in_its_organisations_name(key: PrivateKey) -> None:
    pem = certificate_pem(key)
    identity = SigningIdentity.from_pem("Org1MSP", pem, key_pem(key))

    serialized = identities_pb2.SerializedIdentity.FromString(identity.creator)
    assert (serialized.mspid, serialized.id_bytes) == ("Org1MSP", pem)
    verify(identity.certificate.public_key, identity.sign(b"message"), b"message")


def test_a_key_of_another_certificate_is_refused() -> None:
    with pytest.raises(IdentityError, match="private key does not belong to certificate 'CN=alice'"):
        SigningIdentity.from_pem("Org1MSP", certificate_pem(p256()), key_pem(p256()))


def test_an_expired_certificate_says_when() -> None:
    key = p256()
    pem = certificate_pem(key, not_after=NOW - timedelta(minutes=1))
    with pytest.raises(
        IdentityError, match=rf"of Org1MSP expired on {NOW - timedelta(minutes=1):%Y-%m-%d %H:%M}"
    ):
        SigningIdentity.from_pem("Org1MSP", pem, key_pem(key))
    SigningIdentity.from_pem("Org1MSP", pem, key_pem(key), at=NOW - timedelta(minutes=2))


def test_a_certificate_of_the_future_says_from_when() -> None:
    key = p256()
    pem = certificate_pem(key, not_before=NOW + timedelta(hours=1))
    with pytest.raises(IdentityError, match="valid only from"):
        SigningIdentity.from_pem("Org1MSP", pem, key_pem(key))


def test_unusable_keys_and_certificates_are_named() -> None:
    key = p256()
    other_kind = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = certificate_pem(key)
    with pytest.raises(IdentityError, match="encrypted"):
        SigningIdentity.from_pem("Org1MSP", pem, key_pem(key, b"passphrase"))
    with pytest.raises(IdentityError, match="not readable PEM"):
        SigningIdentity.from_pem("Org1MSP", pem, b"no key")
    with pytest.raises(IdentityError, match="neither ECDSA nor Ed25519"):
        SigningIdentity.from_pem("Org1MSP", pem, key_pem(other_kind))
    with pytest.raises(IdentityError, match="certificate of Org1MSP is not a usable PEM certificate"):
        SigningIdentity.from_pem("Org1MSP", b"no certificate", key_pem(key))
    with pytest.raises(IdentityError, match="id of its MSP"):
        SigningIdentity.from_pem("", pem, key_pem(key))


def msp_folder(folder: Path) -> Path:
    key = p256()
    for name, content in (("signcerts", certificate_pem(key)), ("keystore", key_pem(key))):
        (folder / name).mkdir()
        (folder / name / "file.pem").write_bytes(content)
    return folder


def test_an_msp_folder_is_read(tmp_path: Path) -> None:
    identity = SigningIdentity.from_msp_folder(msp_folder(tmp_path), "Org1MSP")
    assert str(identity) == "alice of Org1MSP"


def test_an_msp_folder_without_its_parts_says_what_is_missing(tmp_path: Path) -> None:
    folder = msp_folder(tmp_path)
    (folder / "keystore" / "second.pem").write_bytes(b"")
    with pytest.raises(IdentityError, match="keystore holds 2 files where exactly one private key belongs"):
        SigningIdentity.from_msp_folder(folder, "Org1MSP")
    for path in (folder / "keystore").iterdir():
        path.unlink()
    with pytest.raises(IdentityError, match="keystore holds 0 files"):
        SigningIdentity.from_msp_folder(folder, "Org1MSP")
    (folder / "keystore").rmdir()
    with pytest.raises(IdentityError, match=r"no private key: .*keystore is not readable"):
        SigningIdentity.from_msp_folder(folder, "Org1MSP")


def test_an_msp_folder_with_a_wrong_key_names_the_folder(tmp_path: Path) -> None:
    folder = msp_folder(tmp_path)
    (folder / "keystore" / "file.pem").write_bytes(key_pem(p256()))
    with pytest.raises(IdentityError, match=rf"identity in {tmp_path}: private key does not belong"):
        SigningIdentity.from_msp_folder(folder, "Org1MSP")


def test_an_identity_prints_neither_key_nor_certificate() -> None:
    key = p256()
    identity = SigningIdentity.from_pem("Org1MSP", certificate_pem(key), key_pem(key))
    assert repr(identity) == "SigningIdentity(msp_id='Org1MSP')"
    assert f"{identity}" == "alice of Org1MSP"
