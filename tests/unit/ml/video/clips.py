"""Clips made for tests: pictures in, a file out, with sound made of a sine."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from veilmesh_ml.image import RgbImage

TIME_BASE = Fraction(1, 600)
RATE = 25
SOUND_RATE = 16_000


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to know of a clip, as a player sees it."""

    times: list[Fraction]
    size: tuple[int, int]
    pixel_format: str
    rotation: int
    time_base: Fraction | None
    packets: dict[str, list[tuple[Fraction, bytes]]]


def make_clip(
    path: Path,
    pictures: Sequence[RgbImage],
    *,
    ticks: Sequence[int] | None = None,
    sound: bool = True,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    degrees: int = 0,
    crf: int = 16,
    faststart: bool = False,
) -> Path:
    """Write pictures (stored, not shown) as a clip; `ticks` are their times in sixhundredths of a second."""
    options = {"video_track_timescale": "600"} if path.suffix in {".mp4", ".mov"} else {}
    if faststart:
        options["movflags"] = "+faststart"
    with av.open(str(path), "w", options=options) as container:
        shown: VideoStream | None = None
        if pictures:
            stream = container.add_stream(codec, rate=RATE, options={"crf": str(crf), "preset": "ultrafast"})
            assert isinstance(stream, VideoStream)
            stream.height, stream.width = pictures[0].shape[:2]
            stream.pix_fmt = pixel_format
            stream.time_base = stream.codec_context.time_base = TIME_BASE
            if degrees:
                stream.set_display_rotation(degrees)
            shown = stream
        if sound:
            noise = container.add_stream("aac", rate=SOUND_RATE)
            samples = np.sin(np.arange(SOUND_RATE * max(1, len(pictures)) // RATE) / 9).astype(np.float32)
            heard = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
            heard.rate, heard.pts = SOUND_RATE, 0
            container.mux(noise.encode(heard))
            container.mux(noise.encode(None))
        for number, picture in enumerate(pictures):
            frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixel_format)
            frame.pts = number * 24 if ticks is None else ticks[number]
            frame.time_base = TIME_BASE
            assert shown is not None
            container.mux(shown.encode(frame))
        if shown is not None:
            container.mux(shown.encode(None))
    return path


def look_at(path: Path) -> Look:
    packets: dict[str, list[tuple[Fraction, bytes]]] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size and packet.stream.type != "video":
                assert packet.pts is not None
                packets.setdefault(packet.stream.type, []).append(
                    (packet.pts * packet.time_base, bytes(packet))
                )
    frames = decode(path)
    with av.open(str(path)) as container:
        time_base = container.streams.video[0].time_base
    assert time_base is not None
    times = [frame.pts * time_base for frame in frames if frame.pts is not None]
    first = frames[0]
    return Look(times, (first.width, first.height), first.format.name, first.rotation, time_base, packets)


def decode(path: Path) -> list[VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def noise(count: int, height: int, width: int, seed: int = 0) -> list[RgbImage]:
    """Smooth patterns that move: no two pictures are alike."""
    rows, columns = np.mgrid[:height, :width]
    return [
        np.stack(
            [(rows * 2 + 5 * n + seed) % 256, (columns * 2 + 3 * n) % 256, (rows + columns) % 256], -1
        ).astype(np.uint8)
        for n in range(count)
    ]


def without_frames(path: Path) -> Path:
    """A clip that promises a picture and never shows one; it has sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("aac", rate=SOUND_RATE)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, SOUND_RATE), np.float32), format="fltp", layout="mono"
        )
        frame.rate, frame.pts = SOUND_RATE, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def with_subtitles(path: Path) -> Path:
    """Three pictures and one line of text."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        text = container.add_mux_stream("subrip")
        for picture in noise(3, 48, 64):
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
        line = Packet(b"good morning")
        line.stream, line.pts, line.dts, line.duration = text, 40, 40, 60
        line.time_base = Fraction(1, 1000)
        container.mux(line)
    return path


def with_cover(path: Path) -> Path:
    """A clip that says who made it, and shows them on its cover."""
    with av.open(str(path), "w") as container:
        container.metadata["artist"] = "Jane Roe"
        stream = container.add_stream("libx264", rate=RATE)
        cover = container.add_stream("png", rate=1)
        assert isinstance(stream, VideoStream)
        assert isinstance(cover, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        cover.width, cover.height, cover.pix_fmt = 64, 48, "rgb24"
        cover.disposition = Disposition.attached_pic
        picture = noise(1, 48, 64)[0]
        for shown in noise(2, 48, 64):
            container.mux(stream.encode(VideoFrame.from_ndarray(shown, format="rgb24")))
        container.mux(stream.encode(None))
        container.mux(cover.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(cover.encode(None))
    return path
