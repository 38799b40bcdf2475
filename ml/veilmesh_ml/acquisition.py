"""Faces and features of many pictures, in bounded memory.

Several threads decode, detect and align, a batch of pictures ahead of the one asked for; the chips of a batch
are encoded together. Results come in the pictures' order.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import Engine, align_all
from veilmesh_ml.errors import ImageError
from veilmesh_ml.face import Face
from veilmesh_ml.image import read_image
from veilmesh_ml.threads import default_threads

BATCH = 32  # pictures

Chips: TypeAlias = NDArray[np.uint8]  # (n, 150, 150, 3)
Item = TypeVar("Item")
Seen = TypeVar("Seen")


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

    def look(source: Path) -> tuple[_Seen, Chips]:
        try:
            image = read_image(source)
        except ImageError as err:
            return _Seen(source, [], err), align_all(engine.align, np.empty((0, 0, 3), np.uint8), [])
        faces = engine.detect(image, thorough=thorough)
        return _Seen(source, faces, None), align_all(engine.align, image, faces)

    for batch in look_in_batches(engine, sources, look, threads):
        for seen, features in batch:
            yield Acquired(seen.source, seen.faces, features, seen.error)


def look_in_batches(
    engine: Engine,
    items: Iterable[Item],
    look: Callable[[Item], tuple[Seen, Chips]],
    threads: int | None = None,
) -> Iterator[list[tuple[Seen, Features]]]:
    """Yield what was seen of items, `BATCH` at a time and in their order, with the features of the chips.

    Args:
        engine: encodes.
        items: taken in the caller's thread, as they are needed.
        look: returns what it saw, and chips, uint8 (n, 150, 150, 3), n may be 0. Called in several threads.
        threads: how many items are looked at at once; by default `default_threads`.
    """
    remaining = iter(items)
    with ThreadPoolExecutor(threads or default_threads(), thread_name_prefix="pictures") as pool:
        ahead = [pool.submit(look, item) for item in islice(remaining, BATCH)]
        while ahead:
            looked = [future.result() for future in ahead]
            ahead = [pool.submit(look, item) for item in islice(remaining, BATCH)]
            yield _encoded(engine, looked)


class _Seen(NamedTuple):
    source: Path
    faces: list[Face]
    error: ImageError | None


def _encoded(engine: Engine, looked: list[tuple[Seen, Chips]]) -> list[tuple[Seen, Features]]:
    features = engine.encode_chips(np.concatenate([chips for _, chips in looked]))
    ends = np.cumsum([len(chips) for _, chips in looked])
    rows = np.split(features, ends[:-1])
    return [(seen, of_these) for (seen, _), of_these in zip(looked, rows, strict=True)]
