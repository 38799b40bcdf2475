"""Long measurements in blocks: several processes, bounded memory, and nothing measured twice.

Photos are measured a block at a time, each in a worker process, and a block's arrays are one file of the
cache folder. A run that was stopped finds the finished blocks and goes on; a block is found again only where
the stage, the photos, the method's own output and the encoders are the same.
"""

import hashlib
import io
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.image import write_atomically

BLOCK_PHOTOS = 32
Arrays = Mapping[str, NDArray[Any]]
Result = TypeVar("Result")
Progress = Callable[[str, int, int], None]  # what is under way, how many blocks are done, of how many


@dataclass(frozen=True, slots=True)
class Block:
    """Some items to be measured in one go.

    Attributes:
        label: of the stage, for people and file names.
        measure: a module-level function, called in a worker with `items` and `parameters`.
        items: what is measured; picklable.
        parameters: the same for all blocks of a stage.
        identity: everything that decides the outcome, as text.
    """

    label: str
    measure: Callable[..., Arrays]
    items: Sequence[Any]
    parameters: tuple[Any, ...]
    identity: str

    @property
    def file_name(self) -> str:
        digest = hashlib.sha256(self.identity.encode()).hexdigest()
        return f"{self.label.replace(' ', '-')}-{digest[:24]}.npz"


class Measurers(Protocol):
    """Those who measure, each set up to call any block's function."""

    def measure(self, blocks: Sequence[Block], keep: Callable[[Block, Arrays], None]) -> None:
        """Measure blocks, in any order; give each one's arrays to `keep` as soon as they are there."""
        ...

    def once(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Return what a module-level function returns to one of them."""
        ...


class PoolMeasurers:
    """A pool's workers; implements `Measurers`."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool

    def measure(self, blocks: Sequence[Block], keep: Callable[[Block, Arrays], None]) -> None:
        running = {
            self._pool.submit(block.measure, block.items, *block.parameters): block for block in blocks
        }
        for future in as_completed(running):
            keep(running[future], future.result())

    def once(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return self._pool.submit(function, *arguments).result()


class BlockRunner:
    """Has blocks measured and keeps their arrays in a folder."""

    def __init__(self, cache: Path, measurers: Measurers) -> None:
        self._cache, self._measurers = cache, measurers

    def run_stage(
        self,
        label: str,
        measure: Callable[..., Arrays],
        items: Sequence[Any],
        *,
        parameters: tuple[Any, ...],
        made_by: Sequence[str],
        name: Callable[[Any], str],
        progress: Progress,
    ) -> dict[str, NDArray[Any]]:
        """Measure items in blocks; see `Block`.

        Args:
            label: of the stage.
            measure: what the workers call.
            items: at least one.
            parameters: handed to `measure` after the items.
            made_by: all that decides the outcome besides the items.
            name: what identifies an item.
            progress: called before the first block and after each.
        """
        blocks = [
            Block(label, measure, part, parameters, "\n".join((label, *made_by, *map(name, part))))
            for part in in_blocks(items)
        ]
        return self.run(blocks, progress)

    def run(self, blocks: Sequence[Block], progress: Progress) -> dict[str, NDArray[Any]]:
        """Measure what is not in the cache, and join all arrays of equal name along their first axis.

        Args:
            blocks: of one stage, at least one.
            progress: called before the first block and after each.
        """
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            progress(blocks[0].label, done, len(blocks))

        def keep(block: Block, arrays: Arrays) -> None:
            self._keep(block, arrays)
            advance()

        progress(blocks[0].label, 0, len(blocks))
        waiting = []
        for block in blocks:
            if (self._cache / block.file_name).exists():
                advance()
            else:
                waiting.append(block)
        self._measurers.measure(waiting, keep)
        parts = [self._read(block) for block in blocks]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def once(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Have one of them call a function, uncached."""
        return self._measurers.once(function, *arguments)

    def _keep(self, block: Block, arrays: Arrays) -> None:
        content = io.BytesIO()
        np.savez(content, **arrays)  # type: ignore[arg-type]  # numpy types its keywords as a flag
        write_atomically(self._cache / block.file_name, content.getvalue())

    def _read(self, block: Block) -> Arrays:
        with np.load(self._cache / block.file_name, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}


def in_blocks(items: Sequence[Any], size: int = BLOCK_PHOTOS) -> list[Sequence[Any]]:
    """Cut a sequence into blocks."""
    return [items[at : at + size] for at in range(0, len(items), size)]


def worker_pool(workers: int, set_up: Callable[..., None], *arguments: Any) -> ProcessPoolExecutor:
    """Return a pool whose processes start fresh and call `set_up` first."""
    # spawn: a forked copy of a process with threads (onnxruntime, OpenMP) may hang
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), set_up, arguments)
