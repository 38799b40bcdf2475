"""Where photos are measured: worker processes, what they measure with, and the cache of finished blocks."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from veilmesh_ml.evaluate import measuring
from veilmesh_ml.evaluate.blocks import (
    Arrays,
    Block,
    BlockRunner,
    Measurers,
    PoolMeasurers,
    Progress,
    worker_pool,
)
from veilmesh_ml.evaluate.instruments import Instruments
from veilmesh_ml.evaluate.measuring import Method, PhotosIn, Subject
from veilmesh_ml.evaluate.trials import Photo


@dataclass(frozen=True, slots=True, eq=False)
class Workshop:
    """The workers, the cache, and what identifies the measurements in it.

    Attributes:
        data: what photos' paths are relative to.
        runner: of blocks.
        instruments: digests of engine and judges.
        judges: names of those.
        progress: told of every stage.
    """

    data: Path
    runner: BlockRunner
    instruments: str
    judges: Sequence[str]
    progress: Progress

    @classmethod
    @contextmanager
    def open(
        cls,
        data: Path,
        cache: Path,
        attackers: Sequence[Path],
        measurers: Measurers | int,
        progress: Progress,
    ) -> Iterator[Self]:
        """Load the encoders once here, so that a wrong file is told at once, and once in each worker.

        Args:
            data: what photos' paths are relative to.
            cache: folder of finished blocks.
            attackers: ONNX encoders, each with its description beside it.
            measurers: who have loaded the same; or how many processes to start.
            progress: told of every stage.

        Raises:
            ModelError: an encoder or its description is missing or wrong.
        """
        instruments = Instruments.load(attackers)
        digests = ",".join(f"{name}:{judge.digest}" for name, judge in instruments.judges.items())
        with ExitStack() as stack:
            if isinstance(measurers, int):
                pool = worker_pool(measurers, measuring.set_up_worker, PhotosIn(data), tuple(attackers))
                measurers = PoolMeasurers(stack.enter_context(pool))
            yield cls(data, BlockRunner(cache, measurers), digests, tuple(instruments.judges), progress)

    def run(
        self,
        label: str,
        measure: Callable[..., Arrays],
        items: Sequence[Any],
        *parameters: Any,
        made_by: str = "",
    ) -> dict[str, NDArray[Any]]:
        """Measure items in blocks; `made_by` identifies what the parameters do not."""
        return self.runner.run_stage(
            label,
            measure,
            items,
            parameters=parameters,
            made_by=(self.instruments, made_by, *map(str, parameters)),
            name=self._identity,
            progress=self.progress,
        )

    def run_whole(
        self, label: str, measure: Callable[..., Arrays], given: Any, *arrays: NDArray[Any]
    ) -> dict[str, NDArray[Any]]:
        """Do in one go what cannot be cut into blocks; `arrays` are what decides the outcome."""
        digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
        block = Block(label, measure, given, (), f"{label}\n{digest}")
        return self.runner.run([block], self.progress)

    def fingerprint(self, subject: Subject, method: Method) -> str:
        """Return what one output of this method, and every attack on it, looks like today, as a digest."""
        return self.runner.once(measuring.fingerprint, subject, method)

    def _identity(self, item: Photo | Subject) -> str:
        photo = item.photo if isinstance(item, Subject) else item
        return f"{photo.path} {(self.data / photo.path).stat().st_size}"
