"""The validation code that each transaction of a block must have.

The code that stands in a block is one peer's word: no orderer signs it. `TransactionJudge` computes it anew.
A transaction is judged in the order in which a Fabric peer does, and the first rule it breaks gives the code:

1. its envelope, payload and headers can be read;
2. the creator is a member of the channel, and signed it;
3. the id is the hash of nonce and creator;
4. the transaction can be read, and its endorsers answered the proposal that stands in it;
5. no transaction of an earlier block has its id;
6. what the chaincode did can be read and is consistent;
7. the endorsements suffice (`endorsement.py`); one whose signature or signer is not good does not count;
8. the creator's certificate was valid at the transaction's own time;
9. no valid transaction before it in this block has its id;
10. what it read is still so (`world_state.py`).

Two rules are the ordering service's and have no code, since what breaks them is never ordered: a transaction
is for this channel, and its creator satisfies /Channel/Writers. To break them is a violation in any case.

In steps 7 and 8 we are stricter than a peer, which leaves expired certificates to orderers and endorsers. A
block has no time of its own. The transaction's is its client's claim, but endorsers of our chaincode compare
it with their clocks, and it is the only time on which every copy of the chain agrees. Step 8 comes that late
since whoever may write can send a transaction of any time: one that nobody endorsed has the code that peers
give it.

Source: Fabric v3.1 `core/committer/txvalidator/v20/validator.go`, `plugindispatcher/dispatcher.go`,
`core/common/validation/msgvalidation.go`.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from fabric_protos.common import common_pb2
from fabric_protos.peer import transaction_pb2

from veilmesh_fabric.block import Block
from veilmesh_fabric.certificates import CertificateChain
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.committed_transaction import (
    ChaincodeAction,
    CommittedTransaction,
    Defect,
    Endorsed,
    TransactionHeader,
)
from veilmesh_fabric.couchdb import refused_by_couchdb
from veilmesh_fabric.endorsement import EndorsementPolicies
from veilmesh_fabric.errors import IdentityError
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.policy import CHANNEL_WRITERS_POLICY
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.rwset import Version
from veilmesh_fabric.signature_checks import BlockSignatures, TransactionSignatures
from veilmesh_fabric.world_state import BlockUpdates, StateKey

TAKEN_ON_TRUST = frozenset({transaction_pb2.INVALID_WRITESET})
"""Codes that a peer decides by more than blocks show: whether its state is kept in CouchDB. Believed only
where CouchDB refuses such writes (`couchdb.py`); elsewhere the code would hide a valid transaction."""


_VALID: int = transaction_pb2.VALID


class Verdict(NamedTuple):
    """What a transaction comes to."""

    code: int | None  # TxValidationCode; None: it should never have been ordered, whatever its code
    rule: Rule | None = None  # the one it breaks; None if VALID
    reason: str = ""
    ignored: tuple[str, ...] = ()  # endorsements that do not count, and why
    signers: tuple[Identity, ...] = ()  # its creator and those whose endorsements count

    @property
    def is_valid(self) -> bool:
        return self.code == _VALID


class _Broken(Exception):  # noqa: N818 - carries a verdict to the one place that catches it
    def __init__(self, code: int | None, rule: Rule, reason: str) -> None:
        super().__init__(reason)
        self.verdict = Verdict(code, rule, reason)


@dataclass(slots=True)
class TransactionJudge:
    """Judges the transactions of one block; afterwards `updates` holds what the valid ones write."""

    config: ChannelConfig  # in force when the block was ordered
    endorsement: EndorsementPolicies
    updates: BlockUpdates
    known_ids: Container[str]  # of all transactions in earlier blocks

    def judge(self, block: Block, signatures: BlockSignatures) -> list[Verdict]:
        """Return a verdict for each transaction."""
        changed: set[StateKey] = set()
        ids: set[str] = set()
        verdicts = []
        for transaction, holds in zip(block.transactions, signatures.transactions, strict=True):
            verdict = self._before_reads(transaction, holds, changed)
            if verdict.is_valid and not transaction.is_config:
                if transaction.tx_id in ids:
                    verdict = Verdict(
                        transaction_pb2.DUPLICATE_TXID,
                        Rule.DUPLICATE_ID,
                        "id is that of an earlier transaction of this block",
                    )
                ids.add(transaction.tx_id)
            verdicts.append(verdict)
        # Reads come last: a transaction that they stop has used up its id and barred the keys whose metadata
        # it would have changed, for the rest of the block.
        return [
            self._after_reads(transaction, verdict, Version(block.number, index), recorded)
            for index, (transaction, verdict, recorded) in enumerate(
                zip(block.transactions, verdicts, block.metadata.validation_codes, strict=True)
            )
        ]

    def _before_reads(
        self, transaction: CommittedTransaction, holds: TransactionSignatures, changed: set[StateKey]
    ) -> Verdict:
        """Take steps 1 to 8."""
        try:
            header = _readable_header(transaction)
            creator, chain = self._creator(header, holds)
            if transaction.is_config:
                _require_valid_at(header.timestamp, chain)
                return Verdict(_VALID, signers=(creator,))
            endorsed = self._endorsed(transaction, header)
            self._require_new_id(transaction)
            action = _readable_action(transaction)
            endorsers, ignored = self._endorsers(endorsed, holds.endorsements, header.timestamp)
            self._require_endorsement(action, endorsers, ignored, changed)
            _require_valid_at(header.timestamp, chain)
        except _Broken as broken:
            return broken.verdict
        return Verdict(_VALID, ignored=ignored, signers=(creator, *endorsers))

    def _creator(
        self, header: TransactionHeader, holds: TransactionSignatures
    ) -> tuple[Identity, CertificateChain]:
        if header.channel_id != self.config.channel_id:
            raise _Broken(None, Rule.CHANNEL, f"transaction is for channel {header.channel_id!r}")
        bad = transaction_pb2.BAD_CREATOR_SIGNATURE
        try:
            creator, chain = self.config.msps.member(header.creator)
        except IdentityError as err:
            raise _Broken(bad, Rule.CREATOR, f"its creator is not acceptable: {err}") from err
        if not holds.creator:
            raise _Broken(bad, Rule.CREATOR_SIGNATURE, f"signature of its creator, {creator}, does not hold")
        if not self.config.policies.satisfied(CHANNEL_WRITERS_POLICY, (creator,)):
            raise _Broken(None, Rule.WRITERS, f"its creator, {creator}, may not write to the channel")
        return creator, chain

    def _endorsed(self, transaction: CommittedTransaction, header: TransactionHeader) -> Endorsed:
        """Take steps 3 and 4."""
        if header.type != common_pb2.ENDORSER_TRANSACTION:
            raise _malformed(transaction.defect)
        if header.tx_id != header.computed_tx_id:
            raise _Broken(
                transaction_pb2.BAD_PROPOSAL_TXID,
                Rule.TRANSACTION_ID,
                f"id is not the hash of nonce and creator, {header.computed_tx_id}",
            )
        endorsed = transaction.endorsed
        if endorsed is None:
            raise _malformed(transaction.defect)
        if endorsed.proposal_hash != endorsed.computed_proposal_hash:
            raise _Broken(
                transaction_pb2.INVALID_ENDORSER_TRANSACTION,
                Rule.PROPOSAL_HASH,
                "endorsers answered another proposal than stands in the transaction: "
                f"{endorsed.proposal_hash.hex()}, not {endorsed.computed_proposal_hash.hex()}",
            )
        return endorsed

    def _require_new_id(self, transaction: CommittedTransaction) -> None:
        if transaction.tx_id in self.known_ids:
            raise _Broken(
                transaction_pb2.DUPLICATE_TXID,
                Rule.DUPLICATE_ID,
                "id is that of a transaction in an earlier block",
            )

    def _endorsers(
        self, endorsed: Endorsed, holds: Sequence[bool], at: datetime
    ) -> tuple[tuple[Identity, ...], tuple[str, ...]]:
        """Return whose endorsements count, each signer once, and why others do not."""
        endorsers: dict[tuple[str, str], Identity] = {}
        ignored = []
        for endorsement, signature_holds in zip(endorsed.endorsements, holds, strict=True):
            try:
                endorser = self.config.msps.identity(endorsement.endorser, at)
            except IdentityError as err:
                ignored.append(str(err))
                continue
            if endorser.key in endorsers:
                ignored.append(f"{endorser} endorsed twice")
            elif not signature_holds:
                ignored.append(f"endorsement signature of {endorser} does not hold")
            else:
                endorsers[endorser.key] = endorser
        return tuple(endorsers.values()), tuple(ignored)

    def _require_endorsement(
        self,
        action: ChaincodeAction,
        endorsers: tuple[Identity, ...],
        ignored: tuple[str, ...],
        changed: set[StateKey],
    ) -> None:
        failure = self.endorsement.failure(action, endorsers, changed)
        if failure:
            but = f" ({'; '.join(ignored)})" if ignored else ""
            raise _Broken(failure.code, failure.rule, failure.reason + but)

    def _after_reads(
        self, transaction: CommittedTransaction, verdict: Verdict, version: Version, recorded: int
    ) -> Verdict:
        """Take step 10, unless the recorded code can only be believed."""
        if not verdict.is_valid or transaction.action is None:
            return verdict
        if recorded in TAKEN_ON_TRUST and refused_by_couchdb(transaction.action.results):
            return Verdict(recorded)
        conflict = self.updates.read_conflict(transaction.action.results)
        if conflict:
            phantom, single = transaction_pb2.PHANTOM_READ_CONFLICT, transaction_pb2.MVCC_READ_CONFLICT
            return Verdict(phantom if conflict.phantom else single, Rule.READ_VERSIONS, conflict.reason)
        self.updates.apply(transaction.action.results, version)
        return verdict


def _readable_header(transaction: CommittedTransaction) -> TransactionHeader:
    if transaction.header is None:
        raise _malformed(transaction.defect)
    return transaction.header


def _readable_action(transaction: CommittedTransaction) -> ChaincodeAction:
    if transaction.action is None:
        raise _malformed(transaction.defect)
    return transaction.action


def _require_valid_at(at: datetime, chain: CertificateChain) -> None:
    try:
        chain.require_valid_at(at)
    except IdentityError as err:
        reason = f"its creator is not acceptable: {err}"
        raise _Broken(transaction_pb2.BAD_CREATOR_SIGNATURE, Rule.CREATOR, reason) from err


def _malformed(defect: Defect | None) -> _Broken:
    """Return what a transaction that cannot be read whole comes to; such a one always has a defect."""
    if defect is None:
        raise ValueError("a transaction without defect can be read whole")
    return _Broken(defect.code, Rule.MALFORMED, defect.reason)
