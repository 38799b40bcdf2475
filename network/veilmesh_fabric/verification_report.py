"""What verification found, counted while it goes on."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fabric_protos.common import common_pb2

from veilmesh_fabric.block import Block
from veilmesh_fabric.committed_transaction import CommittedTransaction, TxValidationCode
from veilmesh_fabric.errors import VerificationError
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.signature_checks import BlockSignatures
from veilmesh_fabric.transaction_verdicts import TAKEN_ON_TRUST, Verdict

_UNREADABLE = "unreadable"
_MOST_REMARKS = 1000  # kept; anybody who may write can cause as many as they like

_EACH_BLOCK = (
    Rule.ENCODING,
    Rule.BLOCK_NUMBER,
    Rule.DATA_HASH,
    Rule.PREVIOUS_HASH,
    Rule.LAST_CONFIG,
    Rule.ORDERER_METADATA,
)
# In the order in which a transaction meets them; it meets none behind the one that it breaks.
_EACH_CONFIG = (
    Rule.MALFORMED,
    Rule.CHANNEL,
    Rule.CREATOR,
    Rule.CREATOR_SIGNATURE,
    Rule.WRITERS,
    Rule.CONFIG_UPDATE,
)
_EACH_INVOCATION = (
    Rule.MALFORMED,
    Rule.CHANNEL,
    Rule.CREATOR,
    Rule.CREATOR_SIGNATURE,
    Rule.WRITERS,
    Rule.TRANSACTION_ID,
    Rule.PROPOSAL_HASH,
    Rule.DUPLICATE_ID,
    Rule.CHAINCODE,
    Rule.ENDORSEMENT,
    Rule.READ_VERSIONS,
)


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What a chain was found to be."""

    channel_id: str
    blocks: int  # verified; one with a violation is not
    last_header_hash: bytes  # of the last verified block: equal chains have the same
    transactions: Mapping[tuple[str, str], int]  # by type and validation code, e.g. ("CONFIG", "VALID")
    signatures: int  # checked, of orderers, creators and endorsers
    checks: Mapping[Rule, int]  # how many blocks, transactions or block signatures each rule was applied to
    organizations: frozenset[str]  # whose members ordered, created or endorsed
    has_commit_hashes: bool
    taken_on_trust: tuple[str, ...]  # what blocks cannot prove
    notes: tuple[str, ...]  # what is odd, but breaks no rule
    elapsed_s: float
    violation: VerificationError | None

    @property
    def holds(self) -> bool:
        return self.violation is None


@dataclass(slots=True)
class Remarks:
    """Sentences about single transactions: the first of them, and how many more there were."""

    kept: list[str] = field(default_factory=list)
    left_out: int = 0

    def add(self, remark: str) -> None:
        if len(self.kept) < _MOST_REMARKS:
            self.kept.append(remark)
        else:
            self.left_out += 1

    def all(self) -> tuple[str, ...]:
        return (*self.kept, f"and {self.left_out} more") if self.left_out else tuple(self.kept)


@dataclass(slots=True)
class Tally:
    """The counts behind a report."""

    blocks: int = 0
    signatures: int = 0
    block_signatures: int = 0  # the orderers' among them
    commit_hashes: int = 0
    # By type (None: unreadable), code and rule broken.
    verdicts: Counter[tuple[int | None, int | None, Rule | None]] = field(default_factory=Counter)
    organizations: set[str] = field(default_factory=set)
    taken_on_trust: Remarks = field(default_factory=Remarks)
    notes: Remarks = field(default_factory=Remarks)

    def add(
        self,
        block: Block,
        signatures: BlockSignatures,
        orderers: Iterable[Identity],
        verdicts: Iterable[Verdict],
    ) -> None:
        """Count a verified block."""
        self.blocks += 1
        self.signatures += signatures.count
        self.block_signatures += len(signatures.orderers)
        self.commit_hashes += bool(block.metadata.commit_hash)
        self.organizations.update([orderer.msp_id for orderer in orderers])
        for transaction, verdict in zip(block.transactions, verdicts, strict=True):
            kind = transaction.header.type if transaction.header else None
            self.verdicts[kind, verdict.code, verdict.rule] += 1
            self.organizations.update([signer.msp_id for signer in verdict.signers])
            if verdict.code in TAKEN_ON_TRUST:
                self.taken_on_trust.add(
                    f"{_place(block, transaction)}: {TxValidationCode.Name(verdict.code)}"
                )
            for reason in verdict.ignored:
                self.notes.add(f"{_place(block, transaction)}: endorsement ignored: {reason}")

    def transactions(self) -> Mapping[tuple[str, str], int]:
        """Return how many there were by the names of type and code."""
        counts = Counter[tuple[str, str]]()
        for (kind, code, _), count in self.verdicts.items():
            name = _UNREADABLE if kind is None else common_pb2.HeaderType.Name(kind)
            counts[name, TxValidationCode.Name(code)] += count  # without a code, verification had ended
        return dict(counts)

    def checks(self) -> Mapping[Rule, int]:
        """Return to how many blocks, transactions or block signatures each rule was applied."""
        counts = Counter[Rule]()
        if not self.blocks:
            return counts
        counts.update(dict.fromkeys(_EACH_BLOCK, self.blocks))
        counts[Rule.TRUST_ANCHOR] = 1
        counts[Rule.BLOCK_SIZE] = self.blocks - 1
        counts[Rule.BLOCK_SIGNATURE] = self.block_signatures
        counts[Rule.COMMIT_HASH] = self.commit_hashes
        verdicts = self.verdicts.copy()
        verdicts[common_pb2.CONFIG, 0, None] -= 1  # block 0, which is trusted
        for (kind, code, broken), count in verdicts.items():
            counts[Rule.VALIDATION_CODE] += count
            for rule in _applied(kind, code, broken):
                counts[rule] += count
        return {rule: counts[rule] for rule in Rule if counts[rule]}


def _applied(kind: int | None, code: int | None, broken: Rule | None) -> Sequence[Rule]:
    """Return the rules that a transaction met."""
    rules = _EACH_CONFIG if kind == common_pb2.CONFIG else _EACH_INVOCATION
    if broken in rules:
        return rules[: rules.index(broken) + 1]
    return rules[:-1] if code in TAKEN_ON_TRUST else rules


def _place(block: Block, transaction: CommittedTransaction) -> str:
    return f"block {block.number}, transaction {transaction.tx_id}"
