"""A network's folder: made once; `running.py` brings it up and down.

    NET/network.toml            channel, chaincode, address, and whose folder is where
    NET/channel.block           the channel's first block: what an auditor trusts
    NET/gateway-roots.pem       what vouches for the gateways' TLS certificates
    NET/organisations/DOMAIN/   see `organisation.py`
    NET/ledger.lock             held by the running ledger process, with Fabric by the peers' supervisor
    NET/ledger.log              what that process says
    NET/ledger.db               the embedded ledger: blocks and state, with SQLite's -wal and -shm beside it
    NET/fabric/                 or a Fabric network's processes, see `fabric/configuration.py`

Who is in it: members Org1MSP, Org2MSP, ... (peer, admin, operator), one auditing organisation AuditMSP
(auditor), and OrdererMSP. What else a member needs, such as a node's identity, it issues from its own
folder.
"""

import json
import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from veilmesh_fabric.channel_config import Address

from veilmesh_network.certificates import NodeRole
from veilmesh_network.errors import NetworkError
from veilmesh_network.fabric.plan import Orderers, PortPlan
from veilmesh_network.genesis import ChannelProfile, Consensus, Consenter, genesis_block
from veilmesh_network.loopback import HOST
from veilmesh_network.organisation import IdentityFiles, Organisation, TlsFiles

CHANNEL = "veilmesh"
CHAINCODE = "veilmesh"
DEFAULT_PORT = 7050
BANNER = (
    "The embedded ledger is one process that holds every organisation's keys: fit for development, "
    "demonstrations and tests. One process is no consortium."
)

PEER, ADMIN, OPERATOR, AUDITOR, ORDERER = "peer0", "admin", "operator", "auditor", "orderer"
"""Names of the identities that a new network has; on Fabric the orderers are orderer1, orderer2, ..."""

CHAINCODE_SERVICE = "chaincode"
"""Name of the service certificate that a member of a Fabric network has."""

_ORDERING_DOMAIN = "example.com"
_ORGANISATION_NAME = re.compile(r"[a-z][a-z0-9]{0,30}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,31}")
_MOST_MEMBERS = 100
_RAFT_TICK_MS = 200  # a leader is missed after two seconds, soon enough and patient with a busy machine
_LONE_RAFT_TICK_MS = 50  # who is alone has nobody to wait for: it leads within a second of its start
# How long a transaction waits for others to share its block. On two cores 50 ms, against 200 ms, answers a
# lone one in 90 ms and not in 235, and costs a third of what 400 clients get through.
_BATCH_TIMEOUT_MS = 200
_LOCK_FILES = frozenset({"ledger.lock"})


class OrganisationKind(StrEnum):
    MEMBER = "member"  # has a peer, endorses, votes
    AUDITOR = "auditor"  # reads
    ORDERER = "orderer"


@dataclass(frozen=True, slots=True)
class OrganisationEntry:
    """One line of `network.toml`."""

    name: str  # as people call it, such as "org1"
    msp_id: str
    domain: str
    kind: OrganisationKind
    number: int = 0  # of a member, from 1: on Fabric its ports follow from it


@dataclass(frozen=True, slots=True)
class FabricSettings:
    """What a network of real peers and orderers has, and the embedded ledger has not."""

    orderers: Orderers
    port: int  # the first of `PortPlan`
    channel_capability: str  # "V3_0" since Fabric 3, "V2_0" on Fabric 2.5
    chaincode_version: str = "1.0"  # which the members run, or are to run

    @property
    def ports(self) -> PortPlan:
        return PortPlan(self.port)


