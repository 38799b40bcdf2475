"""What the processes of a Fabric network are started with.

Written out at each `up`, so that a folder can move:

NET/fabric/processes.json       what runs, see `processes.py`
NET/fabric/builder/bin/         the external builder: detect, build, release
NET/fabric/NAME/                one folder a process, such as peer0.org1.example.com
    core.yaml, orderer.yaml     from our templates: as few keys as work
    data/                       its ledger
    channel.sha256              whose ledger that is: the digest of the channel's first block
    process.log                 what it says
"""

import json
import os
import string
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from veilmesh_network.errors import NetworkError
from veilmesh_network.fabric.binaries import Binaries, Release
from veilmesh_network.fabric.plan import MemberPorts, OrdererPorts
from veilmesh_network.loopback import HOST
from veilmesh_network.network import CHAINCODE_SERVICE, PEER, Network, tls_of
from veilmesh_network.organisation import IdentityFiles, Organisation

_LOGGING = {
    "FABRIC_LOGGING_SPEC": "warning",  # on "info", a peer writes several lines for each transaction
    "FABRIC_LOGGING_FORMAT": "%{time:2006-01-02 15:04:05.000 MST} %{level} [%{module}] %{message}",
}
# What a peer looks at before it opens a proposal. Fabric 2.5 checks no clocks: there, only the contracts do.
_AUTH_FILTERS = {
    Release.V2_5: ("DefaultAuth", "ExpirationCheck"),
    Release.V3: ("DefaultAuth", "ExpirationCheck", "TimeWindowCheck"),
}
_NOT_INHERITED = ("CORE_", "ORDERER_", "CHAINCODE_", "FABRIC_CFG_PATH")  # they would overrule our files


class ProgramKind(StrEnum):
    ORDERER = "orderer"
    PEER = "peer"
    CHAINCODE = "chaincode"


@dataclass(frozen=True, slots=True)
class Program:
    """One process to be started, and started again."""

    name: str  # as its certificate says, such as "peer0.org1.example.com"
    kind: ProgramKind
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path


def fabric_folder(network: Network) -> Path:
    return (network.folder / "fabric").resolve()


def orderer_program(network: Network, name: str, ports: OrdererPorts, binaries: Binaries) -> Program:
    """Write an orderer's configuration; return how it is started.

    Args:
        network: whose orderer it is.
        name: of its identity in the ordering organisation.
        ports: where it listens.
        binaries: Fabric's.

    Raises:
        NetworkError: its data belong to another network.
    """
    organisation = network.orderer
    identity = organisation.identity(name)
    folder = fabric_folder(network) / f"{name}.{organisation.domain}"
    data = _own_data(folder, network)
    _fill(
        "orderer.yaml",
        folder,
        host=HOST,
        port=ports.service,
        admin=f"{HOST}:{ports.admin}",
        operations=f"{HOST}:{ports.operations}",
        **_identity_settings(organisation, identity),
        data=data,
        wal=data / "consensus" / "wal",
        snapshots=data / "consensus" / "snapshots",
    )
    return Program(
        folder.name,
        ProgramKind.ORDERER,
        (str(binaries.orderer),),
        _environment(FABRIC_CFG_PATH=str(folder)),
        folder / "process.log",
    )


def peer_program(network: Network, member: Organisation, ports: MemberPorts, binaries: Binaries) -> Program:
    """Write a member's peer's configuration; return how it is started.

    Args:
        network: whose peer it is.
        member: the organisation.
        ports: where it listens.
        binaries: Fabric's.

    Raises:
        NetworkError: its data belong to another network.
    """
    identity = member.identity(PEER)
    folder = fabric_folder(network) / f"{PEER}.{member.domain}"
    data = _own_data(folder, network)
    _fill(
        "core.yaml",
        folder,
        id=folder.name,
        address=f"{HOST}:{ports.peer}",
        chaincode_callback=f"{HOST}:{ports.chaincode_callback}",
        operations=f"{HOST}:{ports.operations}",
        **_identity_settings(member, identity),
        data=data,
        snapshots=data / "snapshots",
        builder=_builder(network),
        auth_filters=[{"name": name} for name in _AUTH_FILTERS[binaries.release]],
    )
    return Program(
        folder.name,
        ProgramKind.PEER,
        (str(binaries.peer), "node", "start"),
        _environment(FABRIC_CFG_PATH=str(folder)),
        folder / "process.log",
    )


