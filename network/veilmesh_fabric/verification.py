"""Verify a channel's chain from its blocks alone.

The only thing trusted is block 0: it carries the channel's configuration, and so the certificates of every
organisation's authorities. From there, for each block in order:

0.  Block 0 is the trusted one (`anchor`), or is taken as such; its data are what its header says, and its
    metadata hold nothing that would need proof.
1.  The block is no larger than an orderer makes it, its number follows, and it names the hash of the header
    before it.
2.  Its transactions are those whose hash its header names.
3.  Orderers signed it as /Channel/Orderer/BlockValidation of the configuration in force demands, and no
    signature is among them that does not hold; a SmartBFT block has a quorum of the configured consenters.
4.  The orderers' metadata name the config block in force, and obsolete entries do not contradict them.
5.  Each transaction comes to a code (`transaction_verdicts.py`), computed anew from creator, endorsements,
    policies and reads. It is the code recorded: neither was one let through that breaks a rule, nor one
    suppressed that does not.
6.  The commit hash, if the peer keeps one, is the one that codes and writes lead to.
7.  A CONFIG transaction stands alone in its block, and its configuration follows from the one in force
    (`config_update.py`). It is in force from the next block on.

A certificate must be valid at the time of what it signed. For a transaction that is its own; for a block it
is the latest among its valid transactions, or else that of the block before: a transaction that is refused
says nothing about the time, since anybody may send one.

The first violation ends verification: what comes after it has no foundation.

No chain says how long it is: one that was cut short verifies. `peer_comparison.py` compares what several
organisations' peers have.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from fabric_protos.peer import transaction_pb2

from veilmesh_fabric.block import Block, data_hash, decode_block, header_hash
from veilmesh_fabric.committed_transaction import CommittedTransaction, TxValidationCode
from veilmesh_fabric.config_update import next_config
from veilmesh_fabric.endorsement import EndorsementPolicies
from veilmesh_fabric.errors import DecodeError, VerificationError
from veilmesh_fabric.lifecycle import LIFECYCLE
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.ordering_rules import require_metadata, require_orderers
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.signature_checks import (
    BlockSignatures,
    InlineChecks,
    Pending,
    SignatureChecks,
    SignedMessage,
    block_signatures,
    signature_holds,
    signed_messages,
)
from veilmesh_fabric.standing import Configuration, Standing
from veilmesh_fabric.transaction_verdicts import TransactionJudge, Verdict
from veilmesh_fabric.verification_report import Tally, VerificationReport
from veilmesh_fabric.world_state import BlockUpdates, WorldState, commit_hash

Progress: TypeAlias = Callable[[int, int | None], None]
"""Told how many blocks are verified, and of how many, if that is known."""

Observer: TypeAlias = Callable[[Block, Sequence[Verdict]], None]
"""Told each verified block, with a verdict for each of its transactions."""

_SIGNATURES_AHEAD = 4096  # being checked before the oldest block they belong to is judged

# What a block may hold beside the largest transaction: a SmartBFT orderer's batch, and a configuration beside
# the request for it.
_BLOCK_ALLOWANCE_BYTES = 16 * 1024 * 1024


def verify_blocks(
    blocks: Iterable[bytes],
    *,
    anchor: bytes | None = None,
    checks: SignatureChecks | None = None,
    total: int | None = None,
    progress: Progress | None = None,
) -> VerificationReport:
    """Verify a chain from block 0 on. Whatever bytes come, the answer is a report.

    Args:
        blocks: serialized, in order.
        anchor: the serialized block 0 that is trusted; None: the first block that comes is.
        checks: where signatures are checked; in this process when not given.
        total: how many blocks there will be, for `progress`.
        progress: called after each block.
    """
    verifier = ChainVerifier(anchor)
    try:
        for block, signatures in checked_ahead(blocks, verifier, checks or InlineChecks()):
            verifier.accept(block, signatures)
            if progress:
                progress(block.number + 1, total)
        verifier.require_blocks()
    except VerificationError as err:
        return verifier.report(err)
    return verifier.report()


def read_block(data: bytes, number: int) -> Block:
    """Return the block in `data`, expected to be the one with that number.

    Raises:
        VerificationError: there is none (rule "encoding").
    """
    try:
        return decode_block(data)
    except DecodeError as err:
        raise VerificationError(str(err), rule=Rule.ENCODING, block_number=number) from err


def checked_ahead(
    blocks: Iterable[bytes], verifier: "ChainVerifier", checks: SignatureChecks
) -> Iterator[tuple[Block, BlockSignatures]]:
    """Yield the blocks with their signatures checked, reading on while earlier ones are being checked.

    A config block decides whose keys the blocks after it are signed with, so nothing is read on beyond it.

    Args:
        blocks: from the one that `verifier` expects next.
        verifier: accepts each before it asks for the next.
        checks: where signatures are checked.

    Raises:
        VerificationError: a block cannot be read, or `blocks` raised it; those before it have been yielded.
    """
    ahead: deque[tuple[Block, Pending]] = deque()
    signatures = 0
    arriving = iter(blocks)
    number = verifier.height
    while True:
        try:
            data = next(arriving, None)
            if data is None:
                break
            block = verifier.read(data, number)
        except VerificationError:
            yield from _drained(ahead)
            raise
        messages = verifier.messages(block)
        ahead.append((block, checks.start(messages)))
        signatures += len(messages)
        number += 1
        while ahead and (block.is_config or signatures > _SIGNATURES_AHEAD):
            oldest, pending = ahead.popleft()
            results = pending()
            signatures -= len(results)
            yield oldest, block_signatures(oldest, results)
    yield from _drained(ahead)


def _drained(ahead: deque[tuple[Block, Pending]]) -> Iterator[tuple[Block, BlockSignatures]]:
    while ahead:
        block, pending = ahead.popleft()
        yield block, block_signatures(block, pending())


@dataclass(frozen=True, slots=True)
class _Step:
    """What a block that may follow leads to."""

    signatures: BlockSignatures
    orderers: tuple[Identity, ...]
    verdicts: Sequence[Verdict]
    updates: BlockUpdates
    commit_hash: bytes
    configuration: Configuration  # in force behind the block
    time: datetime


class ChainVerifier:
    """Follows one channel's chain, block by block. A block that is refused changes nothing."""

    def __init__(
        self,
        anchor: bytes | None = None,
        *,
        standing: Standing | None = None,
        observer: Observer | None = None,
    ) -> None:
        """Start before block 0, or where another verifier stopped.

        Args:
            anchor: the serialized block 0 that is trusted; None: the first block that comes is.
            standing: what that other verifier knew.
            observer: told every block from now on.
        """
        self._anchor = anchor
        self._standing = standing
        self._observer = observer
        self._started_s = time.monotonic()

    @property
    def standing(self) -> Standing | None:
        """What is known of the blocks verified so far; None before block 0."""
        return self._standing

    @property
    def height(self) -> int:
        """How many blocks are verified."""
        return self._standing.tally.blocks if self._standing else 0

    def add(self, data: bytes) -> None:
        """Verify the next block, its signatures included.

        Raises:
            VerificationError: it breaks a rule. Nothing can follow such a block.
        """
        block = self.read(data, self.height)
        self.accept(block, self._signatures(block))

    def violation_of(self, data: bytes) -> VerificationError | None:
        """Return what keeps a block from being the next one, without accepting it."""
        try:
            block = self.read(data, self.height)
            if self._standing is None:
                self._first(block)
            else:
                self._next(block, self._signatures(block), self._standing)
        except VerificationError as err:
            return err
        return None

    def read(self, data: bytes, number: int) -> Block:
        """Return the block in `data`, expected to be the one with that number, before the next config block.

        Raises:
            VerificationError: there is none, or one too large to be looked at.
        """
        if self._standing is not None:
            most = self._standing.configuration.config.orderer.absolute_max_bytes + _BLOCK_ALLOWANCE_BYTES
            if len(data) > most:
                raise VerificationError(
                    f"a block of {len(data)} bytes, where orderers make none larger than {most}",
                    rule=Rule.BLOCK_SIZE,
                    block_number=number,
                )
        return read_block(data, number)

    def messages(self, block: Block) -> list[SignedMessage]:
        """Return what is signed in `block`, which comes before the next config block."""
        config = self._standing and self._standing.configuration.config
        return signed_messages(block, config.orderer.consenters if config else {})

    def accept(self, block: Block, signatures: BlockSignatures) -> None:
        """Verify the next block, given which of its signatures hold.

        Raises:
            VerificationError: it breaks a rule. Nothing can follow such a block.
        """
        verdicts: Sequence[Verdict]
        if self._standing is None:
            self._standing = self._first(block)
            verdicts = (Verdict(transaction_pb2.VALID),)
        else:
            step = self._next(block, signatures, self._standing)
            _take(self._standing, block, step)
            verdicts = step.verdicts
        if self._observer:
            self._observer(block, verdicts)

    def require_ordered(self, block: Block) -> None:
        """Verify what orderers say in another copy of the next block, which differs in that alone.

        Raises:
            VerificationError: they did not say it (steps 3 and 4).
        """
        if self._standing is None:
            self._first(block)
            return
        signed = self.messages(block)[: len(block.metadata.signatures)]
        with _placed(block.number):
            configuration = self._standing.configuration
            require_orderers(
                block, [signature_holds(*each) for each in signed], configuration.config, self._standing.time
            )
            require_metadata(block.metadata, block.number if block.is_config else configuration.block)

    def require_blocks(self) -> None:
        """Raise a VerificationError if no block came: nothing was verified."""
        if not self.height:
            raise VerificationError("there is no block 0", rule=Rule.BLOCK_NUMBER, block_number=0)

    def report(self, violation: VerificationError | None = None) -> VerificationReport:
        """Return what was found so far.

        Args:
            violation: what ended it, if something did.
        """
        standing = self._standing
        tally = standing.tally if standing else Tally()
        return VerificationReport(
            channel_id=standing.configuration.config.channel_id if standing else "",
            blocks=tally.blocks,
            last_header_hash=standing.last_hash if standing else b"",
            transactions=tally.transactions(),
            signatures=tally.signatures,
            checks=tally.checks(),
            organizations=frozenset(tally.organizations),
            has_commit_hashes=bool(standing and standing.has_commit_hashes),
            taken_on_trust=tally.taken_on_trust.all(),
            notes=tally.notes.all(),
            elapsed_s=time.monotonic() - self._started_s,
            violation=violation,
        )

    def _signatures(self, block: Block) -> BlockSignatures:
        return block_signatures(block, InlineChecks().start(self.messages(block))())

    def _first(self, block: Block) -> Standing:
        """Take steps 0 to 2 and 4 with block 0."""
        with _placed(0):
            _require_next(block, height=0, last_hash=b"")
            if self._anchor is not None and read_block(self._anchor, 0).header != block.header:
                raise VerificationError("block 0 is not the trusted one", rule=Rule.TRUST_ANCHOR)
            transaction = block.transactions[0]
            if not block.is_config or transaction.config is None or transaction.header is None:
                raise VerificationError("block 0 carries no channel configuration", rule=Rule.TRUST_ANCHOR)
            metadata = block.metadata
            if metadata.signatures or metadata.commit_hash or metadata.validation_codes not in {b"", b"\0"}:
                raise VerificationError(
                    "block 0 has signatures, a commit hash or a code, which nothing vouches for",
                    rule=Rule.TRUST_ANCHOR,
                )
            require_metadata(metadata, 0)
            state, tally = WorldState(), Tally()
            try:
                configuration = Configuration.read(
                    transaction.header.channel_id, transaction.config, 0, state
                )
            except DecodeError as err:
                raise VerificationError(str(err), rule=Rule.TRUST_ANCHOR) from err
        tally.add(block, BlockSignatures((), ()), (), (Verdict(transaction_pb2.VALID),))
        genesis_hash = header_hash(block.header)
        standing = Standing(
            configuration=configuration,
            genesis_hash=genesis_hash,
            last_hash=genesis_hash,
            last_codes=metadata.validation_codes,
            time=transaction.header.timestamp,
            state=state,
            tally=tally,
        )
        standing.remember((), [transaction.tx_id])
        return standing

    @staticmethod
    def _next(block: Block, signatures: BlockSignatures, standing: Standing) -> _Step:
        """Take steps 1 to 7 with a later block."""
        with _placed(standing.tally.blocks):
            _require_next(block, height=standing.tally.blocks, last_hash=standing.last_hash)
            return _judged(block, signatures, standing)


