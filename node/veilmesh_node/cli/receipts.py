"""Privacy receipts for anonymized pictures and videos: signed and anchored by the organisation's node.

Each receipt lies beside its picture as `NAME.receipt.json`, to be handed out with it. Beside a video's lie
its frames' leaves, `NAME.frames.jsonl`, from which any single frame can be proved. The salts that open the
receipts' input commitments go to `.veilmesh-salts.jsonl` in the output folder, mode 0600: keep them.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veilmesh.v1.node_pb2 import IssuedReceipt, IssueReceiptsRequest, ReceiptDraft, ReleasedFrames
from veilmesh_chaincode.records.refusals import Refusal
from veilmesh_ml.folder_job import FileResult, FileStatus

from veilmesh_node.cli import node_api
from veilmesh_node.domain.frame import FrameLeaf, tree_of
from veilmesh_node.domain.receipt import SignedReceipt

if TYPE_CHECKING:
    from veilmesh_ml.video.release import VideoReport

SALTS_NAME = ".veilmesh-salts.jsonl"
BATCH = 10_000  # what the node takes at once


@dataclass(frozen=True, slots=True)
class Waiting:
    """A released file that has no receipt yet."""

    target: Path
    draft: ReceiptDraft


def pictures(results: Sequence[FileResult], settings_digest: str) -> Iterator[Waiting]:
    """Yield the released pictures that have no receipt yet."""
    for result in results:
        if result.status is FileStatus.FAILED or result.target is None:
            continue
        if not _has_receipt(result.target, result.output_sha256):
            yield Waiting(result.target, _draft(result, settings_digest))


def videos(reports: "Sequence[VideoReport]") -> Iterator[Waiting]:
    """Yield the released videos that have no receipt yet; their frames' leaves are written down first.

    Raises:
        VideoError: an output cannot be read any more.
    """
    for report in reports:
        if not _has_receipt(report.target, report.output_sha256):
            yield Waiting(report.target, _video_draft(report))


def issue(home: Path, out: Path, waiting: Sequence[Waiting]) -> dict[str, Any]:
    """Get receipts for what was released; return what was anchored.

    A batch's idempotency key follows from its content, so a run that was interrupted gets the same receipts.

    Raises:
        NodeCallError: the node refused or is out of reach; the outputs stay, run again for the receipts.
    """
    roots = []
    for start in range(0, len(waiting), BATCH):
        batch = waiting[start : start + BATCH]
        drafts = [each.draft for each in batch]
        digest = hashlib.sha256(b"".join(draft.SerializeToString(deterministic=True) for draft in drafts))
        request = IssueReceiptsRequest(drafts=drafts, idempotency_key=digest.hexdigest())
        response = node_api.call(home, "IssueReceipts", request, doing="anchoring receipts")
        for each, issued in zip(batch, response.receipts, strict=True):
            _write(out, each.target, issued)
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


def _video_draft(report: "VideoReport") -> ReceiptDraft:
    from veilmesh_ml.image import write_atomically

    leaves = leaves_of(report.target)
    write_atomically(frames_path(report.target), b"".join(leaf.to_bytes() + b"\n" for leaf in leaves))
    methods = {method for track in report.tracks for method in track.methods}
    return ReceiptDraft(
        input_sha256=report.input_sha256,
        output_sha256=report.output_sha256,
        methods=sorted(methods) or [report.method],
        parameters_sha256=report.settings_digest,
        model_digest=report.model_digest,
        gate_verdict="passed",
        frames=ReleasedFrames(
            merkle_root=tree_of(leaves).root.hex(),
            count=len(leaves),
            faces_left=sum(track.left for track in report.tracks),
        ),
    )


def leaves_of(video: Path) -> list[FrameLeaf]:
    """Return the leaves of a video's frames, by decoding it.

    Raises:
        VideoError: it cannot be read.
    """
    from veilmesh_ml.video.frames import shown_frames

    return [
        FrameLeaf(
            number=frame.number,
            time_us=frame.time_us,
            width=frame.width,
            height=frame.height,
            picture_sha256=frame.picture_sha256,
        )
        for frame in shown_frames(video)
    ]


def _has_receipt(target: Path, output_sha256: str) -> bool:
    """Whether a receipt of this very file is there; one of an earlier file of that name is not."""
    try:
        signed = SignedReceipt.from_bytes(receipt_path(target).read_bytes())
    except (FileNotFoundError, Refusal):
        return False
    return signed.receipt.output_sha256 == output_sha256


def receipt_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.receipt.json")


def frames_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.frames.jsonl")


def _write(out: Path, target: Path, issued: IssuedReceipt) -> None:
    """Write the salt before the receipt, whose presence says that both are there."""
    line = {"target": str(target.relative_to(out)), "input_salt": issued.input_salt.hex()}
    descriptor = os.open(out / SALTS_NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a") as file:
        file.write(json.dumps(line) + "\n")
    unfinished = receipt_path(target).with_suffix(".unfinished")
    unfinished.write_bytes(issued.receipt)
    unfinished.replace(receipt_path(target))
