"""No frame without a place: tracks are filled both ways, go on when a face is lost, end with the scene."""

from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
import pytest

pytest.importorskip("av")

from veilmesh_ml import Engine, Face, RgbImage
from veilmesh_ml.face import Box
from veilmesh_ml.video.association import associate
from veilmesh_ml.video.cuts import Thumbnail
from veilmesh_ml.video.following import follow, moved
from veilmesh_ml.video.lookout import Looked, Sign
from veilmesh_ml.video.place import Place
from veilmesh_ml.video.steady import steadied
from veilmesh_ml.video.tracker import Track, Tracker

from tests.unit.ml.video.clips import noise

SIDE = 220
Detected = Callable[[int], bool]


class Sentry:
    """The real engine's landmarks, and eyes that are told when to be blind."""

    def __init__(self, engine: Engine, pictures: Sequence[RgbImage], faces: Sequence[Face | None]) -> None:
        self._engine, self._pictures, self._faces = engine, pictures, faces
        self.looked_at: list[int] = []

    def look(self, picture: RgbImage) -> Looked:
        number = next(number for number, each in enumerate(self._pictures) if each is picture)
        self.looked_at.append(number)
        face = self._faces[number]
        return Looked([] if face is None else [Place.of(face)], [])

    def face_in(self, picture: RgbImage, box: Box) -> Face | None:
        inside = box.within(*picture.shape[:2])
        return self._engine.face_in(picture, inside) if inside.width and inside.height else None


def walk(count: int) -> list[tuple[int, int]]:
    """Corners of a window that moves about the face: right and back, up and down."""
    return [(110 + round(30 * np.sin(n / 6)), 10 + round(8 * np.sin(n / 4))) for n in range(count)]


def window(image: RgbImage, corner: tuple[int, int]) -> RgbImage:
    left, top = corner
    return np.ascontiguousarray(image[top : top + SIDE, left : left + SIDE])


def track_through(
    engine: Engine,
    pictures: Sequence[RgbImage],
    faces: Sequence[Face | None],
    sees: Detected,
    linger: int = 25,
) -> tuple[list[list[tuple[Track, Place]]], list[int]]:
    looks = Sentry(engine, pictures, [face if sees(number) else None for number, face in enumerate(faces)])
    tracker = Tracker(looks, every=5, linger=linger)
    found = []
    for number, picture in enumerate(pictures):
        tracker.add(picture)
        if number >= tracker.delay:
            found.append(tracker.take())
    tracker.end()
    found += [tracker.take() for _ in range(len(pictures) - len(found))]
    return found, looks.looked_at


@pytest.fixture(scope="module")
def moving(astronaut: RgbImage, astronaut_faces: list[Face]) -> tuple[list[RgbImage], list[Face]]:
    corners = walk(31)
    pictures = [window(astronaut, corner) for corner in corners]
    return pictures, [astronaut_faces[0].moved(-left, -top) for left, top in corners]


def off_px(place: Place, face: Face) -> float:
    return float(np.linalg.norm(place.landmarks - face.landmarks, axis=1).mean())


@pytest.mark.parametrize(
    ("seen", "sure"),
    [
        (lambda _: True, range(31)),
        (lambda n: n in {0, 30}, ()),  # filled from both ends
        (lambda n: n == 20, ()),  # followed back to the first frame and on to the last
        (lambda n: n in {15, 20}, range(10, 26)),
    ],
)
def test_every_frame_has_a_place_where_the_face_is(
    engine: Engine, moving: tuple[list[RgbImage], list[Face]], seen: Detected, sure: Sequence[int]
) -> None:
    pictures, faces = moving
    linger = 31 if not seen(5) else 25
    found, _ = track_through(engine, pictures, faces, seen, linger)
    for number, (places, face) in enumerate(zip(found, faces, strict=True)):
        assert [track.number for track, _ in places] == [0], number
        assert off_px(places[0][1], face) < 6, number
        if number in sure:
            assert not places[0][1].slack, number


def test_landmarks_are_looked_for_only_where_a_place_is_not_sure(
    engine: Engine, moving: tuple[list[RgbImage], list[Face]]
) -> None:
    class Counting(Sentry):
        asked = 0

        def face_in(self, picture: RgbImage, box: Box) -> Face | None:
            self.asked += 1
            return super().face_in(picture, box)

    pictures, faces = moving
    asked = []
    for seen_until in (31, 16):
        looks = Counting(engine, pictures, [each if n < seen_until else None for n, each in enumerate(faces)])
        tracker = Tracker(looks, every=5)
        for picture in pictures:
            tracker.add(picture)
        tracker.end()
        assert all(tracker.take() for _ in pictures)
        asked.append(looks.asked)
    assert asked[0] == 0
    assert asked[1] >= 15


def test_the_detector_looks_at_every_fifth_frame_and_the_last(
    engine: Engine, moving: tuple[list[RgbImage], list[Face]]
) -> None:
    pictures, faces = moving
    _, looked_at = track_through(engine, pictures[:28], faces, lambda _: True)
    assert looked_at == [0, 5, 10, 15, 20, 25, 27]


def test_a_lost_face_keeps_its_place_for_a_while_and_no_longer(
    engine: Engine, moving: tuple[list[RgbImage], list[Face]]
) -> None:
    pictures, faces = moving
    found, _ = track_through(engine, pictures, faces, lambda n: n <= 10, linger=12)
    assert [bool(places) for places in found] == [True] * 23 + [False] * 8


