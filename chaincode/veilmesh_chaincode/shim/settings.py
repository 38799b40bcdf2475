"""The service's settings, from the environment under the names that Fabric's own services use.

    CHAINCODE_ID                    the package id, LABEL:SHA256, as `peer lifecycle chaincode install` said
    CHAINCODE_SERVER_ADDRESS        host:port to listen on, as the package's connection.json names it
    CHAINCODE_TLS_KEY               file: private key, PEM
    CHAINCODE_TLS_CERT              file: its certificate, PEM
    CHAINCODE_TLS_CLIENT_CACERT     file: the authorities whose peers may connect, PEM
    CHAINCODE_METRICS_ADDRESS       host:port for Prometheus, on this machine's loopback; none unless set

Who reaches the service may run transactions in any peer's name, so it is never served without TLS. The three
TLS files may be replaced while it runs: whoever connects from then on meets the new ones.
"""

import ipaddress
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from veilmesh_chaincode.shim.errors import SettingsError

_TLS_FILES = ("CHAINCODE_TLS_KEY", "CHAINCODE_TLS_CERT", "CHAINCODE_TLS_CLIENT_CACERT")

_log = logging.getLogger(__name__)


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
    tls: Callable[[], Tls]  # asked whenever a peer connects
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
            tls=TlsFiles(environment),
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


class TlsFiles:
    """The TLS files as they are now, or as they last were when they could be used."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Read them.

        Raises:
            SettingsError: they cannot be used.
        """
        self._environment = environment
        self._read_at = self._changed_at()
        self._tls = _tls(environment)

    def __call__(self) -> Tls:
        changed_at = self._changed_at()
        if changed_at != self._read_at:
            self._read_at = changed_at
            try:
                self._tls = _tls(self._environment)
                _log.info("the TLS files were replaced")
            except SettingsError as err:
                _log.warning("the TLS files before are kept: %s", err)
        return self._tls

    def _changed_at(self) -> list[int | None]:
        return [_changed_at(Path(self._environment.get(name, ""))) for name in _TLS_FILES]


def _changed_at(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _tls(environment: Mapping[str, str]) -> Tls:
    key, certificate, client_roots = (_file(environment, name) for name in _TLS_FILES)
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
