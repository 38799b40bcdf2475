"""A network's folder: made once, then brought up and down.

    NET/network.toml            channel, chaincode, address, and whose folder is where
    NET/channel.block           the channel's first block: what an auditor trusts
    NET/organisations/DOMAIN/   see `organisation.py`
    NET/ledger.db               blocks and state, with SQLite's -wal and -shm beside it
    NET/ledger.log              what the ledger process says
    NET/ledger.lock             held by the running ledger process

Who is in it: members Org1MSP, Org2MSP, ... (peer, admin, operator), one auditing organisation AuditMSP
(auditor), and OrdererMSP. What else a member needs, such as a node's identity, it issues from its own
folder.
"""

import json
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from veilmesh_network.certificates import NodeRole
from veilmesh_network.errors import NetworkError
from veilmesh_network.genesis import ChannelProfile, Consenter, genesis_block
from veilmesh_network.organisation import Organisation
from veilmesh_network.supervisor import LedgerProcess

CHANNEL = "veilmesh"
CHAINCODE = "veilmesh"
DEFAULT_PORT = 7050
BANNER = (
    "The embedded ledger is one process that holds every organisation's keys: fit for development, "
    "demonstrations and tests. One process is no consortium."
)

PEER, ADMIN, OPERATOR, AUDITOR, ORDERER = "peer0", "admin", "operator", "auditor", "orderer"
"""Names of the identities that a new network has."""

_ORDERING_DOMAIN = "example.com"
_MOST_MEMBERS = 100


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


@dataclass(frozen=True, slots=True)
class Network:
    """A network that has a folder, running or not."""

    folder: Path
    address: str  # host:port of the gateway
    organisations: Sequence[OrganisationEntry]
    channel: str = CHANNEL
    chaincode: str = CHAINCODE

    @classmethod
    def create(cls, folder: Path, *, members: int = 3, port: int = DEFAULT_PORT) -> Self:
        """Make authorities, identities and the channel's first block.

        Args:
            folder: new or empty.
            members: how many member organisations, 1 to 100.
            port: of this machine's loopback, where the ledger is to serve.

        Raises:
            NetworkError: the folder is in use, or the number is out of range.
        """
        if not 1 <= members <= _MOST_MEMBERS:
            raise NetworkError(f"a network has 1 to {_MOST_MEMBERS} members, not {members}")
        if folder.exists() and any(folder.iterdir()):
            raise NetworkError(f"{folder} is not empty and holds no network")
        entries = [
            *(
                OrganisationEntry(
                    f"org{number}", f"Org{number}MSP", f"org{number}.example.com", OrganisationKind.MEMBER
                )
                for number in range(1, members + 1)
            ),
            OrganisationEntry("audit", "AuditMSP", "audit.example.com", OrganisationKind.AUDITOR),
            OrganisationEntry("orderer", "OrdererMSP", _ORDERING_DOMAIN, OrganisationKind.ORDERER),
        ]
        network = cls(folder, f"127.0.0.1:{port}", entries)
        for entry in entries:
            organisation = Organisation.create(network._folder_of(entry), entry.msp_id, entry.domain)
            _issue_first_identities(organisation, entry.kind)
        network.channel_block.write_bytes(network._genesis(port))
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
                    each["name"], each["msp_id"], each["domain"], OrganisationKind(each["kind"])
                )
                for each in about["organisations"]
            ]
            return cls(folder, about["address"], entries, about["channel"], about["chaincode"])
        except FileNotFoundError:
            raise NetworkError(f"{folder} holds no network") from None
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise NetworkError(f"the network in {folder} cannot be read: {err!r}") from err

    @property
    def channel_block(self) -> Path:
        return self.folder / "channel.block"

    @property
    def tls_roots(self) -> Path:
        """What vouches for the gateway's TLS certificate."""
        return self._folder_of(self._of_kind(OrganisationKind.ORDERER)[0]) / "tlsca" / "cert.pem"

    @property
    def members(self) -> list[Organisation]:
        return self._load_all(OrganisationKind.MEMBER)

    @property
    def auditors(self) -> list[Organisation]:
        return self._load_all(OrganisationKind.AUDITOR)

    @property
    def orderer(self) -> Organisation:
        return self._load_all(OrganisationKind.ORDERER)[0]

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
        moved = Network(self.folder, f"127.0.0.1:{port}", self.organisations, self.channel, self.chaincode)
        moved._write()
        return moved

    def _of_kind(self, kind: OrganisationKind) -> list[OrganisationEntry]:
        return [entry for entry in self.organisations if entry.kind is kind]

    def _load_all(self, kind: OrganisationKind) -> list[Organisation]:
        return [Organisation.load(self._folder_of(entry)) for entry in self._of_kind(kind)]

    def _folder_of(self, entry: OrganisationEntry) -> Path:
        return self.folder / "organisations" / entry.domain

    def _genesis(self, port: int) -> bytes:
        tls = self.orderer.identity(ORDERER).tls
        if tls is None:
            raise NetworkError("the orderer has no TLS certificate")
        profile = ChannelProfile(
            channel=self.channel,
            members=self.members,
            auditors=self.auditors,
            orderer=self.orderer,
            consenter=Consenter("127.0.0.1", port, tls.certificate.read_bytes()),
        )
        return bytes(genesis_block(profile).SerializeToString(deterministic=True))

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
        for entry in self.organisations:
            lines += ["", "[[organisations]]"]
            lines += [
                f"{name} = {json.dumps(getattr(entry, name))}"
                for name in ("name", "msp_id", "domain", "kind")
            ]
        unfinished = self.folder / "network.toml.new"
        unfinished.write_text("\n".join(lines) + "\n")
        unfinished.replace(self.folder / "network.toml")


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """What a network's folder and process say."""

    network: Network
    pid: int | None  # of the ledger process; None while it is down

    @property
    def running(self) -> bool:
        return self.pid is not None


