"""Which videos of a folder were finished, and how, so that the next run need not do them again.

One JSON line per video in `.veilmesh-videos.jsonl` beside the outputs, mode 0600: it links inputs to outputs.
"""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from veilmesh_ml.errors import UnwritableVideoError, VideoError
from veilmesh_ml.face import Box
from veilmesh_ml.video.disguise import TrackRecord
from veilmesh_ml.video.release import VideoReport
from veilmesh_ml.video.remembering import from_document, to_document
from veilmesh_ml.video.sightings import Sightings
from veilmesh_ml.video.sources import Source

NAME: Final = ".veilmesh-videos.jsonl"


def finished_before(
    source: Source, target: Path, settings_digest: str, model_digest: str
) -> VideoReport | None:
    """Return the report of the same input, settings and output, where that was entered; else None."""
    found = None
    for document in _lines(target):
        if document.get("target") == target.name and document.get("settings_digest") == settings_digest:
            found = document
    if found is None or found.get("model_digest") != model_digest or not source.again:
        return None
    try:
        report = report_of(found, source.path, target)
        same_input = source.sha256() == report.input_sha256
        return report if same_input and Source.of(target).sha256() == report.output_sha256 else None
    except (VideoError, ValueError, TypeError):
        return None


def enter(report: VideoReport) -> None:
    """Say that a video is finished.

    Raises:
        UnwritableVideoError: it cannot be written.
    """
    line = "\n" + json.dumps({**document_of(report), "target": report.target.name}) + "\n"
    path = report.target.with_name(NAME)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(line.encode())
    except OSError as err:
        raise UnwritableVideoError(f"cannot write {path}: {err.strerror}", hint="check free space") from err


def document_of(report: VideoReport) -> dict[str, Any]:
    """Return a report as JSON, without where the video was read and written."""
    content = {name: getattr(report, name) for name in VideoReport.__slots__}
    return {name: to_document(value) for name, value in content.items() if name not in {"source", "target"}}


def report_of(document: dict[str, Any], source: Path, target: Path) -> VideoReport:
    """Return the report that `document_of` made a document of.

    Raises:
        ValueError, TypeError: it is no such document.
    """
    values = {name: from_document(value, TrackRecord, Sightings, Box) for name, value in document.items()}
    report = VideoReport(**{**values, "source": source, "target": target})
    return replace(report, tracks=tuple(report.tracks), left_out=tuple(report.left_out))


def _lines(target: Path) -> "list[dict[str, Any]]":
    """Return what was entered; a line cut short by a crash is passed over."""
    documents = []
    try:
        lines = target.with_name(NAME).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict):
            documents.append(document)
    return documents
