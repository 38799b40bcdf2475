"""The service's settings, from the environment under the names that Fabric's own services use.

    CHAINCODE_ID                    the package id, LABEL:SHA256, as `peer lifecycle chaincode install` said
    CHAINCODE_SERVER_ADDRESS        host:port to listen on, as the package's connection.json names it
    CHAINCODE_TLS_KEY               file: private key, PEM
    CHAINCODE_TLS_CERT              file: its certificate, PEM
    CHAINCODE_TLS_CLIENT_CACERT     file: the authorities whose peers may connect, PEM
    CHAINCODE_METRICS_ADDRESS       host:port for Prometheus, on this machine's loopback; none unless set

Who reaches the service may run transactions in any peer's name, so it is never served without TLS.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from veilmesh_chaincode.shim.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    @classmethod
    def parse(cls, name: str, text: str) -> Self:
        host, _, port = text.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise SettingsError(f"{name} is {text!r}: it must be host:port")
        return cls(host.strip("[]"), int(port))

    @property
    def is_loopback(self) -> bool:
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM."""

    certificate: bytes
    client_roots: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    package_id: str
    listen: Address
    tls: Tls
    metrics: Address | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings and the files that they name.

        Raises:
            SettingsError: one is missing or cannot be used; says which.
        """
        metrics = environment.get("CHAINCODE_METRICS_ADDRESS")
        return cls(
            package_id=_required(environment, "CHAINCODE_ID"),
            listen=Address.parse(
                "CHAINCODE_SERVER_ADDRESS", _required(environment, "CHAINCODE_SERVER_ADDRESS")
            ),
            tls=_tls(environment),
            metrics=_loopback("CHAINCODE_METRICS_ADDRESS", metrics) if metrics else None,
        )


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name)
    if not value:
        raise SettingsError(f"{name} is not set")
    return value


def _loopback(name: str, text: str) -> Address:
    address = Address.parse(name, text)
    if not address.is_loopback:
        raise SettingsError(f"{name} is {text!r}: metrics are served without TLS, on a loopback address only")
    return address


def _tls(environment: Mapping[str, str]) -> Tls:
    key = _file(environment, "CHAINCODE_TLS_KEY")
    certificate = _file(environment, "CHAINCODE_TLS_CERT")
    client_roots = _file(environment, "CHAINCODE_TLS_CLIENT_CACERT")
    own = _certificates("CHAINCODE_TLS_CERT", certificate)[0]
    _certificates("CHAINCODE_TLS_CLIENT_CACERT", client_roots)
    try:
        public_key = load_pem_private_key(key, None).public_key()
    except (ValueError, TypeError) as err:
        raise SettingsError("CHAINCODE_TLS_KEY names no unencrypted PEM private key") from err
    if public_key != own.public_key():
        raise SettingsError("CHAINCODE_TLS_KEY is not the key of CHAINCODE_TLS_CERT")
    if own.not_valid_after_utc < datetime.now(UTC):
        raise SettingsError(f"CHAINCODE_TLS_CERT expired on {own.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC")
    return Tls(certificate, client_roots, key)


def _file(environment: Mapping[str, str], name: str) -> bytes:
    path = Path(_required(environment, name))
    try:
        return path.read_bytes()
    except OSError as err:
        raise SettingsError(f"{name} names {path}, which cannot be read: {err.strerror}") from err


def _certificates(name: str, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as err:
        raise SettingsError(f"{name} names a file without PEM certificates") from err
