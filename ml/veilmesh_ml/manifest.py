"""What a folder's run has done, one JSON line per released file, so that the next run need not do it again.

The file is `.veilmesh.jsonl` in the output folder, mode 0600. It is the owner's: it links inputs to
outputs by digest and may hold recovery records. Publish the pictures without it.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veilmesh_ml.errors import MlError
from veilmesh_ml.folder_job import FileResult, FileStatus

MANIFEST_NAME = ".veilmesh.jsonl"


class ManifestError(MlError):
    """The manifest cannot be read or written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One released file, `target` being relative to the output folder."""

    target: str
    settings: str
    input_sha256: str
    output_sha256: str
    faces: int
    method: str
    closest_dissimilarity: float | None
    model_digest: str
    recovery: str
    sealed_key: str


class Manifest:
    """The entries of one output folder; a later entry for a target replaces an earlier one."""

    def __init__(self, folder: Path) -> None:
        """Read what is there. A line cut short by a crash is passed over: its file is simply done again.

        Raises:
            ManifestError: it is there and cannot be read.
        """
        self._path = folder / MANIFEST_NAME
        self._entries: dict[str, Entry] = {}
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return
        except OSError as err:
            raise ManifestError(
                f"cannot read {self._path}: {err.strerror}", hint="check permissions"
            ) from err
        for line in lines:
            entry = _entry(line)
            if entry is not None:
                self._entries[entry.target] = entry

    def find(self, target: str) -> Entry | None:
        return self._entries.get(target)

    def add(self, entry: Entry) -> None:
        """Append an entry, on a line of its own even where the last one was cut short.

        Raises:
            ManifestError: it cannot be written.
        """
        self._entries[entry.target] = entry
        line = (
            "\n" + json.dumps({name: getattr(entry, name) for name in Entry.__slots__}, sort_keys=True) + "\n"
        )
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                file.write(line.encode())
        except OSError as err:
            raise ManifestError(
                f"cannot write {self._path}: {err.strerror}", hint="check free space"
            ) from err


def entry_of(result: FileResult, target: str, settings: str) -> Entry:
    return Entry(
        target=target,
        settings=settings,
        input_sha256=result.input_sha256,
        output_sha256=result.output_sha256,
        faces=result.faces,
        method=result.method,
        closest_dissimilarity=result.closest_dissimilarity,
        model_digest=result.model_digest,
        recovery=result.recovery,
        sealed_key=result.sealed_key,
    )


def kept(entry: Entry, source: Path, target: Path) -> FileResult:
    """The result of a file that need not be done again."""
    return FileResult(
        source=source,
        target=target,
        status=FileStatus.KEPT,
        input_sha256=entry.input_sha256,
        output_sha256=entry.output_sha256,
        faces=entry.faces,
        method=entry.method,
        closest_dissimilarity=entry.closest_dissimilarity,
        model_digest=entry.model_digest,
        recovery=entry.recovery,
        sealed_key=entry.sealed_key,
    )


def _entry(line: str) -> Entry | None:
    try:
        document: dict[str, Any] = json.loads(line)
        return Entry(**document)
    except (ValueError, TypeError):
        return None
