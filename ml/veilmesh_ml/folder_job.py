"""Anonymize one file of a folder: what a worker process does, and what it reports.

A job never raises for what is wrong with its file: whatever happens becomes a `FileResult`, so that one
bad file cannot stop the rest.
"""

import hashlib
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from veilmesh_ml.anonymizers import load_anonymizer
from veilmesh_ml.comparison import DLIB_THRESHOLD_DISSIMILARITY
from veilmesh_ml.engine import Engine, load_engine
from veilmesh_ml.errors import AnonymizeError, MlError
from veilmesh_ml.gate import GateLevel, ReleaseGate
from veilmesh_ml.image import FORMAT_OF_SUFFIX, LOSSY_FORMATS, read_file, read_image, write_image
from veilmesh_ml.keystream import derive
from veilmesh_ml.release import release

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """How every file of a folder is anonymized.

    Attributes:
        method: name of the anonymizer; what the gate refuses falls through to stronger settings and the
            solid mask.
        parameters: of the anonymizer, without its key.
        key: 32 bytes for a keyed method. With one, permuted pictures can be restored, so they are written
            lossless and their recovery records kept in the manifest; without one nobody can undo anything.
        threshold_dissimilarity: at or below it two faces match.
        level: how far above it the gate wants every attack to stay.
    """

    method: str = "blur"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    key: bytes | None = field(default=None, repr=False)
    threshold_dissimilarity: float = DLIB_THRESHOLD_DISSIMILARITY
    level: GateLevel = GateLevel.STANDARD

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over everything that decides what comes out; two keys give two digests."""
        key = derive(self.key, "folder").hex() if self.key else ""
        parts = (
            self.method,
            sorted(self.parameters.items()),
            key,
            self.threshold_dissimilarity,
            str(self.level),
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    @property
    def all_parameters(self) -> dict[str, Any]:
        return {**self.parameters, **({"key": self.key} if self.key else {})}


class FileStatus(StrEnum):
    RELEASED = "released"  # anonymized, passed the gate, written
    KEPT = "kept"  # the same input was released by the same settings before, and its output is still there
    FAILED = "failed"  # nothing written


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of one file.

    Attributes:
        source: the file that was read.
        target: the file that was written; None where it failed.
        status: see `FileStatus`.
        input_sha256: hex, of the file read; empty where it could not be read.
        output_sha256: hex, of the file written; empty where it failed.
        faces: how many were anonymized.
        method: what passed the gate, which need not be what was asked for; joined by "+" where faces differ.
        closest_dissimilarity: the gate's best attack on any face, None where nothing was left to attack.
        model_digest: SHA-256 (hex) of the encoder that the gate used.
        recovery: JSON for `restore`; empty where no key was given or nothing can be undone.
        error, hint: why it failed and what to do, for people.
        ms: time it took.
    """

    source: Path
    target: Path | None
    status: FileStatus
    input_sha256: str = ""
    output_sha256: str = ""
    faces: int = 0
    method: str = ""
    closest_dissimilarity: float | None = None
    model_digest: str = ""
    recovery: str = field(default="", repr=False)
    error: str = ""
    hint: str = ""
    ms: float = 0.0


@dataclass(frozen=True, slots=True)
class FolderJob:
    source: Path
    target: Path
    settings: FolderSettings = field(repr=False)


def one_thread_a_process() -> None:
    """Set up a worker: as many processes as cores, so one thread in each. Call before the engine loads."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["OMP_WAIT_POLICY"] = "passive"
    import cv2  # noqa: PLC0415 (only where work is done)

    cv2.setNumThreads(1)


def run_job(job: FolderJob) -> FileResult:
    """Read, detect, anonymize, judge and write one file."""
    started = time.perf_counter()
    try:
        return _anonymize_file(job, started)
    except MlError as err:
        return failed(job.source, str(err), err.hint, started)
    except Exception as err:  # noqa: BLE001 (one bad file never stops the rest)
        _LOG.exception("anonymizing %s", job.source)
        return failed(
            job.source, f"unexpected {type(err).__name__}: {err}", "please report this file", started
        )


def failed(source: Path, error: str, hint: str, started: float) -> FileResult:
    return FileResult(source, None, FileStatus.FAILED, error=error, hint=hint, ms=_ms_since(started))


def target_name(name: str, settings: FolderSettings) -> str:
    """Return the output's name: the input's, with `.png` appended where that format cannot hold the result.

    That is the case for formats we do not write, and for a lossy one where the picture is to be restored
    later.
    """
    file_format = FORMAT_OF_SUFFIX.get(Path(name).suffix.lower())
    restorable = settings.key is not None and settings.method == "permute"
    return name if file_format and not (restorable and file_format in LOSSY_FORMATS) else f"{name}.png"


def _anonymize_file(job: FolderJob, started: float) -> FileResult:
    content = read_file(job.source)
    image = read_image(content)
    engine = _engine()
    faces = engine.detect(image, thorough=True)
    if not faces:
        raise AnonymizeError(
            "no face was found, so nothing was written: a missed one would go out as it is",
            hint="copy the file yourself if nobody is in it",
        )
    settings = job.settings
    gate = ReleaseGate(engine, threshold_dissimilarity=settings.threshold_dissimilarity, level=settings.level)
    released = release(image, faces, gate, [load_anonymizer(settings.method, **settings.all_parameters)])
    written = write_image(job.target, released.image)
    return FileResult(
        source=job.source,
        target=job.target,
        status=FileStatus.RELEASED,
        input_sha256=hashlib.sha256(content).hexdigest(),
        output_sha256=hashlib.sha256(written).hexdigest(),
        faces=len(faces),
        method=released.method,
        closest_dissimilarity=released.closest_dissimilarity,
        model_digest=engine.model_digest,
        recovery=released.recovery.to_json() if released.recovery and settings.key else "",
        ms=_ms_since(started),
    )


@cache
def _engine() -> Engine:
    """One engine a process."""
    return load_engine()


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
