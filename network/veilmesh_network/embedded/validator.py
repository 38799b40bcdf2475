"""Judging the transactions of a block: the code each gets, and what the valid ones change.

Fabric's two rounds. The first looks at each transaction by itself
(`core/committer/txvalidator/v20/validator.go`):

1. its form, layer by layer;
2. the creator's signature and standing;
3. its id: made of nonce and creator; the proposal's hash; and that the ledger has none of that id yet;
4. for the chaincode and every namespace written, the endorsement policies;
5. of two transactions of one id in the block, the second is a duplicate.

The second compares what each read with the state as the block's earlier, valid transactions leave it.
Policies and conflicts are judged by `veilmesh_fabric`, where a verifier asks the same about a whole chain.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fabric_protos.peer import transaction_pb2
from veilmesh_fabric.committed_transaction import (
    ChaincodeAction,
    CommittedTransaction,
    Endorsed,
    TransactionHeader,
    decode_transaction,
)
from veilmesh_fabric.endorsement import EndorsementPolicies
from veilmesh_fabric.errors import IdentityError, SignatureError
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.rwset import Version
from veilmesh_fabric.world_state import BlockUpdates, StateKey

from veilmesh_network.embedded.channel import Channel
from veilmesh_network.embedded.store import HistoryChange, HistoryEntry, Snapshot

_Code = transaction_pb2.TxValidationCode


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a block's transactions."""

    transactions: Sequence[CommittedTransaction]
    codes: Sequence[int]  # TxValidationCode, one a transaction
    updates: BlockUpdates
    history: Sequence[HistoryChange]


class _Invalid(Exception):  # noqa: N818 - an expected verdict, not a fault
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Validator:
    """The committing peers of all organisations, who would all judge alike."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def judge(self, block: int, envelopes: Sequence[bytes], snapshot: Snapshot) -> Verdict:
        """Judge the transactions of a block.

        Args:
            block: its number.
            envelopes: its data.
            snapshot: the state that its predecessor left.
        """
        transactions = [decode_transaction(envelope) for envelope in envelopes]
        codes = self._judge_each(transactions, snapshot)
        updates = BlockUpdates(snapshot)
        history: list[HistoryChange] = []
        for position, transaction in enumerate(transactions):
            if codes[position] != _Code.VALID:
                continue
            header, action = _complete(transaction)
            conflict = updates.read_conflict(action.results)
            if conflict is not None:
                phantom = conflict.phantom
                codes[position] = int(_Code.PHANTOM_READ_CONFLICT if phantom else _Code.MVCC_READ_CONFLICT)
                continue
            version = Version(block, position)
            updates.apply(action.results, version)
            history += _history(header, action, version)
        return Verdict(transactions, codes, updates, history)

    def _judge_each(self, transactions: Sequence[CommittedTransaction], snapshot: Snapshot) -> list[int]:
        policies = EndorsementPolicies(self._channel.config, snapshot)
        changed: set[StateKey] = set()  # keys whose metadata the block has written so far
        seen: set[str] = set()
        codes: list[int] = []
        for transaction in transactions:
            try:
                header, endorsed, action = self._check_form(transaction, snapshot)
                endorsers = self._endorsers(header, endorsed)
                failure = policies.failure(action, endorsers, changed)
                code = int(_Code.VALID) if failure is None else failure.code
            except _Invalid as verdict:
                code = verdict.code
            if code == _Code.VALID and transaction.tx_id in seen:
                code = int(_Code.DUPLICATE_TXID)
            if code == _Code.VALID:
                seen.add(transaction.tx_id)
            codes.append(code)
        return codes

    def _check_form(
        self, transaction: CommittedTransaction, snapshot: Snapshot
    ) -> tuple[TransactionHeader, Endorsed, ChaincodeAction]:
        """Return the transaction's parts, if nothing but its endorsements is left to judge."""
        header = transaction.header
        if header is None:
            raise _defect(transaction)
        self._check_creator(transaction, header)
        if header.tx_id != header.computed_tx_id:
            raise _Invalid(_Code.BAD_PROPOSAL_TXID)
        endorsed = transaction.endorsed
        if endorsed is None:
            raise _defect(transaction)
        if endorsed.proposal_hash != endorsed.computed_proposal_hash:
            raise _Invalid(_Code.INVALID_ENDORSER_TRANSACTION)
        if header.channel_id != self._channel.config.channel_id:
            raise _Invalid(_Code.TARGET_CHAIN_NOT_FOUND)
        if snapshot.transaction(header.tx_id) is not None:
            raise _Invalid(_Code.DUPLICATE_TXID)
        if transaction.action is None:
            raise _defect(transaction)
        return header, endorsed, transaction.action

    def _check_creator(self, transaction: CommittedTransaction, header: TransactionHeader) -> None:
        try:
            self._channel.signer(header.creator, transaction.payload, transaction.signature, header.timestamp)
        except (IdentityError, SignatureError) as err:
            raise _Invalid(_Code.BAD_CREATOR_SIGNATURE) from err

    def _endorsers(self, header: TransactionHeader, endorsed: Endorsed) -> tuple[Identity, ...]:
        """Return who endorsed, each once; a signature that does not hold does not count."""
        identities: dict[tuple[str, str], Identity] = {}
        for endorsement in endorsed.endorsements:
            message = endorsed.proposal_response_payload + endorsement.endorser
            try:
                identity = self._channel.signer(
                    endorsement.endorser, message, endorsement.signature, header.timestamp
                )
            except (IdentityError, SignatureError):
                continue
            identities.setdefault(identity.key, identity)
        return tuple(identities.values())


def _defect(transaction: CommittedTransaction) -> _Invalid:
    code = _Code.INVALID_OTHER_REASON if transaction.defect is None else transaction.defect.code
    return _Invalid(code)


def _complete(transaction: CommittedTransaction) -> tuple[TransactionHeader, ChaincodeAction]:
    if transaction.header is None or transaction.action is None:
        raise ValueError(f"transaction {transaction.tx_id!r} is incomplete")
    return transaction.header, transaction.action


def _history(header: TransactionHeader, action: ChaincodeAction, version: Version) -> Iterator[HistoryChange]:
    at_s = int(header.timestamp.timestamp())
    for part in action.results.namespaces:
        for write in part.writes:
            entry = HistoryEntry(header.tx_id, at_s, write.value)
            yield HistoryChange(part.namespace, write.key, version, entry)
