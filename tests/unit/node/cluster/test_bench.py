"""What the bench counts: lost, doubled and different results, and rates after a warm-up."""

from pathlib import Path

import pytest
from veilmesh_node.cluster.bench import DigestTask, _compared, _Job, _Pace
from veilmesh_node.cluster.jobs import load
from veilmesh_node.cluster.results import ResultsFile
from veilmesh_node.cluster.work import Loaded, Outcome

pytest.importorskip("cv2", reason="pictures need the [faces] extra")

pytestmark = pytest.mark.faces


@pytest.fixture
def job(tmp_path: Path) -> _Job:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_text(name)
    sources = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    return _Job(DigestTask(), sources, 5, ResultsFile(tmp_path / "out"))


def do(job: _Job, numbers: list[int]) -> None:
    work = job.task.prepare()
    to_do, _ = job.divide()
    for number in numbers:
        loaded = load(to_do[number])
        assert isinstance(loaded, Loaded)
        job.keep(loaded, work(loaded.item.name, loaded.content))


@pytest.mark.parametrize(
    ("numbers", "counts"),
    [([0, 1, 2, 3, 4], (0, 0, 0)), ([0, 1, 3], (2, 0, 0)), ([0, 1, 2, 3, 4, 4, 1], (0, 2, 0))],
)
def test_lost_and_doubled(job: _Job, numbers: list[int], counts: tuple[int, int, int]) -> None:
    do(job, numbers)
    assert job.results is not None
    assert _compared(job, job.results.path) == counts


def test_different(job: _Job) -> None:
    do(job, [0, 1, 2, 3])
    assert job.results is not None
    loaded = load(job.divide()[0][4])
    assert isinstance(loaded, Loaded)
    job.keep(loaded, Outcome({"digest": "another"}))
    assert _compared(job, job.results.path) == (0, 0, 1)


def test_the_first_tenth_warms_up() -> None:
    pace = _Pace([0.0, 10.0, *(10.0 + number for number in range(1, 19))], [float(n) for n in range(20)])
    assert pace.per_s == 1.0
    assert pace.cpu_ms == 1000.0
    assert pace.seconds == 28.0
