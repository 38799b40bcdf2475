"""Files, pipes, numbered pictures and cameras; and what is said of those that are not there."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("av")

import av
from av.video.frame import VideoFrame
from PIL import Image
from veilmesh_ml.errors import (
    DamagedVideoError,
    NotAVideoError,
    ParameterError,
    UnsupportedVideoError,
    VideoError,
)
from veilmesh_ml.video.encoding import Encoding
from veilmesh_ml.video.inputs import PIPE, plan
from veilmesh_ml.video.pixels import in_format
from veilmesh_ml.video.reading import Span, VideoReader
from veilmesh_ml.video.sources import Kind, Source, numbered
from veilmesh_ml.video.writing import VideoWriter

from tests.unit.ml.video.clips import look_at, make_clip, noise


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("in.mp4", Kind.FILE),
        ("-", Kind.PIPE),
        ("/dev/video3", Kind.CAMERA),
        ("frames/%04d.png", Kind.PICTURES),
        ("frames/%d.jpg", Kind.PICTURES),
        ("100%done.mp4", Kind.FILE),
    ],
)
def test_a_name_says_what_it_is(name: str, kind: Kind) -> None:
    assert Source.of(Path(name)).kind is kind


def test_what_is_no_file_goes_alone() -> None:
    for source, out in (("-", "out.mp4"), ("/dev/video0", "-"), ("f/%04d.png", "g/%04d.jpg")):
        (job,) = plan([Path(source)], Path(out))
        assert (job.source, job.target) == (Path(source), Path(out))
    for inputs, out in ((["-", "in.mp4"], "out"), (["-"], "out"), (["in.mp4"], "-"), (["a", "b"], "%d.png")):
        with pytest.raises(ParameterError, match="take one input and one output"):
            plan([Path(each) for each in inputs], Path(out))


def test_numbers_have_no_gap(tmp_path: Path) -> None:
    for number in (8, 9, 10, 11):
        Image.fromarray(noise(1, 8, 8)[0]).save(tmp_path / f"f{number:03}.png")
    Image.fromarray(noise(1, 8, 8)[0]).save(tmp_path / "f12.png")  # another pattern's
    assert sorted(numbered(tmp_path / "f%03d.png")) == [8, 9, 10, 11]
    (tmp_path / "f010.png").unlink()
    with pytest.raises(DamagedVideoError, match=r"f010\.png is missing"):
        VideoReader(tmp_path / "f%03d.png")
    with pytest.raises(NotAVideoError, match="there is no picture"):
        VideoReader(tmp_path / "g%03d.png")
    with pytest.raises(UnsupportedVideoError, match="has to hold one number"):
        numbered(tmp_path / "%d-%d.png")


def test_a_broken_picture_among_the_numbered_is_damage(tmp_path: Path) -> None:
    for number in range(4):
        Image.fromarray(noise(1, 32, 32)[0]).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes((tmp_path / "2.png").read_bytes()[:60])
    with pytest.raises(DamagedVideoError), VideoReader(tmp_path / "%d.png") as reader:
        list(reader)


def test_a_camera_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(VideoError, match=r"cannot open the camera /dev/video97: No such file") as caught:
        VideoReader(Path("/dev/video97"))
    assert "cameras on this machine" in caught.value.hint


def test_a_camera_goes_on_until_somebody_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg's test picture in a camera's place: without end, and with a clock that began long ago."""
    picture = "testsrc2=size=64x48:rate=25,setpts=PTS+8000/TB"
    monkeypatch.setattr(Source, "open", lambda _: av.open(picture, format="lavfi"))
    target = tmp_path / "out.mkv"
    with VideoReader(Path("/dev/video0")) as reader, VideoWriter(target, reader, Encoding()) as writer:
        for number, frame in enumerate(reader):
            assert isinstance(frame, VideoFrame)
            writer.add(in_format(frame, writer.pixel_format))
            if number == 9:
                break
        writer.finish()
    assert [float(at) for at in look_at(target).times] == pytest.approx(
        [n / 25 for n in range(10)], abs=0.001
    )
    with VideoReader(Path("/dev/video0"), Span(0.2, 0.4)) as reader:
        assert len(list(reader)) == 5


class Trickle(io.RawIOBase):
    """Bytes that come once, and few at a time."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what io calls it with
        return self._content.readinto(buffer[:1000])


def piped(content: bytes) -> SimpleNamespace:
    return SimpleNamespace(buffer=io.BufferedReader(Trickle(content)))


@pytest.mark.parametrize(("suffix", "faststart"), [(".mkv", False), (".ts", False), (".mp4", True)])
def test_a_pipe_is_read_once_and_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, faststart: bool
) -> None:
    clip = make_clip(tmp_path / f"in{suffix}", noise(12, 48, 64), faststart=faststart)
    monkeypatch.setattr(sys, "stdin", piped(clip.read_bytes()))
    source = Source.of(PIPE)
    with VideoReader(source) as reader:
        assert sum(1 for item in reader if not hasattr(item, "stream")) == 12
    assert source.sha256() == Source.of(clip).sha256()


@pytest.mark.parametrize("content", [b"", b"no video" * 100])
def test_a_pipe_without_a_video_is_named(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", piped(content))
    with pytest.raises(NotAVideoError, match="the video piped in") as caught:
        VideoReader(PIPE)
    assert "Matroska" in caught.value.hint
