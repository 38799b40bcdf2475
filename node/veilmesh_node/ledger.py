"""The ledger through its gateway: records in, records out, and errors that a node's operations act on.

A refusal by the chaincode comes back as the very `Refusal`; all else that keeps the ledger from answering is
`LedgerUnavailableError`. A transaction is kept as its signed envelope, so that one whose fate is in doubt can
be asked after and, only if nothing is known of it, sent again as it was: of two equal transactions a ledger
commits one.
"""

from collections.abc import Awaitable
from typing import TypeVar

import grpc
from fabric_protos.common import common_pb2
from veilmesh_chaincode.records.authentication import Authentication, AuthenticationId
from veilmesh_chaincode.records.base import Document
from veilmesh_chaincode.records.enrolment import (
    GetHistory,
    HistoryEntry,
    ListReferences,
    Reference,
    ReferenceKey,
)
from veilmesh_chaincode.records.pages import Page
from veilmesh_chaincode.records.policy import Policy
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Model, ModelDigest, Node, NodeId
from veilmesh_chaincode.records.unsealing import Unsealing, UnsealingId
from veilmesh_fabric.causes import Cause, clock_offset_s
from veilmesh_fabric.commit import CommitStatus, CommitStatusRequest
from veilmesh_fabric.errors import CommitStatusError, FabricError, GatewayError, SubmitError
from veilmesh_fabric.gateway import Gateway
from veilmesh_fabric.retry import RetryPolicy, SystemClock, is_busy, is_uncertain, retry
from veilmesh_fabric.transaction import SignedTransaction
from veilmesh_fabric.wire import decode

from veilmesh_node.errors import (
    LedgerConflictError,
    LedgerError,
    LedgerRejectedError,
    LedgerUnavailableError,
    TransactionInvalidError,
    TransactionRefusedError,
)
from veilmesh_node.ports import Change, EndorsedTransaction, Request

IN_DOUBT_WITHIN_S = 5.0  # longer than any ordering delay we know; a transaction under way is seen by then
# How long is waited for a commit each time the transaction was sent: an orderer that fails takes with it what
# it had not passed on, so what is not seen is sent again as it was, at last after 30 s in all.
COMMIT_WITHIN_S = (IN_DOUBT_WITHIN_S, 10.0, 15.0)
BEHIND_WITHIN_S = 5.0  # for a peer to take a block that another one has; who asks for nonsense waits as long

_CONFLICTS = frozenset({"MVCC_READ_CONFLICT", "PHANTOM_READ_CONFLICT"})

Record = TypeVar("Record", bound=Document)
Answer = TypeVar("Answer")


