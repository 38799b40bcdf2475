"""`veilmesh evaluate video` on a public-domain portrait that moves."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dlib")
pytest.importorskip("av")
pytest.importorskip("matplotlib")

from PIL import Image
from veilmesh_ml import RgbImage
from veilmesh_ml.evaluate.video_faces import Examiner
from veilmesh_ml.fast.engine import FastEngine
from veilmesh_ml.video.centerface import CenterFace
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.demo.shell import run

from tests.unit.ml.video.clips import make_clip, noise

pytestmark = [pytest.mark.faces, pytest.mark.slow]


def test_a_clip_and_one_made_of_a_photo(astronaut: RgbImage, tmp_path: Path) -> None:
    pictures = [np.ascontiguousarray(astronaut[10:190, 120 + 3 * n : 320 + 3 * n]) for n in range(6)]
    clip = make_clip(
        tmp_path / "clip.mp4", [np.kron(each, np.ones((2, 2, 1), np.uint8)) for each in pictures]
    )
    folder = tmp_path / "photos" / "lfw" / "Vera_V"
    folder.mkdir(parents=True)
    Image.fromarray(astronaut[:250, 90:340]).save(folder / "Vera_V_0001.jpg")
    out = tmp_path / "report"
    answer = run(
        *("evaluate", "video", clip, "--data", tmp_path / "photos", "--stills", "1", "-o", out),
        *("--method", "mask", "--deface", tmp_path / "absent"),
    )
    assert answer.exit_code is ExitCode.OK
    given, made = answer.document["rows"]
    assert (given["clip"], given["tool"], given["frames"], given["frames_out"]) == (
        "clip.mp4",
        "veilmesh",
        6,
        6,
    )
    assert (given["sound"], made["sound"]) == ("kept", "none")
    assert given["tracks"] == 1
    assert given["masked"]["count"] == given["masked"]["trials"] == 6
    for row in (given, made):
        assert row["exposed"]["count"] == row["untouched"]["count"] == row["refused"] == 0
        assert row["exposed"]["trials"] > 0
        assert row["peak_rss_bytes"] > 2**26
        assert row["frames_per_s"] > 0
    assert "no command" in answer.document["missing"]
    assert "under the mask" in (out / "video.html").read_text()
    assert {path.name for path in (out / "videos").iterdir()} == {"made", "veilmesh"}


def test_what_is_left_as_it_was_is_exposed_in_every_frame(astronaut: RgbImage, tmp_path: Path) -> None:
    pictures = [np.ascontiguousarray(astronaut[10:210, 120 + 3 * n : 320 + 3 * n]) for n in range(3)]
    clip = make_clip(tmp_path / "clip.mp4", pictures)
    dark = make_clip(tmp_path / "dark.mp4", [np.rint(each * 0.8).astype(np.uint8) for each in pictures])
    told, tracks = Examiner(FastEngine(), CenterFace.load()).examine(clip, {"same": clip, "dark": dark})
    assert tracks == 1
    for each in told.values():
        assert each.exposed.tolist() == [True] * 3


def test_a_clip_without_faces_gives_no_output_and_leaks_nothing(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", noise(3, 96, 128))
    answer = run("evaluate", "video", clip, "-o", tmp_path / "report", "--deface", tmp_path / "absent")
    assert answer.exit_code is ExitCode.OK
    (row,) = answer.document["rows"]
    assert (row["refused"], row["frames_out"], row["exposed"]["trials"], row["bytes_out"]) == (1, 0, 0, 0)


def test_nothing_to_judge_is_said(tmp_path: Path) -> None:
    assert run("evaluate", "video", "-o", tmp_path).exit_code is not ExitCode.OK
