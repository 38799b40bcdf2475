"""The peers' half of the ledger: run the contract, sign what came of it.

For each proposal, in Fabric's order (`core/endorser/endorser.go`):

1. the proposal is well made, signed, and by one who may propose;
2. its transaction id is new;
3. the chaincode is defined on the channel;
4. its time is within a minute of ours (`veilmesh_chaincode.clock`);
5. the contract runs against one snapshot;
6. each peer signs the result with its own key.

Peers that run the same contract object share one simulation: the result follows from proposal and snapshot
alone. A peer that was given another one simulates by itself, and results that differ are not endorsed.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fabric_protos.peer import proposal_response_pb2
from veilmesh_chaincode.clock import require_in_time
from veilmesh_chaincode.creator import creator_of
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.runtime import Chaincode
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.lifecycle import LIFECYCLE
from veilmesh_fabric.proposal_response import assemble_transaction, endorse, response_payload
from veilmesh_fabric.signature_checks import SignedMessage

from veilmesh_network.embedded.channel import Channel
from veilmesh_network.embedded.lifecycle import Definition, Definitions
from veilmesh_network.embedded.proposals import OpenedProposal, ProposalError, check_proposal
from veilmesh_network.embedded.simulator import Invocation, Simulation
from veilmesh_network.embedded.store import LedgerStore, Snapshot

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Peer:
    """One organisation's peer: its key, and the contracts that it runs by chaincode name."""

    identity: SigningIdentity
    address: str  # how errors call it
    chaincodes: Mapping[str, Chaincode] = field(repr=False)

    @property
    def msp_id(self) -> str:
        return self.identity.msp_id


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a contract answered, and what it read and wrote for it."""

    response: Any  # peer.Response
    simulation: Simulation
    definition: Definition

    def payload(self, proposal: OpenedProposal) -> bytes:
        """Return the `ProposalResponsePayload` that a peer signs."""
        return response_payload(
            proposal.message,
            self.response,
            # As every transaction on Fabric: it holds only under the definition that it was simulated with.
            results=self.simulation.read_write_set({LIFECYCLE: [self.definition.sequence]}),
            chaincode_name=proposal.chaincode,
            chaincode_version=self.definition.chaincode.version,
            event=self.simulation.event_bytes(),
        )


class PeerError(Exception):
    """One peer did not endorse or answer.

    Attributes:
        peer: which one.
        message: what it says.
        by_chaincode: whether its contract said no, rather than something being broken.
    """

    def __init__(self, peer: Peer, message: str, *, by_chaincode: bool) -> None:
        super().__init__(message)
        self.peer = peer
        self.message = message
        self.by_chaincode = by_chaincode


class Endorser:
    """All organisations' peers."""

    def __init__(
        self,
        channel: Channel,
        store: LedgerStore,
        peers: Callable[[], Sequence[Peer]],
        now: Callable[[], datetime],
    ) -> None:
        """Endorse for `channel`.

        Args:
            channel: whose.
            store: its ledger.
            peers: returns those that endorse now.
            now: returns the time, aware.
        """
        self._channel = channel
        self._store = store
        self._now = now
        self._definitions = Definitions()
        self._peers = peers

    @property
    def peers(self) -> Sequence[Peer]:
        """Those that endorse now."""
        return self._peers()

    async def evaluate(self, proposal: OpenedProposal, peer: Peer) -> Any:
        """Run the contract for its answer alone; return the `peer.Response`.

        Raises:
            ProposalError: the proposal is refused as such.
            PeerError: the contract refused or failed.
        """
        check_proposal(proposal, self._channel, self._now())
        with self._store.snapshot() as snapshot:
            _require_new(proposal, snapshot)
            return (await self._simulate(proposal, peer, snapshot)).response

    async def endorse(self, proposal: OpenedProposal, peers: Sequence[Peer]) -> Any:
        """Have each of `peers` run the contract and sign; return the `Envelope` for the client to sign.

        Raises:
            ProposalError: the proposal is refused as such.
            PeerError: a peer's contract refused or failed, or its result differs from the first peer's.
        """
        check_proposal(proposal, self._channel, self._now())
        results: dict[int, tuple[Any, bytes]] = {}  # by contract: response and payload
        responses = []
        with self._store.snapshot() as snapshot:
            _require_new(proposal, snapshot)
            for peer in peers:
                contract = id(peer.chaincodes[proposal.chaincode])
                if contract not in results:
                    simulated = await self._simulate(proposal, peer, snapshot)
                    results[contract] = simulated.response, simulated.payload(proposal)
                responses.append(self._sign(peer, *results[contract]))
                if responses[-1].payload != responses[0].payload:
                    raise PeerError(peer, "ProposalResponsePayloads do not match", by_chaincode=False)
        return assemble_transaction(proposal.message, responses)

    async def _simulate(self, proposal: OpenedProposal, peer: Peer, snapshot: Snapshot) -> Simulated:
        definition = self._definitions.find(snapshot, proposal.chaincode)
        if definition is None:
            raise PeerError(
                peer,
                f"make sure the chaincode {proposal.chaincode} has been successfully defined on channel "
                f"{proposal.channel} and try again: chaincode {proposal.chaincode} not found",
                by_chaincode=False,
            )
        simulation = Simulation(self._invocation(proposal, peer), snapshot)
        try:
            response = await peer.chaincodes[proposal.chaincode].invoke(simulation, proposal.arguments)
        except Exception as err:
            # A contract that lets an exception out is broken; its transaction fails and the ledger lives on.
            _logger.exception("chaincode %s failed in transaction %s", proposal.chaincode, proposal.tx_id)
            refusal = Refusal(RefusalCode.INTERNAL, f"internal error in transaction {proposal.tx_id}")
            raise _refused(peer, refusal) from err
        if not 200 <= response.status < 400:
            raise _chaincode_error(peer, response.status, response.message)
        answer = proposal_response_pb2.Response(
            status=response.status, message=response.message, payload=response.payload
        )
        return Simulated(answer, simulation, definition)

    def _invocation(self, proposal: OpenedProposal, peer: Peer) -> Invocation:
        try:
            require_in_time(proposal.at.timestamp(), self._now().timestamp())
            creator = creator_of(proposal.creator)
        except Refusal as refusal:
            raise _refused(peer, refusal) from refusal
        return Invocation(
            tx_id=proposal.tx_id,
            channel=proposal.channel,
            chaincode=proposal.chaincode,
            creator=creator,
            timestamp_s=int(proposal.at.timestamp()),
        )

    def _sign(self, peer: Peer, response: Any, payload: bytes) -> Any:
        answer = endorse(peer.identity, payload, response)
        creator = peer.identity.creator
        self._channel.remember(SignedMessage(creator, answer.endorsement.signature, payload + creator))
        return answer


def _require_new(proposal: OpenedProposal, snapshot: Snapshot) -> None:
    if snapshot.transaction(proposal.tx_id) is not None:
        raise ProposalError(f"duplicate transaction found [{proposal.tx_id}]")


def _refused(peer: Peer, refusal: Refusal) -> PeerError:
    """Return what a chaincode service makes of a refusal."""
    return _chaincode_error(peer, refusal.code.status, refusal.to_message())


def _chaincode_error(peer: Peer, status: int, message: str) -> PeerError:
    return PeerError(peer, f"chaincode response {status}, {message}", by_chaincode=True)
