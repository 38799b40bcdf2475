"""A peer that answers what a test wrote down: Fabric's Gateway and Deliver services over TLS.

Left alone it behaves: it checks signatures and transaction ids, endorses as two organisations, "commits" what
is submitted into block 7, and knows three blocks and two events. A test's script changes single answers:

    peer.script["Submit"] = [Refusal(UNAVAILABLE, after=True), Behave()]

means that the first `Submit` is carried out but its answer lost, and the second one is answered.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import grpc
import grpc.aio
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.msp import identities_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import (
    chaincode_event_pb2,
    chaincode_pb2,
    events_pb2,
    events_pb2_grpc,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)
from google.protobuf import any_pb2
from google.rpc import status_pb2
from veilmesh_fabric.certificates import read_certificate
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.proposal_response import assemble_transaction, endorse, response_payload
from veilmesh_fabric.signing import verify

BLOCK_NUMBER = 7
HEIGHT = 3  # blocks 0, 1 and 2


@dataclass(frozen=True, slots=True)
class Refusal:
    """End the call with an error, before or after doing what was asked."""

    code: grpc.StatusCode
    message: str = "scripted"
    peers: tuple[tuple[str, str, str], ...] = ()  # address, MSP id, message
    after: bool = False

    async def raise_in(self, context: Any) -> None:
        details = []
        for address, msp_id, message in self.peers:
            packed = any_pb2.Any()
            packed.Pack(gateway_pb2.ErrorDetail(address=address, msp_id=msp_id, message=message))
            details.append(packed)
        status = status_pb2.Status(code=self.code.value[0], message=self.message, details=details)
        trailers = (("grpc-status-details-bin", status.SerializeToString()),) if details else ()
        await context.abort(self.code, self.message, trailers)


@dataclass(frozen=True, slots=True)
class Behave:
    """Do what was asked."""


@dataclass(frozen=True, slots=True)
class Invalidate:
    """Let `CommitStatus` answer with this validation code."""

    code_name: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """Let `Endorse` answer with another proposal's transaction."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Let a stream stay open behind what there is to send, as a real one does."""


Step = Refusal | Behave | Invalidate | Exchange | Hold


