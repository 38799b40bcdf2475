"""Who decided what, told from verified blocks alone.

`Chronicle.note` is shown every verified block and writes down what its valid transactions did, under the
organisation that sent them; nothing is asked of a chaincode. Rare acts (votes, approvals, orders, questions
of auditors) are listed one by one, frequent ones (enrolments, authentications, searches, anchored batches)
are counted, and all lists are bounded.

What a transaction did is read from what it *wrote*. Its event and its answer are not enough: a reference's
key is guarded by its owner alone, so the owner's own peer could endorse a transaction that changes nothing
but such a key, and claims in its event to be a vote. The record of a vote lies under the chaincode's policy
and cannot be written so. An event therefore counts only beside the record that goes with it (`acts.PROOFS`;
for an enrolment it is the countersign). Transactions that wrote otherwise are listed as unexplained.

What the contracts refuse is endorsed by nobody and so in no block; what was endorsed and then found invalid
is, and is listed by validation code.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fabric_protos.msp import identities_pb2
from pydantic import BaseModel, Field, ValidationError
from veilmesh_chaincode.records.audit import AccessLogEntry, SearchLogEntry
from veilmesh_chaincode.records.authentication import Authentication
from veilmesh_chaincode.records.enrolment import Countersign
from veilmesh_chaincode.records.registry import Node
from veilmesh_chaincode.records.release import Anchor
from veilmesh_fabric.block import Block
from veilmesh_fabric.committed_transaction import (
    ChaincodeAction,
    CommittedTransaction,
    TransactionHeader,
    TxValidationCode,
)
from veilmesh_fabric.errors import DecodeError
from veilmesh_fabric.lifecycle import LIFECYCLE
from veilmesh_fabric.transaction_verdicts import Verdict
from veilmesh_fabric.wire import decode

from veilmesh_node.audit.acts import PROOFS, lifecycle_act, subject_and_outcome, written

MOST_LISTED = 10_000
"""How long a list grows; what comes then is counted."""

_MOST_ORGANIZATIONS = 1000  # a sender whose signature is not good can claim to be anybody's
_UNKNOWN = "unknown"


class Place(BaseModel):
    """Where in the chain something stands, and when it was sent, as its sender says."""

    block: int
    transaction: str
    time: str  # ISO 8601, UTC


class Decision(Place):
    """One act of one organisation."""

    function: str  # of the contract, such as "policy:Vote"
    subject: str  # what was decided on
    outcome: str


class Invalid(Place):
    """A transaction that stands in a block and changed nothing."""

    organization: str  # of the sender; only claimed where its signature was not good
    code: str  # TxValidationCode
    reason: str


class Unexplained(Place):
    """A valid transaction that is none of the contracts' functions."""

    organization: str
    what: str


class Organization(BaseModel):
    """What one organisation did."""

    valid: int = 0
    invalid: dict[str, int] = Field(default_factory=dict)  # by code
    decisions: list[Decision] = Field(default_factory=list)
    enrolments: dict[str, int] = Field(default_factory=dict)  # by function
    batches: int = 0  # of releases, anchored
    receipts: int = 0  # in them
    accesses: int = 0  # of auditors, put on record
    searches: dict[str, "Searches"] = Field(default_factory=dict)  # by purpose


class Searches(BaseModel):
    searches: int = 0
    faces: int = 0
    matches: int = 0


class Configuration(Place):
    """A config block after the first."""

    signed_by: str  # the orderer that made the transaction


