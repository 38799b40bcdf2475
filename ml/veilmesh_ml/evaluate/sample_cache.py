"""What came of each photo, kept between runs: an evaluation that was interrupted goes on where it stopped.

One SQLite file, mode 0600. It holds features, so it is as confidential as the photos are.
"""

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from veilmesh_ml.errors import MlError
from veilmesh_ml.evaluate.samples import Sample


class SampleCacheError(MlError):
    """The cache cannot be read or written."""


class SampleCache:
    """Samples by the photo's digest, for one way of making them. Use it as a context."""

    def __init__(self, path: Path, method: str) -> None:
        """Open the file, or make it.

        Args:
            path: of the file.
            method: names everything that a sample depends on besides the photo: models, detector, version.

        Raises:
            SampleCacheError: it cannot be opened, or is something else.
        """
        self._method = method
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._database = sqlite3.connect(path)
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS sample"
                " (method TEXT, photo_sha256 TEXT, document TEXT, PRIMARY KEY (method, photo_sha256))"
            )
        except (OSError, sqlite3.Error) as err:
            raise SampleCacheError(f"cannot use {path}: {err}", hint="delete it to begin anew") from err

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def find(self, photo_sha256: str) -> Sample | None:
        """Return what came of that photo the last time."""
        with closing(
            self._database.execute(
                "SELECT document FROM sample WHERE method = ? AND photo_sha256 = ?",
                (self._method, photo_sha256),
            )
        ) as rows:
            row = rows.fetchone()
        return None if row is None else sample_from(json.loads(row[0]))

    def add(self, samples: Mapping[str, Sample]) -> None:
        """Keep samples by their photos' digests, all or none.

        Raises:
            SampleCacheError: the disk is full, say.
        """
        try:
            with self._database:
                self._database.executemany(
                    "INSERT OR REPLACE INTO sample VALUES (?, ?, ?)",
                    [
                        (self._method, digest, json.dumps(document_of(sample)))
                        for digest, sample in samples.items()
                    ],
                )
        except sqlite3.Error as err:
            raise SampleCacheError(f"cannot write the cache of samples: {err}") from err


def document_of(sample: Sample) -> dict[str, Any]:
    """Return a sample as JSON."""
    return {
        "features": None if sample.features is None else sample.features.tolist(),
        "mirrored": None if sample.mirrored is None else sample.mirrored.tolist(),
        "faces": sample.faces,
        "failure": sample.failure,
        "quality": dict(sample.quality),
        "refusals": list(sample.refusals),
    }


def sample_from(document: Mapping[str, Any]) -> Sample:
    """Return the sample that `document_of` made a document of."""
    vectors = {
        name: None if document[name] is None else np.array(document[name])
        for name in ("features", "mirrored")
    }
    return Sample(**({**document} | vectors | {"refusals": tuple(document["refusals"])}))
