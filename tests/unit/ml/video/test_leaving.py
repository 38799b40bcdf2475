"""Who is left as they are: only where it is sure, in all frames that are settled together."""

from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("av")

from veilmesh_ml import Face, RgbImage
from veilmesh_ml.comparison import Features
from veilmesh_ml.errors import ParameterError
from veilmesh_ml.face import Box
from veilmesh_ml.video.disguise import Shot, TrackRecord
from veilmesh_ml.video.leaving import Choice, Leaving, Person, Region
from veilmesh_ml.video.place import Place

THRESHOLD = 0.6
PICTURE = np.zeros((100, 400, 3), np.uint8)
HER = np.zeros(128)


class Encoder:
    """Tells faces by where they are: `far` from her, by the left edge of their box."""

    model_digest = "no mirror"

    def __init__(self, far: dict[int, float]) -> None:
        self._far = far

    def encode(self, _: RgbImage, faces: list[Face]) -> Features:
        features = np.zeros((len(faces), 128))
        features[:, 0] = [self._far[face.box.left] for face in faces]
        return features


def place(left: int, *, slack: float = 0.0) -> Place:
    landmarks = np.stack([np.linspace(left, left + 40, 68), np.linspace(30, 70, 68)], axis=1)
    return Place(
        landmarks, np.array([left + 20.0, 50.0]), np.array([40.0, 40.0]), 1.0, seen=True, slack=slack
    )


def remaining(
    choice: Choice, frames: Sequence[dict[int, Place]], far: dict[int, float] | None = None
) -> tuple[list[set[int]], dict[int, TrackRecord]]:
    records: dict[int, TrackRecord] = {}
    leaving = Leaving(choice, Encoder(far or {}), THRESHOLD, records)  # type: ignore[arg-type]  # what it uses of it
    shots = [Shot(number, PICTURE, places) for number, places in enumerate(frames)]
    return [set(shot.places) for shot in leaving.remaining(shots)], records


REGION = Region(Box(0, 0, 100, 100))
SHE = Person(HER, "her")


def test_nobody_is_left_without_a_choice() -> None:
    assert remaining(Choice(), [{0: place(10)}]) == ([{0}], {})


def test_a_face_within_the_region_is_left_and_that_is_noted() -> None:
    left, records = remaining(Choice(keep=(REGION,)), [{0: place(10), 1: place(200)}] * 3)
    assert left == [{1}] * 3
    assert (records[0].frames, records[0].left, records[0].methods) == (3, 3, {})


@pytest.mark.parametrize(
    "frames",
    [
        [{0: place(70)}],  # reaches out
        [{0: place(10)}, {0: place(70)}],  # goes out
        [{0: place(10)}, {0: place(10, slack=0.2)}],  # may be elsewhere
        [{0: place(150)}],
    ],
)
def test_a_face_that_is_not_surely_in_the_region_is_anonymized(frames: list[dict[int, Place]]) -> None:
    left, records = remaining(Choice(keep=(REGION,)), frames)
    assert left == [{0}] * len(frames)
    assert not records


@pytest.mark.parametrize(("at", "is_left"), [(10, False), (90, False), (110, False), (200, True)])
def test_only_what_is_far_from_the_region_is_left(at: int, is_left: bool) -> None:
    left, _ = remaining(Choice(only=(REGION,)), [{0: place(at)}])
    assert left == [set() if is_left else {0}]


@pytest.mark.parametrize(
    ("far", "kept", "left_by_only"),
    [
        (0.2, True, False),
        (0.49, True, False),
        (0.55, False, False),
        (0.65, False, False),
        (0.75, False, True),
    ],
)
def test_a_person_is_told_only_where_it_is_sure(far: float, kept: bool, left_by_only: bool) -> None:
    left, _ = remaining(Choice(keep=(SHE,)), [{0: place(10)}], {10: far})
    assert left == [set() if kept else {0}]
    left, _ = remaining(Choice(only=(SHE,)), [{0: place(10)}], {10: far})
    assert left == [set() if left_by_only else {0}]


def test_one_doubtful_frame_is_enough_to_anonymize_all() -> None:
    frames = [{0: place(10)}, {0: place(11)}]
    assert remaining(Choice(keep=(SHE,)), frames, {10: 0.2, 11: 0.55})[0] == [{0}, {0}]
    assert remaining(Choice(only=(SHE,)), frames, {10: 0.9, 11: 0.65})[0] == [{0}, {0}]


def test_two_in_one_frame_are_not_one_person() -> None:
    frames = [{0: place(10), 1: place(200)}, {0: place(10)}]
    assert remaining(Choice(keep=(SHE,)), frames, {10: 0.2, 200: 0.3})[0] == [{0, 1}, {0}]


def test_several_may_be_kept() -> None:
    frames = [{0: place(10), 1: place(200), 2: place(300)}]
    far = {10: 0.9, 200: 0.9, 300: 0.1}
    assert remaining(Choice(keep=(REGION, SHE)), frames, far)[0] == [{1}]


def test_only_several_means_none_of_them_is_left() -> None:
    frames = [{0: place(10), 1: place(200), 2: place(300)}]
    far = {10: 0.9, 200: 0.9, 300: 0.1}
    assert remaining(Choice(only=(REGION, SHE)), frames, far)[0] == [{0, 2}]


def test_keep_and_only_exclude_each_other() -> None:
    with pytest.raises(ParameterError, match="keep some, or anonymize only some"):
        Choice((REGION,), (SHE,))


def test_regions_are_read() -> None:
    assert Region.of("10, 20,30,40") == Region(Box(10, 20, 40, 60))
    assert Region.of("people/her.jpg") is None
    assert Region.of("1,2,3") is None
    with pytest.raises(ParameterError, match="is empty"):
        Region.of("1,2,0,4")


def test_a_choice_is_named_by_what_it_holds() -> None:
    digests = {
        Choice().digest,
        Choice(keep=(REGION,)).digest,
        Choice(only=(REGION,)).digest,
        Choice((SHE,)).digest,
    }
    assert len(digests) == 4
