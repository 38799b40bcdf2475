"""Fabric's Gateway service in front of the embedded ledger.

Status codes and sentences are Fabric's (`internal/pkg/gateway`), so that a client meets here what it will
meet there. Every organisation's peer is behind this one gateway: where the client names no organisations,
all members endorse.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any, NoReturn

import grpc
import grpc.aio
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from google.protobuf import any_pb2
from google.rpc import status_pb2
from veilmesh_fabric.errors import DecodeError, IdentityError
from veilmesh_fabric.rpc_errors import DETAILS_TRAILER
from veilmesh_fabric.signature_checks import SignedMessage
from veilmesh_fabric.wire import decode

from veilmesh_network.embedded.channel import Channel
from veilmesh_network.embedded.endorser import Endorser, Peer, PeerError
from veilmesh_network.embedded.events import chaincode_events
from veilmesh_network.embedded.feed import BlockFeed
from veilmesh_network.embedded.orderer import Orderer, OrderingError
from veilmesh_network.embedded.proposals import (
    FilteredError,
    OpenedProposal,
    ProposalError,
    open_proposal,
    policy_refusal,
)

_Context = grpc.aio.ServicerContext[Any, Any]


class GatewayService(gateway_pb2_grpc.GatewayServicer):  # type: ignore[misc]  # generated, untyped
    """`gateway.Gateway`."""

    def __init__(
        self,
        channel: Channel,
        endorser: Endorser,
        orderer: Orderer,
        feed: BlockFeed,
        now: Callable[[], datetime],
    ) -> None:
        self._channel = channel
        self._endorser = endorser
        self._orderer = orderer
        self._feed = feed
        self._now = now

    async def Evaluate(self, request: Any, context: _Context) -> Any:  # noqa: N802 - the service's name
        proposal = await self._open(request.proposed_transaction, context)
        if not self._is_ours(proposal.channel):
            await context.abort(grpc.StatusCode.UNAVAILABLE, _no_config(proposal.channel))
        peers = self._peers(proposal, request.target_organizations)
        if not peers:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                "no peers available to evaluate chaincode "
                f"{proposal.chaincode} in channel {proposal.channel}",
            )
        try:
            return gateway_pb2.EvaluateResponse(result=await self._endorser.evaluate(proposal, peers[0]))
        except FilteredError as err:
            await _abort(context, grpc.StatusCode.UNAVAILABLE, _NOT_EVALUATED, [(peers[0], str(err))])
        except ProposalError as err:
            message = f"evaluate call to endorser returned error: {err}"
            await _abort(context, grpc.StatusCode.FAILED_PRECONDITION, message, [(peers[0], str(err))])
        except PeerError as err:
            code, message = grpc.StatusCode.ABORTED, _NOT_EVALUATED
            if err.by_chaincode:
                code = grpc.StatusCode.UNKNOWN
                message = f"evaluate call to endorser returned error: {err}"
            await _abort(context, code, message, [(err.peer, err.message)])

    async def Endorse(self, request: Any, context: _Context) -> Any:  # noqa: N802 - the service's name
        proposal = await self._open(request.proposed_transaction, context)
        peers = self._peers(proposal, request.endorsing_organizations)
        missing = sorted(set(request.endorsing_organizations) - {peer.msp_id for peer in peers})
        if missing:
            await context.abort(
                grpc.StatusCode.UNAVAILABLE,
                f"failed to find any endorsing peers for org(s): {', '.join(missing)}",
            )
        if not peers:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                "no combination of peers can be derived which satisfy the endorsement policy: "
                f"No metadata was found for chaincode {proposal.chaincode} in channel {proposal.channel}",
            )
        try:
            envelope = await self._endorser.endorse(proposal, peers)
        except ProposalError as err:
            await _abort(context, grpc.StatusCode.ABORTED, _NOT_ENDORSED, [(peers[0], str(err))])
        except PeerError as err:
            message = _NOT_ENDORSED if err.peer is peers[0] else _NOT_COLLECTED
            await _abort(context, grpc.StatusCode.ABORTED, message, [(err.peer, err.message)])
        return gateway_pb2.EndorseResponse(prepared_transaction=envelope)

    async def Submit(self, request: Any, context: _Context) -> Any:  # noqa: N802 - the service's name
        if not request.prepared_transaction.signature:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "prepared transaction must be signed")
        if not self._is_ours(request.channel_id):
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, _no_config(request.channel_id))
        try:
            self._orderer.take(request.prepared_transaction)
        except OrderingError as err:
            if err.status == "SERVICE_UNAVAILABLE":
                message = f"no orderers could successfully process transaction: {err}"
                await context.abort(grpc.StatusCode.UNAVAILABLE, message)
            message = f"received unsuccessful response from orderer: status={err.status}, info={err}"
            await context.abort(grpc.StatusCode.ABORTED, message)
        return gateway_pb2.SubmitResponse()

    async def CommitStatus(self, request: Any, context: _Context) -> Any:  # noqa: N802 - the service's name
        asked = await self._signed_request(gateway_pb2.CommitStatusRequest, request, context)
        if not asked.transaction_id:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "transaction ID should not be empty")
        record = await self._feed.transaction(asked.transaction_id)
        return gateway_pb2.CommitStatusResponse(result=record.code, block_number=record.block)

    async def ChaincodeEvents(self, request: Any, context: _Context) -> AsyncIterator[Any]:  # noqa: N802
        asked = await self._signed_request(gateway_pb2.ChaincodeEventsRequest, request, context)
        async for response in chaincode_events(self._feed, asked):
            yield response

    async def _open(self, signed_proposal: Any, context: _Context) -> OpenedProposal:
        try:
            proposal = open_proposal(signed_proposal)
        except ProposalError as err:
            message = f"failed to unpack transaction proposal: {err}"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)
        return proposal

    def _is_ours(self, channel: str) -> bool:
        return channel == self._channel.config.channel_id

    def _peers(self, proposal: OpenedProposal, organisations: Sequence[str]) -> list[Peer]:
        return [
            peer
            for peer in self._endorser.peers
            if self._is_ours(proposal.channel)
            and proposal.chaincode in peer.chaincodes
            and (not organisations or peer.msp_id in organisations)
        ]

    async def _signed_request(self, message_type: Any, request: Any, context: _Context) -> Any:
        """Return the request inside a signed one, if its signer may read the channel."""
        try:
            asked = decode(message_type, request.request, "request")
        except DecodeError as err:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"invalid request: {err}")
        if not self._is_ours(asked.channel_id):
            message = f"Failed to get policy manager for channel [{asked.channel_id}]"
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, message)
        try:
            identity = self._channel.signer(
                SignedMessage(asked.identity, request.signature, request.request), self._now()
            )
            self._channel.require_reader(identity)
        except IdentityError as err:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, policy_refusal(asked.channel_id, err))
        return asked


_NOT_EVALUATED = "failed to evaluate transaction, see attached details for more info"
_NOT_COLLECTED = "failed to collect enough transaction endorsements, see attached details for more info"
_NOT_ENDORSED = "failed to endorse transaction, see attached details for more info"


def _no_config(channel: str) -> str:
    return f"failed to get config for channel [{channel}]: could not get last config for channel {channel}"


async def _abort(
    context: _Context, code: grpc.StatusCode, message: str, said: Sequence[tuple[Peer, str]]
) -> NoReturn:
    """End the call with a status that carries what each peer said."""
    status = status_pb2.Status(code=code.value[0], message=message)
    for peer, words in said:
        packed = any_pb2.Any()
        packed.Pack(gateway_pb2.ErrorDetail(address=peer.address, msp_id=peer.msp_id, message=words))
        status.details.append(packed)
    trailer = (DETAILS_TRAILER, status.SerializeToString())
    await context.abort(code, message, trailing_metadata=(trailer,))
    raise AssertionError("abort returns never")
