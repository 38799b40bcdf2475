"""The four unary calls of Fabric's Gateway service, one by one.

Everything that goes in is signed already, so a key may live elsewhere (offline signing); `contract.py` joins
the calls into a flow. Each has a deadline, and what gRPC raises stops here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc.aio
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc

from veilmesh_fabric.commit import CommitStatus, SignedCommitStatusRequest
from veilmesh_fabric.errors import (
    CommitStatusError,
    EndorseError,
    EvaluateError,
    GatewayError,
    SubmitError,
)
from veilmesh_fabric.proposal import SignedProposal
from veilmesh_fabric.rpc_errors import gateway_error
from veilmesh_fabric.transaction import PreparedTransaction, SignedTransaction

Failure = TypeVar("Failure", bound=GatewayError)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each call may take, in seconds; the values are those of Fabric's official samples."""

    evaluate_s: float = 5.0
    endorse_s: float = 15.0
    submit_s: float = 5.0
    commit_status_s: float = 60.0


class GatewayCalls:
    """The Gateway service behind one channel, which its owner closes."""

    def __init__(self, channel: grpc.aio.Channel, deadlines: Deadlines) -> None:
        self._stub = gateway_pb2_grpc.GatewayStub(channel)
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
        answer = await _call(
            self._stub.Evaluate, request, self._deadlines.evaluate_s, EvaluateError, proposal.proposal.tx_id
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
        answer = await _call(
            self._stub.Endorse, request, self._deadlines.endorse_s, EndorseError, proposal.proposal.tx_id
        )
        return PreparedTransaction.open(proposal.proposal, answer.prepared_transaction)

    async def submit(self, transaction: SignedTransaction) -> None:
        """Send a transaction for ordering; it is not yet committed on return.

        Raises:
            SubmitError: it was refused; or, where `is_uncertain` says so, the answer got lost.
        """
        request = gateway_pb2.SubmitRequest(
            transaction_id=transaction.tx_id,
            channel_id=transaction.channel_name,
            prepared_transaction=transaction.to_proto(),
        )
        await _call(self._stub.Submit, request, self._deadlines.submit_s, SubmitError, transaction.tx_id)

    async def commit_status(
        self, request: SignedCommitStatusRequest, within_s: float | None = None
    ) -> CommitStatus:
        """Wait until the transaction stands in a block.

        Args:
            request: which transaction.
            within_s: the deadlines' `commit_status_s` when not given.

        Raises:
            CommitStatusError: the gateway does not say.
        """
        tx_id = request.request.tx_id
        deadline_s = self._deadlines.commit_status_s if within_s is None else within_s
        answer = await _call(
            self._stub.CommitStatus, request.to_proto(), deadline_s, CommitStatusError, tx_id
        )
        return CommitStatus(tx_id, answer.result, answer.block_number)


async def _call(method: Any, request: Any, deadline_s: float, failure: type[Failure], tx_id: str) -> Any:
    try:
        return await method(request, timeout=deadline_s)
    except grpc.aio.AioRpcError as err:
        raise gateway_error(failure, err, tx_id) from err
