"""Who is at the other end of a mutual TLS connection, read from the certificate that gRPC has verified."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from veilmesh_node.errors import UnauthenticatedError

ATTRIBUTES_OID = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")  # Fabric's, with JSON {"attrs": {...}}


@dataclass(frozen=True, slots=True)
class Caller:
    certificate_sha256: str  # of the DER certificate
    issuer: x509.Name
    serial_number: int
    attributes: Mapping[str, str]

    @property
    def role(self) -> str:
        return self.attributes.get("role", "")


def caller_of(context: "grpc.aio.ServicerContext[Any, Any]") -> Caller:
    """Return the caller of a method.

    Raises:
        UnauthenticatedError: there is no client certificate, or its attributes cannot be read.
    """
    certificates = list(context.auth_context().get("x509_pem_cert", []))
    if len(certificates) != 1:
        raise UnauthenticatedError("no client certificate was shown")
    certificate = x509.load_pem_x509_certificate(certificates[0])
    digest = sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    return Caller(digest, certificate.issuer, certificate.serial_number, _attributes(certificate))


def _attributes(certificate: x509.Certificate) -> Mapping[str, str]:
    try:
        extension = certificate.extensions.get_extension_for_oid(ATTRIBUTES_OID).value
    except x509.ExtensionNotFound:
        return {}
    if not isinstance(extension, x509.UnrecognizedExtension):
        return {}
    try:
        return {str(name): str(value) for name, value in json.loads(extension.value)["attrs"].items()}
    except (ValueError, KeyError, AttributeError, TypeError) as err:
        raise UnauthenticatedError("the client certificate's attributes cannot be read") from err
