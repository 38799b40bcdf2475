"""Fabric's `peer` and `orderer`: where they are, and which release.

They come from Fabric's official release archive or packages; this project neither carries nor downloads them.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from veilmesh_network.errors import BinariesError

BIN_VARIABLE = "VEILMESH_FABRIC_BIN"
_VERSION_TIMEOUT_S = 20
_HOW_TO = (
    "take `peer` and `orderer` of Fabric 3.1 or 2.5 from its release archive "
    "(hyperledger-fabric-linux-*.tar.gz, folder bin) and put them on PATH, "
    f"or name their folder in {BIN_VARIABLE}"
)


class Release(StrEnum):
    """A line of Fabric releases that the network runs on."""

    V2_5 = "2.5"
    V3 = "3"

    @property
    def channel_capability(self) -> str:
        return {Release.V2_5: "V2_0", Release.V3: "V3_0"}[self]


@dataclass(frozen=True, slots=True)
class Binaries:
    peer: Path
    orderer: Path
    release: Release
    version: str  # as the peer says it, such as "v3.1.5"

    def require_capability(self, channel_capability: str) -> None:
        """Return if channels with this capability can run.

        Raises:
            BinariesError: they are too old for it.
        """
        if channel_capability == Release.V3.channel_capability and self.release is Release.V2_5:
            raise BinariesError(
                f"the network was made for Fabric 3, and {self.peer} is {self.version}: {_HOW_TO}"
            )


def find_binaries() -> Binaries:
    """Return the binaries in the folder that VEILMESH_FABRIC_BIN names, or else on PATH.

    Raises:
        BinariesError: one is missing, does not run, or is of a release that is not supported.
    """
    peer, orderer = _find("peer"), _find("orderer")
    version, ordering = _version(peer), _version(orderer)
    if version != ordering:
        raise BinariesError(f"{peer} is {version}, and {orderer} is {ordering}: they must be of one release")
    return Binaries(peer, orderer, _release(peer, version), version)


def _find(name: str) -> Path:
    folder = os.environ.get(BIN_VARIABLE)
    found = shutil.which(name, path=folder) if folder else shutil.which(name)
    if found is None:
        where = f"in {folder}, which {BIN_VARIABLE} names" if folder else "on PATH"
        raise BinariesError(f"there is no `{name}` {where}: {_HOW_TO}")
    return Path(found).resolve()


def _version(binary: Path) -> str:
    try:
        answer = subprocess.run(
            [binary, "version"], capture_output=True, text=True, check=True, timeout=_VERSION_TIMEOUT_S
        ).stdout
    except (OSError, ValueError, subprocess.SubprocessError) as err:
        raise BinariesError(f"{binary} does not tell its version ({err}): {_HOW_TO}") from err
    found = re.search(r"^\s*Version:\s*(\S+)", answer, re.MULTILINE)
    if found is None:
        raise BinariesError(f"{binary} is not Fabric's: it tells no version; {_HOW_TO}")
    return found[1]


def _release(binary: Path, version: str) -> Release:
    if version == "latest":
        # Built from source without a version: only what is new enough for us builds without effort today.
        return Release.V3
    if re.match(r"v?2\.5(\.|$)", version):
        return Release.V2_5
    if re.match(r"v?3\.[1-9]", version):
        return Release.V3
    raise BinariesError(f"{binary} is Fabric {version}, which is not supported: {_HOW_TO}")
