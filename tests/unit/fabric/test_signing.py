import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from veilmesh_fabric.errors import IdentityError, SignatureError
from veilmesh_fabric.signing import (
    CURVE_ORDERS,
    EcdsaSigner,
    Ed25519Signer,
    Signer,
    signer_from_pem,
    verify,
)

from tests.unit.fabric.identities import key_pem

P256 = EcdsaSigner(ec.generate_private_key(ec.SECP256R1()))
P384 = EcdsaSigner(ec.generate_private_key(ec.SECP384R1()))
ED25519 = Ed25519Signer(ed25519.Ed25519PrivateKey.generate())

signers = st.sampled_from([P256, P384, ED25519])
ecdsa_signers = st.sampled_from([P256, P384])


def high_s_twin(signer: EcdsaSigner, signature: bytes) -> bytes:
    """The other valid ECDSA signature of the same message."""
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, CURVE_ORDERS[signer.private_key.curve.name] - s)


@given(signers, st.binary(max_size=200))
def test_what_is_signed_verifies(signer: Signer, message: bytes) -> None:
    verify(signer.public_key, signer.sign(message), message)


@given(ecdsa_signers, st.binary(max_size=200))
def test_ecdsa_signatures_have_a_low_s(signer: EcdsaSigner, message: bytes) -> None:
    _, s = decode_dss_signature(signer.sign(message))
    assert 0 < s <= CURVE_ORDERS[signer.private_key.curve.name] // 2


@given(ecdsa_signers, st.binary(max_size=200))
def test_the_high_s_twin_is_refused_although_it_is_valid_ecdsa(signer: EcdsaSigner, message: bytes) -> None:
    twin = high_s_twin(signer, signer.sign(message))
    signer.public_key.verify(twin, message, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(SignatureError, match="low-S"):
        verify(signer.public_key, twin, message)


@given(signers, st.binary(max_size=50), st.binary(max_size=50))
def test_a_signature_is_of_one_message(signer: Signer, signed: bytes, claimed: bytes) -> None:
    if signed == claimed:
        return
    with pytest.raises(SignatureError, match="does not match"):
        verify(signer.public_key, signer.sign(signed), claimed)


@given(signers, st.integers(0, 1000), st.integers(1, 255))
def test_any_changed_byte_is_noticed(signer: Signer, position: int, change: int) -> None:
    signature = bytearray(signer.sign(b"message"))
    signature[position % len(signature)] ^= change
    with pytest.raises(SignatureError):
        verify(signer.public_key, bytes(signature), b"message")


@given(signers, st.binary(max_size=150))
def test_arbitrary_bytes_are_no_signature(signer: Signer, junk: bytes) -> None:
    with pytest.raises(SignatureError):
        verify(signer.public_key, junk, b"message")


@pytest.mark.parametrize("signer", [P256, P384])
def test_bytes_behind_the_signature_are_refused(signer: EcdsaSigner) -> None:
    with pytest.raises(SignatureError, match="DER"):
        verify(signer.public_key, signer.sign(b"message") + b"\x00", b"message")


def test_another_key_does_not_do() -> None:
    other = EcdsaSigner(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(SignatureError, match="does not match"):
        verify(other.public_key, P256.sign(b"message"), b"message")


def test_curves_that_fabric_does_not_use_are_refused() -> None:
    key = ec.generate_private_key(ec.SECP521R1())
    with pytest.raises(IdentityError, match="secp521r1"):
        EcdsaSigner(key)
    with pytest.raises(SignatureError, match="secp521r1"):
        verify(key.public_key(), key.sign(b"message", ec.ECDSA(hashes.SHA256())), b"message")


@pytest.mark.parametrize("signer", [P256, P384, ED25519])
def test_a_signer_comes_back_from_pem(signer: EcdsaSigner | Ed25519Signer) -> None:
    read = signer_from_pem(key_pem(signer.private_key))
    assert read.public_key == signer.public_key


@pytest.mark.parametrize("signer", [P256, ED25519])
def test_a_signer_does_not_print_its_key(signer: Signer) -> None:
    assert repr(signer) in {"EcdsaSigner()", "Ed25519Signer()"}
