"""kill -9 in the middle of a video, again and again: the output is the one of a run that nobody killed."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dlib")
pytest.importorskip("av")

from veilmesh_ml import Engine, RgbImage, load_engine
from veilmesh_ml.video.release import anonymize_video

from tests.faults.video.dying import SEGMENT
from tests.unit.ml.video.clips import decode, look_at, make_clip

pytestmark = [pytest.mark.faces, pytest.mark.slow]

FRAMES = 35
OURS, OTHERS = "11" * 32, "22" * 32  # keys
DYING = Path(__file__).with_name("dying.py")
# where it is killed, and how many segments are finished then
MOMENTS = [
    ("SegmentWriter.add:7:before", 0),
    ("Unfinished.seal:2:before", 1),  # the second segment is encoded, and not yet counted
    ("Unfinished.seal:1:after", 2),
    ("VideoWriter.add_encoded:20:before", 4),  # all is there, and is being put together
    ("VideoWriter.finish:1:after", 4),  # the output is in its place, and the folder still there
]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load_engine("fast", device="cpu")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portrait that moves about, comes in late, is hidden for some frames, and two scenes."""
    from skimage import data

    portrait: RgbImage = data.astronaut()  # type: ignore[no-untyped-call]  # scikit-image has no annotations
    pictures = []
    for number in range(FRAMES):
        left, top = 110 + round(30 * np.sin(number / 6)), 10 + round(8 * np.sin(number / 4))
        picture = np.ascontiguousarray(portrait[top : top + 220, left : left + 220])
        if number < 3 or 14 <= number < 18:
            picture = (picture // 8 + 100).astype(np.uint8)
        pictures.append(np.ascontiguousarray(picture[:, ::-1]) if number >= 27 else picture)
    ticks = [24 * number + 7 * (number % 3) for number in range(FRAMES)]  # of no fixed rate
    return make_clip(tmp_path_factory.mktemp("clip") / "in.mp4", pictures, ticks=ticks)


def run(clip: Path, target: Path, key: str, moment: str = "") -> subprocess.CompletedProcess[str]:
    words: list[str | Path] = [sys.executable, DYING, clip, target, key, *([moment] if moment else [])]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def finished(folder: Path) -> int:
    state = folder / "state.json"
    return int(json.loads(state.read_text())["segments"]) if state.exists() else 0


def test_what_is_killed_again_and_again_comes_out_as_if_it_were_not(
    engine: Engine, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_bytes", lambda _: bytes.fromhex(OURS))
    monkeypatch.chdir(tmp_path)
    whole = anonymize_video(clip, Path("whole.mp4"), engine, segment=SEGMENT)
    target = tmp_path / "killed" / "out.mp4"
    folder = target.with_name(".out.mp4.unfinished")
    key = OURS
    for moment, segments in MOMENTS:
        ended = run(clip, target, key, moment)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        assert target.exists() == moment.endswith("finish:1:after"), moment
        assert {path.name for path in target.parent.iterdir()} <= {"out.mp4", folder.name}
        assert folder.stat().st_mode & 0o077 == 0
        key = OTHERS  # it is the first run's that counts
        assert finished(folder) == segments, moment
    ended = run(clip, target, key)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) == FRAMES  # nothing was left to be computed
    assert not folder.exists()
    assert look_at(target) == look_at(Path("whole.mp4"))
    assert look_at(target).times == look_at(clip).times
    for one, other in zip(decode(target), decode(Path("whole.mp4")), strict=True):
        np.testing.assert_array_equal(one.to_ndarray(), other.to_ndarray())
    assert whole.gone_on_at == 0
