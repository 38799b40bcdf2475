"""Connect to the one node that the ledger names, whoever else may hold a certificate of its organisation.

The ledger has the SHA-256 of the node's TLS certificate. The node's certificate is fetched in a handshake
that trusts nothing and sends nothing, and compared; then the connection proper trusts this one certificate
and no other. So a certificate authority that is tricked, or an older certificate of the node, is of no use
to anyone.
"""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from hashlib import sha256

from cryptography import x509
from veilmesh_fabric.tls import TlsPair

from veilmesh_node.errors import PeerCertificateError, PeerUnavailableError

FETCH_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class PinnedCertificate:
    pem: bytes
    server_name: str  # one that the certificate carries


async def fetch_pinned(
    endpoint: str, certificate_sha256: str, *, whose: str, own: TlsPair
) -> PinnedCertificate:
    """Return the certificate that the node at `endpoint` shows, if it is the one named.

    Args:
        endpoint: host:port, an IPv6 host in brackets.
        certificate_sha256: what the ledger says, of the DER certificate, hex.
        whose: the node's id, for messages.
        own: shown in return, since nodes do not talk to strangers.

    Raises:
        PeerUnavailableError: nobody answers there.
        PeerCertificateError: somebody else does.
    """
    try:
        certificate_der = await _shown_at(endpoint, own)
    except (OSError, TimeoutError, ssl.SSLError) as err:
        raise PeerUnavailableError(f"node {whose} does not answer at {endpoint}: {err}") from err
    if sha256(certificate_der).hexdigest() != certificate_sha256:
        raise PeerCertificateError(
            f"{endpoint} shows another certificate than the one that the ledger names for node {whose}"
        )
    return PinnedCertificate(
        ssl.DER_cert_to_PEM_cert(certificate_der).encode(), _server_name(certificate_der)
    )


async def _shown_at(endpoint: str, own: TlsPair) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the digest decides
    own.show_in(context)
    context.set_alpn_protocols(["h2"])
    host, _, port = endpoint.rpartition(":")
    async with asyncio.timeout(FETCH_WITHIN_S):
        _, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=context)
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError):
        await writer.wait_closed()
    return certificate


def _server_name(certificate_der: bytes) -> str:
    """Return a name to ask the TLS library for: the certificate is pinned, so any of its own will do."""
    certificate = x509.load_der_x509_certificate(certificate_der)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound as err:
        raise PeerCertificateError("the other node's certificate carries no name") from err
    for kind in (x509.DNSName, x509.IPAddress):
        for name in names.get_values_for_type(kind):
            return str(name)
    raise PeerCertificateError("the other node's certificate carries no name")
