"""Anonymize one file of a folder: what a worker process does, and what it reports.

A job never raises for what is wrong with its file: whatever happens becomes a `FileResult`, so that one
bad file cannot stop the rest.
"""

import hashlib
import logging
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from veilmesh_ml.anonymizers import load_anonymizer
from veilmesh_ml.comparison import DLIB_THRESHOLD_DISSIMILARITY
from veilmesh_ml.engine import Engine, load_engine
from veilmesh_ml.errors import AnonymizeError, MlError
from veilmesh_ml.gate import GateLevel, ReleaseGate
from veilmesh_ml.image import (
    FORMAT_OF_SUFFIX,
    LOSSY_FORMATS,
    encode_image,
    format_of,
    read_file,
    read_image,
    write_atomically,
)
from veilmesh_ml.keystream import KEY_BYTES, derive
from veilmesh_ml.release import DEFAULT_METHOD, release

_LOG = logging.getLogger(__name__)


class KeySeal(Protocol):
    """Locks a picture's key away, so that only whom its owner names can undo what was done to it.

    It travels to worker processes, so it has to pickle.
    """

    @property
    def digest(self) -> str:
        """Names who can open it: SHA-256 (hex) of a public key."""
        ...

    def seal(self, key: bytes, recovery: str, output_sha256: str) -> str:
        """Return the text of a file that goes beside the picture.

        Args:
            key: the picture's, 32 bytes.
            recovery: JSON for `restore`.
            output_sha256: hex, of the picture's file.
        """
        ...


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """How every file of a folder is anonymized.

    Attributes:
        method: name of the anonymizer; what the gate refuses falls through to stronger settings and the
            solid mask.
        parameters: of the anonymizer, without its key.
        key: 32 bytes for a keyed method. With one, permuted pictures can be restored, so they are written
            lossless and their recovery records kept in the manifest; without one nobody can undo anything.
        seal: instead of a key: every picture gets a fresh one, sealed at once and then forgotten.
        threshold_dissimilarity: at or below it two faces match.
        level: how far above it the gate wants every attack to stay.
    """

    method: str = DEFAULT_METHOD
    parameters: Mapping[str, Any] = field(default_factory=dict)
    key: bytes | None = field(default=None, repr=False)
    seal: KeySeal | None = None
    threshold_dissimilarity: float = DLIB_THRESHOLD_DISSIMILARITY
    level: GateLevel = GateLevel.STANDARD

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over everything that decides what comes out, and who can undo it."""
        key = derive(self.key, "folder").hex() if self.key else ""
        if self.seal is not None:
            key = self.seal.digest
        parts = (
            self.method,
            sorted(self.parameters.items()),
            key,
            self.threshold_dissimilarity,
            str(self.level),
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    @property
    def restorable(self) -> bool:
        """Whether somebody will be able to undo what is done."""
        return self.method == "permute" and (self.key is not None or self.seal is not None)

    def picture_key(self) -> bytes | None:
        """Return the key for one picture: the owner's, a fresh one to be sealed, or none."""
        return secrets.token_bytes(KEY_BYTES) if self.seal is not None else self.key


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
        sealed_key: the text of the picture's sealed key; empty where none was asked for, or needed.
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
    sealed_key: str = field(default="", repr=False)
    error: str = ""
    hint: str = ""
    ms: float = 0.0


@dataclass(frozen=True, slots=True)
class AnonymizedFile:
    """What became of one file's bytes; `output` is the new file's, the rest as in `FileResult`."""

    output: bytes = field(repr=False)
    faces: int
    method: str
    closest_dissimilarity: float | None
    model_digest: str
    recovery: str = field(repr=False)
    sealed_key: str = field(repr=False)

    def result(self, source: Path, target: Path, input_sha256: str, ms: float) -> FileResult:
        """Return what is reported once `output` is written to `target`."""
        return FileResult(
            source=source,
            target=target,
            status=FileStatus.RELEASED,
            input_sha256=input_sha256,
            output_sha256=hashlib.sha256(self.output).hexdigest(),
            faces=self.faces,
            method=self.method,
            closest_dissimilarity=self.closest_dissimilarity,
            model_digest=self.model_digest,
            recovery=self.recovery,
            sealed_key=self.sealed_key,
            ms=ms,
        )


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
    lossy = settings.restorable and file_format in LOSSY_FORMATS
    return name if file_format and not lossy else f"{name}.png"


def anonymize_bytes(content: bytes, file_format: str, settings: FolderSettings) -> "AnonymizedFile":
    """Detect, anonymize and judge the picture in a file's bytes.

    Args:
        content: the file's.
        file_format: of the output; one of the values of `FORMAT_OF_SUFFIX`.
        settings: how.

    Raises:
        MlError: it is no picture, no face was found in it, or the gate refused.
    """
    image = read_image(content)
    engine = engine_of_process()
    faces = engine.detect(image, thorough=True)
    if not faces:
        raise AnonymizeError(
            "no face was found, so nothing was written: a missed one would go out as it is",
            hint="copy the file yourself if nobody is in it",
        )
    gate = ReleaseGate(engine, threshold_dissimilarity=settings.threshold_dissimilarity, level=settings.level)
    key = settings.picture_key()
    parameters = settings.parameters if key is None else {**settings.parameters, "key": key}
    released = release(image, faces, gate, [load_anonymizer(settings.method, **parameters)])
    output = encode_image(released.image, file_format)
    recovery = released.recovery.to_json() if released.recovery and key else ""
    sealed_key = (
        settings.seal.seal(key, recovery, hashlib.sha256(output).hexdigest())
        if settings.seal and key and recovery
        else ""
    )
    return AnonymizedFile(
        output=output,
        faces=len(faces),
        method=released.method,
        closest_dissimilarity=released.closest_dissimilarity,
        model_digest=engine.model_digest,
        recovery="" if sealed_key else recovery,
        sealed_key=sealed_key,
    )


def _anonymize_file(job: FolderJob, started: float) -> FileResult:
    content = read_file(job.source)
    anonymized = anonymize_bytes(content, format_of(job.target), job.settings)
    write_atomically(job.target, anonymized.output)
    return anonymized.result(job.source, job.target, hashlib.sha256(content).hexdigest(), _ms_since(started))


@cache
def engine_of_process() -> Engine:
    """Return the one engine of this process."""
    return load_engine()


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
