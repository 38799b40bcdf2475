"""Draws batches, each with random numbers of its own step, so that it is the same whoever draws it and when.

Worker processes, forks that share the photos in memory, draw ahead: beside a GPU as many as there are cores
to spare, on a CPU one, so that no core waits while pictures are drawn.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import numpy as np
import torch

Draw: TypeAlias = Callable[[np.random.Generator], Mapping[str, Any]]

_AHEAD: Final = 3  # batches waiting for each worker
_shared: list[Draw] = []  # what a fork draws with: handed over by the fork, never pickled


class Batches:
    """The batches of a training, one after the other."""

    def __init__(self, draw: Draw, seed: int, first: int, workers: int) -> None:
        """Begin with step `first`. Workers: 0 draws here."""
        self._draw, self._seed, self._next = draw, seed, first
        self._pool: ProcessPoolExecutor | None = None
        self._waiting: deque[Future[dict[str, Any]]] = deque()
        self._most = _AHEAD * workers
        if workers:
            _shared[:] = [draw]
            self._pool = ProcessPoolExecutor(
                workers, multiprocessing.get_context("fork"), initializer=torch.set_num_threads, initargs=(1,)
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def following(self) -> dict[str, torch.Tensor]:
        """Return the next step's batch, on the CPU."""
        if self._pool is None:
            drawn = dict(self._draw(_random(self._seed, self._next)))
            self._next += 1
        else:
            while len(self._waiting) < self._most:
                self._waiting.append(self._pool.submit(_drawn, self._seed, self._next))
                self._next += 1
            drawn = self._waiting.popleft().result()
        return {name: torch.as_tensor(values) for name, values in drawn.items()}


def workers_beside(device: str) -> int:
    """Return how many processes should draw for a training on this device."""
    return max(1, (os.cpu_count() or 2) - 1) if device == "cuda" else 1


def _random(seed: int, step: int) -> np.random.Generator:
    return np.random.default_rng([seed, step])


def _drawn(seed: int, step: int) -> dict[str, Any]:
    """In a worker: as numpy arrays, which are pickled as they lie in memory."""
    drawn = _shared[0](_random(seed, step))
    return {name: np.asarray(values) for name, values in drawn.items()}
