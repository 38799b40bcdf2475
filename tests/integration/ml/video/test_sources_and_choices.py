"""`veilmesh anonymize` on videos: pipes, numbered pictures, spans, who is left, previews, bad files."""

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

from tests.unit.ml.video.clips import decode, look_at, make_clip, noise, without_frames

pytestmark = [pytest.mark.faces, pytest.mark.slow]

FRAMES = 12
FACE = "0,0,200,180"  # all of the picture


@pytest.fixture(scope="module")
def clip(astronaut: RgbImage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = [np.ascontiguousarray(astronaut[10:190, 130 + n : 330 + n]) for n in range(FRAMES)]
    return make_clip(tmp_path_factory.mktemp("clip") / "in.mp4", pictures)


@pytest.fixture(scope="module")
def masked(clip: Path) -> tuple[Path, dict[str, object]]:
    """The clip masked, and the JSON of its report, which lies beside it with its page."""
    out = clip.with_name("out.mp4")
    answer = run("anonymize", clip, "-o", out, "-m", "mask", "--report", clip.with_name("faces.json"))
    assert answer.exit_code is ExitCode.OK, answer.said
    return out, answer.document["videos"][0]


def is_grey(picture: RgbImage) -> bool:
    """Whether the mask lies over the middle of the face."""
    return bool(np.ptp(picture[85:105, 85:105].astype(int), axis=(0, 1)).max() < 12)


def shown(path: Path) -> list[RgbImage]:
    return [np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8) for frame in decode(path)]


def test_a_second_run_has_nothing_to_do(clip: Path, masked: tuple[Path, dict[str, object]]) -> None:
    out, before = masked
    made_at = out.stat().st_mtime_ns
    answer = run("anonymize", clip, "-o", out, "-m", "mask")
    (video,) = answer.document["videos"]
    assert (video["status"], answer.document["kept"], answer.document["released"]) == ("kept", 1, 0)
    assert {**video, "status": "released"} == before
    assert out.stat().st_mtime_ns == made_at
    assert out.with_name(".veilmesh-videos.jsonl").stat().st_mode & 0o777 == 0o600


def test_the_page_shows_the_output_alone(clip: Path, masked: tuple[Path, dict[str, object]]) -> None:
    import base64
    import io
    import re

    page = clip.with_name("faces.html").read_text()
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=.(?!data:)", page)
    assert all(said in page for said in ("masked", "100%", f"{FRAMES} (0 to {FRAMES - 1})"))
    thumbnails = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(found))))
        for found in re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    ]
    assert len(thumbnails) >= 4
    for picture in thumbnails:
        middle = picture[picture.shape[0] // 2, picture.shape[1] // 2].astype(int)
        assert np.ptp(middle) < 12  # grey: the mask, not her
    assert json.loads(clip.with_name("faces.json").read_text())["videos"] == [masked[1]]


@pytest.mark.parametrize("of", ["person", "region"])
def test_who_is_kept_is_kept_and_the_report_says_so(
    clip: Path, astronaut: RgbImage, tmp_path: Path, of: str
) -> None:
    Image.fromarray(astronaut[:300]).save(tmp_path / "her.png")
    choice = FACE if of == "region" else tmp_path / "her.png"
    words = ("anonymize", clip, "-o", tmp_path / "out.mp4", "-m", "mask")
    answer = run(*words, "--keep", choice, "--report", tmp_path / "faces.json")
    assert answer.exit_code is ExitCode.OK, answer.said
    (track,) = answer.document["videos"][0]["tracks"]
    assert (track["frames"], track["left"], track["methods"]) == (FRAMES, FRAMES, {})
    assert "faces were left as they are" in answer.said
    assert "left as it is" in (tmp_path / "faces.html").read_text()
    assert not any(map(is_grey, shown(tmp_path / "out.mp4")))
    only = run(*words, "--only", choice)
    assert only.document["videos"][0]["status"] == "released"  # another command: nothing is kept of the first
    assert only.document["videos"][0]["tracks"][0]["left"] == 0
    assert all(map(is_grey, shown(tmp_path / "out.mp4")))


def test_a_photo_of_nobody_or_of_several_is_refused(clip: Path, astronaut: RgbImage, tmp_path: Path) -> None:
    both = np.concatenate([astronaut[:300], astronaut[:300]], axis=1)
    for name, picture in (("nobody", noise(1, 200, 200)[0]), ("both", both)):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
        answer = run("anonymize", clip, "-o", tmp_path / "out.mp4", "--keep", tmp_path / f"{name}.png")
        assert answer.exit_code is ExitCode.FAILED
        assert "found in" in answer.said
    assert not (tmp_path / "out.mp4").exists()


def test_pictures_are_not_kept(clip: Path, tmp_path: Path) -> None:
    Image.fromarray(noise(1, 64, 64)[0]).save(tmp_path / "a.png")
    answer = run("anonymize", clip, tmp_path / "a.png", "-o", tmp_path / "out", "--keep", FACE)
    assert answer.exit_code is ExitCode.USAGE
    assert not (tmp_path / "out").exists()


def test_a_span_in_minutes_and_seconds(clip: Path, tmp_path: Path) -> None:
    words = ("anonymize", clip, "-o", tmp_path / "out.mp4", "-m", "mask")
    assert run(*words, "--from", "0:00.12", "--to", "0.32").exit_code is ExitCode.OK
    assert [float(at) for at in look_at(tmp_path / "out.mp4").times] == pytest.approx(
        [0, 0.04, 0.08, 0.12, 0.16]
    )
    for wrong in (("--from", "soon"), ("--to", "1:75")):
        assert run(*words, *wrong).exit_code is ExitCode.USAGE
    assert run(*words, "--from", "3", "--to", "2").exit_code is ExitCode.FAILED
    assert run(*words[:2], "-o", tmp_path / "late.mp4", "--from", "9").exit_code is ExitCode.FAILED
    assert not (tmp_path / "late.mp4").exists()


def test_a_preview_is_one_picture_of_hidden_faces(clip: Path, tmp_path: Path) -> None:
    answer = run("anonymize", clip, "-o", tmp_path / "look.png", "-m", "mask", "--preview")
    assert answer.exit_code is ExitCode.OK, answer.said
    assert [path.name for path in tmp_path.iterdir()] == ["look.png"]
    sheet = np.asarray(Image.open(tmp_path / "look.png"))
    assert sheet.shape == (360, 600, 3)
    tiles = [sheet[top : top + 180, left : left + 200] for top in (0, 180) for left in (0, 200, 400)]
    assert all(map(is_grey, tiles))
    assert run("anonymize", clip, "-o", tmp_path / "x.mp4", "--preview").exit_code is ExitCode.FAILED
    assert run("anonymize", clip.parent, "-o", tmp_path / "x.png", "--preview").exit_code is ExitCode.USAGE


def test_pipes_in_and_out_and_numbered_pictures(astronaut: RgbImage, tmp_path: Path) -> None:
    """Pictures are piped out as a video, which is piped in and becomes pictures again."""
    for number in range(3, 9):
        Image.fromarray(astronaut[10:190, 130 + number : 330 + number]).save(tmp_path / f"a{number:02}.png")
    veilmesh: list[str | Path] = [sys.executable, "-m", "veilmesh_node"]
    first = [*veilmesh, "anonymize", tmp_path / "a%02d.png", "--fps", "10", "-o", "-", "-m", "mask"]
    with (tmp_path / "piped.mkv").open("wb") as file:
        made = subprocess.run(first, stdout=file, stderr=subprocess.PIPE, check=False)
    assert made.returncode == ExitCode.OK, made.stderr
    assert b"6 frames" in made.stderr
    times = [float(at) for at in look_at(tmp_path / "piped.mkv").times]
    assert times == pytest.approx([number / 10 for number in range(6)])
    assert all(map(is_grey, shown(tmp_path / "piped.mkv")))
    (tmp_path / "out").mkdir()
    sound = make_clip(
        tmp_path / "in.mkv", [np.asarray(Image.open(tmp_path / f"a0{n}.png")) for n in range(3, 9)]
    )
    second = [*veilmesh, "anonymize", "-", "-o", tmp_path / "out" / "b%d.png", "-m", "mask"]
    made = subprocess.run(second, input=sound.read_bytes(), capture_output=True, check=False)
    assert made.returncode == ExitCode.OK, made.stderr
    assert b"left out" in made.stderr  # the sound
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"b{n}.png" for n in range(1, 7)}
    assert all(is_grey(np.asarray(Image.open(tmp_path / "out" / f"b{n}.png"))) for n in range(1, 7))


