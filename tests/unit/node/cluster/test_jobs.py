"""Jobs on pictures, done by this process: what was done is not done again, what fails is told."""

import json
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip("cv2", reason="pictures need the [faces] extra")

from veilmesh_ml.errors import ImageError, ParameterError
from veilmesh_ml.folder_job import FolderSettings
from veilmesh_ml.manifest import MANIFEST_NAME
from veilmesh_node.cluster.errors import WorkError
from veilmesh_node.cluster.jobs import AnonymizeJob, FacesJob
from veilmesh_node.cluster.results import read_results
from veilmesh_node.cluster.submission import Stop, Submission
from veilmesh_node.cluster.tally import REPORT_NAME, Tally, write_report
from veilmesh_node.cluster.tasks import FacesTask, careful
from veilmesh_node.cluster.work import Job, Loaded, Outcome, Settled, Work

pytestmark = pytest.mark.faces


@dataclass(frozen=True, slots=True)
class LengthTask(FacesTask):
    """How long a file is, where it holds more than nothing; implements `work.Task`."""

    encode: bool = False
    seen: list[str] = field(default_factory=list)

    def prepare(self) -> Work:
        def work(name: str, content: bytes) -> Outcome:
            self.seen.append(name)
            return Outcome({"length": len(content)}) if content else Outcome(error="empty", hint="fill it")

        return work


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    given = tmp_path / "in"
    (given / "ada").mkdir(parents=True)
    for name in ("ada/1.jpg", "ada/2.jpg", "3.png", "empty.jpg", "notes.txt", ".hidden.jpg"):
        (given / name).write_bytes(b"" if name == "empty.jpg" else name.encode())
    return given


def done(job: Job, stop: Stop | None = None) -> tuple[Tally, bool]:
    submission = Submission(job, stop or Stop(lambda: None), lambda _: None)
    complete = submission.run_here()
    return submission.tally, complete


def names(out: Path) -> list[str]:
    return sorted(line["name"] for line in read_results(out / "results.jsonl"))


def test_results_of_a_folder(folder: Path, tmp_path: Path) -> None:
    tally, complete = done(FacesJob([folder], tmp_path / "out", LengthTask()))
    assert complete
    assert names(tmp_path / "out") == ["3.png", "ada/1.jpg", "ada/2.jpg"]
    assert [(each.name, each.error, each.hint) for each in tally.failures] == [
        ("empty.jpg", "empty", "fill it")
    ]
    assert (tally.items, tally.done, tally.done_by) == (4, 4, {"here": 4})


def test_what_was_done_is_kept_unless_it_has_changed(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done(FacesJob([folder], out, LengthTask()))
    (folder / "3.png").write_bytes(b"other")
    task = LengthTask()
    tally, _ = done(FacesJob([folder], out, task))
    assert sorted(task.seen) == ["3.png", "empty.jpg"]  # what failed is tried again
    assert tally.kept == 2
    another = LengthTask(encode=True)
    done(FacesJob([folder], out, another))
    assert len(another.seen) == 4


def test_two_inputs_of_one_name(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "3.png"
    other.write_bytes(b"another one")
    tally, _ = done(FacesJob([folder, other], tmp_path / "out", LengthTask()))
    assert [each.name for each in tally.failures if "another input" in each.error] == ["3.png"]


def test_a_file_that_went_away(folder: Path, tmp_path: Path) -> None:
    submission = Submission(
        FacesJob([folder], tmp_path / "out", LengthTask()), Stop(lambda: None), lambda _: None
    )
    (folder / "3.png").unlink()
    assert submission.run_here()
    assert {each.name for each in submission.tally.failures} == {"3.png", "empty.jpg"}


def test_inputs_and_outputs_that_cannot_be_used(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="does not exist"):
        done(FacesJob([tmp_path / "nothing"], tmp_path / "out", LengthTask()))
    with pytest.raises(ParameterError, match="input and output at once"):
        done(AnonymizeJob([folder], folder, FolderSettings()))


def test_a_signal_ends_it_after_the_item_at_work(folder: Path, tmp_path: Path) -> None:
    said: list[str] = []

    class Signalled(LengthTask):
        def prepare(self) -> Work:
            work = super().prepare()

            def signalled(name: str, content: bytes) -> Outcome:
                if not said:
                    os.kill(os.getpid(), signal.SIGTERM)
                return work(name, content)

            return signalled

    out = tmp_path / "out"
    tally, complete = done(FacesJob([folder], out, Signalled()), Stop(lambda: said.append("stopping")))
    assert not complete
    assert said == ["stopping"]
    assert len(names(out)) + len(tally.failures) < 4
    _, complete = done(FacesJob([folder], out, LengthTask()))
    assert complete
    assert names(out) == ["3.png", "ada/1.jpg", "ada/2.jpg"]


def anonymized(name: str) -> Outcome:
    about = {
        "faces": 1,
        "method": "mask",
        "closest_dissimilarity": None,
        "model_digest": "ab",
        "recovery": "",
        "sealed_key": "",
    }
    return Outcome(about, f"anonymized {name}".encode())


def test_anonymized_pictures_go_on_with_the_manifest(folder: Path, tmp_path: Path) -> None:
    """The manifest is the one of `veilmesh anonymize`, so either goes on where the other stopped."""
    out = tmp_path / "out"
    job = AnonymizeJob([folder], out, FolderSettings(method="mask"))
    to_do, settled = job.divide()
    assert (sorted(item.name for item in to_do), settled) == (
        ["3.png", "ada/1.jpg", "ada/2.jpg", "empty.jpg"],
        [],
    )
    for item in to_do[:2]:
        job.keep(Loaded(item, item.source.read_bytes()), anonymized(item.name))
    assert (out / to_do[0].name).read_text() == f"anonymized {to_do[0].name}"
    again, settled = AnonymizeJob([folder], out, FolderSettings(method="mask")).divide()
    assert settled == [Settled(item.name, kept=True) for item in to_do[:2]]
    assert again == to_do[2:]
    assert len(AnonymizeJob([folder], out, FolderSettings(method="blur")).divide()[0]) == 4


def test_a_picture_that_cannot_be_written_is_not_in_the_manifest(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "ada").touch()  # where a folder has to be
    job = AnonymizeJob([folder], out, FolderSettings(method="mask"))
    (item,) = [each for each in job.divide()[0] if each.name == "ada/1.jpg"]
    with pytest.raises(ImageError):
        job.keep(Loaded(item, b"x"), anonymized(item.name))
    assert not (out / MANIFEST_NAME).exists()


def test_what_goes_wrong_with_a_picture_is_its_outcome() -> None:
    def fail(err: Exception) -> Outcome:
        def work() -> Outcome:
            raise err

        return careful(work)

    assert fail(ImageError("cut short", hint="copy it")) == Outcome(error="cut short", hint="copy it")
    assert "memory" in fail(MemoryError()).error
    assert fail(ValueError("x")).error == "unexpected ValueError: x"


def test_the_report_stays(tmp_path: Path) -> None:
    path = write_report(tmp_path, Tally("detect", 3, 0.0).document(1.0, complete=False))
    assert path.name == REPORT_NAME
    assert json.loads(path.read_text())["left"] == 3