def chaincode_program(network: Network, member: Organisation, ports: MemberPorts, package_id: str) -> Program:
    """Return how a member's chaincode service is started.

    Args:
        network: whose chaincode it is.
        member: the organisation; its peer alone may connect, and others with its TLS certificates.
        ports: where it listens.
        package_id: of the package that its peer has installed.
    """
    tls = member.service(CHAINCODE_SERVICE)
    folder = fabric_folder(network) / f"{CHAINCODE_SERVICE}.{member.domain}"
    folder.mkdir(parents=True, exist_ok=True)
    return Program(
        folder.name,
        ProgramKind.CHAINCODE,
        (sys.executable, "-m", "veilmesh_chaincode"),
        _environment(
            CHAINCODE_ID=package_id,
            CHAINCODE_SERVER_ADDRESS=f"{HOST}:{ports.chaincode}",
            CHAINCODE_METRICS_ADDRESS=f"{HOST}:{ports.chaincode_metrics}",
            CHAINCODE_TLS_KEY=str(tls.key.resolve()),
            CHAINCODE_TLS_CERT=str(tls.certificate.resolve()),
            CHAINCODE_TLS_CLIENT_CACERT=str(tls.root.resolve()),
        ),
        folder / "process.log",
    )


def _identity_settings(organisation: Organisation, identity: IdentityFiles) -> dict[str, str | Path]:
    """Return who a peer or an orderer is, for its template."""
    tls = tls_of(identity)
    return {
        "msp_id": organisation.msp_id,
        "msp": identity.msp_dir,
        "tls_certificate": tls.certificate,
        "tls_key": tls.key,
        "tls_root": tls.root,
    }


def _own_data(folder: Path, network: Network) -> Path:
    """Return the folder for a process's ledger, having checked that it holds this channel's or none."""
    digest = sha256(network.channel_block.read_bytes()).hexdigest()
    data, mark = folder / "data", folder / "channel.sha256"
    try:
        data.mkdir(parents=True, exist_ok=True)
        if not any(data.iterdir()):
            mark.write_text(digest + "\n")
        found = mark.read_text().strip() if mark.exists() else "none"
    except (OSError, UnicodeDecodeError) as err:
        raise NetworkError(f"the data of {folder.name} cannot be used: {err}") from err
    if found != digest:
        raise NetworkError(
            f"{data} holds the ledger of another network (its channel began with block {found[:12]}, "
            f"this one with {digest[:12]}): move that folder away, and {folder.name} fetches this channel's"
        )
    return data


def _builder(network: Network) -> Path:
    """Write the external builder, whose three scripts must be executable; return its folder."""
    folder = fabric_folder(network) / "builder"
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    for name in ("detect", "build", "release"):
        script = folder / "bin" / name
        script.write_bytes((_templates() / "builder" / name).read_bytes())
        script.chmod(0o755)
    return folder


def _fill(name: str, folder: Path, **values: Path | str | int | list[dict[str, str]]) -> None:
    """Write a template into `folder`. A JSON string is a YAML string, whatever a path contains."""
    quoted = {
        key: json.dumps(str(value.resolve()) if isinstance(value, Path) else value)
        for key, value in values.items()
    }
    (folder / name).write_text(string.Template((_templates() / name).read_text()).substitute(quoted))


def _templates() -> Traversable:
    return resources.files("veilmesh_network.fabric") / "templates"


def _environment(**settings: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    return {**_LOGGING, **inherited, **settings}
