"""Judging the transactions of a block: the code each gets, and what the valid ones change.

The rules are `veilmesh_fabric.transaction_verdicts`, the very ones by which a verifier later judges the
chain; they are held to blocks of a real Fabric network there. Here they meet the ledger's database.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from veilmesh_fabric.block import Block, BlockHeader, BlockMetadata
from veilmesh_fabric.committed_transaction import CommittedTransaction, TxValidationCode, decode_transaction
from veilmesh_fabric.endorsement import EndorsementPolicies
from veilmesh_fabric.rwset import Version
from veilmesh_fabric.signature_checks import block_signatures, signed_messages
from veilmesh_fabric.transaction_verdicts import TransactionJudge, Verdict
from veilmesh_fabric.world_state import BlockUpdates

from veilmesh_network.embedded.channel import Channel
from veilmesh_network.embedded.store import HistoryChange, HistoryEntry, Snapshot


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a block's transactions."""

    transactions: Sequence[CommittedTransaction]
    codes: bytes  # TxValidationCode, one a transaction
    updates: BlockUpdates
    history: Sequence[HistoryChange]


class Validator:
    """The committing peers of all organisations, who would all judge alike."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def judge(self, header: BlockHeader, envelopes: Sequence[bytes], snapshot: Snapshot) -> Judgement:
        """Judge the transactions of a block.

        Args:
            header: the block's.
            envelopes: its data.
            snapshot: the state that its predecessor left.
        """
        block = _unjudged(header, envelopes)
        results = [self._channel.signature_holds(each) for each in signed_messages(block, {})]
        updates = BlockUpdates(snapshot)
        judge = TransactionJudge(
            self._channel.config,
            EndorsementPolicies(self._channel.config, snapshot),
            updates,
            _CommittedIds(snapshot),
        )
        verdicts = judge.judge(block, block_signatures(block, results))
        codes = bytes(map(_code, verdicts))
        return Judgement(block.transactions, codes, updates, list(_history(block, codes)))


@dataclass(frozen=True, slots=True)
class _CommittedIds:
    """The ids of all transactions on the ledger."""

    snapshot: Snapshot

    def __contains__(self, tx_id: object) -> bool:
        return isinstance(tx_id, str) and self.snapshot.transaction(tx_id) is not None


def _unjudged(header: BlockHeader, envelopes: Sequence[bytes]) -> Block:
    """Return the block as it comes from ordering, before anyone has signed or judged it."""
    metadata = BlockMetadata(
        value=b"",
        last_config=0,
        consenter_metadata=b"",
        signatures=(),
        validation_codes=bytes([TxValidationCode.NOT_VALIDATED]) * len(envelopes),
        commit_hash=b"",
        obsolete=(b"", b""),
    )
    return Block(header, tuple(envelopes), tuple(map(decode_transaction, envelopes)), metadata)


def _code(verdict: Verdict) -> int:
    if verdict.code is None:
        raise AssertionError(f"the orderer takes nothing that must not be ordered: {verdict.reason}")
    return verdict.code


def _history(block: Block, codes: bytes) -> Iterator[HistoryChange]:
    """Yield every value that the valid transactions write, in their order."""
    for position, (transaction, code) in enumerate(zip(block.transactions, codes, strict=True)):
        if code != TxValidationCode.VALID or transaction.header is None or transaction.action is None:
            continue
        at_s = int(transaction.header.timestamp.timestamp())
        for part in transaction.action.results.namespaces:
            for write in part.writes:
                entry = HistoryEntry(transaction.tx_id, at_s, write.value)
                yield HistoryChange(part.namespace, write.key, Version(block.number, position), entry)