class GatewayLedger:
    """Implements `ports.Ledger`. The gateway, and the connections under it, belong to the caller."""

    def __init__(self, gateway: Gateway, *, channel_name: str, chaincode_name: str) -> None:
        self._gateway = gateway
        self._contract = gateway.contract(channel_name, chaincode_name)
        self._retry = RetryPolicy()
        self._clock = SystemClock()

    async def policy(self) -> Policy:
        return await self._evaluate("policy:Current", None, Policy)

    async def node(self, node_id: str) -> Node:
        return await self._evaluate("registry:GetNode", NodeId(node_id=node_id), Node)

    async def model(self, model_digest: str) -> Model:
        return await self._evaluate("registry:GetModel", ModelDigest(model_digest=model_digest), Model)

    async def reference(self, reference_id: str) -> Reference:
        return await self._evaluate("enrolment:Get", ReferenceKey(reference_id=reference_id), Reference)

    async def references(self, owner_msp_id: str, *, limit: int, bookmark: str) -> Page[Reference]:
        request = ListReferences(owner_msp_id=owner_msp_id, limit=limit, bookmark=bookmark)
        return await self._evaluate("enrolment:List", request, Page[Reference])

    async def history(self, reference_id: str) -> list[HistoryEntry]:
        entries: list[HistoryEntry] = []
        bookmark = ""
        while True:
            request = GetHistory(reference_id=reference_id, bookmark=bookmark)
            page = await self._evaluate("enrolment:History", request, Page[HistoryEntry])
            entries += page.entries
            bookmark = page.bookmark
            if not bookmark:
                return entries

    async def authentication(self, authentication_id: str) -> Authentication:
        request = AuthenticationId(authentication_id=authentication_id)
        return await self._evaluate("authentication:Get", request, Authentication)

    async def unsealing(self, unsealing_id: str) -> Unsealing:
        return await self._evaluate("release:GetUnsealing", UnsealingId(unsealing_id=unsealing_id), Unsealing)

    async def caught_up(self, tx_id: str) -> bool:
        return await self._status(tx_id, BEHIND_WITHIN_S) is not None

    async def endorse(self, change: Change[Request], request: Request) -> EndorsedTransaction:
        transaction = await _translated(self._contract.endorse(change.function, request.to_bytes()))
        envelope: bytes = transaction.sign().to_proto().SerializeToString()
        return EndorsedTransaction(transaction.tx_id, envelope, transaction.result)

    async def commit(self, transaction: EndorsedTransaction, *, in_doubt: bool) -> None:
        status = await self._status(transaction.tx_id, IN_DOUBT_WITHIN_S) if in_doubt else None
        for within_s in COMMIT_WITHIN_S:
            if status is None:
                await self._send(transaction)
                status = await self._status(transaction.tx_id, within_s)
        if status is None:
            raise LedgerUnavailableError(f"transaction {transaction.tx_id} is not committed yet")
        if status.valid:
            return
        if status.code_name in _CONFLICTS:
            raise LedgerConflictError(f"transaction {transaction.tx_id}: {status.code_name}")
        raise TransactionInvalidError(transaction.tx_id, status.code_name)

    async def _evaluate(self, function: str, request: Document | None, record: type[Record]) -> Record:
        args = [] if request is None else [request.to_bytes()]
        return record.from_bytes(await _translated(self._contract.evaluate(function, *args)))

    async def _send(self, transaction: EndorsedTransaction) -> None:
        """Hand the transaction to the orderers; an answer that got lost is left to the status."""
        envelope = decode(common_pb2.Envelope, transaction.envelope, "envelope")
        signed = SignedTransaction(
            self._contract.channel_name, transaction.tx_id, envelope.payload, envelope.signature
        )
        try:
            await retry(lambda: self._gateway.calls.submit(signed), is_busy, self._retry, self._clock)
        except SubmitError as err:
            if is_uncertain(err):
                return
            failure = failure_in(err)
            if isinstance(failure, LedgerRejectedError):
                raise TransactionRefusedError(str(err)) from err
            raise failure from err

    async def _status(self, tx_id: str, within_s: float) -> CommitStatus | None:
        """Return what became of a transaction; None where nothing is known of it within the time.

        Raises:
            LedgerUnavailableError: the ledger cannot be asked.
            LedgerRejectedError: it does not answer this node.
        """
        identity = self._gateway.identity
        request = CommitStatusRequest.build(identity.creator, self._contract.channel_name, tx_id)
        try:
            return await self._gateway.calls.commit_status(request.sign(identity), within_s)
        except CommitStatusError as err:
            if err.code is grpc.StatusCode.DEADLINE_EXCEEDED:
                return None
            raise failure_in(err) from err


async def _translated(answer: Awaitable[Answer]) -> Answer:
    """Await a gateway's answer; its errors come out as a node's."""
    try:
        return await answer
    except GatewayError as err:
        raise failure_in(err) from err
    except FabricError as err:
        raise LedgerUnavailableError(f"the ledger's answer is not usable: {err}") from err


def failure_in(error: GatewayError) -> Refusal | LedgerError:
    """Return what a gateway's error means to a node: the chaincode's no, the network's no, or no answer."""
    refusal = refusal_in(error)
    if refusal is not None:
        return refusal
    words = f"{error}; {error.cause.advice}" if error.cause.advice else str(error)
    if error.cause.may_pass:
        return LedgerUnavailableError(f"the ledger does not answer: {words}")
    return LedgerRejectedError(words)


def refusal_in(error: GatewayError) -> Refusal | None:
    """Return the chaincode's own words in a gateway's error, where it carries them.

    A clock that is too far off for a peer to ask its chaincode is refused under the chaincode's code, too.
    """
    messages = [error.message, *(detail.message for detail in error.details)]
    if error.cause is Cause.CLOCK_SKEW:
        off_s = clock_offset_s(messages[-1])
        told = messages[-1] if off_s is None else f"the proposal's time is {off_s:+d} s off the peer's clock"
        return Refusal(RefusalCode.CLOCK_SKEW, told)
    return next(filter(None, map(Refusal.from_message, messages)), None)
