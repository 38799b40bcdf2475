"""Memory does not grow with a video: ten minutes take no more than a fifth over what ten seconds take."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dlib")
pytest.importorskip("av")

from veilmesh_ml import RgbImage
from veilmesh_ml.evaluate.video_tools import ours, run_tool

from tests.unit.ml.video.clips import make_clip

pytestmark = [pytest.mark.faces, pytest.mark.slow]

RATE = 2  # frames a second: what is held is counted in frames
TICKS = 600 // RATE  # of `make_clip`
SECONDS = {"short": 10, "long": 600}


def test_ten_minutes_take_no_more_memory_than_ten_seconds(astronaut: RgbImage, tmp_path: Path) -> None:
    frames = [
        np.ascontiguousarray(astronaut[10 : 10 + 160, 130 + shift : 130 + shift + 192])
        for shift in (*range(0, 24, 2), *range(24, 0, -2))
    ]
    peaks = {}
    for name, seconds in SECONDS.items():
        count = seconds * RATE
        clip = make_clip(
            tmp_path / f"{name}.mp4",
            [frames[number % len(frames)] for number in range(count)],
            ticks=[number * TICKS for number in range(count)],
        )
        run = run_tool(ours("mask"), clip, tmp_path / "out" / f"{name}.mp4")
        assert run.refusal == ""
        peaks[name] = run.peak_rss_bytes
    sys.stderr.write(f"peak RSS: { ({name: peak >> 20 for name, peak in peaks.items()}) } MiB\n")
    assert peaks["long"] <= 1.2 * peaks["short"]