@dataclass
class ScriptedPeer(gateway_pb2_grpc.GatewayServicer, events_pb2_grpc.DeliverServicer):  # type: ignore[misc]  # untyped bases
    endorsers: list[SigningIdentity]
    script: dict[str, list[Step]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    requests: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    committed: set[str] = field(default_factory=set)
    open_streams: int = 0

    async def Evaluate(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        await self._begin("Evaluate", request, context)
        args = self._arguments(request)
        payload = b" ".join(args)
        return gateway_pb2.EvaluateResponse(
            result=proposal_response_pb2.Response(status=200, payload=payload)
        )

    async def Endorse(self, request: Any, context: Any) -> Any:  # noqa: N802
        step = await self._begin("Endorse", request, context)
        args = self._arguments(request)
        proposal = proposal_pb2.Proposal.FromString(request.proposed_transaction.proposal_bytes)
        if isinstance(step, Exchange):
            proposal.payload = proposal_pb2.ChaincodeProposalPayload(input=b"another").SerializeToString()
        response = proposal_response_pb2.Response(status=200, payload=b" ".join(args))
        payload = response_payload(
            proposal, response, results=b"", chaincode_name="mesh", chaincode_version="1.0"
        )
        responses = [endorse(endorser, payload, response) for endorser in self.endorsers]
        return gateway_pb2.EndorseResponse(prepared_transaction=assemble_transaction(proposal, responses))

    async def Submit(self, request: Any, context: Any) -> Any:  # noqa: N802
        step = self._next("Submit", request)
        envelope = request.prepared_transaction
        payload = common_pb2.Payload.FromString(envelope.payload)
        _require_signature(payload.header, envelope.payload, envelope.signature)
        if not isinstance(step, Refusal) or step.after:
            self.committed.add(request.transaction_id)
        if isinstance(step, Refusal):
            await step.raise_in(context)
        return gateway_pb2.SubmitResponse()

    async def CommitStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        question = gateway_pb2.CommitStatusRequest.FromString(request.request)
        verify(_public_key(question.identity), request.signature, request.request)
        step = await self._begin("CommitStatus", question, context)
        if question.transaction_id not in self.committed:
            await Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "not seen").raise_in(context)
        name = step.code_name if isinstance(step, Invalidate) else "VALID"
        code = transaction_pb2.TxValidationCode.Value(name)
        return gateway_pb2.CommitStatusResponse(result=code, block_number=BLOCK_NUMBER)

    async def ChaincodeEvents(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        question = gateway_pb2.ChaincodeEventsRequest.FromString(request.request)
        verify(_public_key(question.identity), request.signature, request.request)
        step = self._next("ChaincodeEvents", question)
        self.open_streams += 1
        try:
            if isinstance(step, Refusal) and not step.after:
                await step.raise_in(context)
            yield gateway_pb2.ChaincodeEventsResponse(
                block_number=BLOCK_NUMBER, events=[_event(question, "tx-1"), _event(question, "tx-2")]
            )
            if isinstance(step, Refusal):
                await step.raise_in(context)
            if isinstance(step, Hold):
                await asyncio.Event().wait()
        finally:
            self.open_streams -= 1

    async def Deliver(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:  # noqa: N802
        envelope = await anext(requests)
        payload = common_pb2.Payload.FromString(envelope.payload)
        _require_signature(payload.header, envelope.payload, envelope.signature)
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        seek = ab_pb2.SeekInfo.FromString(payload.data)
        step = self._next("Deliver", seek)
        if header.channel_id != "veil":
            yield events_pb2.DeliverResponse(status=common_pb2.NOT_FOUND)
            return
        if isinstance(step, Refusal) and not step.after:
            await step.raise_in(context)
        first, last = (_number(position) for position in (seek.start, seek.stop))
        for number in range(first, min(last + 1, HEIGHT)):
            yield events_pb2.DeliverResponse(
                block=common_pb2.Block(header=common_pb2.BlockHeader(number=number))
            )
        if isinstance(step, Refusal):
            await step.raise_in(context)
        elif last < HEIGHT:
            yield events_pb2.DeliverResponse(status=common_pb2.SUCCESS)
        elif seek.behavior == ab_pb2.SeekInfo.FAIL_IF_NOT_READY:
            yield events_pb2.DeliverResponse(status=common_pb2.NOT_FOUND)

    def _next(self, call: str, request: Any) -> Step:
        self.calls.append(call)
        self.requests[call].append(request)
        steps = self.script.get(call)
        return steps.pop(0) if steps else Behave()

    async def _begin(self, call: str, request: Any, context: Any) -> Step:
        step = self._next(call, request)
        if isinstance(step, Refusal):
            await step.raise_in(context)
        return step

    def _arguments(self, request: Any) -> list[bytes]:
        """Check a proposal as a peer does; return its arguments."""
        signed = request.proposed_transaction
        proposal = proposal_pb2.Proposal.FromString(signed.proposal_bytes)
        header = common_pb2.Header.FromString(proposal.header)
        _require_signature(header, signed.proposal_bytes, signed.signature)
        channel_header = common_pb2.ChannelHeader.FromString(header.channel_header)
        signature_header = common_pb2.SignatureHeader.FromString(header.signature_header)
        expected = sha256(signature_header.nonce + signature_header.creator).hexdigest()
        assert channel_header.tx_id == request.transaction_id == expected
        assert channel_header.channel_id == request.channel_id == "veil"
        payload = proposal_pb2.ChaincodeProposalPayload.FromString(proposal.payload)
        invocation = chaincode_pb2.ChaincodeInvocationSpec.FromString(payload.input)
        return list(invocation.chaincode_spec.input.args)


def _public_key(creator: bytes) -> Any:
    serialized = identities_pb2.SerializedIdentity.FromString(creator)
    return read_certificate(serialized.id_bytes).public_key


def _require_signature(header: Any, message: bytes, signature: bytes) -> None:
    creator = common_pb2.SignatureHeader.FromString(header.signature_header).creator
    verify(_public_key(creator), signature, message)


def _event(question: Any, tx_id: str) -> Any:
    return chaincode_event_pb2.ChaincodeEvent(
        chaincode_id=question.chaincode_id, tx_id=tx_id, event_name="enrolled", payload=tx_id.encode()
    )


def _number(position: Any) -> int:
    if position.HasField("newest"):
        return HEIGHT - 1
    number: int = position.specified.number
    return number
