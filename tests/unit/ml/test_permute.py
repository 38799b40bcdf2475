import json

import pytest

pytest.importorskip("dlib")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from veilmesh_ml import Face, RgbImage, encode_image, load_anonymizer, read_image
from veilmesh_ml.anonymizers.permute import restore
from veilmesh_ml.anonymizers.recovery import Recovery
from veilmesh_ml.errors import AlteredImageError, ParameterError, RecoveryError, WrongKeyError

pytestmark = pytest.mark.faces

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))


def permuted(
    image: RgbImage, faces: list[Face], n: int = 6000, key: bytes = KEY
) -> tuple[RgbImage, Recovery]:
    result = load_anonymizer("permute", n=n, key=key).anonymize(image, faces)
    assert result.recovery is not None
    return result.image, result.recovery


def test_restores_bit_for_bit(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    image, recovery = permuted(astronaut, astronaut_faces)
    assert not np.array_equal(image, astronaut)
    assert np.array_equal(restore(image, recovery, KEY), astronaut)


def test_survives_a_lossless_file_and_its_record_as_text(
    astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    image, recovery = permuted(astronaut, astronaut_faces)
    read = read_image(encode_image(image, "PNG"))
    assert np.array_equal(restore(read, Recovery.from_json(recovery.to_json()), KEY), astronaut)


def test_changes_n_pixels_of_the_face_and_no_other(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    result = load_anonymizer("permute", n=6000, key=KEY).anonymize(astronaut, astronaut_faces)
    (area,) = result.changed
    assert area.pixels == 6000
    differs = (result.image != astronaut).any(axis=2)
    assert 5500 < differs.sum() <= 6000  # some pixels meet their like
    differs[area.window.top : area.window.bottom, area.window.left : area.window.right] = False
    assert not differs.any()


def test_every_channel_keeps_its_values_and_has_an_order_of_its_own(
    astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    image, recovery = permuted(astronaut, astronaut_faces)
    region = recovery.steps[0].region
    before = astronaut[region.rows_and_columns][region.mask]
    after = image[region.rows_and_columns][region.mask]
    for channel in range(3):
        assert np.array_equal(np.sort(before[:, channel]), np.sort(after[:, channel]))
    colours_before, colours_after = (
        {tuple(pixel) for pixel in pixels.tolist()} for pixels in (before, after)
    )
    assert len(colours_before & colours_after) < 0.2 * len(colours_after)  # R, G and B went different ways


def test_another_key_another_picture_another_order(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    image, _ = permuted(astronaut, astronaut_faces)
    again, _ = permuted(astronaut, astronaut_faces)
    other, _ = permuted(astronaut, astronaut_faces, key=OTHER_KEY)
    assert np.array_equal(image, again)
    assert not np.array_equal(image, other)
    one_pixel_off = astronaut.copy()
    row, column = astronaut_faces[0].landmarks[30][::-1]
    one_pixel_off[row, column] ^= 1
    moved, _ = permuted(one_pixel_off, astronaut_faces)
    assert (moved != image).any(axis=2).sum() > 5000


def test_wrong_key_does_not_restore(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    image, recovery = permuted(astronaut, astronaut_faces)
    with pytest.raises(WrongKeyError, match="not the key"):
        restore(image, recovery, OTHER_KEY)


def test_wrong_key_would_not_restore_even_unchecked(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    image, recovery = permuted(astronaut, astronaut_faces)
    forged = Recovery(recovery.steps, recovery.image_digest, permuted(image, [], key=OTHER_KEY)[1].key_check)
    wrong = restore(image, forged, OTHER_KEY)
    region = recovery.steps[0].region
    original, found = (picture[region.rows_and_columns][region.mask] for picture in (astronaut, wrong))
    assert (
        abs(np.corrcoef(original.ravel(), found.ravel())[0, 1]) < 0.75
    )  # channels differ in mean, nothing more
    assert abs(np.corrcoef(original[:, 0], found[:, 0])[0, 1]) < 0.1


def test_lossy_or_changed_picture_is_refused(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    image, recovery = permuted(astronaut, astronaut_faces)
    with pytest.raises(AlteredImageError, match="not the one that was released") as caught:
        restore(read_image(encode_image(image, "JPEG")), recovery, KEY)
    assert "lossless" in caught.value.hint
    with pytest.raises(AlteredImageError):
        restore(image[:-1], recovery, KEY)


@settings(max_examples=40, deadline=None)
@given(
    places=st.lists(st.tuples(st.integers(-230, 60), st.integers(-140, 60)), min_size=1, max_size=3),
    n=st.integers(2, 20_000),
    seed=st.integers(0, 2**32 - 1),
    key=st.binary(min_size=32, max_size=32),
)
def test_restores_faces_that_overlap_or_are_cut_by_the_border(
    astronaut_faces: list[Face], places: list[tuple[int, int]], n: int, seed: int, key: bytes
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (190, 260, 3), dtype=np.uint8)
    faces = [astronaut_faces[0].moved(right, down) for right, down in places]
    changed, recovery = permuted(image, faces, n, key)
    assert np.array_equal(restore(changed, recovery, key), image)


def test_without_a_key_nobody_restores(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    one, two = (load_anonymizer("permute").anonymize(astronaut, astronaut_faces).image for _ in range(2))
    assert not np.array_equal(one, two)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "veilmesh/recovery/9"}', "null"])
def test_record_that_is_none(text: str) -> None:
    with pytest.raises(RecoveryError):
        Recovery.from_json(text)


def test_record_with_a_mask_that_does_not_fit(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    _, recovery = permuted(astronaut, astronaut_faces)
    document = json.loads(recovery.to_json())
    for window in ([0, 0, 9, 9000], [0, 0, 0, 5], [0, 0, 10**6, 10**6], [-4, 0, 10, 10]):
        document["steps"][0]["window"] = window
        with pytest.raises(RecoveryError):
            Recovery.from_json(json.dumps(document))


def test_record_is_small_and_holds_neither_key_nor_pixels(
    astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    _, recovery = permuted(astronaut, astronaut_faces)
    assert len(recovery.to_json()) < 1500
    assert KEY.hex() not in recovery.to_json()
    assert "mask" not in repr(recovery)


@pytest.mark.parametrize("n", [-1, 0, 1, 10**9])
def test_n_out_of_range(n: int) -> None:
    with pytest.raises(ParameterError, match=f"n {n} is not within"):
        load_anonymizer("permute", n=n)
