"""What verification found, counted while it goes on."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fabric_protos.common import common_pb2

from veilmesh_fabric.block import Block
from veilmesh_fabric.committed_transaction import CommittedTransaction, TxValidationCode
from veilmesh_fabric.errors import VerificationError
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.signature_checks import BlockSignatures
from veilmesh_fabric.transaction_verdicts import TAKEN_ON_TRUST, Verdict

_UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What a chain was found to be."""

    channel_id: str
    blocks: int  # verified; one with a violation is not
    last_header_hash: bytes  # of the last verified block: equal chains have the same
    transactions: Mapping[tuple[str, str], int]  # by type and validation code, e.g. ("CONFIG", "VALID")
    signatures: int  # checked, of orderers, creators and endorsers
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
class Tally:
    """The counts behind a report."""

    blocks: int = 0
    signatures: int = 0
    codes: Counter[tuple[int | None, int | None]] = field(
        default_factory=Counter
    )  # by type, None: unreadable
    organizations: set[str] = field(default_factory=set)
    taken_on_trust: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

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
        self.organizations.update([orderer.msp_id for orderer in orderers])
        for transaction, verdict in zip(block.transactions, verdicts, strict=True):
            self.codes[transaction.header.type if transaction.header else None, verdict.code] += 1
            self.organizations.update([signer.msp_id for signer in verdict.signers])
            if verdict.code in TAKEN_ON_TRUST:
                self.taken_on_trust.append(
                    f"{_place(block, transaction)}: {TxValidationCode.Name(verdict.code)}"
                )
            for reason in verdict.ignored:
                self.notes.append(f"{_place(block, transaction)}: endorsement ignored: {reason}")

    def transactions(self) -> Mapping[tuple[str, str], int]:
        """Return how many there were by the names of type and code."""
        return {
            (
                _UNREADABLE if kind is None else common_pb2.HeaderType.Name(kind),
                TxValidationCode.Name(code),  # a verdict without a code ended verification
            ): count
            for (kind, code), count in self.codes.items()
        }


def _place(block: Block, transaction: CommittedTransaction) -> str:
    return f"block {block.number}, transaction {transaction.tx_id}"
