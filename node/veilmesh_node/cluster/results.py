"""Results as lines of JSON in one file, streamed as they come, so that a job can go on where it stopped.

The file is `results.jsonl` in the output folder, mode 0600: features are as good as faces.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from veilmesh_node.cluster.errors import WorkError
from veilmesh_node.errors import StorageFullError

RESULTS_NAME = "results.jsonl"


class ResultsFile:
    """One output folder's. Later lines for a name replace earlier ones."""

    def __init__(self, folder: Path) -> None:
        """Read which results are there. A line cut short by a crash is passed over: its item is done again.

        Raises:
            WorkError: the folder or the file cannot be used.
        """
        self.path = folder / RESULTS_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._there = {line["name"]: (line["sha256"], line["task"]) for line in read_results(self.path)}
        except OSError as err:
            raise WorkError(f"cannot use {err.filename or folder}: {err.strerror}") from err

    def has(self, name: str, sha256: str, task_digest: str) -> bool:
        """Whether this content's result is there, of this very task."""
        return self._there.get(name) == (sha256, task_digest)

    def names(self) -> set[str]:
        return set(self._there)

    def add(self, name: str, sha256: str, task_digest: str, document: Mapping[str, Any]) -> None:
        """Append a result: a whole line, or nothing.

        Raises:
            StorageFullError: it does not fit on the disk.
            WorkError: it cannot be written for another reason.
        """
        line = json.dumps({"name": name, "sha256": sha256, "task": task_digest, **document}) + "\n"
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "r+b", buffering=0) as file:
                end = os.fstat(descriptor).st_size
                whole = end == 0 or os.pread(descriptor, 1, end - 1) == b"\n"
                content = line.encode() if whole else b"\n" + line.encode()
                _write(file.fileno(), content, end)
        except OSError as err:
            raise WorkError(f"cannot write {self.path}: {err.strerror}") from err
        self._there[name] = (sha256, task_digest)


def read_results(path: Path) -> Iterator[dict[str, Any]]:
    """Yield every whole line of a results file, none where there is no file.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    document = json.loads(line)
                except ValueError:
                    continue
                if isinstance(document, dict) and {"name", "sha256", "task"} <= document.keys():
                    yield document
    except FileNotFoundError:
        return


def _write(descriptor: int, content: bytes, end: int) -> None:
    """Append; what was written of a line that does not fit is taken away again.

    Raises:
        StorageFullError: it does not fit.
    """
    try:
        written = os.write(descriptor, content)
    except OSError as err:
        raise StorageFullError(f"cannot write results: {err.strerror}") from err
    if written < len(content):
        os.ftruncate(descriptor, end)
        raise StorageFullError("cannot write results: no space left on device")
