"""The service starts as it is told, or says which setting it cannot start with."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from veilmesh_chaincode.shim.errors import SettingsError
from veilmesh_chaincode.shim.settings import Address, Settings
from veilmesh_network.certificates import CertificateAuthority, Validity

AUTHORITY = CertificateAuthority.create("tlsca.org1.example.com", "org1.example.com")
OWN = AUTHORITY.issue_tls("chaincode")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    for name, pem in {
        "key": OWN.key_pem,
        "cert": OWN.certificate_pem,
        "ca": AUTHORITY.root.certificate_pem,
    }.items():
        (tmp_path / f"{name}.pem").write_bytes(pem)
    return {
        "CHAINCODE_ID": "veilmesh_1.0:abcd",
        "CHAINCODE_SERVER_ADDRESS": "127.0.0.1:9999",
        "CHAINCODE_TLS_KEY": str(tmp_path / "key.pem"),
        "CHAINCODE_TLS_CERT": str(tmp_path / "cert.pem"),
        "CHAINCODE_TLS_CLIENT_CACERT": str(tmp_path / "ca.pem"),
    }


def refused(environment: Mapping[str, str]) -> str:
    with pytest.raises(SettingsError) as err:
        Settings.from_environment(environment)
    return str(err.value)


def test_all_that_is_needed(environment: dict[str, str]) -> None:
    settings = Settings.from_environment(environment)
    assert settings.package_id == "veilmesh_1.0:abcd"
    assert settings.listen == Address("127.0.0.1", 9999)
    assert settings.tls().certificate == OWN.certificate_pem
    assert settings.metrics is None
    assert "PRIVATE KEY" not in repr(settings) + repr(settings.tls())


@pytest.mark.parametrize("name", ["ID", "SERVER_ADDRESS", "TLS_KEY", "TLS_CERT", "TLS_CLIENT_CACERT"])
@pytest.mark.parametrize("value", [None, ""], ids=["absent", "empty"])
def test_none_may_be_missing(environment: dict[str, str], name: str, value: str | None) -> None:
    environment[f"CHAINCODE_{name}"] = value or ""
    if value is None:
        del environment[f"CHAINCODE_{name}"]
    assert refused(environment) == f"CHAINCODE_{name} is not set"


@pytest.mark.parametrize(
    "address",
    ["localhost", ":7052", "host:", "host:seven", "host:70000", "host:-1", "host:\u00b2"],
)
def test_an_address_is_host_and_port(environment: dict[str, str], address: str) -> None:
    message = refused(environment | {"CHAINCODE_SERVER_ADDRESS": address})
    assert message == f"CHAINCODE_SERVER_ADDRESS is {address!r}: it must be host:port"


def test_an_address_of_version_6() -> None:
    address = Address.parse("X", "[::1]:7052")
    assert address == Address("::1", 7052)
    assert str(address) == "[::1]:7052"


@pytest.mark.parametrize("address", ["127.0.0.1:9443", "localhost:9443", "[::1]:9443", "127.8.9.1:0"])
def test_metrics_on_loopback(environment: dict[str, str], address: str) -> None:
    assert (
        str(Settings.from_environment(environment | {"CHAINCODE_METRICS_ADDRESS": address}).metrics)
        == address
    )


@pytest.mark.parametrize(
    "address", ["0.0.0.0:9443", "10.0.0.1:9443", "metrics.example.com:9443", "[::]:9443"]
)
def test_metrics_nowhere_else(environment: dict[str, str], address: str) -> None:
    assert "on a loopback address only" in refused(environment | {"CHAINCODE_METRICS_ADDRESS": address})


@pytest.mark.parametrize("name", ["TLS_KEY", "TLS_CERT", "TLS_CLIENT_CACERT"])
def test_a_file_that_is_not_there(environment: dict[str, str], name: str, tmp_path: Path) -> None:
    message = refused(environment | {f"CHAINCODE_{name}": str(tmp_path / "gone")})
    assert message.startswith(f"CHAINCODE_{name} names {tmp_path / 'gone'}, which cannot be read")


@pytest.mark.parametrize("name", ["TLS_KEY", "TLS_CERT", "TLS_CLIENT_CACERT"])
def test_a_file_of_something_else(environment: dict[str, str], name: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    message = refused(environment | {f"CHAINCODE_{name}": str(tmp_path / "text")})
    assert message.startswith(f"CHAINCODE_{name} names ")


def test_another_ones_key(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(AUTHORITY.issue_tls("other").key_pem)
    assert refused(environment) == "CHAINCODE_TLS_KEY is not the key of CHAINCODE_TLS_CERT"


def test_a_certificate_that_has_expired(environment: dict[str, str], tmp_path: Path) -> None:
    expired = AUTHORITY.issue_tls("chaincode", validity=Validity(LONG_AGO, LONG_AGO + timedelta(days=1)))
    (tmp_path / "key.pem").write_bytes(expired.key_pem)
    (tmp_path / "cert.pem").write_bytes(expired.certificate_pem)
    assert refused(environment) == "CHAINCODE_TLS_CERT expired on 2020-01-02 00:00:00 UTC"


def test_files_that_are_replaced_are_read_anew(environment: dict[str, str], tmp_path: Path) -> None:
    tls = Settings.from_environment(environment).tls
    before = tls()
    assert tls() is before
    renewed = AUTHORITY.issue_tls("chaincode")
    replace(tmp_path / "key.pem", renewed.key_pem)
    assert tls() is before  # half of them is not enough
    replace(tmp_path / "cert.pem", renewed.certificate_pem)
    assert (tls().key, tls().certificate) == (renewed.key_pem, renewed.certificate_pem)
    (tmp_path / "ca.pem").unlink()
    assert tls().certificate == renewed.certificate_pem


def replace(path: Path, content: bytes) -> None:
    """Write a file as if some time had passed."""
    changed_at = path.stat().st_mtime_ns + 1_000_000_000
    path.write_bytes(content)
    os.utime(path, ns=(changed_at, changed_at))
