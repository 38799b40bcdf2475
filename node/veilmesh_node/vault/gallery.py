"""The references that a picture's faces are searched among: their features, opened, in memory alone.

The vault's templates are the one copy on the disk. After a start they are opened page by page, and what
changes in the vault afterwards is looked at anew before each search, so nothing has to be told twice, and
nothing has to be undone where a transaction came to nothing. There is no index file that could be damaged, or
keep what was erased; docs/adr/0009 has the time that this takes.

Rows of one float32 matrix are searched exhaustively by FAISS. A removed row is overwritten. Templates of
another model than this node's, and such as do not open, are left out.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from veilmesh_node.domain.secret import Features
from veilmesh_node.vault.templates import TemplateVault

if TYPE_CHECKING:  # they come with the faces
    import numpy as np
    from numpy.typing import NDArray

PAGE = 1000
INTERVAL_S = 3.0
FIRST_ROWS = 1024

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reference near a probe."""

    reference_id: str
    version: int
    dissimilarity: float  # good to about 1e-5
    features: "NDArray[np.float32]"  # (d,)


class Gallery:
    """All active templates of one model. Used from one event loop."""

    def __init__(self, vault: TemplateVault, model_digest: str) -> None:
        self._vault = vault
        self._model_digest = model_digest
        self._lock = asyncio.Lock()
        self._rows = Rows()
        self._opened_to: str | None = ""  # the last reference opened after the start; None when all are
        self._damaged: set[str] = set()

    def __len__(self) -> int:
        """Number of references that are searched."""
        return len(self._rows)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Refresh it while the context is open, from now on and every `INTERVAL_S`.

        So what is erased leaves the memory within that time, whether anybody searches or not.
        """
        task = asyncio.create_task(self._keep(), name="gallery")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def refresh(self) -> None:
        """Bring the gallery to what the vault holds: all of it after a start, later what has changed."""
        async with self._lock:
            await self._refresh()

    async def search(self, probes: Sequence[Features], count: int) -> list[list[Candidate]]:
        """Return the `count` nearest references of each probe, nearest first."""
        async with self._lock:
            await self._refresh()
            return await asyncio.to_thread(self._rows.nearest, probes, count)

    async def _keep(self) -> None:
        while True:
            try:
                await self.refresh()
            except Exception:  # noqa: BLE001 - a defect in one round must not end the others
                _log.exception("the gallery is not refreshed")
            await asyncio.sleep(INTERVAL_S)

    async def _refresh(self) -> None:
        while self._opened_to is not None:
            rows = self._vault.page(self._model_digest, after=self._opened_to, limit=PAGE)
            await self._take(rows)
            self._opened_to = rows[-1]["reference_id"] if len(rows) == PAGE else None
            if self._opened_to is None:
                _log.info("%d templates are opened for searches", len(self._rows))
        changed, self._vault.changed = self._vault.changed, set()
        for reference_id in changed:
            self._rows.remove(reference_id)
            self._damaged.discard(reference_id)
        try:
            if changed:
                await self._take(self._vault.active(self._model_digest, changed))
        except BaseException:
            self._vault.changed |= changed
            raise

    async def _take(self, rows: Sequence[object]) -> None:
        """Open rows of the vault, elsewhere than on the event loop, and enter them."""
        page = await asyncio.to_thread(self._vault.open_page, rows)
        for reference_id in set(page.damaged) - self._damaged:
            _log.warning(
                "the template of reference %s does not open: it is left out of searches", reference_id
            )
        self._damaged |= set(page.damaged)
        self._rows.add(page.references, page.features)


class Rows:
    """References and their features, as rows of a matrix that grows."""

    def __init__(self) -> None:
        self._features: NDArray[np.float32] | None = None  # (capacity, d), made with the first row
        self._references: list[tuple[str, int]] = []  # and version, row by row
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._references)

    def add(self, references: Sequence[tuple[str, int]], features: "NDArray[np.float64]") -> None:
        """Enter references that are not there yet; features are (n, d), in their order."""
        if not references:
            return
        start = len(self._references)
        matrix = self._with_room_for(start + len(references), features.shape[1])
        matrix[start : start + len(references)] = features
        for place, reference in enumerate(references, start=start):
            self._references.append(reference)
            self._places[reference[0]] = place

    def remove(self, reference_id: str) -> None:
        """Take a reference out, if it is there: the last row takes its place, and is overwritten."""
        place = self._places.pop(reference_id, None)
        if place is None or self._features is None:
            return
        last = len(self._references) - 1
        self._features[place] = self._features[last]
        self._features[last] = 0.0
        moved = self._references.pop()
        if place != last:
            self._references[place] = moved
            self._places[moved[0]] = place

    def nearest(self, probes: Sequence[Features], count: int) -> list[list[Candidate]]:
        """Return the `count` nearest rows of each probe, nearest first; fewer where there are fewer."""
        import faiss  # noqa: PLC0415 - see above
        import numpy as np  # noqa: PLC0415

        if not self._references or not probes or self._features is None:
            return [[] for _ in probes]
        count = min(count, len(self._references))
        # Of two threads one waits for the other by spinning: beside a busy process 0.15 s became 8.
        faiss.omp_set_num_threads(1)
        queries = np.array([probe.values for probe in probes], dtype=np.float32)  # (q, d)
        squares, places = faiss.knn(queries, self._features[: len(self._references)], count)
        distances = np.sqrt(np.maximum(squares, 0))  # (q, count); rounding can make a square negative
        return [
            [self._candidate(int(place), float(distance)) for place, distance in zip(*row, strict=True)]
            for row in zip(places, distances, strict=True)
        ]

    def _candidate(self, place: int, distance: float) -> Candidate:
        if self._features is None:
            raise AssertionError("a candidate comes from a row")
        reference_id, version = self._references[place]
        return Candidate(reference_id, version, distance, self._features[place].copy())

    def _with_room_for(self, rows: int, width: int) -> "NDArray[np.float32]":
        """Return the matrix, with at least so many rows; one that is outgrown is overwritten."""
        import numpy as np  # noqa: PLC0415 - see above

        old = self._features
        if old is not None and rows <= len(old):
            return old
        capacity = max(FIRST_ROWS, rows, 0 if old is None else len(old) + len(old) // 2)
        self._features = np.zeros((capacity, width), dtype=np.float32)
        if old is not None:
            self._features[: len(old)] = old
            old.fill(0)
        return self._features
