"""Which processes a Fabric network has and where on the loopback they listen, all from one first port.

    P + 10 (k - 1)          orderer k, 1 to 4: + 0 transactions and blocks, + 1 administration, + 2 operations
    P + 40 + 10 (n - 1)     member n: + 0 peer and gateway, + 1 chaincodes that dial the peer, + 2 operations,
                            + 3 chaincode service, + 4 its metrics

The consenters' and anchor peers' addresses stand in the channel's configuration: a network keeps its ports.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from veilmesh_network.errors import AddressInUseError, NetworkError
from veilmesh_network.loopback import HOST, is_free

_ORDERERS_AT_MOST = 4
_STRIDE = 10
_HIGHEST_PORT = 65535


class Orderers(StrEnum):
    """Who orders transactions into blocks."""

    RAFT = "raft"  # one Raft orderer: no fault is tolerated
    RAFT3 = "raft3"  # three: one may crash
    BFT = "bft"  # four SmartBFT orderers: one may lie

    @property
    def size(self) -> int:
        return {Orderers.RAFT: 1, Orderers.RAFT3: 3, Orderers.BFT: 4}[self]


@dataclass(frozen=True, slots=True)
class OrdererPorts:
    service: int  # broadcast, deliver and the consensus itself
    admin: int  # channel participation
    operations: int  # health and metrics


@dataclass(frozen=True, slots=True)
class MemberPorts:
    peer: int  # gateway, endorser, deliver, discovery, gossip
    chaincode_callback: int  # where chaincodes started by the peer would dial; nobody does here
    operations: int
    chaincode: int  # the chaincode service
    chaincode_metrics: int


@dataclass(frozen=True, slots=True)
class PortPlan:
    """The ports that follow from the first one."""

    first: int

    @staticmethod
    def span(members: int) -> int:
        """Return how many ports in a row a network of so many members may use, whoever orders."""
        return _STRIDE * (_ORDERERS_AT_MOST + members)

    def orderer(self, number: int) -> OrdererPorts:
        """Return orderer `number`'s, counted from 1."""
        base = self.first + _STRIDE * (number - 1)
        return OrdererPorts(base, base + 1, base + 2)

    def member(self, number: int) -> MemberPorts:
        """Return member `number`'s, counted from 1."""
        base = self.first + _STRIDE * (_ORDERERS_AT_MOST + number - 1)
        return MemberPorts(base, base + 1, base + 2, base + 3, base + 4)

    def uses(self, orderers: int, members: Mapping[int, str]) -> Iterator[tuple[int, str]]:
        """Yield every port in use, and what for.

        Args:
            orderers: how many.
            members: MSP ids by number.
        """
        for number in range(1, orderers + 1):
            ports = self.orderer(number)
            yield ports.service, f"orderer {number}"
            yield ports.admin, f"the administration of orderer {number}"
            yield ports.operations, f"the operations service of orderer {number}"
        for number, msp_id in members.items():
            member = self.member(number)
            yield member.peer, f"the peer of {msp_id}"
            yield member.chaincode_callback, f"chaincodes of the peer of {msp_id}"
            yield member.operations, f"the operations service of the peer of {msp_id}"
            yield member.chaincode, f"the chaincode service of {msp_id}"
            yield member.chaincode_metrics, f"the metrics of the chaincode service of {msp_id}"

    def require_free(self, orderers: int, members: Mapping[int, str]) -> None:
        """Return if all ports can be had.

        Raises:
            AddressInUseError: one is taken; names it, and what it is for.
            NetworkError: there are not that many ports above the first one.
        """
        uses = list(self.uses(orderers, members))
        highest, purpose = max(uses)
        if highest > _HIGHEST_PORT:
            raise NetworkError(
                f"port {highest} for {purpose} is beyond {_HIGHEST_PORT}: choose a lower --port"
            )
        for port, purpose in uses:
            if not is_free(port):
                raise AddressInUseError(
                    f"port {port} of {HOST}, for {purpose}, is taken by another process: end that, "
                    "or make the network in a new folder with another --port"
                )