def _require_next(block: Block, *, height: int, last_hash: bytes) -> None:
    """Take steps 1 and 2."""
    if block.number != height:
        raise VerificationError(f"block {height} is due, not {block.number}", rule=Rule.BLOCK_NUMBER)
    if block.header.previous_hash != last_hash:
        raise VerificationError(
            f"previous hash is {block.header.previous_hash.hex()}, but the block before has "
            f"{last_hash.hex() or 'none'}",
            rule=Rule.PREVIOUS_HASH,
        )
    computed = data_hash(block.data)
    if block.header.data_hash != computed:
        raise VerificationError(
            f"data hash is {block.header.data_hash.hex()}, but the transactions have {computed.hex()}",
            rule=Rule.DATA_HASH,
        )


def _judged(block: Block, signatures: BlockSignatures, standing: Standing) -> _Step:
    """Take steps 3 to 7."""
    codes = block.metadata.validation_codes
    if len(codes) != len(block.transactions):
        raise VerificationError(
            f"{len(codes)} validation codes for {len(block.transactions)} transactions",
            rule=Rule.VALIDATION_CODE,
        )
    configuration = standing.configuration
    updates = BlockUpdates(standing.state)
    judge = TransactionJudge(configuration.config, configuration.endorsement, updates, standing.known_ids)
    verdicts = judge.judge(block, signatures)
    at = _time_of(block, verdicts, before=standing.time)
    orderers = require_orderers(block, signatures.orderers, configuration.config, at)
    require_metadata(block.metadata, block.number if block.is_config else configuration.block)
    for transaction, verdict, recorded in zip(block.transactions, verdicts, codes, strict=True):
        _require_code(transaction, verdict, recorded)
    hashed = commit_hash(standing.state.commit_hash, codes, updates)
    _require_commit_hash(block, hashed, standing)
    for transaction in block.transactions:
        if transaction.is_config:
            configuration = _configured(block, transaction, standing, at)
    return _Step(signatures, orderers, verdicts, updates, hashed, configuration, at)


