"""What is written in segments is what would be written at once; what was finished is not written again."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")

from av.video.frame import VideoFrame
from veilmesh_ml.errors import ParameterError, UnsupportedVideoError, UnwritableVideoError
from veilmesh_ml.face import Box
from veilmesh_ml.video.encoding import Encoding
from veilmesh_ml.video.pictures import PictureWriter
from veilmesh_ml.video.pixels import in_format, to_rgb
from veilmesh_ml.video.place import Place
from veilmesh_ml.video.reading import Span, VideoReader
from veilmesh_ml.video.remembering import from_document, to_document
from veilmesh_ml.video.segments import SegmentWriter
from veilmesh_ml.video.sightings import MOST, Sightings
from veilmesh_ml.video.unfinished import Command, Unfinished

from tests.unit.ml.video.clips import decode, look_at, make_clip, noise
from tests.unit.ml.video.test_in_and_out import at_most_bytes, paint_through

COMMAND = Command("a" * 64, "b" * 64, "c" * 64)


def write(
    source: Path,
    target: Path,
    *,
    command: Command = COMMAND,
    stop: int | None = None,
    encoding: Encoding | None = None,
    span: Span | None = None,
) -> int:
    """Write a clip again, ten frames a segment; at `stop` as if killed. Return how many were there before."""
    made = PictureWriter if "%" in target.name else SegmentWriter
    with VideoReader(source, span) as reader, Unfinished(target, command) as work:
        before = int(work.state or 0)
        state = {"done": before}
        with made(target, reader, encoding or Encoding(), work, segment=10) as writer:
            frames: Iterator[VideoFrame] = (item for item in reader if isinstance(item, VideoFrame))
            for number, frame in enumerate(islice(frames, stop)):
                if number >= before:
                    writer.add(in_format(frame, writer.pixel_format))
                    state["done"] = number + 1
                    writer.settled(lambda: state["done"])
            if stop is None:
                writer.finish()
    return before


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp4", "h264"), (".mov", "hevc"), (".mkv", "vp9"), (".webm", "vp9"), (".mp4", "av1")],
)
def test_times_sound_and_turn_are_those_of_the_input(tmp_path: Path, suffix: str, codec: str) -> None:
    ticks = [24 * number + 9 * (number % 3) + 300 * (number > 17) for number in range(34)]
    sound = suffix != ".webm"
    source = tmp_path / ("in.mp4" if sound else "in.mkv")
    like = make_clip(source, noise(34, 64, 64), ticks=ticks, sound=sound)
    write(like, tmp_path / f"out{suffix}", encoding=Encoding(codec))
    paint_through(like, tmp_path / f"whole{suffix}", Encoding(codec))
    assert look_at(tmp_path / f"out{suffix}") == look_at(tmp_path / f"whole{suffix}")
    if suffix in {".mp4", ".mov"}:
        assert look_at(tmp_path / f"out{suffix}").times == look_at(like).times
    assert not (tmp_path / f".out{suffix}.unfinished").exists()


def test_finished_segments_are_not_written_again_and_nobody_sees_the_seam(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", noise(44, 64, 64), degrees=90)
    write(source, tmp_path / "whole.mp4")
    assert write(source, tmp_path / "out.mp4", stop=27) == 0
    assert not (tmp_path / "out.mp4").exists()
    assert write(source, tmp_path / "out.mp4", stop=31) == 20
    assert write(source, tmp_path / "out.mp4") == 30
    assert look_at(tmp_path / "out.mp4") == look_at(tmp_path / "whole.mp4") == look_at(source)
    for one, other in zip(decode(tmp_path / "out.mp4"), decode(tmp_path / "whole.mp4"), strict=True):
        np.testing.assert_array_equal(one.to_ndarray(), other.to_ndarray())


def test_another_command_begins_anew(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", noise(22, 48, 64))
    write(source, tmp_path / "out.mp4", stop=15)
    again = Command(COMMAND.input_sha256, COMMAND.settings, "d" * 64)
    with Unfinished(tmp_path / "out.mp4", again) as work:
        assert (work.command.key, work.segments) == (COMMAND.key, 1)  # the earlier key counts
    for other in (Command("e" * 64, "b" * 64, "c" * 64), Command("a" * 64, "e" * 64, "c" * 64)):
        write(source, tmp_path / "out.mp4", stop=15)
        assert write(source, tmp_path / "out.mp4", command=other, stop=3) == 0


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        Unfinished(tmp_path / "out.mp4", COMMAND),
        pytest.raises(ParameterError, match="another process is writing"),
        Unfinished(tmp_path / "out.mp4", COMMAND),
    ):
        pass


def test_what_is_unfinished_is_for_its_owner_alone(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", noise(12, 48, 64))
    write(source, tmp_path / "out.mp4", stop=12)
    folder = tmp_path / ".out.mp4.unfinished"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "command.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_segments_that_were_changed_are_not_joined(tmp_path: Path, damage: str) -> None:
    source = make_clip(tmp_path / "in.mp4", noise(22, 48, 64))
    write(source, tmp_path / "out.mp4", stop=15)
    packets = tmp_path / ".out.mp4.unfinished" / "00000.packets"
    if damage == "cut":
        packets.write_bytes(packets.read_bytes()[:-1])
    else:
        packets.unlink()
    with pytest.raises(UnwritableVideoError, match="was changed while"):
        write(source, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_torn_note_counts_for_nothing(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", noise(22, 48, 64))
    write(source, tmp_path / "out.mp4", stop=15)
    (tmp_path / ".out.mp4.unfinished" / "state.json").write_text('{"segments": 1, "sta')
    assert write(source, tmp_path / "out.mp4") == 0
    assert len(look_at(tmp_path / "out.mp4").times) == 22


def test_a_full_disk_leaves_what_is_finished_and_no_output(tmp_path: Path) -> None:
    """Every limit between nothing and enough: no output, or all of it."""
    grains = list(np.random.default_rng(0).integers(0, 256, (25, 64, 64, 3), dtype=np.uint8))
    source = make_clip(tmp_path / "in.mp4", grains, crf=20)
    failed = 0
    for limit in (200, 3_000, 20_000, 60_000, 90_000):
        target = tmp_path / str(limit) / "out.mp4"
        try:
            with at_most_bytes(limit):
                write(source, target, encoding=Encoding(quality=1))
        except UnwritableVideoError as err:
            failed += 1
            assert "cannot write" in str(err)  # noqa: PT017 - whether it fails depends on the limit
            assert "same command again" in err.hint or "free space" in err.hint  # noqa: PT017
            assert {path.name for path in target.parent.iterdir()} <= {".out.mp4.unfinished"}
            write(source, target, encoding=Encoding(quality=1))  # with space again
        assert look_at(target) == look_at(source)
        assert [path.name for path in target.parent.iterdir()] == ["out.mp4"]
    assert failed >= 3


def test_a_span_comes_out_from_its_beginning_on(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", noise(50, 48, 64), ticks=[24 * number for number in range(50)])
    write(source, tmp_path / "out.mp4", span=Span(0.4, 1.2))
    shown, heard = look_at(tmp_path / "out.mp4"), look_at(source)
    assert [float(at) for at in shown.times] == pytest.approx([number / 25 for number in range(20)])
    wanted = [content for at, content in heard.packets["audio"] if 0.4 <= at < 1.2]
    assert [content for _, content in shown.packets["audio"]] == wanted
    for one, other in zip(decode(tmp_path / "out.mp4"), decode(source)[10:30], strict=True):
        assert np.abs(one.to_ndarray().astype(int) - other.to_ndarray()).mean() < 3


def test_an_empty_span_is_refused() -> None:
    for start_s, end_s in ((3, 3), (4, 3), (-1, 3)):
        with pytest.raises(ParameterError, match="nothing lies between"):
            Span(start_s, end_s)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_numbered_pictures_in_and_out(tmp_path: Path, suffix: str) -> None:
    from PIL import Image

    (tmp_path / "in").mkdir()
    pictures = noise(13, 51, 75)
    for number, picture in enumerate(pictures, 7):
        Image.fromarray(picture).save(tmp_path / "in" / f"a{number:03}{suffix}")
    write(tmp_path / "in" / f"a%03d{suffix}", tmp_path / "out" / "b%02d.png", stop=11)
    assert not list((tmp_path / "out").glob("b*"))
    assert write(tmp_path / "in" / f"a%03d{suffix}", tmp_path / "out" / "b%02d.png") == 10
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == [f"b{number:02}.png" for number in range(7, 20)]
    for number, picture in enumerate(pictures, 7):
        shown = np.asarray(Image.open(tmp_path / "out" / f"b{number:02}.png"))
        given = picture if suffix == ".png" else np.asarray(Image.open(tmp_path / "in" / f"a{number:03}.jpg"))
        assert np.abs(shown.astype(int) - given).mean() < (0.01 if suffix == ".png" else 2)


def test_an_ending_that_is_none_is_refused_before_any_work(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", noise(1, 48, 64))
    with pytest.raises(UnsupportedVideoError, match="unknown ending"):
        write(source, tmp_path / "out.xyz")


def test_what_is_known_is_remembered_exactly() -> None:
    draws = np.random.default_rng(5)
    place = Place(
        draws.normal(size=(68, 2)), draws.normal(size=2), draws.normal(size=2), 0.1 + 0.2, True, 1 / 3
    )
    known = {"places": {3: place}, "numbers": (1, 2.5, None, np.float64(0.1)), 7: [Box(1, 2, 3, 4)]}
    back = from_document(json.loads(json.dumps(to_document(known))), Place, Box)
    assert back["numbers"] == [1, 2.5, None, 0.1]
    assert back[7] == [Box(1, 2, 3, 4)]
    np.testing.assert_array_equal(back["places"][3].landmarks, place.landmarks)
    assert (back["places"][3].confidence, back["places"][3].slack) == (place.confidence, place.slack)
    with pytest.raises(TypeError, match="is not remembered"):
        to_document({"engine": object()})
    with pytest.raises(ValueError, match="nothing that is remembered"):
        from_document(to_document(place), Box)  # no class comes to life that nobody named


def test_sightings_are_few_and_spread() -> None:
    seen = Sightings()
    for number in range(1000):
        seen.add(number, Box(number, 0, number + 1, 1))
    assert 4 <= len(seen.boxes) <= MOST
    gaps = np.diff(sorted(seen.boxes))
    assert gaps.min() == gaps.max()


def test_the_turn_of_numbered_pictures_is_that_which_is_shown(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", noise(3, 48, 64), degrees=90, sound=False)
    write(source, tmp_path / "out" / "%d.png")
    from PIL import Image

    frame = decode(source)[0]
    from veilmesh_ml.video.orientation import Orientation

    shown = to_rgb(frame, Orientation.of(frame))
    assert np.abs(np.asarray(Image.open(tmp_path / "out" / "1.png")).astype(int) - shown).mean() < 1
