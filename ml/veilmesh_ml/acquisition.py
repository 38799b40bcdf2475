"""Faces and features of many pictures, in bounded memory.

Several threads decode, detect and align, a batch of pictures ahead of the one asked for; the chips of a batch
are encoded together. Results come in the pictures' order.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import CHIP_PX, Engine, align_all
from veilmesh_ml.errors import ImageError
from veilmesh_ml.face import Face
from veilmesh_ml.image import read_image
from veilmesh_ml.threads import default_threads

BATCH = 32  # pictures


@dataclass(frozen=True, slots=True, eq=False)
class Acquired:
    """What a picture gave.

    Attributes:
        source: the picture.
        faces: surest first; none in one that could not be read.
        features: float64 (n, 128), of the faces.
        error: why it could not be read.
    """

    source: Path
    faces: list[Face]
    features: Features = field(repr=False)
    error: ImageError | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    source: Path
    faces: list[Face]
    chips: NDArray[np.uint8]
    error: ImageError | None = None


def acquire_all(
    engine: Engine, sources: Iterable[Path], *, thorough: bool = False, threads: int | None = None
) -> Iterator[Acquired]:
    """Yield what every picture gives; one that cannot be read stops none of the others.

    Args:
        engine: finds, aligns and encodes.
        sources: the pictures' files, taken as they are needed.
        thorough: as in `Engine.detect`.
        threads: how many pictures are looked at at once; by default `default_threads`.
    """
    remaining = iter(sources)
    with ThreadPoolExecutor(threads or default_threads(), thread_name_prefix="pictures") as pool:
        ahead = [pool.submit(_see, engine, source, thorough) for source in islice(remaining, BATCH)]
        while ahead:
            seen = [future.result() for future in ahead]
            ahead = [pool.submit(_see, engine, source, thorough) for source in islice(remaining, BATCH)]
            yield from _encoded(engine, seen)


def _see(engine: Engine, source: Path, thorough: bool) -> _Seen:
    try:
        image = read_image(source)
    except ImageError as err:
        return _Seen(source, [], np.empty((0, CHIP_PX, CHIP_PX, 3), np.uint8), err)
    faces = engine.detect(image, thorough=thorough)
    return _Seen(source, faces, align_all(engine.align, image, faces))


def _encoded(engine: Engine, seen: list[_Seen]) -> Iterator[Acquired]:
    features = engine.encode_chips(np.concatenate([each.chips for each in seen]))
    ends = np.cumsum([len(each.faces) for each in seen])
    for each, rows in zip(seen, np.split(features, ends[:-1]), strict=True):
        yield Acquired(each.source, each.faces, rows, each.error)
