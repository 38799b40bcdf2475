"""What goes in comes out: times, size, turn, sound, samples; and nothing where something is wrong."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")

from av.video.frame import VideoFrame
from veilmesh_ml.errors import (
    DamagedVideoError,
    NotAVideoError,
    ParameterError,
    UnsupportedVideoError,
    VideoError,
)
from veilmesh_ml.face import Box
from veilmesh_ml.video.encoding import Encoding
from veilmesh_ml.video.orientation import Orientation
from veilmesh_ml.video.pixels import in_format, lay_back, to_rgb
from veilmesh_ml.video.reading import VideoReader
from veilmesh_ml.video.writing import VideoWriter

from tests.unit.ml.video.clips import (
    decode,
    look_at,
    make_clip,
    noise,
    with_cover,
    with_subtitles,
    without_frames,
)

PATCH = Box(12, 20, 30, 32)  # upright
RED = np.array([220, 30, 40], np.uint8)


def paint_through(source: Path, target: Path, encoding: Encoding | None = None) -> VideoWriter:
    """Write a clip again with a red patch on every picture."""
    with VideoReader(source) as reader, VideoWriter(target, reader, encoding or Encoding()) as writer:
        for item in reader:
            if isinstance(item, VideoFrame):
                frame = in_format(item, writer.pixel_format)
                picture = to_rgb(frame, reader.orientation).copy()
                picture[PATCH.top : PATCH.bottom, PATCH.left : PATCH.right] = RED
                lay_back(frame, picture, [PATCH], reader.orientation)
                writer.add(frame)
            else:
                writer.copy(item)
        writer.finish()
    return writer


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "yuv444p"])
@pytest.mark.parametrize("apart_px", [40, 300])  # converted together, and each by itself
@pytest.mark.parametrize("turned", [False, True])
def test_several_patches_are_painted_and_nothing_else(
    pixel_format: str, apart_px: int, *, turned: bool
) -> None:
    orientation = Orientation(transposed=turned, flipped=turned)
    (stored,) = noise(1, 402, 1002)
    frame = VideoFrame.from_ndarray(stored, format="rgb24").reformat(format=pixel_format)
    before = to_rgb(frame, orientation)
    picture = before.copy()
    patches = [Box(20, 301, 41, 330), Box(30, 320, 62, 350)]
    patches.append(
        patches[0].moved(apart_px, 2 * apart_px) if turned else patches[0].moved(3 * apart_px, -apart_px)
    )
    for patch in patches:
        picture[patch.top : patch.bottom, patch.left : patch.right] = RED
    lay_back(frame, picture, patches, orientation)
    painted = to_rgb(frame, orientation)
    for patch in patches:
        inner = patch.padded(-4)
        assert (
            np.abs(painted[inner.top : inner.bottom, inner.left : inner.right] - RED.astype(int)).max() <= 4
        )
    changed = (painted != before).any(axis=2)
    for patch in patches:
        near = patch.padded(16).within(*changed.shape)
        changed[near.top : near.bottom, near.left : near.right] = False
    assert not changed.any()


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_times_of_a_variable_rate_size_and_sound_stay(tmp_path: Path, suffix: str) -> None:
    ticks = [0, 24, 25, 90, 91, 400, 1000]
    before = look_at(make_clip(tmp_path / f"in{suffix}", noise(7, 48, 64), ticks=ticks))
    paint_through(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}")
    after = look_at(tmp_path / f"out{suffix}")
    assert after == before
    assert len(after.packets["audio"]) > 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"in{suffix}", f"out{suffix}"]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_clip_is_painted_where_it_is_seen(tmp_path: Path, degrees: int) -> None:
    source = make_clip(tmp_path / "in.mp4", noise(3, 48, 64), degrees=degrees)
    paint_through(source, tmp_path / "out.mp4")
    assert look_at(tmp_path / "out.mp4") == look_at(source)
    frame = decode(tmp_path / "out.mp4")[1]
    shown = to_rgb(frame, Orientation.of(frame))
    assert shown.shape[:2] == ((64, 48) if degrees != 180 else (48, 64))
    inner = shown[PATCH.top + 3 : PATCH.bottom - 3, PATCH.left + 3 : PATCH.right - 3]
    assert np.abs(inner.astype(int) - RED).mean() < 8
    # what frame.rotation says must be how it is shown
    turned = np.rot90(to_rgb(frame, Orientation()), round(frame.rotation / 90))
    np.testing.assert_array_equal(shown, turned)


@pytest.mark.parametrize(
    "matrix", [(1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, 1), (0, 1, 1, 0), (0, -1, -1, 0), (1, 0, 0, -1)]
)
def test_every_orientation_is_undone(matrix: tuple[int, int, int, int]) -> None:
    a, b, c, d = (value << 16 for value in matrix)
    orientation = Orientation.of_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
    picture = np.arange(24).reshape(4, 6)
    np.testing.assert_array_equal(orientation.stored(orientation.upright(picture)), picture)


def test_ten_bits_outside_the_patch_stay_as_they_are(tmp_path: Path) -> None:
    source = make_clip(
        tmp_path / "in.mkv", noise(3, 48, 64), codec="ffv1", pixel_format="yuv420p10le", sound=False
    )
    paint_through(source, tmp_path / "out.mkv")  # ffv1 again: lossless
    for before, after in zip(decode(source), decode(tmp_path / "out.mkv"), strict=True):
        assert after.format.name == "yuv420p10le"
        kept, now = (
            np.frombuffer(bytes(frame.planes[0]), np.uint16).reshape(48, -1)[:, :64]
            for frame in (before, after)
        )
        far = np.ones((48, 64), bool)
        far[PATCH.top - 12 : PATCH.bottom + 12, PATCH.left - 12 : PATCH.right + 12] = False
        np.testing.assert_array_equal(now[far], kept[far])
        assert kept.max() > 255
        assert (now[25, 20], kept[25, 20]) != (kept[25, 20], kept[25, 20])


@pytest.mark.parametrize(
    ("codec", "pixel_format", "suffix"),
    [("libx264", "yuv444p", ".mp4"), ("libvpx-vp9", "yuv420p", ".webm"), ("ffv1", "yuv420p", ".mkv")],
)
def test_odd_sides_stay(tmp_path: Path, codec: str, pixel_format: str, suffix: str) -> None:
    source = make_clip(
        tmp_path / f"in{suffix}", noise(3, 51, 75), codec=codec, pixel_format=pixel_format, sound=False
    )
    paint_through(source, tmp_path / f"out{suffix}")
    assert look_at(tmp_path / f"out{suffix}") == look_at(source)


def test_odd_sides_become_h264_with_whole_chroma(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mkv", noise(2, 51, 75), codec="ffv1", sound=False)
    paint_through(source, tmp_path / "out.mp4", Encoding("h264"))
    assert (look_at(tmp_path / "out.mp4").size, look_at(tmp_path / "out.mp4").pixel_format) == (
        (75, 51),
        "yuv444p",
    )


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1", "ffv1"])
def test_every_codec_writes(tmp_path: Path, codec: str) -> None:
    source = make_clip(tmp_path / "in.mp4", noise(2, 64, 64))
    paint_through(source, tmp_path / "out.mkv", Encoding(codec))
    assert len(look_at(tmp_path / "out.mkv").times) == 2


def test_quality_is_heeded(tmp_path: Path) -> None:
    grains = np.random.default_rng(1).integers(0, 256, (5, 96, 96, 3), dtype=np.uint8)
    source = make_clip(tmp_path / "in.mp4", list(grains), crf=1)
    for quality in (10, 40):
        paint_through(source, tmp_path / f"{quality}.mp4", Encoding(quality=quality))
    assert (tmp_path / "10.mp4").stat().st_size > 1.5 * (tmp_path / "40.mp4").stat().st_size


def test_one_frame(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", noise(1, 48, 64))
    paint_through(source, tmp_path / "out.mp4")
    assert look_at(tmp_path / "out.mp4") == look_at(source)


def test_subtitles_stay_where_the_container_holds_them(tmp_path: Path) -> None:
    source = with_subtitles(tmp_path / "in.mkv")
    assert paint_through(source, tmp_path / "out.mkv").left_out == []
    assert look_at(tmp_path / "out.mkv").packets["subtitle"] == look_at(source).packets["subtitle"]
    assert paint_through(source, tmp_path / "out.mp4").left_out == ["subtitle (srt)"]


def test_sound_that_the_container_does_not_hold_is_not_dropped(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", noise(2, 48, 64))
    with pytest.raises(UnsupportedVideoError, match="does not hold sound in aac"):
        paint_through(source, tmp_path / "out.webm")
    assert not list(tmp_path.glob("*out*"))


def test_metadata_and_covers_do_not_go_over(tmp_path: Path) -> None:
    source = with_cover(tmp_path / "in.mp4")
    paint_through(source, tmp_path / "out.mp4")
    content = (tmp_path / "out.mp4").read_bytes()
    assert b"Jane Roe" in source.read_bytes()
    assert b"Jane Roe" not in content
    assert b"\x89PNG" in source.read_bytes()
    assert b"\x89PNG" not in content


def broken(kind: str, folder: Path) -> Path:
    whole = make_clip(folder / "whole.mp4", noise(60, 96, 96), faststart=True)
    path = folder / f"{kind.replace(' ', '-')}.mp4"
    content = whole.read_bytes()
    if kind == "sound alone":
        return make_clip(path, [])
    if kind == "no frame":
        path = path.with_suffix(".mkv")
        return without_frames(path)
    if kind == "cut short in Matroska":
        long = make_clip(folder / "whole.mkv", noise(200, 48, 64), sound=False).read_bytes()
        path = path.with_suffix(".mkv")
        path.write_bytes(long[: len(long) // 2])
        return path
    made = {
        "empty": b"",
        "text": b"this is no video\n" * 500,
        "cut short": content[: len(content) * 2 // 3],
        "without its index": make_clip(folder / "end.mp4", noise(9, 48, 64)).read_bytes()[:-3000],
        "nothing but its head": content[: content.index(b"mdat") + 8],
    }
    path.write_bytes(made[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("empty", NotAVideoError),
        ("text", NotAVideoError),
        ("sound alone", NotAVideoError),
        ("no frame", NotAVideoError),
        ("without its index", NotAVideoError),
        ("cut short", DamagedVideoError),
        ("cut short in Matroska", DamagedVideoError),
        ("nothing but its head", VideoError),
    ],
)
def test_a_bad_file_is_named_and_leaves_nothing(tmp_path: Path, kind: str, error: type[VideoError]) -> None:
    source = broken(kind, tmp_path)
    before = set(tmp_path.iterdir())
    with pytest.raises(error, match=source.name) as caught:
        paint_through(source, tmp_path / "out.mp4")
    assert caught.value.hint
    assert set(tmp_path.iterdir()) == before


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"cannot read .*nowhere.mp4"):
        VideoReader(tmp_path / "nowhere.mp4")


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", noise(40, 128, 128), crf=1)
    with at_most_bytes(20_000), pytest.raises(VideoError, match=r"cannot write .*out.mp4"):
        paint_through(source, tmp_path / "out.mp4", Encoding(quality=1))
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_a_file_that_is_there_already_survives_a_failure(tmp_path: Path) -> None:
    source = broken("cut short", tmp_path)
    (tmp_path / "out.mp4").write_bytes(b"as it was")
    with pytest.raises(DamagedVideoError):
        paint_through(source, tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == b"as it was"


def test_unknown_endings_codecs_and_qualities_are_refused(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", noise(1, 48, 64))
    with pytest.raises(UnsupportedVideoError, match=r"unknown ending '\.xyz'"):
        paint_through(source, tmp_path / "out.xyz")
    with pytest.raises(ParameterError, match="no codec called 'flash'"):
        Encoding("flash")
    with pytest.raises(ParameterError, match="quality 52"):
        Encoding(quality=52)


def test_pictures_alone_need_no_video_library() -> None:
    code = "import sys; import veilmesh_ml, veilmesh_ml.video; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@contextmanager
def at_most_bytes(limit: int) -> Iterator[None]:
    """As full as a disk: no file can grow beyond the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
