"""A key made ready accepts what Fabric accepts: one encoding of a signature, and the lower s."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from veilmesh_fabric.signing import EcdsaSigner, Ed25519Signer, Signer
from veilmesh_fabric.verifying_key import CURVE_ORDERS, ED25519, NO_KEY, READERS, VerifyingKey, verifying_key

P256 = EcdsaSigner(ec.generate_private_key(ec.SECP256R1()))
P384 = EcdsaSigner(ec.generate_private_key(ec.SECP384R1()))
OF_ED25519 = Ed25519Signer(ed25519.Ed25519PrivateKey.generate())

MESSAGE = b"message"


def holds(key: VerifyingKey, signature: bytes, message: bytes = MESSAGE) -> bool:
    return key.holds(signature, key.prepared(message))


def der(*integers: bytes) -> bytes:
    content = b"".join(bytes((2, len(each))) + each for each in integers)
    return bytes((0x30, len(content))) + content


def parts(signature: bytes) -> tuple[bytes, bytes]:
    """Return r and s as they are encoded."""
    end = 4 + signature[3]
    return signature[4:end], signature[end + 2 :]


@pytest.mark.parametrize("signer", [P256, P384])
def test_one_encoding_of_a_signature_holds(signer: EcdsaSigner) -> None:
    key, signature = verifying_key(signer.public_key), signer.sign(MESSAGE)
    r, s = parts(signature)
    assert der(r, s) == signature
    assert holds(key, signature)
    assert not holds(key, signature, b"another message")
    content = signature[2:]
    others = {
        "zero before r": der(b"\0" + r, s),
        "zero before s": der(r, b"\0" + s),
        "long form of the length": bytes((0x30, 0x81, len(content))) + content,
        "long form of the length of r": bytes((0x30, len(content) + 1, 2, 0x81)) + content[1:],
        "indefinite length": b"\x30\x80" + content + b"\0\0",
        "bytes behind it": signature + b"\0",
        "bytes behind s": bytes((0x30, len(content) + 1)) + content + b"\0",
        "third integer": der(r, s, b"\1"),
        "cut short": signature[:-1],
        "r alone": der(r),
        "nothing": b"",
    }
    for what, other in others.items():
        assert not holds(key, other), what


@settings(deadline=None)
@given(st.sampled_from([P256, P384]), st.binary(max_size=50), st.booleans())
def test_the_lower_s_alone_holds(signer: EcdsaSigner, message: bytes, lower: bool) -> None:
    order = CURVE_ORDERS[signer.private_key.curve.name]
    r, s = decode_dss_signature(signer.private_key.sign(message, ec.ECDSA(SHA256())))
    s = min(s, order - s) if lower else max(s, order - s)
    assert holds(verifying_key(signer.public_key), encode_dss_signature(r, s), message) is lower


@settings(deadline=None)
@given(st.sampled_from([P256, P384, OF_ED25519]), st.binary(max_size=150))
def test_junk_does_not_hold(signer: Signer, junk: bytes) -> None:
    assert not holds(verifying_key(signer.public_key), junk)


@pytest.mark.parametrize("signer", [P256, P384])
def test_ecdsa_key_comes_back_from_its_point(signer: EcdsaSigner) -> None:
    public_key = signer.public_key
    point = public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert holds(READERS[public_key.curve.name](point), signer.sign(MESSAGE))


def test_ed25519_key_comes_back_from_its_bytes() -> None:
    key = READERS[ED25519](OF_ED25519.public_key.public_bytes_raw())
    assert holds(key, OF_ED25519.sign(MESSAGE))
    assert not holds(key, OF_ED25519.sign(MESSAGE), b"another message")


def test_without_a_key_nothing_holds() -> None:
    stranger = ec.generate_private_key(ec.SECP521R1())
    signature = stranger.sign(MESSAGE, ec.ECDSA(SHA256()))
    for key in (READERS[NO_KEY](b""), verifying_key(stranger.public_key())):
        assert not holds(key, signature)
