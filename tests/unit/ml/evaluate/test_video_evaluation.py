"""What counts as exposed, masked and untouched; clips made of photos; tools and what they cost."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dlib")
pytest.importorskip("av")
pytest.importorskip("matplotlib")

import cv2
from PIL import Image
from veilmesh_ml import Face, RgbImage
from veilmesh_ml.anonymizers import load_anonymizer
from veilmesh_ml.evaluate.moving_stills import FRAMES, SIDE_PX, Still, choose_stills, moved, write_clip
from veilmesh_ml.evaluate.report import html
from veilmesh_ml.evaluate.video import Judged, VideosResult, compared, frames_of, sound_of
from veilmesh_ml.evaluate.video_faces import Told, is_masked, is_untouched
from veilmesh_ml.evaluate.video_report import video_report
from veilmesh_ml.evaluate.video_tools import Run, Tool, find_deface, run_tool

from tests.unit.ml.video.clips import make_clip, noise

ZOOM = (1.0, 1.4)


def encoded_again(picture: RgbImage) -> RgbImage:
    done, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert done
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)


def told() -> Told:
    steps = np.random.default_rng(0).normal(size=(9, 1, 10))
    return Told(
        frames=4,
        dissimilarity=[0.5, 0.6, 0.61, 0.3],
        masked=[False, False, False, True],
        tracks=[0, 0, 1, 1],
        untouched=1,
        clear=4,
        motion=list(np.repeat(steps, 2, axis=1)),
        flicker=[(1.0, 2.0), (3.0, 4.0)],
        averaged=[0.4, 0.7],
    )


def judged() -> Judged:
    runs = [Run(2.0, 3.0, 2**20, ""), Run(2.0, 1.0, 2**21, "died")]
    return Judged("a clip", "veilmesh", 8, runs, "kept", 100, 50, 2, told())


def test_only_the_solid_mask_is_a_mask(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    (face,) = astronaut_faces

    def masked_by(method: str) -> bool:
        return is_masked(encoded_again(load_anonymizer(method).anonymize(astronaut, [face]).image), face)

    assert masked_by("mask")
    assert not masked_by("blur")
    assert not is_masked(astronaut, face)


def test_detail_shows_what_was_left_as_it_was(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    (face,) = astronaut_faces
    assert is_untouched(astronaut, encoded_again(astronaut), face.box)
    assert is_untouched(astronaut, encoded_again(astronaut // 2), face.box)
    for method in ("mask", "blur", "cluster"):
        changed = load_anonymizer(method).anonymize(astronaut, [face]).image
        assert not is_untouched(astronaut, encoded_again(changed), face.box), method


def test_exposed_is_what_matches_and_lies_under_no_mask() -> None:
    assert told().exposed.tolist() == [True, True, False, False]


def test_figures_of_one_clip() -> None:
    each = judged()
    assert (each.exposed.count, each.exposed.trials) == (2, 4)
    assert (each.masked.count, each.untouched.count, each.averaged.count) == (1, 1, 1)
    assert (each.frames_per_s, each.cpu_ms_per_frame, each.peak_rss_bytes) == (2.0, 500.0, 2**21)
    assert each.refused == 1
    assert each.steadiness.value == pytest.approx(1.0)
    assert each.flicker == (2.0, 3.0)


def test_clips_of_one_name_are_counted_together() -> None:
    both = told()
    both.add(told(), first_track=2)
    assert both.tracks == [0, 0, 1, 1, 2, 2, 3, 3]
    assert (both.frames, len(both.dissimilarity), both.clear, len(both.averaged)) == (8, 8, 8, 4)


def test_the_report_tells_it_all_and_bears_no_faces() -> None:
    nothing = Judged("a clip", "deface", 8, [Run(1.0, 1.0, 1, "died")], "lost", 100, 0, 2)
    report = video_report(VideosResult([judged(), nothing], "why not"))
    page = html(report)
    assert "2 of 4" in page
    assert "deface, 1 refused" in page
    assert "why not" in page
    assert report.document["rows"][0]["exposed"]["count"] == 2
    assert report.document["rows"][1]["motion_correlation"]["value"] is None


def test_stills_move_alike_for_a_seed(astronaut: RgbImage) -> None:
    once, again, other = (list(moved(astronaut, ZOOM, seed)) for seed in (1, 1, 2))
    assert len(once) == FRAMES
    assert once[0].shape == (SIDE_PX, SIDE_PX, 3)
    np.testing.assert_array_equal(once, again)
    assert np.abs(np.subtract(once, other, dtype=np.int64)).mean() > 5
    steps = [np.abs(np.subtract(one, two, dtype=np.int64)).mean() for one, two in pairwise(once)]
    assert min(steps) > 0
    assert np.ptp([picture.mean() for picture in once]) > 10  # the light changes


def test_people_are_chosen_by_their_initials(tmp_path: Path) -> None:
    for name in ("Ann_A", "Sue_S", "Tom_T", "Zoe_Z"):
        folder = tmp_path / "lfw" / name
        folder.mkdir(parents=True)
        Image.fromarray(noise(1, 60, 60)[0]).save(folder / f"{name}_0001.jpg")
    names = [still.name for still in choose_stills(tmp_path, 2, ("S", "Z"))]
    assert names == ["Sue_S_0001", "Tom_T_0001"]
    assert choose_stills(tmp_path / "nowhere", 2, ("S", "Z")) == []


def test_a_clip_made_of_a_photo(tmp_path: Path) -> None:
    Image.fromarray(noise(1, 60, 60)[0]).save(tmp_path / "photo.png")
    write_clip(Still("clip", tmp_path / "photo.png", ZOOM), tmp_path / "made" / "clip.mp4", seed=3)
    assert frames_of(tmp_path / "made" / "clip.mp4") == FRAMES
    assert sound_of(tmp_path / "made" / "clip.mp4") == []


def test_sound_is_compared_by_its_packets(tmp_path: Path) -> None:
    one = sound_of(make_clip(tmp_path / "one.mp4", noise(4, 48, 64)))
    longer = sound_of(make_clip(tmp_path / "longer.mp4", noise(30, 48, 64)))
    silent = sound_of(make_clip(tmp_path / "silent.mp4", noise(4, 48, 64), sound=False))
    assert [compared(one, each) for each in (one, longer, silent)] == ["kept", "changed", "lost"]
    assert compared(silent, silent) == "none"


def test_a_tool_is_run_and_measured(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"clip")
    copying = (
        "import pathlib, sys; pathlib.Path(sys.argv[2]).write_bytes(pathlib.Path(sys.argv[1]).read_bytes())"
    )
    run = run_tool(
        Tool("copy", (sys.executable, "-c", copying, "IN", "OUT")), tmp_path / "in", tmp_path / "a" / "out"
    )
    assert (tmp_path / "a" / "out").read_bytes() == b"clip"
    assert run.refusal == ""
    assert run.wall_s > 0
    assert run.cpu_s > 0
    assert 2**20 < run.peak_rss_bytes < 2**26  # its own, not this process's
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]


def test_a_tool_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"of an earlier run")
    failing = Tool(
        "fail", (sys.executable, "-c", "import sys; print('one'); sys.exit('no face')", "IN", "OUT")
    )
    run = run_tool(failing, tmp_path / "in", tmp_path / "out")
    assert run.refusal == "no face"
    assert not (tmp_path / "out").exists()
    silent = Tool("silent", (sys.executable, "-c", "", "IN", "OUT"))
    assert run_tool(silent, tmp_path / "in", tmp_path / "out").refusal == "no output"


def test_deface_is_taken_only_where_it_runs(tmp_path: Path) -> None:
    assert find_deface(str(tmp_path / "deface")) is None
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 1\n")
    works = tmp_path / "works"
    works.write_text("#!/bin/sh\necho 1.5.0\n")
    for script in (broken, works):
        script.chmod(0o755)
    assert find_deface(str(broken)) is None
    found = find_deface(str(works))
    assert found is not None
    assert found.command == (str(works), "IN", "-o", "OUT", "--keep-audio")
