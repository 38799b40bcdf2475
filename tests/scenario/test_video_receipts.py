"""A video with a privacy receipt: any single frame can be shown and proved, and nothing else passes."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dlib")
pytest.importorskip("av")

from PIL import Image
from skimage.data import astronaut
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.demo.shell import must, run

from tests.scenario.settled import Settled
from tests.unit.ml.video.clips import make_clip

pytestmark = [pytest.mark.faces, pytest.mark.slow]

FRAMES = 11  # no power of two


@pytest.fixture(scope="module")
def released(settled: Settled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video anonymized with a receipt, and one in which the only face was kept."""
    folder = tmp_path_factory.mktemp("video")
    portrait = astronaut()  # type: ignore[no-untyped-call]  # no annotations
    pictures = [np.ascontiguousarray(portrait[10:190, 130 + n : 330 + n]) for n in range(FRAMES)]
    make_clip(folder / "in.mp4", pictures)
    out = folder / "out.mp4"
    said = must("anonymize", folder / "in.mp4", "-o", out, "-m", "mask", "--home", settled.org1)
    assert (said["released"], said["anchor"]["receipts"]) == (1, 1)
    words = ("anonymize", folder / "in.mp4", "-o", folder / "kept.mp4", "-m", "mask", "--keep", "0,0,200,180")
    assert must(*words, "--home", settled.org1)["anchor"]["receipts"] == 1
    must("receipt", "prove", out, "--frame", 6, "-o", folder / "six.png")
    return folder


def test_the_receipt_tells_of_all_frames_and_of_faces_that_were_left(
    settled: Settled, released: Path
) -> None:
    for name, left in (("out", 0), ("kept", FRAMES)):
        video = released / f"{name}.mp4"
        said = must("receipt", "verify", f"{video}.receipt.json", "--image", video, "--home", settled.org2)
        assert said["checked"] == ["signature", "place in the batch", "picture", "anchor on the ledger"]
        assert (said["receipt"]["frames"]["count"], said["receipt"]["frames"]["faces_left"]) == (FRAMES, left)
    assert len((released / "out.mp4.frames.jsonl").read_text().splitlines()) == FRAMES


def test_a_frame_alone_is_proved_up_to_the_ledger(settled: Settled, released: Path) -> None:
    proof, picture = released / "six.png.proof.json", released / "six.png"
    said = must("receipt", "verify", proof, "--image", picture, "--home", settled.org2)
    assert "place in the video" in said["checked"]
    assert "anchor on the ledger" in said["checked"]
    assert (said["frame"]["number"], said["frame"]["time_us"]) == (6, 240_000)
    assert (said["frame"]["width"], said["frame"]["height"]) == (200, 180)


def test_every_frame_can_be_proved_without_the_list_of_leaves_too(released: Path, tmp_path: Path) -> None:
    leaves = released / "out.mp4.frames.jsonl"
    moved = leaves.rename(tmp_path / "leaves")
    try:
        for frame in (0, FRAMES - 1):
            must("receipt", "prove", released / "out.mp4", "--frame", frame, "-o", tmp_path / f"{frame}.png")
            must(
                "receipt",
                "verify",
                tmp_path / f"{frame}.png.proof.json",
                "--image",
                tmp_path / f"{frame}.png",
            )
    finally:
        moved.rename(leaves)


def test_nothing_else_passes_for_that_frame(released: Path, tmp_path: Path) -> None:
    proof = released / "six.png.proof.json"
    pixels = np.asarray(Image.open(released / "six.png")).copy()
    pixels[100, 100, 1] ^= 1
    Image.fromarray(pixels).save(tmp_path / "changed.png")
    assert (
        run("receipt", "verify", proof, "--image", tmp_path / "changed.png").exit_code is ExitCode.INTEGRITY
    )
    Image.fromarray(pixels.reshape(200, 180, 3)).save(tmp_path / "other.png")
    assert run("receipt", "verify", proof, "--image", tmp_path / "other.png").exit_code is ExitCode.INTEGRITY
    document = json.loads(proof.read_text())
    for change in ({"number": 7}, {"time_us": 0}, {"picture_sha256": "0" * 64}):
        changed = {**document, "frame": {**document["frame"], **change}}
        (tmp_path / "changed.json").write_text(json.dumps(changed, sort_keys=True, separators=(",", ":")))
        answer = run("receipt", "verify", tmp_path / "changed.json")
        assert (answer.exit_code, answer.refusal) == (ExitCode.INTEGRITY, "RECEIPT")
    receipt = {
        **document["video"]["receipt"],
        "frames": {"count": 1, "faces_left": 0, "merkle_root": "0" * 64},
    }
    changed = {**document, "video": {**document["video"], "receipt": receipt}}
    (tmp_path / "changed.json").write_text(json.dumps(changed, sort_keys=True, separators=(",", ":")))
    assert run("receipt", "verify", tmp_path / "changed.json").exit_code is ExitCode.INTEGRITY


def test_what_cannot_be_proved_is_said(released: Path, tmp_path: Path) -> None:
    out = tmp_path / "frame.png"
    video = released / "out.mp4"
    assert run("receipt", "prove", video, "--frame", FRAMES, "-o", out).exit_code is ExitCode.INTEGRITY
    assert (
        run("receipt", "prove", released / "in.mp4", "--frame", 0, "-o", out).exit_code is ExitCode.INTEGRITY
    )
    assert run("receipt", "prove", video, "--frame", 0, "-o", tmp_path / "a.jpg").exit_code is ExitCode.FAILED
    assert not list(tmp_path.iterdir())
