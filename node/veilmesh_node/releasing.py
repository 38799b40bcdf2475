"""Issue privacy receipts for images that the organisation releases, and anchor them in one batch.

    started     the idempotency key is claimed, the drafts are written down
    dated       so are the policy's version and the time, which every receipt of the batch bears
    anchoring   the anchoring of their Merkle root is endorsed, and may have been sent
    done        anchored

Receipts and salts follow from what is written down (salts under the node's key), so nothing secret is stored,
and a repeated request gets the same receipts; only their signatures are made anew.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.release import AnchorBatch

from veilmesh_node.domain import receipt as receipts
from veilmesh_node.domain.commitment import commit_input, derive_salt
from veilmesh_node.domain.receipt import Receipt, ReceiptDraft, SignedReceipt, VideoReceipt
from veilmesh_node.domain.secret import Secret
from veilmesh_node.environment import Environment
from veilmesh_node.errors import InvalidRequestError
from veilmesh_node.journal import DONE, STARTED, Kind, Operation, Transition
from veilmesh_node.operations import Traces, commit, endorse
from veilmesh_node.ports import ANCHOR_BATCH

MAX_DRAFTS = 10_000


class Step(StrEnum):
    STARTED = STARTED
    DATED = "dated"
    ANCHORING = "anchoring"


@dataclass(frozen=True, slots=True)
class IssuedReceipt:
    signed: SignedReceipt
    input_salt: Secret  # for the caller to keep beside the input


@dataclass(frozen=True, slots=True)
class IssuedBatch:
    receipts: Sequence[IssuedReceipt]  # in the drafts' order
    merkle_root: str
    tx_id: str


class Releasing:
    """The procedure behind IssueReceipts."""

    def __init__(self, environment: Environment, salt_key: Secret) -> None:
        self._env = environment
        self._salt_key = salt_key

    async def issue(self, drafts: Sequence[ReceiptDraft], *, idempotency_key: str) -> IssuedBatch:
        """Sign receipts and anchor them.

        Raises:
            InvalidRequestError: no drafts, or too many.
            Refusal: METHOD_NOT_ALLOWED; NODE_NOT_ACTIVE.
        """
        if not 1 <= len(drafts) <= MAX_DRAFTS:
            raise InvalidRequestError(f"{len(drafts)} receipt drafts; 1 to {MAX_DRAFTS:,} are taken")
        documents = [draft.model_dump(mode="json") for draft in drafts]
        operation = self._env.journal.begin(
            Kind.RELEASE,
            idempotency_key=idempotency_key,
            request_mac=self._env.fingerprint(json.dumps(documents, sort_keys=True).encode()),
            subject="",
            state={"drafts": documents},
        )
        return self._issued(await self._env.operations.run(operation))

    def can_go_on(self, operation: Operation) -> bool:
        return not operation.finished

    def can_undo(self, operation: Operation) -> bool:
        return not operation.finished

    async def advance(self, operation: Operation) -> Transition:
        match operation.step:
            case Step.STARTED:
                return await self._date(operation)
            case Step.DATED:
                batch = self._receipts(operation)
                anchor = AnchorBatch(merkle_root=receipts.batch(batch).root.hex(), leaf_count=len(batch))
                return await endorse(self._env.ledger, operation, ANCHOR_BATCH, anchor, step=Step.ANCHORING)
            case Step.ANCHORING:
                anchored = Transition(DONE, {"anchor_tx_id": operation.tx_id})
                return await commit(self._env.ledger, operation, committed=anchored, again=Step.DATED)
        raise AssertionError(f"step {operation.step} does not advance")

    async def undo(self, operation: Operation) -> Traces | None:
        """Nothing was left anywhere."""

    async def _date(self, operation: Operation) -> Transition:
        policy = await self._env.ledger.policy()
        used = {method for draft in _drafts(operation) for method in draft.methods}
        for method in sorted(used.difference(policy.terms.anonymizers)):
            raise Refusal(
                RefusalCode.METHOD_NOT_ALLOWED,
                f"anonymizer {method} is not in policy version {policy.version}",
            )
        return Transition(
            Step.DATED, {"policy_version": policy.version, "issued_at_s": self._env.clock.now_s()}
        )

    def _receipts(self, operation: Operation) -> list[Receipt]:
        return [
            self._receipt(operation, draft, self._salt(operation, index))
            for index, draft in enumerate(_drafts(operation))
        ]

    def _receipt(self, operation: Operation, draft: ReceiptDraft, salt: Secret) -> Receipt:
        receipt = Receipt(
            input_commitment=commit_input(salt, draft.input_sha256),
            output_sha256=draft.output_sha256,
            methods=draft.methods,
            parameters_sha256=draft.parameters_sha256,
            model_digest=draft.model_digest,
            gate_verdict=draft.gate_verdict,
            policy_version=operation.state["policy_version"],
            issued_at_s=operation.state["issued_at_s"],
            node_id=self._env.node_id,
            msp_id=self._env.msp_id,
        )
        return receipt if draft.frames is None else VideoReceipt(**dict(receipt), frames=draft.frames)

    def _salt(self, operation: Operation, index: int) -> Secret:
        return derive_salt(self._salt_key, operation.operation_id, index)

    def _issued(self, operation: Operation) -> IssuedBatch:
        batch, tx_id = self._receipts(operation), operation.state["anchor_tx_id"]
        tree = receipts.batch(batch)
        return IssuedBatch(
            [
                IssuedReceipt(
                    receipts.include(receipts.sign(receipt, self._env.signer), tree, index, tx_id),
                    self._salt(operation, index),
                )
                for index, receipt in enumerate(batch)
            ],
            tree.root.hex(),
            tx_id,
        )


def _drafts(operation: Operation) -> list[ReceiptDraft]:
    return [ReceiptDraft.model_validate(document) for document in operation.state["drafts"]]
