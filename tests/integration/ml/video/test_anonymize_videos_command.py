"""`veilmesh anonymize` on videos: alone, in folders beside pictures, and where something is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dlib")
pytest.importorskip("av")

from PIL import Image
from veilmesh_ml import RgbImage
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.demo.shell import run

from tests.unit.ml.video.clips import look_at, make_clip

pytestmark = [pytest.mark.faces, pytest.mark.slow]


@pytest.fixture(scope="module")
def clip(astronaut: RgbImage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = [np.ascontiguousarray(astronaut[10:190, 130 + n : 330 + n]) for n in range(4)]
    return make_clip(tmp_path_factory.mktemp("clip") / "in.mp4", pictures)


def test_one_video_into_one_file_with_a_report(clip: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out.mp4", tmp_path / "report.json"
    answer = run("anonymize", clip, "-o", out, "--report", report, "--quality", "20", "-m", "mask")
    assert answer.exit_code is ExitCode.OK
    assert look_at(out) == look_at(clip)
    (video,) = answer.document["videos"]
    assert json.loads(report.read_text()) == {"videos": [video]}
    assert (video["frames"], video["status"], video["output"]) == (4, "released", str(out))
    assert [(track["frames"], track["methods"]) for track in video["tracks"]] == [(4, {"mask": 4})]


def test_a_folder_of_videos_pictures_and_others(clip: Path, astronaut: RgbImage, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "deeper").mkdir(parents=True)
    (folder / "deeper" / "clip.mp4").write_bytes(clip.read_bytes())
    (folder / "link.mp4").symlink_to(folder / "deeper" / "clip.mp4")
    (folder / "empty.mp4").touch()
    (folder / "text.avi").write_text("no video")
    (folder / "notes.txt").write_text("neither")
    Image.fromarray(astronaut[:300]).save(folder / "picture.png")
    answer = run("anonymize", folder, "-o", tmp_path / "out", "-m", "mask")
    assert answer.exit_code is ExitCode.FAILED
    said = answer.document
    assert (said["released"], said["failed"], len(said["files"])) == (3, 2, 1)
    assert {Path(video["input"]).name: video["status"] for video in said["videos"]} == {
        "clip.mp4": "released",
        "link.mp4": "released",
        "empty.mp4": "failed",
        "text.avi": "failed",
    }
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*4")}
    assert written == {"deeper/clip.mp4", "link.mp4"}
    assert all(video["hint"] for video in said["videos"] if video["status"] == "failed")


def test_a_pipe_gets_no_receipt(clip: Path, tmp_path: Path) -> None:
    answer = run("anonymize", clip, "-o", "-", "--home", tmp_path)
    assert answer.exit_code is ExitCode.USAGE
    assert not list(tmp_path.iterdir())


def test_an_output_that_is_an_input_is_refused(clip: Path) -> None:
    before = clip.read_bytes()
    for out in (clip, clip.parent):
        assert run("anonymize", clip, "-o", out).exit_code is not ExitCode.OK
    assert clip.read_bytes() == before


def test_without_the_video_library_it_says_what_to_install(clip: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['av'] = None\n"
        "from veilmesh_node.cli.main import main\n"
        f"main(['anonymize', {str(clip)!r}, '-o', {str(tmp_path / 'out.mp4')!r}])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == ExitCode.FAILED
    assert "videos need av" in ended.stderr
    assert "[video] extra" in ended.stderr
