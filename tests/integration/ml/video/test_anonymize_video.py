"""Clips of a public-domain portrait that moves about: no frame shows the face, and all else stays."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dlib")
pytest.importorskip("av")

from veilmesh_ml import Engine, Face, RgbImage
from veilmesh_ml.errors import AnonymizeError, DamagedVideoError, ParameterError
from veilmesh_ml.gate import ReleaseGate
from veilmesh_ml.video.orientation import Orientation
from veilmesh_ml.video.pixels import to_rgb
from veilmesh_ml.video.release import VideoReport, VideoSettings, anonymize_video

from tests.unit.ml.video.clips import RATE, decode, look_at, make_clip, noise

pytestmark = [pytest.mark.faces, pytest.mark.slow]

SIDE = 220
FRAMES = 24


def corner(number: int) -> tuple[int, int]:
    """Where the picture's corner lies in the portrait: it moves about the face."""
    return 110 + round(30 * np.sin(number / 6)), 10 + round(8 * np.sin(number / 4))


@pytest.fixture(scope="module")
def pictures(astronaut: RgbImage) -> list[RgbImage]:
    corners = (corner(number) for number in range(FRAMES))
    return [np.ascontiguousarray(astronaut[top : top + SIDE, left : left + SIDE]) for left, top in corners]


@pytest.fixture(scope="module")
def faces(astronaut_faces: list[Face]) -> list[Face]:
    """Where the face is in each of them."""
    return [astronaut_faces[0].moved(*(-place for place in corner(number))) for number in range(FRAMES)]


def shown(path: Path) -> list[RgbImage]:
    return [to_rgb(frame, Orientation.of(frame)) for frame in decode(path)]


def nearest(engine: Engine, before: list[RgbImage], after: list[RgbImage], faces: list[Face]) -> float:
    """Return how alike the likest pair of original and output is, by where the face is known to be."""
    return min(
        float(np.linalg.norm(engine.encode(one, [face])[0] - engine.encode(other, [face])[0]))
        for one, other, face in zip(before, after, faces, strict=True)
    )


def original_left(before: RgbImage, after: RgbImage, face: Face) -> float:
    """Return the share of the face's inner pixels that are as they were."""
    left, top = face.landmarks[17:].min(axis=0)
    right, bottom = face.landmarks[17:].max(axis=0)
    part = slice(top, bottom), slice(left, right)
    return float((np.abs(before[part].astype(int) - after[part]).max(axis=2) <= 2).mean())


@pytest.fixture(scope="module")
def plain(
    engine: Engine, pictures: list[RgbImage], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, VideoReport]:
    folder = tmp_path_factory.mktemp("plain")
    ticks = [24 * number + 7 * (number % 3) for number in range(FRAMES)]  # of no fixed rate
    source = make_clip(folder / "in.mp4", pictures, ticks=ticks)
    return folder, anonymize_video(source, folder / "out.mp4", engine)


def test_no_frame_shows_the_face(engine: Engine, plain: tuple[Path, VideoReport], faces: list[Face]) -> None:
    folder, report = plain
    before, after = shown(folder / "in.mp4"), shown(folder / "out.mp4")
    assert len(after) == report.frames == FRAMES
    assert nearest(engine, before, after, faces) > ReleaseGate(engine).threshold_dissimilarity
    assert max(map(original_left, before, after, faces)) < 0.3
    assert nearest(engine, before, before, faces) == 0  # the same measures see what is left as it is
    assert min(map(original_left, before, before, faces)) == 1


def test_times_size_and_sound_stay(plain: tuple[Path, VideoReport]) -> None:
    folder, _ = plain
    assert look_at(folder / "out.mp4") == look_at(folder / "in.mp4")


def test_the_face_keeps_one_surrogate(
    engine: Engine, plain: tuple[Path, VideoReport], faces: list[Face]
) -> None:
    folder, report = plain
    (track,) = report.tracks
    assert (track.first, track.last, track.frames, track.unsure) == (0, FRAMES - 1, FRAMES, 0)
    assert track.methods == {"cluster": FRAMES}
    assert track.judged >= FRAMES // 10
    assert track.closest_dissimilarity is not None
    assert track.closest_dissimilarity > 0.6
    after = shown(folder / "out.mp4")
    features = [engine.encode(image, [face])[0] for image, face in zip(after, faces, strict=True)]
    assert max(float(np.linalg.norm(each - features[0])) for each in features) < 0.5


