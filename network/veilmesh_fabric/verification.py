"""Verify a channel's chain from its blocks alone.

The only thing trusted is block 0: it carries the channel's configuration, and so the certificates of every
organisation's authorities. From there, for each block in order:

0.  Block 0 is the trusted one (`anchor`), or is taken as such; its data are what its header says, and its
    metadata hold nothing that would need proof.
1.  The block's number follows, and it names the hash of the header before it.
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

No chain says how long it is: one that was cut short verifies. Compare the number of blocks and the last
header's hash with what another organisation's peer has.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from fabric_protos.common import common_pb2
from fabric_protos.peer import transaction_pb2

from veilmesh_fabric.block import Block, data_hash, decode_block, header_hash
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.committed_transaction import CommittedTransaction, TxValidationCode
from veilmesh_fabric.config_update import next_config
from veilmesh_fabric.endorsement import EndorsementPolicies
from veilmesh_fabric.errors import DecodeError, IdentityError, VerificationError
from veilmesh_fabric.lifecycle import LIFECYCLE
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.policy import BLOCK_VALIDATION_POLICY
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.signature_checks import (
    BlockSignatures,
    InlineChecks,
    Pending,
    SignatureChecks,
    SignedMessage,
    block_signatures,
    signed_messages,
)
from veilmesh_fabric.transaction_verdicts import TransactionJudge, Verdict
from veilmesh_fabric.verification_report import Tally, VerificationReport
from veilmesh_fabric.wire import decode_canonical
from veilmesh_fabric.world_state import BlockUpdates, WorldState

Progress: TypeAlias = Callable[[int, int | None], None]
"""Told how many blocks are verified, and of how many, if that is known."""

_SIGNATURES_AHEAD = 4096  # being checked before the oldest block they belong to is judged


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
        for block, signatures in _checked_ahead(blocks, verifier, checks or InlineChecks()):
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


def _checked_ahead(
    blocks: Iterable[bytes], verifier: "ChainVerifier", checks: SignatureChecks
) -> Iterator[tuple[Block, BlockSignatures]]:
    """Yield the blocks with their signatures checked, reading on while earlier ones are being checked.

    A config block decides whose keys the blocks after it are signed with, so nothing is read on beyond it.
    """
    ahead: deque[tuple[Block, Pending]] = deque()
    signatures = 0
    for number, data in enumerate(blocks):
        try:
            block = read_block(data, number)
        except VerificationError:
            yield from _drained(ahead)
            raise
        messages = verifier.messages(block)
        ahead.append((block, checks.start(messages)))
        signatures += len(messages)
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


@dataclass(slots=True)
class _Channel:
    """What block 0 and the config blocks after it establish."""

    config: ChannelConfig
    config_block: int
    endorsement: EndorsementPolicies


class ChainVerifier:
    """Follows one channel's chain, block by block."""

    def __init__(self, anchor: bytes | None = None) -> None:
        """Start before block 0.

        Args:
            anchor: the serialized block 0 that is trusted; None: the first block that comes is.
        """
        self._anchor = anchor
        self._channel: _Channel | None = None
        self._state = WorldState()
        self._last_hash = b""
        self._known_ids: set[str] = set()
        self._time = datetime.min.replace(tzinfo=UTC)
        self._has_commit_hashes = False
        self._tally = Tally()
        self._started_s = time.monotonic()

    def add(self, data: bytes) -> None:
        """Verify the next block, its signatures included.

        Raises:
            VerificationError: it breaks a rule. Nothing can follow such a block.
        """
        block = read_block(data, self._tally.blocks)
        results = InlineChecks().start(self.messages(block))()
        self.accept(block, block_signatures(block, results))

    def messages(self, block: Block) -> list[SignedMessage]:
        """Return what is signed in `block`, which comes before the next config block."""
        consenters = self._channel.config.orderer.consenters if self._channel else {}
        return signed_messages(block, consenters)

    def accept(self, block: Block, signatures: BlockSignatures) -> None:
        """Verify the next block, given which of its signatures hold.

        Raises:
            VerificationError: it breaks a rule. Nothing can follow such a block.
        """
        with _placed(self._tally.blocks):
            self._require_next(block)
            self._require_data_hash(block)
            if self._channel is None:
                self._accept_first(block)
            else:
                self._accept_next(block, signatures, self._channel)
        self._last_hash = header_hash(block.header)
        self._known_ids.update([each.tx_id for each in block.transactions if each.tx_id])

    def require_blocks(self) -> None:
        """Raise a VerificationError if no block came: nothing was verified."""
        if not self._tally.blocks:
            raise VerificationError("there is no block 0", rule=Rule.BLOCK_NUMBER, block_number=0)

    def report(self, violation: VerificationError | None = None) -> VerificationReport:
        """Return what was found so far.

        Args:
            violation: what ended it, if something did.
        """
        return VerificationReport(
            channel_id=self._channel.config.channel_id if self._channel else "",
            blocks=self._tally.blocks,
            last_header_hash=self._last_hash,
            transactions=self._tally.transactions(),
            signatures=self._tally.signatures,
            organizations=frozenset(self._tally.organizations),
            has_commit_hashes=self._has_commit_hashes,
            taken_on_trust=tuple(self._tally.taken_on_trust),
            notes=tuple(self._tally.notes),
            elapsed_s=time.monotonic() - self._started_s,
            violation=violation,
        )

    def _require_next(self, block: Block) -> None:
        """Step 1."""
        if block.number != self._tally.blocks:
            raise VerificationError(
                f"block {self._tally.blocks} is due, not {block.number}", rule=Rule.BLOCK_NUMBER
            )
        if block.header.previous_hash != self._last_hash:
            raise VerificationError(
                f"previous hash is {block.header.previous_hash.hex()}, but the block before has "
                f"{self._last_hash.hex() or 'none'}",
                rule=Rule.PREVIOUS_HASH,
            )

    def _require_data_hash(self, block: Block) -> None:
        """Step 2."""
        computed = data_hash(block.data)
        if block.header.data_hash != computed:
            raise VerificationError(
                f"data hash is {block.header.data_hash.hex()}, but the transactions have {computed.hex()}",
                rule=Rule.DATA_HASH,
            )

    def _accept_first(self, block: Block) -> None:
        """Step 0."""
        if self._anchor is not None:
            anchor = read_block(self._anchor, 0)
            if anchor.header != block.header:
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
        self._require_metadata(block, 0)
        try:
            config = ChannelConfig.from_envelope(transaction.header.channel_id, transaction.config)
        except DecodeError as err:
            raise VerificationError(str(err), rule=Rule.TRUST_ANCHOR) from err
        self._channel = _Channel(config, 0, EndorsementPolicies(config, self._state))
        self._time = transaction.header.timestamp
        self._tally.add(block, BlockSignatures((), ()), (), (Verdict(transaction_pb2.VALID),))

    def _accept_next(self, block: Block, signatures: BlockSignatures, channel: _Channel) -> None:
        codes = block.metadata.validation_codes
        if len(codes) != len(block.transactions):
            raise VerificationError(
                f"{len(codes)} validation codes for {len(block.transactions)} transactions",
                rule=Rule.VALIDATION_CODE,
            )
        updates = BlockUpdates(self._state)
        judge = TransactionJudge(channel.config, channel.endorsement, updates, self._known_ids)
        verdicts = judge.judge(block, signatures)
        self._time = _time_of(block, verdicts, before=self._time)
        orderers = self._orderers(block, signatures, channel.config)
        self._require_metadata(block, block.number if block.is_config else channel.config_block)
        for transaction, verdict, recorded in zip(block.transactions, verdicts, codes, strict=True):
            _require_code(transaction, verdict, recorded)

        self._state.commit(updates, block.number, codes, channel.endorsement.block_to_live)
        self._require_commit_hash(block)
        if any(key.namespace == LIFECYCLE for key in updates.entries):
            channel.endorsement.forget_definitions()
        for transaction in block.transactions:
            if transaction.is_config:
                self._channel = self._configured(block, transaction, channel)
        self._tally.add(block, signatures, orderers, verdicts)

    def _orderers(
        self, block: Block, signatures: BlockSignatures, config: ChannelConfig
    ) -> tuple[Identity, ...]:
        """Step 3: return who signed the block."""
        signers: dict[tuple[str, str], Identity] = {}
        for signature, holds in zip(block.metadata.signatures, signatures.orderers, strict=True):
            serialized = signature.creator
            if signature.consenter_id is not None:
                consenter = config.orderer.consenters.get(signature.consenter_id)
                if consenter is None:
                    raise _unsigned(f"signer {signature.consenter_id} is no consenter of the channel")
                serialized = consenter.serialized_identity
            try:
                orderer = config.msps.identity(serialized, self._time)
            except IdentityError as err:
                raise _unsigned(f"a signer is not acceptable: {err}") from err
            if not holds:
                raise _unsigned(f"signature of {orderer} does not hold")
            if orderer.key in signers:
                raise _unsigned(f"{orderer} signed twice")
            signers[orderer.key] = orderer
        orderers = tuple(signers.values())
        said = ", ".join(map(str, orderers)) or "nobody"
        if not config.policies.satisfied(BLOCK_VALIDATION_POLICY, orderers):
            policy = config.policies.policy(BLOCK_VALIDATION_POLICY)
            raise _unsigned(f"block validation policy wants {policy}, and {said} signed")
        if config.orderer.is_byzantine_fault_tolerant:
            consenters = {signature.consenter_id for signature in block.metadata.signatures} - {None}
            if len(consenters) < config.orderer.quorum:
                raise _unsigned(f"a quorum is {config.orderer.quorum} consenters, and {said} signed")
        return orderers

    def _require_metadata(self, block: Block, config_block: int) -> None:
        """Step 4."""
        metadata = block.metadata
        if metadata.last_config != config_block:
            raise VerificationError(
                f"orderers name block {metadata.last_config} as the last config block, it is {config_block}",
                rule=Rule.LAST_CONFIG,
            )
        last_config, orderer = metadata.obsolete
        try:
            if last_config:
                value = decode_canonical(common_pb2.Metadata, last_config, "LAST_CONFIG entry").value
                index = decode_canonical(common_pb2.LastConfig, value, "value of the LAST_CONFIG entry").index
                if index != config_block:
                    raise VerificationError(f"LAST_CONFIG entry names block {index}", rule=Rule.LAST_CONFIG)
            if orderer:
                value = decode_canonical(common_pb2.Metadata, orderer, "ORDERER entry").value
                if value != metadata.consenter_metadata:
                    raise VerificationError(
                        "ORDERER entry is not the consenters' metadata", rule=Rule.ORDERER_METADATA
                    )
        except DecodeError as err:
            raise VerificationError(str(err), rule=Rule.ORDERER_METADATA) from err

    def _require_commit_hash(self, block: Block) -> None:
        """Step 6."""
        recorded = block.metadata.commit_hash
        if block.number == 1:
            self._has_commit_hashes = bool(recorded)
        if recorded != (self._state.commit_hash if self._has_commit_hashes else b""):
            raise VerificationError(
                f"commit hash is {recorded.hex() or 'missing'}, but codes and writes so far lead to "
                f"{self._state.commit_hash.hex()}",
                rule=Rule.COMMIT_HASH,
            )

    def _configured(self, block: Block, transaction: CommittedTransaction, channel: _Channel) -> _Channel:
        """Step 7."""
        if len(block.transactions) != 1:
            raise VerificationError(
                "a configuration shares its block with other transactions",
                rule=Rule.CONFIG_UPDATE,
                tx_id=transaction.tx_id,
            )
        with _placed(block.number, transaction.tx_id):
            config = next_config(channel.config, transaction.config or b"", self._time)
        return _Channel(config, block.number, EndorsementPolicies(config, self._state))


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


def _unsigned(message: str) -> VerificationError:
    return VerificationError(message, rule=Rule.BLOCK_SIGNATURE)


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