def up(
    folder: Path,
    *,
    members: int = 3,
    port: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> NetworkStatus:
    """Bring the network in `folder` up, making it first where there is none. Up already: nothing happens.

    Args:
        folder: the network's.
        members: how many, if the network is new.
        port: of the loopback; the network's last one when not given, 7050 for a new one.
        progress: is told what happens, for people.

    Raises:
        NetworkError: the folder holds something else.
        AddressInUseError: the port is taken.
        LedgerNotReadyError: the process ended or did not become ready.
    """
    if (folder / "network.toml").exists():
        network = Network.load(folder)
    else:
        progress(f"making {members} members, an auditor and an orderer in {folder}")
        network = Network.create(folder, members=members, port=DEFAULT_PORT if port is None else port)
    process = LedgerProcess(folder)
    pid = process.pid()
    if pid is None:
        listen = network.address if port is None else f"127.0.0.1:{port}"
        progress(f"starting the ledger on {listen}")
        pid, served = process.start(listen)
        network = network.served_on(served)
    progress(f"channel {network.channel} is served on {network.address} (process {pid})")
    progress(BANNER)
    return NetworkStatus(network, pid)


def down(folder: Path) -> bool:
    """Stop the network's process and wait until it is gone; return whether there was one.

    Raises:
        NetworkError: the folder holds no network.
    """
    Network.load(folder)
    return LedgerProcess(folder).stop()


def status(folder: Path) -> NetworkStatus:
    """Return whether the network in `folder` runs.

    Raises:
        NetworkError: the folder holds no network.
    """
    return NetworkStatus(Network.load(folder), LedgerProcess(folder).pid())


def _issue_first_identities(organisation: Organisation, kind: OrganisationKind) -> None:
    match kind:
        case OrganisationKind.MEMBER:
            organisation.issue(PEER, role=NodeRole.PEER)
            organisation.issue(ADMIN, role=NodeRole.ADMIN)
            operator = {"role": "operator"}
            organisation.issue(OPERATOR, role=NodeRole.CLIENT, attributes=operator, tls_hosts=())
        case OrganisationKind.AUDITOR:
            organisation.issue(AUDITOR, role=NodeRole.CLIENT, attributes={"role": "auditor"})
        case OrganisationKind.ORDERER:
            organisation.issue(ORDERER, role=NodeRole.ORDERER, tls_hosts=())
