"""Why a TLS connection does not come about: one handshake, told in a sentence.

gRPC says of many failures no more than that a socket was closed. This makes the handshake once more with
Python's own TLS, whose verdicts have names; nothing is sent over the connection.
"""

import asyncio
import errno
import os
import ssl

from cryptography import x509

from veilmesh_fabric.tls import TlsClient

PROBE_WITHIN_S = 2.0

# Verdicts of X509_verify_cert(3).
_NOT_YET_VALID, _EXPIRED = 9, 10
_NO_ISSUER = frozenset({2, 18, 19, 20, 21})
_OTHER_NAME = frozenset({62, 64})


async def probe(address: str, server_name: str | None, tls: TlsClient) -> str:
    """Return why no connection to `address` comes about, as the end of a sentence; "" where one does."""
    name = server_name or _host(address)
    try:
        await _handshake(address, name, _context(tls))
    except ssl.SSLCertVerificationError as err:
        return await _verdict(err, address, name, tls)
    except (OSError, ValueError) as err:
        return _told(err, tls)
    return ""


def _told(err: Exception, tls: TlsClient) -> str:
    match err:
        case ssl.SSLError():
            return f"the TLS handshake failed: {err.reason or err}{_client_advice(tls)}"
        case ConnectionResetError():
            return f"it closes the connection{_client_advice(tls)}"
        case TimeoutError():
            return f"it does not answer within {PROBE_WITHIN_S:.0f} s"
        case OSError() if err.errno is not None and err.errno > 0:
            return os.strerror(err.errno)
    return str(err)  # a name that cannot be looked up, or that is none


async def _handshake(address: str, name: str, context: ssl.SSLContext) -> bytes:
    """Return the certificate that the server shows, DER, once it has let us in."""
    port = int(address.rpartition(":")[2])
    async with asyncio.timeout(PROBE_WITHIN_S):
        reader, writer = await asyncio.open_connection(
            _host(address), port, ssl=context, server_hostname=name
        )
        try:
            # One that wants a certificate of ours says so only after our part of the handshake; one that is
            # content begins HTTP/2.
            if context.verify_mode is ssl.CERT_REQUIRED and not await reader.read(1):
                raise ConnectionResetError(errno.ECONNRESET, "")
            shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            return shown
        finally:
            writer.transport.abort()  # nothing was sent, so nothing is to be waited for


async def _verdict(err: ssl.SSLCertVerificationError, address: str, name: str, tls: TlsClient) -> str:
    """Say what is wrong with the server's certificate."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE  # only to look at it
    try:
        shown = x509.load_der_x509_certificate(await _handshake(address, name, trusting))
    except (OSError, ValueError):
        return f"its TLS certificate does not hold: {err.verify_message}"
    if err.verify_code == _EXPIRED:
        return (
            f"its TLS certificate expired on {shown.not_valid_after_utc:%Y-%m-%d %H:%M} UTC: have it renewed"
        )
    if err.verify_code == _NOT_YET_VALID:
        since = f"{shown.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        return f"its TLS certificate is valid only from {since}: check this machine's clock"
    if err.verify_code in _NO_ISSUER:
        issuer = shown.issuer.rfc4514_string()
        held = any(root.subject == shown.issuer for root in x509.load_pem_x509_certificates(tls.roots_pem))
        namesake = " (they hold one of that name, with another key: of another network?)" if held else ""
        return f"its TLS certificate is of {issuer!r}, which the TLS roots given here do not hold{namesake}"
    if err.verify_code in _OTHER_NAME:
        return f"its TLS certificate is not for {name!r} but for {_names(shown)}: give the server's name"
    return f"its TLS certificate does not hold: {err.verify_message}"


def _names(certificate: x509.Certificate) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "no name at all"
    found = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    return ", ".join(map(repr, found)) or "no name at all"


def _client_advice(tls: TlsClient) -> str:
    shown = "the one given here is not of an authority it trusts" if tls.pair else "none is given here"
    return f" (where it asks for a client's TLS certificate: {shown})"


def _context(tls: TlsClient) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an intermediate may be a root, as for gRPC
    context.load_verify_locations(cadata=tls.roots_pem.decode("ascii", "ignore"))  # comments may be more
    context.set_alpn_protocols(["h2"])
    if tls.pair is not None:
        tls.pair.show_in(context)
    return context


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")
