"""A TLS channel to a gateway or peer."""

from collections.abc import Sequence
from hashlib import sha256

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from veilmesh_fabric.errors import IdentityError

# Fabric's servers end connections that ping more than once a minute (`core.yaml`, `keepalive.minInterval`).
_KEEPALIVE_INTERVAL_MS = 120_000
_KEEPALIVE_TIMEOUT_MS = 20_000

# gRPC would wait a second before it dials again, later up to two minutes; a restarted peer is back sooner.
_FIRST_RECONNECT_MS = 250
_LONGEST_RECONNECT_MS = 5_000


def connect(
    address: str,
    tls_roots_pem: bytes,
    *,
    client_certificate_pem: bytes | None = None,
    client_key_pem: bytes | None = None,
    max_message_bytes: int = 100 * 1024 * 1024,
    server_name: str | None = None,
) -> grpc.aio.Channel:
    """Return a channel; it dials when first used. Use it in `async with`, or close it.

    Args:
        address: host:port.
        tls_roots_pem: the certificates that may vouch for the server's.
        client_certificate_pem: for servers that want to know the client's TLS certificate (mutual TLS).
        client_key_pem: its key.
        max_message_bytes: the largest message in either direction; Fabric's own bound when not given.
        server_name: the name in the server's certificate, where it is not the address's host.

    Raises:
        IdentityError: a certificate is unreadable, or only one of client certificate and key is given.
    """
    _read_certificates(tls_roots_pem, "TLS roots")
    if (client_certificate_pem is None) != (client_key_pem is None):
        raise IdentityError("mutual TLS needs both the client's certificate and its key")
    if client_certificate_pem is not None:
        _read_certificates(client_certificate_pem, "TLS client certificate")
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", _KEEPALIVE_INTERVAL_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        ("grpc.initial_reconnect_backoff_ms", _FIRST_RECONNECT_MS),
        ("grpc.min_reconnect_backoff_ms", _FIRST_RECONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", _LONGEST_RECONNECT_MS),
    ]
    if server_name is not None:
        options.append(("grpc.ssl_target_name_override", server_name))
    credentials = grpc.ssl_channel_credentials(tls_roots_pem, client_key_pem, client_certificate_pem)
    return grpc.aio.secure_channel(address, credentials, options=options)


def certificate_hash(certificate_pem: bytes) -> bytes:
    """Return the SHA-256 of a certificate's DER form, by which Fabric ties requests to a TLS connection.

    Raises:
        IdentityError: it is unreadable.
    """
    certificate = _read_certificates(certificate_pem, "TLS certificate")[0]
    return sha256(certificate.public_bytes(Encoding.DER)).digest()


def _read_certificates(pem: bytes, what: str) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as err:
        raise IdentityError(f"{what}: not readable PEM certificates") from err