def _require_commit_hash(block: Block, computed: bytes, standing: Standing) -> None:
    """Take step 6: block 1 tells whether the peer keeps any."""
    recorded = block.metadata.commit_hash
    keeps = bool(recorded) if block.number == 1 else standing.has_commit_hashes
    if recorded != (computed if keeps else b""):
        raise VerificationError(
            f"commit hash is {recorded.hex() or 'missing'}, but codes and writes so far lead to "
            f"{computed.hex()}",
            rule=Rule.COMMIT_HASH,
        )


def _configured(
    block: Block, transaction: CommittedTransaction, standing: Standing, at: datetime
) -> Configuration:
    """Take step 7."""
    if len(block.transactions) != 1:
        raise VerificationError(
            "a configuration shares its block with other transactions",
            rule=Rule.CONFIG_UPDATE,
            tx_id=transaction.tx_id,
        )
    envelope = transaction.config or b""
    with _placed(block.number, transaction.tx_id):
        config = next_config(standing.configuration.config, envelope, at)
    return Configuration(config, envelope, block.number, EndorsementPolicies(config, standing.state))


def _take(standing: Standing, block: Block, step: _Step) -> None:
    """Go behind a block that has been found good."""
    endorsement = standing.configuration.endorsement
    changed = standing.state.commit(step.updates, block.number, step.commit_hash, endorsement.block_to_live)
    if any(key.namespace == LIFECYCLE for key in step.updates.entries):
        endorsement.forget_definitions()
    standing.configuration = step.configuration
    standing.last_hash = header_hash(block.header)
    standing.last_codes = block.metadata.validation_codes
    standing.time = step.time
    standing.has_commit_hashes = bool(block.metadata.commit_hash)
    standing.tally.add(block, step.signatures, step.orderers, step.verdicts)
    standing.remember(changed, [each.tx_id for each in block.transactions])


