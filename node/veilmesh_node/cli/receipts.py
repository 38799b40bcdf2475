"""Privacy receipts for a folder of anonymized pictures: signed and anchored by the organisation's node.

Each receipt lies beside its picture as `NAME.receipt.json`, to be handed out with it. The salts that open the
receipts' input commitments go to `.veilmesh-salts.jsonl` in the output folder, mode 0600: keep them.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from veilmesh.v1.node_pb2 import IssuedReceipt, IssueReceiptsRequest, ReceiptDraft
from veilmesh_chaincode.records.refusals import Refusal
from veilmesh_ml.folder_job import FileResult, FileStatus

from veilmesh_node.cli import node_api
from veilmesh_node.domain.receipt import SignedReceipt

SALTS_NAME = ".veilmesh-salts.jsonl"
BATCH = 10_000  # what the node takes at once


def issue(home: Path, out: Path, results: Sequence[FileResult], settings_digest: str) -> dict[str, Any]:
    """Get receipts for every released picture that has none yet; return what was anchored.

    A batch's idempotency key follows from its content, so a run that was interrupted gets the same receipts.

    Raises:
        NodeCallError: the node refused or is out of reach; the pictures stay, run again for the receipts.
    """
    waiting = [
        result
        for result in results
        if result.status is not FileStatus.FAILED and result.target is not None and not _has_receipt(result)
    ]
    roots = []
    for start in range(0, len(waiting), BATCH):
        batch = waiting[start : start + BATCH]
        drafts = [_draft(result, settings_digest) for result in batch]
        digest = hashlib.sha256(b"".join(draft.SerializeToString(deterministic=True) for draft in drafts))
        request = IssueReceiptsRequest(drafts=drafts, idempotency_key=digest.hexdigest())
        response = node_api.call(home, "IssueReceipts", request, doing="anchoring receipts")
        for result, issued in zip(batch, response.receipts, strict=True):
            _write(out, result, issued)
        roots.append({"merkle_root": response.merkle_root, "tx_id": response.tx_id})
    return {"receipts": len(waiting), "batches": roots}


def _draft(result: FileResult, settings_digest: str) -> ReceiptDraft:
    return ReceiptDraft(
        input_sha256=result.input_sha256,
        output_sha256=result.output_sha256,
        methods=result.method.split("+"),
        parameters_sha256=settings_digest,
        model_digest=result.model_digest,
        gate_verdict="passed",
    )


def _has_receipt(result: FileResult) -> bool:
    """Whether a receipt of this very picture is there; one of an earlier picture of that name is not."""
    assert result.target is not None  # noqa: S101 - only released pictures come here
    try:
        signed = SignedReceipt.from_bytes(receipt_path(result.target).read_bytes())
    except (FileNotFoundError, Refusal):
        return False
    return signed.receipt.output_sha256 == result.output_sha256


def receipt_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.receipt.json")


def _write(out: Path, result: FileResult, issued: IssuedReceipt) -> None:
    """Write the salt before the receipt, whose presence says that both are there."""
    assert result.target is not None  # noqa: S101 - only released pictures come here
    line = {"target": str(result.target.relative_to(out)), "input_salt": issued.input_salt.hex()}
    descriptor = os.open(out / SALTS_NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a") as file:
        file.write(json.dumps(line) + "\n")
    unfinished = receipt_path(result.target).with_suffix(".unfinished")
    unfinished.write_bytes(issued.receipt)
    unfinished.replace(receipt_path(result.target))