def test_a_camera_that_is_not_there(tmp_path: Path) -> None:
    answer = run("anonymize", "/dev/video97", "-o", tmp_path / "out.mp4")
    assert answer.exit_code is ExitCode.FAILED
    (video,) = answer.document["videos"]
    assert "cannot open the camera /dev/video97" in video["error"]
    assert "cameras on this machine" in video["hint"]
    assert not list(tmp_path.iterdir())


def test_every_bad_video_of_a_folder_is_named_and_none_is_half_released(
    clip: Path, astronaut: RgbImage, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    (folder / "dir.mp4").mkdir(parents=True)
    content = make_clip(tmp_path / "fast.mp4", noise(60, 96, 96), faststart=True).read_bytes()
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("no video\n" * 500)
    (folder / "short.mp4").write_bytes(content[: len(content) * 2 // 3])
    (folder / "headless.mp4").write_bytes(clip.read_bytes()[:-3000])
    make_clip(folder / "sound.mp4", [])
    without_frames(folder / "none.mkv")
    make_clip(folder / "nobody.mp4", noise(3, 64, 64))
    (folder / "dangling.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (folder / "circle").symlink_to(folder)
    make_clip(folder / "one.mp4", [np.ascontiguousarray(astronaut[10:190, 130:330])])
    stored = [np.ascontiguousarray(np.rot90(astronaut[10:189, 130 + n : 329 + n], -1)) for n in range(2)]
    ticks = [0, 91]
    make_clip(folder / "odd.mp4", stored, pixel_format="yuv444p10le", degrees=90, ticks=ticks)
    (folder / "picture.jpg").touch()
    (folder / "linked.jpg").symlink_to(folder / "nowhere.jpg")
    answer = run("anonymize", folder, "-o", tmp_path / "out", "-m", "mask")
    assert answer.exit_code is ExitCode.FAILED
    said = {Path(video["input"]).name: video for video in answer.document["videos"]}
    good = {"one.mp4", "odd.mp4"}
    bad = {
        "empty.mp4",
        "text.mp4",
        "short.mp4",
        "headless.mp4",
        "sound.mp4",
        "none.mkv",
        "nobody.mp4",
        "dangling.mp4",
    }
    assert set(said) == good | bad
    for name in bad:
        assert (said[name]["status"], said[name]["output"]) == ("failed", None)
        assert name in said[name]["error"]
        assert said[name]["hint"]
    assert {file["status"] for file in answer.document["files"]} == {"failed"}
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {*good, ".veilmesh-videos.jsonl"}
    for name in good:
        assert look_at(tmp_path / "out" / name) == look_at(folder / name)