def _require_code(transaction: CommittedTransaction, verdict: Verdict, recorded: int) -> None:
    """Step 5: the recorded code must be the computed one."""
    if recorded == verdict.code:
        return
    known = recorded in TxValidationCode.values()
    name = TxValidationCode.Name(recorded) if known else str(recorded)
    if verdict.rule and (verdict.code is None or recorded == transaction_pb2.VALID):
        raise VerificationError(
            f"recorded as {name}, but {verdict.reason}", rule=verdict.rule, tx_id=transaction.tx_id
        )
    computed = TxValidationCode.Name(verdict.code)
    because = f": {verdict.reason}" if verdict.reason else ""
    raise VerificationError(
        f"recorded as {name}, but is {computed}{because}", rule=Rule.VALIDATION_CODE, tx_id=transaction.tx_id
    )


def _time_of(block: Block, verdicts: Sequence[Verdict], *, before: datetime) -> datetime:
    times = [
        transaction.header.timestamp
        for transaction, verdict in zip(block.transactions, verdicts, strict=True)
        if transaction.header and verdict.is_valid
    ]
    return max(times, default=before)


@contextmanager
def _placed(block_number: int, tx_id: str | None = None) -> Iterator[None]:
    """Say where a violation is, if that is not said yet."""
    try:
        yield
    except VerificationError as err:
        if err.block_number is not None:
            raise
        raise VerificationError(
            err.message, rule=err.rule, block_number=block_number, tx_id=err.tx_id or tx_id
        ) from err
