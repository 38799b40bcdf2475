"""Fabric's binaries, found and asked for their version. Scripts stand for them, and say what they say."""

from pathlib import Path

import pytest
from veilmesh_network.errors import BinariesError
from veilmesh_network.fabric.binaries import BIN_VARIABLE, Release, find_binaries


def _install(folder: Path, name: str, says: str) -> None:
    binary = folder / name
    binary.write_text(f"#!/bin/sh\nprintf '{name}:\\n Version: {says}\\n Go version: go1.26\\n'\n")
    binary.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(BIN_VARIABLE, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("v3.1.5", Release.V3),
        ("3.2.0", Release.V3),
        ("v2.5.12", Release.V2_5),
        ("2.5.9", Release.V2_5),
        ("latest", Release.V3),
    ],
)
def test_supported_releases(folder: Path, version: str, release: Release) -> None:
    _install(folder, "peer", version)
    _install(folder, "orderer", version)
    found = find_binaries()
    assert (found.release, found.version, found.peer) == (release, version, folder / "peer")


@pytest.mark.parametrize("version", ["v2.2.15", "v1.4.12", "v3.0.0", "2.50.1", "v4.0.0"])
def test_other_releases(folder: Path, version: str) -> None:
    _install(folder, "peer", version)
    _install(folder, "orderer", version)
    with pytest.raises(BinariesError, match=rf"Fabric {version}, which is not supported: take `peer` and"):
        find_binaries()


def test_of_two_releases(folder: Path) -> None:
    _install(folder, "peer", "v3.1.5")
    _install(folder, "orderer", "v2.5.12")
    with pytest.raises(BinariesError, match=r"is v3\.1\.5, and .*orderer is v2\.5\.12: they must be of one"):
        find_binaries()


def test_a_missing_one(folder: Path) -> None:
    _install(folder, "peer", "v3.1.5")
    with pytest.raises(
        BinariesError, match=r"there is no `orderer` in .*VEILMESH_FABRIC_BIN names: take `peer`"
    ):
        find_binaries()


def test_on_the_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BIN_VARIABLE)
    monkeypatch.setenv("PATH", str(folder / "empty"))
    with pytest.raises(BinariesError, match="there is no `peer` on PATH"):
        find_binaries()


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", "#!/no/such/shell\n", "#!/bin/sh\necho hello\n"])
def test_something_else_of_that_name(folder: Path, script: str) -> None:
    _install(folder, "orderer", "v3.1.5")
    (folder / "peer").write_text(script)
    (folder / "peer").chmod(0o755)
    with pytest.raises(BinariesError, match="peer"):
        find_binaries()


def test_fabric_2_5_does_not_run_what_fabric_3_made(folder: Path) -> None:
    _install(folder, "peer", "v2.5.12")
    _install(folder, "orderer", "v2.5.12")
    found = find_binaries()
    found.require_capability("V2_0")
    with pytest.raises(BinariesError, match=r"was made for Fabric 3, and .* is v2\.5\.12"):
        found.require_capability("V3_0")
