"""A chaincode as a client uses it: ask, or change.

    result = await contract.evaluate("registry:GetNode", request)
    submitted = await contract.submit("registry:ApproveNode", request)

`submit` is the whole flow. Who must remember a transaction before it is sent (a journal) takes it in steps:

    transaction = await contract.endorse("enrolment:Register", request)
    journal.remember(transaction.tx_id)
    submitted = await transaction.commit()  # or submit(), then commit_status()

or hands `submit` an `on_endorsed`. After a crash, or a `CommitStatusError`, `contract.commit_status(tx_id)`
tells what became of it.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from veilmesh_fabric.checkpoint import Checkpoint, Position
from veilmesh_fabric.commit import CommitStatus, CommitStatusRequest, ask_until_known
from veilmesh_fabric.deliver import gateway_height
from veilmesh_fabric.errors import CommitError, SubmitError
from veilmesh_fabric.events import ChaincodeEvent, EventsRequest, chaincode_events
from veilmesh_fabric.failover import Link, unbroken
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.proposal import Proposal
from veilmesh_fabric.retry import is_busy, is_conflict, is_passing, is_uncertain, retry
from veilmesh_fabric.session import Session
from veilmesh_fabric.transaction import PreparedTransaction, SignedTransaction

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SubmittedTransaction:
    """A transaction that took effect."""

    tx_id: str
    result: bytes = field(repr=False)  # what the chaincode returned
    block_number: int


class EndorsedTransaction:
    """A transaction that waits to be sent. Make it with `Contract.endorse`."""

    def __init__(self, session: Session, prepared: PreparedTransaction, identity: SigningIdentity) -> None:
        self._session = session
        self._prepared = prepared
        self._identity = identity  # who proposed it, and so must sign it

    @property
    def tx_id(self) -> str:
        return self._prepared.tx_id

    @property
    def result(self) -> bytes:
        """What the chaincode returned; it counts once the transaction is committed."""
        return self._prepared.result

    def sign(self) -> SignedTransaction:
        """Return it as it will travel, for who keeps it before it is sent."""
        return self._prepared.sign(self._identity)

    async def submit(self) -> None:
        """Sign it and send it for ordering, once.

        It also returns if the answer got lost: `commit_status` finds out what happened, and sending again
        would not.

        Raises:
            SubmitError: it was refused and will not be committed.
        """
        transaction = self.sign()
        try:
            await retry(
                lambda: self._session.calls.submit(transaction),
                is_busy,
                self._session.retry,
                self._session.clock,
            )
        except SubmitError as err:
            if not is_uncertain(err):
                raise
            _logger.info("answer to the submission of %s got lost: %s", self.tx_id, err.code.name)

    async def commit_status(self) -> CommitStatus:
        """Wait until it stands in a block, VALID or not.

        Raises:
            CommitStatusError: that is not known within the deadline.
        """
        within_s = self._session.deadlines.commit_status_s
        return await _commit_status(self._session, self._prepared.channel_name, self.tx_id, within_s)

    async def commit(self) -> SubmittedTransaction:
        """Send it and wait until it took effect.

        Raises:
            SubmitError: it was refused.
            CommitStatusError: its fate is not known within the deadline; it may still be committed.
            CommitError: it was committed, but not as VALID.
        """
        await self.submit()
        status = await self.commit_status()
        status.require_valid()
        return SubmittedTransaction(self.tx_id, self.result, status.block_number)

    def __repr__(self) -> str:
        return f"EndorsedTransaction({self.tx_id!r})"


class Contract:
    """One chaincode on one channel, used as one identity. Make it with `Gateway.contract`."""

    def __init__(self, session: Session, channel_name: str, chaincode_name: str) -> None:
        self._session = session
        self.channel_name = channel_name
        self.chaincode_name = chaincode_name

    def propose(
        self, function: str, *args: bytes | str, transient: Mapping[str, bytes] | None = None
    ) -> Proposal:
        """Return a new, unsigned proposal: signing offline begins here, and goes on with `Gateway.calls`."""
        return self._propose(self._session.identify(), function, args, transient)

    async def evaluate(
        self,
        function: str,
        *args: bytes | str,
        transient: Mapping[str, bytes] | None = None,
        endorsing_organizations: Sequence[str] = (),
    ) -> bytes:
        """Ask the chaincode without changing anything; return its result.

        Args:
            function: the chaincode's function.
            args: its arguments; text becomes UTF-8.
            transient: inputs that stay out of every record.
            endorsing_organizations: MSP ids of the peers that may answer; any when empty.

        Raises:
            EvaluateError: the chaincode or the gateway refused or failed.
        """
        identity = self._session.identify()
        proposal = self._propose(identity, function, args, transient).sign(identity)
        return await retry(
            lambda: self._session.calls.evaluate(proposal, endorsing_organizations),
            is_passing,
            self._session.retry,
            self._session.clock,
        )

    async def endorse(
        self,
        function: str,
        *args: bytes | str,
        transient: Mapping[str, bytes] | None = None,
        endorsing_organizations: Sequence[str] = (),
    ) -> EndorsedTransaction:
        """Have a change simulated and endorsed; nothing is sent for ordering yet.

        Args:
            function: as `evaluate`.
            args: as `evaluate`.
            transient: as `evaluate`.
            endorsing_organizations: MSP ids of those that must endorse. When empty, the gateway finds a set
                that satisfies the policies; a wrong set is endorsed and then invalidated.

        Raises:
            EndorseError: the chaincode, an endorser or the gateway refused or failed.
            DecodeError: the gateway's answer is no transaction.
            VerificationError: the gateway's answer is not the transaction that was proposed.
        """
        identity = self._session.identify()
        proposal = self._propose(identity, function, args, transient).sign(identity)
        prepared = await retry(
            lambda: self._session.calls.endorse(proposal, endorsing_organizations),
            is_passing,
            self._session.retry,
            self._session.clock,
        )
        return EndorsedTransaction(self._session, prepared, identity)

    async def submit(
        self,
        function: str,
        *args: bytes | str,
        transient: Mapping[str, bytes] | None = None,
        endorsing_organizations: Sequence[str] = (),
        on_endorsed: Callable[[EndorsedTransaction], Awaitable[None]] | None = None,
    ) -> SubmittedTransaction:
        """Change the ledger; return when the change took effect.

        A transaction that lost against another one (MVCC or phantom read conflict) is proposed anew, under
        a new transaction id, as often as the retry policy says.

        Args:
            function: as `endorse`.
            args: as `endorse`.
            transient: as `endorse`.
            endorsing_organizations: as `endorse`.
            on_endorsed: awaited before each transaction is sent, so that its id can be written down.

        Raises:
            EndorseError, DecodeError, VerificationError: as `endorse`; nothing was sent.
            SubmitError, CommitStatusError, CommitError: as `EndorsedTransaction.commit`.
        """

        async def once() -> SubmittedTransaction:
            transaction = await self.endorse(
                function, *args, transient=transient, endorsing_organizations=endorsing_organizations
            )
            if on_endorsed is not None:
                await on_endorsed(transaction)
            return await transaction.commit()

        for attempt in range(1, self._session.retry.conflict_attempts):
            try:
                return await once()
            except CommitError as err:
                if not is_conflict(err):
                    raise
                _logger.info("%s; proposing it anew", err)
            await self._session.clock.sleep(self._session.retry.delay_s(attempt))
        return await once()

    async def commit_status(self, tx_id: str) -> CommitStatus:
        """Return what became of a transaction that was, or may have been, sent.

        Raises:
            CommitStatusError: that is not known within the deadline; a transaction that has not come yet is
                waited for.
        """
        within_s = self._session.deadlines.commit_status_s
        return await _commit_status(self._session, self.channel_name, tx_id, within_s)

    async def chaincode_events(
        self, *, start_block: int | None = None, checkpoint: Checkpoint | None = None
    ) -> AsyncGenerator[ChaincodeEvent, None]:
        """Yield this chaincode's events of VALID transactions, in the chain's order, as they are committed.

        Where one gateway's stream breaks, the next one's goes on behind the last event, without loss or
        repetition. Close it when done before its end, e.g. with `contextlib.aclosing`: a stream holds a slot
        of the gateway.

        Args:
            start_block: the first block to look at; the next one to be committed when not given.
            checkpoint: goes on behind the last event recorded in it; as `start_block` says if there is none.

        Raises:
            DeliverError: the stream was refused, or it broke at every gateway. Go on with the checkpoint.
        """
        position = None if checkpoint is None else checkpoint.position
        if position is None and start_block is None and len(self._session.gateways) > 1:
            # Each gateway has a next block of its own, so its number is fixed before one breaks off.
            session = self._session
            start_block = await gateway_height(session.gateways, session.identify, self.channel_name)
        if position is None and start_block is not None:
            position = Position(start_block, "")

        def opened(link: Link, last: ChaincodeEvent | None) -> AsyncGenerator[ChaincodeEvent, None]:
            behind = position if last is None else Position(last.block_number, last.tx_id)
            identity = self._session.identify()
            request = EventsRequest.build(
                identity.creator,
                self.channel_name,
                self.chaincode_name,
                start_block=None if behind is None else behind.block_number,
                after_tx_id="" if behind is None else behind.tx_id,
            )
            return chaincode_events(link.channel, request.sign(identity))

        async with aclosing(unbroken(self._session.gateways, opened)) as events:
            async for event in events:
                yield event

    def _propose(
        self,
        identity: SigningIdentity,
        function: str,
        args: Sequence[bytes | str],
        transient: Mapping[str, bytes] | None,
    ) -> Proposal:
        return Proposal.build(
            identity.creator,
            self.channel_name,
            self.chaincode_name,
            (function, *args),
            at=self._session.clock.now(),
            transient=transient,
            tls_certificate_hash=self._session.gateways.tls_certificate_hash,
        )


async def _commit_status(session: Session, channel_name: str, tx_id: str, within_s: float) -> CommitStatus:
    identity = session.identify()
    request = CommitStatusRequest.build(identity.creator, channel_name, tx_id).sign(identity)
    return await ask_until_known(
        lambda left_s: session.calls.commit_status(request, left_s),
        within_s,
        session.retry,
        session.clock,
    )