class Chronicle(BaseModel):
    """What happened, up to the last verified block. Its JSON is kept in an audit's checkpoint."""

    chaincode: str
    organizations: dict[str, Organization] = Field(default_factory=dict)
    # By owner, relying organisation and what became of it.
    authentications: dict[str, dict[str, dict[str, int]]] = Field(default_factory=dict)
    configurations: list[Configuration] = Field(default_factory=list)
    invalid: list[Invalid] = Field(default_factory=list)
    unexplained: list[Unexplained] = Field(default_factory=list)
    left_out: int = 0  # of lists that were full
    nodes: dict[str, str] = Field(default_factory=dict)  # MSP id by node id

    def note(self, block: Block, verdicts: Sequence[Verdict]) -> None:
        """Write down what a verified block's transactions did."""
        for transaction, verdict in zip(block.transactions, verdicts, strict=True):
            place = _place(block, transaction)
            sender = _sender(transaction.header, verdict)
            if not verdict.is_valid:
                self._note_invalid(place, sender, verdict)
            elif transaction.is_config:
                if block.number:
                    self._list(self.configurations, Configuration(**place, signed_by=sender))
            elif transaction.action is not None:
                self._of(sender).valid += 1
                self._note_action(transaction, transaction.action, sender, place)

    def _note_invalid(self, place: Mapping[str, Any], sender: str, verdict: Verdict) -> None:
        code = TxValidationCode.Name(verdict.code)
        counts = self._of(sender).invalid
        counts[code] = counts.get(code, 0) + 1
        self._list(self.invalid, Invalid(**place, organization=sender, code=code, reason=verdict.reason))

    def _note_action(
        self,
        transaction: CommittedTransaction,
        action: ChaincodeAction,
        sender: str,
        place: Mapping[str, Any],
    ) -> None:
        if action.chaincode == LIFECYCLE:
            self._decide(sender, place, *lifecycle_act(transaction, action))
            return
        function = action.event.name if action.event and action.chaincode == self.chaincode else ""
        found = written(action, self.chaincode)
        proof = PROOFS.get(function)
        if proof is None or proof.kind not in found:
            claimed = f"claims to be {function}" if function else f"calls {action.chaincode}"
            what = f"{claimed}, and wrote {', '.join(sorted(found)) or 'nothing of the contracts'}"
            self._list(self.unexplained, Unexplained(**place, organization=sender, what=what))
            return
        try:
            record = proof.record.model_validate_json(found[proof.kind])
        except ValidationError as err:
            what = (
                f"{function} wrote a {proof.kind} that cannot be read: {err.error_count()} fields are wrong"
            )
            self._list(self.unexplained, Unexplained(**place, organization=sender, what=what))
            return
        self._tell(function, record, sender, place)

    def _tell(self, function: str, record: Any, sender: str, place: Mapping[str, Any]) -> None:
        match record:
            case Authentication():
                self._count_authentication(record, function)
            case SearchLogEntry():
                searches = self._of(sender).searches.setdefault(record.purpose, Searches())
                searches.searches += 1
                searches.faces += record.face_count
                searches.matches += record.match_count
            case Anchor():
                self._of(sender).batches += 1
                self._of(sender).receipts += record.leaf_count
            case Countersign():
                enrolments = self._of(sender).enrolments
                enrolments[function] = enrolments.get(function, 0) + 1
            case _:
                if isinstance(record, Node):
                    self.nodes[record.node_id] = record.msp_id
                if isinstance(record, AccessLogEntry):
                    self._of(sender).accesses += 1
                self._decide(sender, place, function, *subject_and_outcome(record, function, sender))

    def _count_authentication(self, record: Authentication, function: str) -> None:
        owner = self.nodes.get(record.decider_node_id, _UNKNOWN)
        counts = self.authentications.setdefault(owner, {}).setdefault(record.relying_msp_id, {})
        what = "opened" if function == "authentication:Open" else record.outcome or record.status
        counts[what] = counts.get(what, 0) + 1

    def _decide(
        self, sender: str, place: Mapping[str, Any], function: str, subject: str, outcome: str
    ) -> None:
        decision = Decision(**place, function=function, subject=subject, outcome=outcome)
        self._list(self._of(sender).decisions, decision)

    def _of(self, msp_id: str) -> Organization:
        if msp_id not in self.organizations and len(self.organizations) >= _MOST_ORGANIZATIONS:
            msp_id = _UNKNOWN
        return self.organizations.setdefault(msp_id, Organization())

    def _list(self, entries: list[Any], entry: Place) -> None:
        if len(entries) < MOST_LISTED:
            entries.append(entry)
        else:
            self.left_out += 1


def _place(block: Block, transaction: CommittedTransaction) -> dict[str, Any]:
    header = transaction.header
    time = f"{header.timestamp:%Y-%m-%dT%H:%M:%SZ}" if header else ""
    return {"block": block.number, "transaction": transaction.tx_id, "time": time}


def _sender(header: TransactionHeader | None, verdict: Verdict) -> str:
    """Return the MSP id of who sent a transaction; only claimed where it is not valid."""
    if verdict.signers:
        return verdict.signers[0].msp_id
    try:
        creator = decode(identities_pb2.SerializedIdentity, header.creator if header else b"", "identity")
    except DecodeError:
        return _UNKNOWN
    return creator.mspid or _UNKNOWN
