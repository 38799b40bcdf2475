"""The members of a network: each one's peer, seen by its admin, and its chaincode in one version."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import grpc.aio
from veilmesh_fabric.connection import connect
from veilmesh_fabric.contract import Contract
from veilmesh_fabric.gateway import Gateway
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.lifecycle import LIFECYCLE

from veilmesh_network.fabric.configuration import Program
from veilmesh_network.fabric.package import ChaincodePackage
from veilmesh_network.fabric.peer_admin import PeerAdmin
from veilmesh_network.fabric.plan import MemberPorts
from veilmesh_network.loopback import HOST
from veilmesh_network.network import ADMIN, PEER, Network
from veilmesh_network.organisation import Organisation


@dataclass(frozen=True, slots=True)
class Member:
    """One member, connected to its own peer as its admin."""

    organisation: Organisation
    ports: MemberPorts
    admin: SigningIdentity = field(repr=False)
    connection: grpc.aio.Channel = field(repr=False)

    @property
    def msp_id(self) -> str:
        return self.organisation.msp_id

    @property
    def peer_name(self) -> str:
        return f"{PEER}.{self.organisation.domain}"

    @property
    def peer(self) -> PeerAdmin:
        return PeerAdmin(self.connection, self.admin)

    def lifecycle(self, channel_name: str) -> Contract:
        """Return the contract by which chaincodes are approved and committed."""
        return Gateway(self.connection, self.admin).contract(channel_name, LIFECYCLE)


@dataclass(frozen=True, slots=True)
class Installation:
    """A member's chaincode in one version: what its peer installs, and the service behind it."""

    member: Member
    package: ChaincodePackage
    service: Program


@asynccontextmanager
async def members_of(network: Network) -> AsyncIterator[list[Member]]:
    """Open connections to the peers of a Fabric network's members, whether they run or not.

    Raises:
        NetworkError: the network is none, or an identity is missing.
        IdentityError: one cannot be used.
    """
    plan = network.require_fabric().ports
    async with AsyncExitStack() as stack:
        members = []
        for number, msp_id in network.member_numbers.items():
            organisation = network.organisation(msp_id)
            ports = plan.member(number)
            roots = organisation.tls.root.certificate_pem
            connection = await stack.enter_async_context(connect(f"{HOST}:{ports.peer}", roots))
            admin = SigningIdentity.from_msp_folder(organisation.identity(ADMIN).msp_dir, msp_id)
            members.append(Member(organisation, ports, admin, connection))
        yield members
