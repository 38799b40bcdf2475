"""The four unary calls of Fabric's Gateway service, one by one.

Everything that goes in is signed already, so a key may live elsewhere (offline signing); `contract.py` joins
the calls into a flow. Each has a deadline, and what gRPC raises stops here.

Where there are several gateways, one that is out of reach or does not answer in time is passed over for the
next: at once by what changes nothing, and by a submission only before it is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc.aio
from fabric_protos.gateway import gateway_pb2

from veilmesh_fabric.causes import Cause
from veilmesh_fabric.commit import CommitStatus, SignedCommitStatusRequest
from veilmesh_fabric.errors import (
    CommitStatusError,
    EndorseError,
    EvaluateError,
    GatewayError,
    SubmitError,
)
from veilmesh_fabric.failover import Gateways, Link
from veilmesh_fabric.proposal import SignedProposal
from veilmesh_fabric.rpc_errors import gateway_error, never_reached
from veilmesh_fabric.transaction import PreparedTransaction, SignedTransaction

# A gateway that says so is there.
_FROM_BEHIND = frozenset({grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED})


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each call may take, in seconds; the values are those of Fabric's official samples."""

    evaluate_s: float = 5.0
    endorse_s: float = 15.0
    submit_s: float = 5.0
    commit_status_s: float = 60.0


class GatewayCalls:
    """The Gateway service behind one or several gateways, which their owner closes."""

    def __init__(self, gateways: Gateways, deadlines: Deadlines) -> None:
        self._gateways = gateways
        self._deadlines = deadlines

    async def evaluate(self, proposal: SignedProposal, endorsing_organizations: Sequence[str] = ()) -> bytes:
        """Have a peer simulate the proposal; return the chaincode's result.

        Raises:
            EvaluateError: the chaincode or the gateway refused or failed.
        """
        request = gateway_pb2.EvaluateRequest(
            transaction_id=proposal.proposal.tx_id,
            channel_id=proposal.proposal.channel_name,
            proposed_transaction=proposal.to_proto(),
            target_organizations=endorsing_organizations,
        )
        answer = await self._ask(
            _Call("Evaluate", request, self._deadlines.evaluate_s, EvaluateError, proposal.proposal.tx_id)
        )
        result: bytes = answer.result.payload
        return result

    async def endorse(
        self, proposal: SignedProposal, endorsing_organizations: Sequence[str] = ()
    ) -> PreparedTransaction:
        """Collect endorsements; return the transaction to be signed.

        Raises:
            EndorseError: the chaincode, an endorser or the gateway refused or failed.
            DecodeError: the answer is no transaction.
            VerificationError: the answer is not the transaction of this proposal.
        """
        request = gateway_pb2.EndorseRequest(
            transaction_id=proposal.proposal.tx_id,
            channel_id=proposal.proposal.channel_name,
            proposed_transaction=proposal.to_proto(),
            endorsing_organizations=endorsing_organizations,
        )
        answer = await self._ask(
            _Call("Endorse", request, self._deadlines.endorse_s, EndorseError, proposal.proposal.tx_id)
        )
        return PreparedTransaction.open(proposal.proposal, answer.prepared_transaction)

    async def submit(self, transaction: SignedTransaction) -> None:
        """Send a transaction for ordering, once; it is not yet committed on return.

        Raises:
            SubmitError: it was refused; or, where `is_uncertain` says so, the answer got lost.
        """
        request = gateway_pb2.SubmitRequest(
            transaction_id=transaction.tx_id,
            channel_id=transaction.channel_name,
            prepared_transaction=transaction.to_proto(),
        )
        call = _Call("Submit", request, self._deadlines.submit_s, SubmitError, transaction.tx_id)
        await self._send(call, await self._gateways.pick())

    async def commit_status(
        self, request: SignedCommitStatusRequest, within_s: float | None = None
    ) -> CommitStatus:
        """Wait until the transaction stands in a block.

        Args:
            request: which transaction.
            within_s: the deadlines' `commit_status_s` when not given.

        Raises:
            CommitStatusError: no gateway says.
        """
        deadline_s = self._deadlines.commit_status_s if within_s is None else within_s
        # A gateway that hangs says as little as one that waits, so each has its share of the time.
        share_s = deadline_s / len(self._gateways)
        tx_id = request.request.tx_id
        answer = await self._ask(_Call("CommitStatus", request.to_proto(), share_s, CommitStatusError, tx_id))
        return CommitStatus(tx_id, answer.result, answer.block_number)

    async def _ask(self, call: "_Call") -> Any:
        """Call the gateways in turn, until one gives an answer that the others would give, too."""
        tried: list[Link] = []
        failures: list[GatewayError] = []
        while len(tried) < len(self._gateways):
            tried.append(await self._gateways.pick(besides=tried))
            try:
                return await self._send(call, tried[-1])
            except GatewayError as err:
                if not err.cause.may_pass:
                    raise
                failures.append(err)
        # What a gateway that was reached has to say counts for more than that another one was not.
        raise next((each for each in failures if each.code is not grpc.StatusCode.UNAVAILABLE), failures[-1])

    async def _send(self, call: "_Call", link: Link) -> Any:
        try:
            answer = await getattr(link.stub, call.method)(call.request, timeout=call.deadline_s)
        except grpc.aio.AioRpcError as err:
            trouble = await link.trouble() if never_reached(err) else ""
            error = gateway_error(
                call.failure, err, call.tx_id, trouble and f"gateway {link.name}: {trouble}"
            )
            await self._blame(link, error)
            raise error from err
        link.failures = 0
        return answer

    async def _blame(self, link: Link, error: GatewayError) -> None:
        """Let the gateway rest where it is to blame for an error, and not what is behind it."""
        if error.cause is not Cause.AWAY or error.details or error.code in _FROM_BEHIND:
            return
        why = error.message
        if error.code is grpc.StatusCode.DEADLINE_EXCEEDED and not isinstance(error, EvaluateError):
            # It waits for others, or for a block; so does one that hangs, and they look alike from here.
            why = await link.trouble()
        if why:
            self._gateways.failed(link, why)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call, to whichever gateway."""

    method: str
    request: Any
    deadline_s: float
    failure: type[GatewayError]
    tx_id: str
