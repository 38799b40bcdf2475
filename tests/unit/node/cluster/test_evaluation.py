"""What workers measure for an evaluation is what this process would measure, and is kept in the same way."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cv2", reason="pictures need the [faces] extra")
pytest.importorskip("sklearn", reason="evaluations need the [evaluate] extra")

from veilmesh_ml.errors import MlError
from veilmesh_ml.evaluate import measuring
from veilmesh_ml.evaluate.blocks import (
    BLOCK_PHOTOS,
    Arrays,
    Block,
    BlockRunner,
    Measurers,
    PoolMeasurers,
    in_blocks,
)
from veilmesh_ml.evaluate.measuring import PhotosIn, Subject, read_photo
from veilmesh_ml.evaluate.parcels import called, opened, packed
from veilmesh_ml.evaluate.sample_cache import SampleCache, document_of
from veilmesh_ml.evaluate.samples import Sample
from veilmesh_ml.evaluate.trials import Photo
from veilmesh_ml.face import Box, Face
from veilmesh_ml.image import write_image
from veilmesh_node.cluster.errors import WorkError
from veilmesh_node.cluster.evaluation import ClusterMeasurers, MeasureTask, SamplesJob, SampleTask
from veilmesh_node.cluster.local_crew import LocalCrew
from veilmesh_node.cluster.submission import Stop, Submission
from veilmesh_node.cluster.tasks import careful
from veilmesh_node.cluster.work import Outcome, Task, Work

pytestmark = pytest.mark.faces

PHOTOS = [Photo(f"person {number}", f"{number:03}.png") for number in range(2 * BLOCK_PHOTOS + 3)]


def brightness(photos: list[Photo], times: int) -> Arrays:
    """Measure something of every photo."""
    return {"brightness": np.array([times * float(read_photo(photo).mean()) for photo in photos])}


def picky(photos: list[Photo], times: int) -> Arrays:
    """Measure it where the block does not hold the forbidden photo."""
    if any(photo.path == "040.png" for photo in photos):
        raise MlError("this block is no good")
    return brightness(photos, times)


@dataclass(frozen=True, slots=True)
class Opening:
    """Opens parcels in this process; implements `work.Task`."""

    @property
    def name(self) -> str:
        return "evaluate"

    @property
    def digest(self) -> str:
        return "ab"

    def prepare(self) -> Work:
        return lambda _name, content: careful(lambda: Outcome(output=called(content)))


@dataclass(frozen=True, slots=True)
class Here:
    """This process in the place of a cluster."""

    task: Task

    def run(self, submission: Submission) -> bool:
        return submission.run_by(LocalCrew(self.task))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PhotosIn:
    folder = tmp_path / "data"
    for number, photo in enumerate(PHOTOS):
        write_image(folder / photo.path, np.full((4, 4, 3), number, np.uint8))
    monkeypatch.setattr(measuring, "_at_hand", {})
    return PhotosIn(folder)


def workers(data: PhotosIn, stop: Stop | None = None) -> ClusterMeasurers:
    task = Opening()
    return ClusterMeasurers(Here(task), task, data, stop or Stop(lambda: None))  # type: ignore[arg-type]  # stand-ins


def measured(cache: Path, measurers: Measurers, function: Callable[..., Arrays]) -> Mapping[str, Any]:
    told: list[tuple[int, int]] = []
    arrays = BlockRunner(cache, measurers).run_stage(
        "brightness",
        function,
        PHOTOS,
        parameters=(3,),
        made_by=("3",),
        name=lambda photo: photo.path,
        progress=lambda _, done, of: told.append((done, of)),
    )
    assert told[-1] == (3, 3)
    return arrays


def kept(cache: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cache.iterdir()}


def test_arrays_and_what_is_kept_are_those_of_a_pool(data: PhotosIn, tmp_path: Path) -> None:
    elsewhere = measured(tmp_path / "elsewhere", workers(data), brightness)
    measuring.have_photos(data)
    with ThreadPoolExecutor(1) as pool:
        here = measured(tmp_path / "here", PoolMeasurers(pool), brightness)
    np.testing.assert_array_equal(elsewhere["brightness"], here["brightness"])
    assert elsewhere["brightness"][5] == 15
    assert kept(tmp_path / "elsewhere") == kept(tmp_path / "here")
    measuring.have_photos({})  # what is kept is not measured again, by whomever it was measured
    measured(tmp_path / "here", workers(PhotosIn(Path("nowhere"))), brightness)


def test_one_block_that_fails_costs_no_other(data: PhotosIn, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(WorkError, match=r"1 of 3 blocks were not measured.*this block is no good"):
        measured(cache, workers(data), picky)
    assert len(kept(cache)) == 2
    (data.folder / PHOTOS[-1].path).unlink()
    assert len(measured(cache, workers(data), brightness)["brightness"]) == len(PHOTOS)


def test_a_photo_that_cannot_be_read(data: PhotosIn, tmp_path: Path) -> None:
    (data.folder / PHOTOS[-1].path).unlink()
    with pytest.raises(WorkError, match="No such file"):
        measured(tmp_path / "cache", workers(data), brightness)
    assert len(kept(tmp_path / "cache")) == 2


def test_who_is_asked_to_stop_keeps_what_was_at_work(data: PhotosIn) -> None:
    stop = Stop(lambda: None)
    done: list[str] = []

    def keep(block: Block, _arrays: Arrays) -> None:
        stop.asked = True
        done.append(block.identity)

    blocks = [Block("b", brightness, part, (1,), part[0].path) for part in in_blocks(PHOTOS)]
    with pytest.raises(KeyboardInterrupt):
        workers(data, stop).measure(blocks, keep)
    assert done == ["000.png", "032.png"]  # one at work, one on its way


def test_one_call(data: PhotosIn) -> None:
    assert workers(data).once(brightness, PHOTOS[:2], 1)["brightness"].tolist() == [0, 1]


def test_photos_of_subjects_travel(data: PhotosIn) -> None:
    face = Face(Box(0, 0, 4, 4), np.zeros((68, 2), np.int64), 1.0)
    parcel = packed(subjects_brightness, ([Subject(PHOTOS[7], face)], Subject(PHOTOS[9], face)), data)
    assert opened(called(parcel)) == [7, 9]


def subjects_brightness(subjects: list[Subject], other: Subject) -> list[float]:
    return [float(read_photo(subject.photo).mean()) for subject in (*subjects, other)]


def test_attackers_files_travel_with_the_task(tmp_path: Path) -> None:
    for name in ("a.onnx", "a.toml", "b.onnx"):
        (tmp_path / name).write_text(name)
    task = MeasureTask.of([tmp_path / "a.onnx"])
    assert task.attackers == {"a.onnx": b"a.onnx", "a.toml": b"a.toml"}
    assert task.digest != MeasureTask.of([]).digest
    with pytest.raises(WorkError, match=r"b\.toml"):
        MeasureTask.of([tmp_path / "b.onnx"])
    with pytest.raises(WorkError, match="have one name"):
        MeasureTask.of([tmp_path / "a.onnx", tmp_path / "other" / "a.onnx"])


SAMPLE = Sample(np.arange(3.0), np.arange(3.0) + 1, 1, "", {"unified": 70.5}, ())


@dataclass(frozen=True, slots=True)
class SameSampleTask(SampleTask):
    """Every photo gives the same."""

    def prepare(self) -> Work:
        return lambda _name, _content: Outcome(document_of(SAMPLE))


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[SampleCache]:
    with SampleCache(tmp_path / "samples.sqlite", "method") as opened_:
        yield opened_


def test_samples_are_put_where_verification_finds_them(data: PhotosIn, cache: SampleCache) -> None:
    photos = [data[photo.path] for photo in PHOTOS[:3]]
    job = SamplesJob(SameSampleTask("fast"), [*photos, data["none.png"]], cache)
    submission = Submission(job, Stop(lambda: None), lambda _: None)
    assert submission.run_here()
    assert [each.name for each in submission.tally.failures] == [str(data["none.png"])]
    again, settled = job.divide()
    assert again == []
    assert [each.kept for each in settled] == [True, True, True, False]
