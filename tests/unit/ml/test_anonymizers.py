"""What holds for every anonymizer alike."""

from itertools import pairwise

import pytest

pytest.importorskip("dlib")

import numpy as np
from veilmesh_ml import Engine, Face, RgbImage, dissimilarity, load_anonymizer
from veilmesh_ml.anonymizers import ANONYMIZER_NAMES
from veilmesh_ml.errors import ParameterError, RegionError, UnknownNameError

pytestmark = pytest.mark.faces

EVERY = pytest.mark.parametrize("name", ANONYMIZER_NAMES)


@EVERY
def test_changes_the_face_alone_and_leaves_the_input_as_it_was(
    name: str, astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    before = astronaut.copy()
    result = load_anonymizer(name).anonymize(astronaut, astronaut_faces)
    assert np.array_equal(astronaut, before)
    assert result.image.shape == astronaut.shape
    assert result.image.dtype == np.uint8
    differs = (result.image != astronaut).any(axis=2)
    (area,) = result.changed
    window = area.window
    assert (
        0.8 * area.pixels
        < differs[window.top : window.bottom, window.left : window.right].sum()
        <= area.pixels
    )
    differs[window.top : window.bottom, window.left : window.right] = False
    assert not differs.any()
    assert result.method == name


@EVERY
def test_direct_comparison_no_longer_matches(
    name: str, engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    """The easiest attack; the gate tries harder ones."""
    result = load_anonymizer(name).anonymize(astronaut, astronaut_faces)
    before, after = (engine.encode(image, astronaut_faces)[0] for image in (astronaut, result.image))
    assert dissimilarity(before, after) > 0.65


@EVERY
def test_no_faces_no_change(name: str, astronaut: RgbImage) -> None:
    result = load_anonymizer(name).anonymize(astronaut, [])
    assert np.array_equal(result.image, astronaut)
    assert result.changed == ()


@EVERY
def test_face_cut_by_the_border(name: str, astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    cut = np.ascontiguousarray(astronaut[100:, 200:])
    face = astronaut_faces[0].moved(-200, -100)
    result = load_anonymizer(name).anonymize(cut, [face])
    assert result.changed[0].window.left == result.changed[0].window.top == 0
    assert (result.image != cut).any()


@EVERY
def test_face_outside_is_refused(name: str, astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    with pytest.raises(RegionError, match="outside the picture"):
        load_anonymizer(name).anonymize(astronaut, [astronaut_faces[0].moved(3000, 0)])


@EVERY
def test_every_attempt_differs_and_none_hides_less_of_the_picture(
    name: str, astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    anonymizer = load_anonymizer(name)
    results = [
        anonymizer.anonymize(astronaut, astronaut_faces, attempt=attempt)
        for attempt in range(anonymizer.attempts)
    ]
    sizes: dict[object, int] = {}  # by setting: what is merely drawn anew may be a little smaller
    for result in results:
        sizes.setdefault(result.parameters.get("setting", len(sizes)), result.changed[0].pixels)
    # A surrogate's outline is its donor's, which may be a little narrower than the one before.
    assert all(after > 0.95 * before for before, after in pairwise(sizes.values()))
    assert len({result.image.tobytes() for result in results}) == anonymizer.attempts
    assert len({tuple(result.parameters.items()) for result in results}) == anonymizer.attempts


@EVERY
def test_all_faces_of_a_picture_are_changed(
    name: str, astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    head = astronaut[30:230, 110:310]
    two = np.ascontiguousarray(np.hstack([head, head]))
    first = astronaut_faces[0].moved(-110, -30)
    result = load_anonymizer(name).anonymize(two, [first, first.moved(200, 0)])
    assert len(result.changed) == 2
    for half in (slice(0, 200), slice(200, 400)):
        assert (result.image[:, half] != two[:, half]).any(axis=2).sum() > 3000


@EVERY
def test_parameters_hold_no_key(name: str, astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    key = bytes(range(32))
    keyed = {"key": key} if name in {"noise", "permute"} else {}
    result = load_anonymizer(name, **keyed).anonymize(astronaut, astronaut_faces)
    assert "key" not in result.parameters
    assert key.hex() not in repr(result)
    assert str(list(key))[1:-1] not in repr(result)


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match="no anonymizer called 'blurr'") as caught:
        load_anonymizer("blurr")
    assert all(name in caught.value.hint for name in ANONYMIZER_NAMES)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("blur", {"strength": 0}),
        ("blur", {"strength": float("nan")}),
        ("blur", {"sigma": 3}),
        ("pixelate", {"across": 1}),
        ("noise", {"sigma": -1}),
        ("noise", {"key": b"short"}),
        ("mask", {"grey": 256}),
        ("mask", {"grow": 1.5}),
        ("superpixel", {"patches": 3}),
    ],
)
def test_parameters_out_of_range_or_unknown(name: str, parameters: dict[str, float]) -> None:
    with pytest.raises(ParameterError):
        load_anonymizer(name, **parameters)


def test_mask_leaves_one_colour(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    result = load_anonymizer("mask", grey=7).anonymize(astronaut, astronaut_faces)
    changed = (result.image != astronaut).any(axis=2)
    assert (result.image[changed] == 7).all()


def test_pixelate_leaves_that_many_colours(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    result = load_anonymizer("pixelate", across=5).anonymize(astronaut, astronaut_faces)
    (area,) = result.changed
    window = result.image[area.window.top : area.window.bottom, area.window.left : area.window.right]
    changed = (result.image != astronaut).any(axis=2)[
        area.window.top : area.window.bottom, area.window.left : area.window.right
    ]
    assert len(np.unique(window[changed], axis=0)) <= 8 * 10


def test_noise_with_its_key_is_reproducible(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    key = bytes(range(32))
    one, two = (
        load_anonymizer("noise", key=key).anonymize(astronaut, astronaut_faces).image for _ in range(2)
    )
    other = load_anonymizer("noise").anonymize(astronaut, astronaut_faces).image
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