def test_what_is_far_from_the_face_is_only_encoded_again(plain: tuple[Path, VideoReport]) -> None:
    folder, _ = plain
    before, after = shown(folder / "in.mp4"), shown(folder / "out.mp4")
    for one, other in zip(before, after, strict=True):
        assert np.abs(one[-40:].astype(int) - other[-40:]).mean() < 3


def test_a_turned_ten_bit_clip_of_odd_size(
    engine: Engine, pictures: list[RgbImage], faces: list[Face], tmp_path: Path
) -> None:
    stored = [np.ascontiguousarray(np.rot90(picture[:-1, :-1], -1)) for picture in pictures[:8]]
    source = make_clip(
        tmp_path / "in.mkv", stored, codec="ffv1", pixel_format="yuv420p10le", degrees=90, sound=False
    )
    turned = make_clip(tmp_path / "in.mp4", stored, pixel_format="yuv444p10le", degrees=90)
    for clip in (source, turned):
        target = tmp_path / f"out{clip.suffix}"
        anonymize_video(clip, target, engine)
        assert look_at(target) == look_at(clip)
    assert shown(tmp_path / "out.mp4")[0].shape == (SIDE - 1, SIDE - 1, 3)
    assert nearest(engine, shown(turned), shown(tmp_path / "out.mp4"), faces[:8]) > 0.6


def test_one_frame(engine: Engine, pictures: list[RgbImage], faces: list[Face], tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", pictures[:1])
    report = anonymize_video(source, tmp_path / "out.mp4", engine)
    assert (report.frames, len(report.tracks)) == (1, 1)
    assert nearest(engine, shown(source), shown(tmp_path / "out.mp4"), faces[:1]) > 0.6


def test_two_scenes_get_two_surrogates(engine: Engine, pictures: list[RgbImage], tmp_path: Path) -> None:
    mirrored = [np.ascontiguousarray(picture[:, ::-1]) // 3 for picture in pictures[:6]]
    source = make_clip(tmp_path / "in.mp4", [*pictures[:6], *mirrored], sound=False)
    report = anonymize_video(source, tmp_path / "out.mp4", engine, VideoSettings("mask"))
    assert sum(track.frames for track in report.tracks) == 12
    assert report.tracks[0].methods == {"mask": report.tracks[0].frames}


def test_a_video_without_faces_is_not_copied(engine: Engine, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", noise(6, 64, 96))
    with pytest.raises(AnonymizeError, match="no face was found"):
        anonymize_video(source, tmp_path / "out.mp4", engine)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_a_video_that_is_cut_short_leaves_nothing(
    engine: Engine, pictures: list[RgbImage], tmp_path: Path
) -> None:
    whole = make_clip(tmp_path / "whole.mp4", pictures[:12], faststart=True).read_bytes()
    (tmp_path / "in.mp4").write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(DamagedVideoError):
        anonymize_video(tmp_path / "in.mp4", tmp_path / "out.mp4", engine)
    assert not list(tmp_path.glob("*out*"))


def test_what_does_not_suit_videos_is_refused(
    engine: Engine, pictures: list[RgbImage], tmp_path: Path
) -> None:
    source = make_clip(tmp_path / "in.mp4", pictures[:1])
    for method in ("permute", "noise"):
        with pytest.raises(ParameterError, match=f"{method} is not for videos"):
            VideoSettings(method)
    with pytest.raises(ParameterError, match="input and output at once"):
        anonymize_video(source, source, engine)
    assert look_at(source).times


def test_seconds_of_real_clips(engine: Engine, photos: Path, tmp_path: Path) -> None:
    """Every face that MMOD finds in the original is unlike itself in the output, or under a mask."""
    from veilmesh_ml.fast.engine import FastEngine

    assert isinstance(engine, FastEngine)
    seconds = decode(photos / "video" / "short_hamilton_clip.mp4")[150 : 150 + RATE]
    source = make_clip(tmp_path / "in.mp4", [to_rgb(frame, Orientation()) for frame in seconds])
    anonymize_video(source, tmp_path / "out.mp4", engine)
    found = exposed = 0
    for before, after in zip(shown(source), shown(tmp_path / "out.mp4"), strict=True):
        for detection in engine.detect_mmod(before):
            face = engine.face_in(before, detection.box.within(*before.shape[:2]))
            found += 1
            one, other = (engine.encode(image, [face])[0] for image in (before, after))
            exposed += bool(np.linalg.norm(one - other) <= 0.6)
    assert found >= 10
    assert exposed == 0