@dataclass(frozen=True, slots=True)
class Network:
    """A network that has a folder, running or not."""

    folder: Path
    address: str  # host:port of the gateway; on Fabric the first member's peer, see `gateways`
    organisations: Sequence[OrganisationEntry]
    channel: str = CHANNEL
    chaincode: str = CHAINCODE
    fabric: FabricSettings | None = None  # None: the embedded ledger

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        members: int = 3,
        port: int = DEFAULT_PORT,
        orderers: Orderers | None = None,
        channel_capability: str = "V3_0",
    ) -> Self:
        """Make authorities, identities and the channel's first block.

        Args:
            folder: new or empty.
            members: how many member organisations, 1 to 100.
            port: of this machine's loopback, where the ledger is to serve; on Fabric the first of many.
            orderers: of a Fabric network; None for the embedded ledger.
            channel_capability: of a Fabric network: what its oldest binary is to understand.

        Raises:
            NetworkError: the folder is in use, the number is out of range, or Fabric 2.5 is to run SmartBFT.
        """
        if not 1 <= members <= _MOST_MEMBERS:
            raise NetworkError(f"a network has 1 to {_MOST_MEMBERS} members, not {members}")
        if orderers is Orderers.BFT and channel_capability != "V3_0":
            raise NetworkError("SmartBFT orderers need Fabric 3; Fabric 2.5 has Raft alone")
        if folder.exists() and any(path.name not in _LOCK_FILES for path in folder.iterdir()):
            raise NetworkError(
                f"{folder} is not empty and holds no network: choose another folder, or remove this one if "
                "the `up` that was making it was interrupted"
            )
        entries = [
            *(
                OrganisationEntry(
                    f"org{number}",
                    f"Org{number}MSP",
                    f"org{number}.example.com",
                    OrganisationKind.MEMBER,
                    number,
                )
                for number in range(1, members + 1)
            ),
            OrganisationEntry("audit", "AuditMSP", "audit.example.com", OrganisationKind.AUDITOR),
            OrganisationEntry("orderer", "OrdererMSP", _ORDERING_DOMAIN, OrganisationKind.ORDERER),
        ]
        fabric = None if orderers is None else FabricSettings(orderers, port, channel_capability)
        gateway = port if fabric is None else fabric.ports.member(1).peer
        network = cls(folder, f"{HOST}:{gateway}", entries, fabric=fabric)
        for entry in entries:
            organisation = Organisation.create(network._folder_of(entry), entry.msp_id, entry.domain)
            _issue_first_identities(organisation, entry.kind, fabric)
        network._write_gateway_roots()
        block = genesis_block(network.channel_profile()).SerializeToString(deterministic=True)
        network.channel_block.write_bytes(block)
        # Last, so that a folder with this file is whole.
        network._write()
        return network

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a network that `create` made.

        Raises:
            NetworkError: the folder holds none that can be read.
        """
        try:
            about = tomllib.loads((folder / "network.toml").read_text())
            entries = [
                OrganisationEntry(
                    each["name"],
                    each["msp_id"],
                    each["domain"],
                    OrganisationKind(each["kind"]),
                    each.get("number", 0),
                )
                for each in about["organisations"]
            ]
            settings = about.get("fabric")
            fabric = (
                None
                if settings is None
                else FabricSettings(
                    Orderers(settings["orderers"]),
                    settings["port"],
                    settings["channel_capability"],
                    settings["chaincode_version"],
                )
            )
            return cls(folder, about["address"], entries, about["channel"], about["chaincode"], fabric)
        except FileNotFoundError:
            raise NetworkError(f"{folder} holds no network") from None
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise NetworkError(f"the network in {folder} cannot be read: {err!r}") from err

    @property
    def channel_block(self) -> Path:
        return self.folder / "channel.block"

    @property
    def tls_roots(self) -> Path:
        """What vouches for the TLS certificates of all gateways."""
        return self.folder / "gateway-roots.pem"

    @property
    def members(self) -> list[Organisation]:
        return self._load_all(OrganisationKind.MEMBER)

    @property
    def auditors(self) -> list[Organisation]:
        return self._load_all(OrganisationKind.AUDITOR)

    @property
    def orderer(self) -> Organisation:
        return self._load_all(OrganisationKind.ORDERER)[0]

    @property
    def member_numbers(self) -> Mapping[int, str]:
        """The members' MSP ids by their numbers."""
        return {entry.number: entry.msp_id for entry in self._of_kind(OrganisationKind.MEMBER)}

    def gateways(self, msp_id: str) -> list[str]:
        """Return where an identity of that organisation connects, host:port, its own peer's gateway first."""
        if self.fabric is None:
            return [self.address]
        members = sorted(self.member_numbers.items(), key=lambda member: (member[1] != msp_id, member[0]))
        return [f"{HOST}:{self.fabric.ports.member(number).peer}" for number, _ in members]

    def anchor_peers(self, msp_id: str) -> list[Address]:
        """Return where other organisations' peers find those of a member; nowhere in the embedded ledger."""
        if self.fabric is None:
            return []
        ports = self.fabric.ports
        return [
            Address(HOST, ports.member(number).peer)
            for number, member in self.member_numbers.items()
            if member == msp_id
        ]

    def orderer_names(self) -> list[str]:
        """Return the names of the ordering organisation's identities that order, the first one first."""
        if self.fabric is None:
            return [ORDERER]
        return [f"{ORDERER}{number}" for number in range(1, self.fabric.orderers.size + 1)]

    def organisation(self, name: str) -> Organisation:
        """Return the organisation of that name, domain or MSP id.

        Raises:
            NetworkError: there is none.
        """
        for entry in self.organisations:
            if name in {entry.name, entry.msp_id, entry.domain}:
                return Organisation.load(self._folder_of(entry))
        known = ", ".join(entry.name for entry in self.organisations)
        raise NetworkError(f"there is no organisation {name!r} here; there are {known}")

    def served_on(self, port: int) -> "Network":
        """Return the network at another port, and remember it."""
        moved = replace(self, address=f"{HOST}:{port}")
        moved._write()  # noqa: SLF001 - of this very class
        return moved

    def with_organisation(self, name: str, kind: OrganisationKind) -> "Network":
        """Return the network with the folder of one more member or auditor, and remember it.

        Its keys are here then. Whether it is in the channel is for `consortium.py`. One that was here before
        comes back with the keys it had.

        Args:
            name: such as "org4", of which follow Org4MSP and org4.example.com.
            kind: member or auditor.

        Raises:
            NetworkError: there is such an organisation, or the name does not do.
        """
        if not _ORGANISATION_NAME.fullmatch(name):
            raise NetworkError(f"{name!r} is no name for an organisation: small letters and digits, as org4")
        msp_id, domain = f"{name.capitalize()}MSP", f"{name}.{_ORDERING_DOMAIN}"
        if any(name == entry.name or msp_id == entry.msp_id for entry in self.organisations):
            raise NetworkError(f"there is an organisation {name} here already")
        number = max(self.member_numbers, default=0) + 1 if kind is OrganisationKind.MEMBER else 0
        entry = OrganisationEntry(name, msp_id, domain, kind, number)
        grown = replace(self, organisations=[*self.organisations, entry])
        folder = grown._folder_of(entry)  # noqa: SLF001 - of this very class
        if not folder.exists():
            unfinished = folder.with_name(f"{domain}.new")
            shutil.rmtree(unfinished, ignore_errors=True)
            _issue_first_identities(Organisation.create(unfinished, msp_id, domain), kind, self.fabric)
            unfinished.rename(folder)
        return grown._remembered()  # noqa: SLF001 - of this very class

    def without_organisation(self, name: str) -> "Network":
        """Return the network without an organisation, and remember it; its folder stays.

        Raises:
            NetworkError: there is none of that name, domain or MSP id.
        """
        leaving = self.organisation(name).msp_id
        staying = [entry for entry in self.organisations if entry.msp_id != leaving]
        return replace(self, organisations=staying)._remembered()  # noqa: SLF001 - of this very class

    def with_chaincode_version(self, version: str) -> "Network":
        """Return the network whose members are to run another version of the chaincode, and remember it.

        Raises:
            NetworkError: it is no Fabric network, or the version does not do.
        """
        if not _VERSION.fullmatch(version):
            raise NetworkError(f"{version!r} is no version: letters, digits, dots, dashes, as in 1.1")
        fabric = replace(self.require_fabric(), chaincode_version=version)
        return replace(self, fabric=fabric)._remembered()  # noqa: SLF001 - of this very class

    def require_fabric(self) -> FabricSettings:
        """Return a Fabric network's settings.

        Raises:
            NetworkError: it is none.
        """
        if self.fabric is None:
            raise NetworkError(f"{self.folder} holds an embedded ledger, no Fabric network")
        return self.fabric

    def _remembered(self) -> "Network":
        self._write_gateway_roots()
        self._write()
        return self

    def _of_kind(self, kind: OrganisationKind) -> list[OrganisationEntry]:
        return [entry for entry in self.organisations if entry.kind is kind]

    def _load_all(self, kind: OrganisationKind) -> list[Organisation]:
        return [Organisation.load(self._folder_of(entry)) for entry in self._of_kind(kind)]

    def _folder_of(self, entry: OrganisationEntry) -> Path:
        return self.folder / "organisations" / entry.domain

    def channel_profile(self) -> ChannelProfile:
        """Return what the channel's first block says of this network."""
        embedded_port = int(self.address.rpartition(":")[2])
        ports = None if self.fabric is None else self.fabric.ports
        orderer = self.orderer
        consenters = [
            _consenter(
                orderer.identity(name), embedded_port if ports is None else ports.orderer(number).service
            )
            for number, name in enumerate(self.orderer_names(), start=1)
        ]
        if self.fabric is None or ports is None:
            return ChannelProfile(self.channel, self.members, self.auditors, orderer, consenters)
        anchor_peers = {msp_id: self.anchor_peers(msp_id)[0] for msp_id in self.member_numbers.values()}
        return ChannelProfile(
            channel=self.channel,
            members=self.members,
            auditors=self.auditors,
            orderer=orderer,
            consenters=consenters,
            consensus=Consensus.SMARTBFT if self.fabric.orderers is Orderers.BFT else Consensus.RAFT,
            anchor_peers=anchor_peers,
            channel_capability=self.fabric.channel_capability,
            batch_timeout_ms=_BATCH_TIMEOUT_MS,
            raft_tick_ms=_RAFT_TICK_MS if len(consenters) > 1 else _LONE_RAFT_TICK_MS,
        )

    def _write_gateway_roots(self) -> None:
        serving = [self.orderer] if self.fabric is None else self.members
        roots = (organisation.tls.root.certificate_pem for organisation in serving)
        self.tls_roots.write_bytes(b"".join(roots))

    def _write(self) -> None:
        lines = [
            f"{name} = {json.dumps(value)}"
            for name, value in (
                ("channel", self.channel),
                ("chaincode", self.chaincode),
                ("address", self.address),
                ("tls_roots", str(self.tls_roots.relative_to(self.folder))),
            )
        ]
        if self.fabric is not None:
            lines += ["", "[fabric]"]
            lines += [
                f"{name} = {json.dumps(getattr(self.fabric, name))}"
                for name in ("orderers", "port", "channel_capability", "chaincode_version")
            ]
        for entry in self.organisations:
            lines += ["", "[[organisations]]"]
            lines += [
                f"{name} = {json.dumps(getattr(entry, name))}"
                for name in ("name", "msp_id", "domain", "kind", "number")
            ]
        unfinished = self.folder / "network.toml.new"
        unfinished.write_text("\n".join(lines) + "\n")
        unfinished.replace(self.folder / "network.toml")


