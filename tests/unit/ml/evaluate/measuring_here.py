"""A workshop without processes: what workers do, done here, so that tiny networks can stand in."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from veilmesh_ml.evaluate import measuring
from veilmesh_ml.evaluate.blocks import BlockRunner, PoolMeasurers
from veilmesh_ml.evaluate.instruments import ENGINE_JUDGE, EngineJudge, Instruments
from veilmesh_ml.evaluate.measuring import PhotosIn
from veilmesh_ml.evaluate.workshop import Workshop
from veilmesh_ml.fast.engine import FastEngine


@contextmanager
def workshop_here(
    data: Path, cache: Path, engine: FastEngine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workshop]:
    """Yield a workshop with dlib's judge, on photos in `data`."""
    instruments = Instruments(engine, {ENGINE_JUDGE: EngineJudge(engine)})
    monkeypatch.setattr(measuring, "_at_hand", {"instruments": instruments, "photos": PhotosIn(data)})
    with ThreadPoolExecutor(1) as pool:
        yield Workshop(
            data, BlockRunner(cache, PoolMeasurers(pool)), "here", (ENGINE_JUDGE,), lambda *_: None
        )
