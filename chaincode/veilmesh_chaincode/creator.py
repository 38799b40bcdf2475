"""Who signed a proposal, read from its serialised identity.

The peer has validated the certificate before a chaincode sees it; here it is only read. What is read must be
what was validated: Fabric takes the first PEM block of any type for the certificate (`msp/mspimpl.go`), other
readers the first block that says CERTIFICATE. An identity of two blocks could therefore be one person to the
peer and another here. So an identity is one certificate in PEM's usual form and not a byte more.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from fabric_protos.msp import identities_pb2
from google.protobuf.message import DecodeError

from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.stub import Creator

# Fabric CA's extension: {"attrs": {name: value}}
_ATTRIBUTES_OID = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")

# What `cryptography` raises on bytes that are no certificate, or one it cannot represent.
_UNREADABLE = (
    DecodeError,
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
)


@lru_cache(maxsize=4096)
def creator_of(identity: bytes) -> Creator:
    """Return the creator that `identity`, a serialised `msp.SerializedIdentity`, describes.

    Raises:
        Refusal: MALFORMED, it is not exactly one X.509 certificate in PEM.
    """
    try:
        message = identities_pb2.SerializedIdentity.FromString(identity)
        certificate = x509.load_pem_x509_certificate(message.id_bytes)
        if message.id_bytes.split() != certificate.public_bytes(Encoding.PEM).split():
            raise ValueError("there is more, or something else, than one certificate")
        units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return Creator(
            msp_id=message.mspid,
            identity_sha256=sha256(key).hexdigest(),
            organizational_units=frozenset(str(unit.value) for unit in units),
            attributes=_attributes(certificate),
        )
    except _UNREADABLE as err:
        raise Refusal(RefusalCode.MALFORMED, "the caller's identity is not one PEM certificate") from err


def _attributes(certificate: x509.Certificate) -> Mapping[str, str]:
    """Return the attributes that a CA has vouched for; none where the extension is absent or malformed."""
    try:
        extension = certificate.extensions.get_extension_for_oid(_ATTRIBUTES_OID).value
        if not isinstance(extension, x509.UnrecognizedExtension):
            return MappingProxyType({})
        attributes = json.loads(extension.value)["attrs"]
        return MappingProxyType({str(name): str(value) for name, value in attributes.items()})
    except (x509.ExtensionNotFound, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return MappingProxyType({})
