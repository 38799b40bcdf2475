"""How long a search among many references (1:N) takes, and how much memory; on made-up features.

What is measured is what a node runs: `vault.gallery.Rows`, and `vault.TemplateVault` for the time that it
takes to open the templates after a start. Processor time is given beside the clock's, for other work does not
lengthen it.
"""

import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from veilmesh_node.domain.renewal import begin
from veilmesh_node.domain.secret import Features, Secret
from veilmesh_node.vault import Database, NodeKey, TemplateVault
from veilmesh_node.vault.gallery import Rows

if TYPE_CHECKING:  # they come with the faces
    import numpy as np
    from numpy.typing import NDArray

FEATURES = 128
LENGTH = 1.42  # of dlib's features on LFW
NOISE = 0.03  # of each number of a probe, against its template's; 0.34 in all
CROWD = 32  # faces of one picture
SEARCHES = 200
CANDIDATES = 5
DRAWN_AT_ONCE = 100_000
OPENED = 2_000  # templates


@dataclass(frozen=True, slots=True)
class SearchFigures:
    """Of one size of gallery."""

    references: int
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    crowd_cpu_ms: float  # `CROWD` faces at once
    memory_mib: float  # with the references' names


def measure_search(references: int) -> SearchFigures:
    """Time searches for one face, and for a crowd, among so many references."""
    import numpy as np  # noqa: PLC0415 - see above

    drawn = np.random.default_rng(references)
    rows = Rows()
    tracemalloc.start()
    for start in range(0, references, DRAWN_AT_ONCE):
        features = _strangers(drawn, min(DRAWN_AT_ONCE, references - start))
        rows.add([(f"{start + place:032x}", 1) for place in range(len(features))], features)
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    memory_mib = (held_bytes - features.nbytes) / 2**20
    probes = _near(drawn, features, SEARCHES)
    wall_ms = [_milliseconds(time.perf_counter, rows, [probe]) for probe in probes]
    cpu_ms = [_milliseconds(time.process_time, rows, [probe]) for probe in probes]
    return SearchFigures(
        references=references,
        p50_ms=float(np.quantile(wall_ms, 0.5)),
        p99_ms=float(np.quantile(wall_ms, 0.99)),
        cpu_ms=float(np.mean(cpu_ms)),
        crowd_cpu_ms=_milliseconds(time.process_time, rows, probes[:CROWD]),
        memory_mib=memory_mib,
    )


def measure_opening() -> float:
    """Return the processor's milliseconds that opening one template takes after a start."""
    import numpy as np  # noqa: PLC0415 - see above

    features = _strangers(np.random.default_rng(0), OPENED)
    with tempfile.TemporaryDirectory() as folder, Database(Path(folder)) as database:
        vault = TemplateVault(database, NodeKey(Secret(os.urandom(32))))
        with database.transaction():
            for place, row in enumerate(features):
                lineage = begin(Features(tuple(row.tolist())))
                name = f"{place:032x}"
                vault.store(
                    vault.prepare(lineage, reference_id=name, version=1, model_digest="0" * 64),
                    surrogate_cid="none",
                    receipt=b"",
                )
                vault.activate(name, 1)
        begun_s = time.process_time()
        page = vault.open_page(vault.page("0" * 64, after="", limit=OPENED))
        taken_s = time.process_time() - begun_s
    if len(page.references) != OPENED:
        raise AssertionError("every template opens")
    return taken_s / OPENED * 1000


def _strangers(drawn: "np.random.Generator", count: int) -> "NDArray[np.float64]":
    """Return made-up features of so many people, (count, FEATURES): further apart than real ones."""
    import numpy as np  # noqa: PLC0415 - see above

    directions = drawn.standard_normal((count, FEATURES))
    return np.asarray(LENGTH * directions / np.linalg.norm(directions, axis=1, keepdims=True))


def _near(drawn: "np.random.Generator", features: "NDArray[np.float64]", count: int) -> list[Features]:
    """Return probes of people drawn from `features`."""
    chosen = features[drawn.integers(0, len(features), count)]
    noisy = chosen + NOISE * drawn.standard_normal(chosen.shape)
    return [Features(tuple(row.tolist())) for row in noisy]


def _milliseconds(clock_s: Callable[[], float], rows: Rows, probes: list[Features]) -> float:
    begun_s = clock_s()
    rows.nearest(probes, CANDIDATES)
    return (clock_s() - begun_s) * 1000