def _issue_first_identities(
    organisation: Organisation, kind: OrganisationKind, fabric: FabricSettings | None
) -> None:
    served = None if fabric is None else ()  # the embedded ledger serves under the orderer's certificate
    match kind:
        case OrganisationKind.MEMBER:
            organisation.issue(PEER, role=NodeRole.PEER, tls_hosts=served)
            organisation.issue(ADMIN, role=NodeRole.ADMIN)
            operator = {"role": "operator"}
            organisation.issue(OPERATOR, role=NodeRole.CLIENT, attributes=operator, tls_hosts=())
            if fabric is not None:
                organisation.issue_service(CHAINCODE_SERVICE)
        case OrganisationKind.AUDITOR:
            organisation.issue(ADMIN, role=NodeRole.ADMIN)
            organisation.issue(AUDITOR, role=NodeRole.CLIENT, attributes={"role": "auditor"})
        case OrganisationKind.ORDERER if fabric is None:
            organisation.issue(ADMIN, role=NodeRole.ADMIN)
            organisation.issue(ORDERER, role=NodeRole.ORDERER, tls_hosts=())
        case OrganisationKind.ORDERER:
            organisation.issue(ADMIN, role=NodeRole.ADMIN, tls_hosts=())
            for number in range(1, fabric.orderers.size + 1):
                organisation.issue(f"{ORDERER}{number}", role=NodeRole.ORDERER, tls_hosts=())


def _consenter(files: IdentityFiles, port: int) -> Consenter:
    return Consenter(HOST, port, tls_of(files).certificate.read_bytes(), files.certificate.read_bytes())


def tls_of(files: IdentityFiles) -> TlsFiles:
    """Return the TLS certificate of an identity that serves.

    Raises:
        NetworkError: it has none.
    """
    if files.tls is None:
        raise NetworkError(f"{files.certificate} has no TLS certificate beside it")
    return files.tls