def test_a_scene_ends_its_tracks_and_is_looked_at_on_both_sides(
    engine: Engine, moving: tuple[list[RgbImage], list[Face]]
) -> None:
    pictures, faces = moving
    other = [np.ascontiguousarray(255 - picture[::-1]) for picture in noise(12, SIDE, SIDE, seed=90)]
    both = [*pictures[:13], *other]
    found, looked_at = track_through(engine, both, [*faces[:13], *[None] * len(other)], lambda n: n < 11)
    assert [bool(places) for places in found] == [True] * 13 + [False] * 12
    assert looked_at == [0, 5, 10, 12, 13, 15, 20, 24]


def test_a_face_that_comes_with_a_scene_is_not_followed_into_the_one_before(
    engine: Engine, moving: tuple[list[RgbImage], list[Face]]
) -> None:
    pictures, faces = moving
    other = [np.ascontiguousarray(255 - picture[::-1]) for picture in noise(7, SIDE, SIDE, seed=90)]
    both = [*other, *pictures[:12]]
    found, _ = track_through(engine, both, [*[None] * 7, *faces[:12]], lambda n: n >= 10)
    assert [bool(places) for places in found] == [False] * 7 + [True] * 12


def test_motion_is_found_both_ways_and_not_across_a_cut(
    astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    grey = np.asarray(cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    turn = cv2.getRotationMatrix2D((220, 110), 6, 1.05) + np.array([[0, 0, 9], [0, 0, -4]])
    after = np.asarray(cv2.warpAffine(grey, turn, (512, 512)), dtype=np.uint8)
    points = astronaut_faces[0].landmarks.astype(np.float64)
    there = moved(points, turn)
    motion = follow(grey, after, points)
    assert motion is not None
    assert np.abs(moved(points, motion) - there).max() < 1
    back = follow(after, grey, there)
    assert back is not None
    assert np.abs(moved(there, back) - points).max() < 1
    noisy = np.random.default_rng(0).integers(0, 256, grey.shape, dtype=np.uint8)
    assert follow(grey, noisy, points) is None


def test_pairs_are_found_all_together() -> None:
    left, right, far = Box(0, 0, 50, 50), Box(40, 0, 90, 50), Box(400, 0, 450, 50)
    # by itself, the first found would take `right`
    assert associate([left, right], [Box(30, 0, 80, 50), Box(70, 0, 120, 50), far]) == {0: 0, 1: 1}
    assert associate([], [left]) == associate([left], []) == {}


def test_trembling_is_smoothed_and_motion_does_not_lag() -> None:
    line = {step: np.full((68, 2), 10.0 * step) for step in range(-3, 4)}
    np.testing.assert_allclose(steadied(line), 0, atol=1e-9)
    draws = np.random.default_rng(3)
    trembling = {step: draws.normal(size=(68, 2)) for step in range(-3, 4)}
    assert steadied(trembling).std() < 0.6 * trembling[0].std()
    alone = {0: trembling[0], 1: trembling[1]}  # nothing on the other side
    np.testing.assert_array_equal(steadied(alone), trembling[0])


def test_a_pan_is_no_cut(astronaut: RgbImage) -> None:
    grey = np.asarray(cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY), np.uint8)
    still, panned, other = (
        Thumbnail.of(part) for part in (grey[:, 20:], grey[:, :-20], np.ascontiguousarray(255 - grey[::-1]))
    )
    assert not panned.begins_after(still)
    assert other.begins_after(still)


def test_no_more_frames_are_held_however_long_it_is(engine: Engine) -> None:
    pictures = noise(90, 48, 64)
    looks = Sentry(engine, pictures, [None] * 90)
    tracker = Tracker(looks, every=5, linger=10)
    held = []
    for number, picture in enumerate(pictures):
        tracker.add(picture)
        if number >= tracker.delay:
            tracker.take()
        held.append(len(tracker._views))
    assert max(held) == held[-1] == tracker.delay + 1


def test_a_faint_sign_goes_on_with_a_track_and_begins_none(
    engine: Engine, moving: tuple[list[RgbImage], list[Face]]
) -> None:
    pictures, faces = moving

    class Dimming(Sentry):
        def look(self, picture: RgbImage) -> Looked:
            looked = super().look(picture)
            elsewhere = Sign(Box(5, 5, 45, 45), lambda: pytest.fail("nobody is there"))
            here = [Sign(place.box, partial(Place.of, place.face)) for place in looked.sure]
            dim = self.looked_at[-1] > 0
            return Looked([], [*here, elsewhere]) if dim else looked

    tracker = Tracker(Dimming(engine, pictures, faces), every=5, linger=6)
    for picture in pictures[:21]:
        tracker.add(picture)
    tracker.end()
    found = [tracker.take() for _ in range(21)]
    assert {track.number for each in found for track, _ in each} == {0}
    assert all(len(each) == 1 for each in found)
    (last,) = found[-1]
    assert last[0].sightings == 5


@pytest.mark.parametrize(("right", "grows"), [(SIDE + 2, True), (SIDE - 60, False)])
def test_a_face_that_comes_in_by_the_border_is_as_large_as_it_turns_out(
    engine: Engine, moving: tuple[list[RgbImage], list[Face]], right: int, grows: bool
) -> None:
    part, whole = (
        Place.around(box, box, 0.5)
        for box in (Box(right - 42, 60, right, 120), Box(right - 75, 40, right, 140))
    )

    class ByTheBorder(Sentry):
        def look(self, picture: RgbImage) -> Looked:
            super().look(picture)
            return Looked([whole if self.looked_at[-1] == 5 else part], [])

    pictures = [picture.copy() for picture in [moving[0][0]] * 6]
    tracker = Tracker(ByTheBorder(engine, pictures, [None] * 6), every=5)
    for picture in pictures:
        tracker.add(picture)
    tracker.end()
    first = [place for _, place in tracker.take()]
    assert len(first) == 1
    assert bool(first[0].size.mean() > 0.9 * whole.size.mean()) == grows
    assert first[0].slack > 0
