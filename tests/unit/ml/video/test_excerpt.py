"""What is done to a face in its excerpt comes out as if it were done in the whole picture."""

import numpy as np
import pytest

pytest.importorskip("dlib")

from veilmesh_ml import Face, RgbImage, load_anonymizer
from veilmesh_ml.anonymizers import Anonymizer
from veilmesh_ml.anonymizers.anonymizer import Recasting
from veilmesh_ml.anonymizers.mask import Mask
from veilmesh_ml.video.excerpt import Excerpt, change


def for_one(name: str) -> Anonymizer:
    method = load_anonymizer(name)
    return method.for_person(bytes(32)) if isinstance(method, Recasting) else method


@pytest.mark.parametrize("corner", [(0, 0), (200, 90), (130, 0), (0, 130)])  # the last three cut the face
@pytest.mark.parametrize("name", ["cluster", "blur", "pixelate"])
def test_a_face_is_changed_as_in_the_whole_picture(
    astronaut: RgbImage, astronaut_faces: list[Face], name: str, corner: tuple[int, int]
) -> None:
    left, top = corner
    picture = np.ascontiguousarray(astronaut[top:, left:])
    face = astronaut_faces[0].moved(-left, -top)
    whole = for_one(name).anonymize(picture, [face])
    own = picture.copy()
    changed = change(own, face, for_one(name), 0)
    assert np.array_equal(own, whole.image)
    assert changed.changed == whole.changed
    assert not changed.image.size


@pytest.mark.parametrize("attempt", [0, 2])
def test_a_mask_covers_in_place_what_it_covers_in_a_copy(
    astronaut: RgbImage, astronaut_faces: list[Face], attempt: int
) -> None:
    own = astronaut.copy()
    changed = Mask().cover(own, astronaut_faces[0], attempt=attempt)
    whole = Mask().anonymize(astronaut, astronaut_faces, attempt=attempt)
    assert np.array_equal(own, whole.image)
    assert (changed.changed, changed.parameters) == (whole.changed, whole.parameters)
    assert not np.array_equal(own, astronaut)


@pytest.mark.parametrize("grow", [0.15, 1.0])
def test_the_widest_mask_fits(astronaut: RgbImage, astronaut_faces: list[Face], grow: float) -> None:
    own = astronaut.copy()
    changed = change(own, astronaut_faces[0], Mask(grow=grow), 0)
    whole = Mask(grow=grow).anonymize(astronaut, astronaut_faces)
    assert np.array_equal(own, whole.image)
    assert changed.changed == whole.changed


def test_an_excerpt_is_a_copy_about_the_face(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    large = np.tile(astronaut, (3, 3, 1))
    face = astronaut_faces[0].moved(512, 512)
    excerpt = Excerpt.of(large, face)
    assert excerpt.picture.size < large.size / 3
    assert np.array_equal(
        excerpt.face.moved(excerpt.window.left, excerpt.window.top).landmarks, face.landmarks
    )
    excerpt.picture[:] = 0
    assert large[excerpt.window.top : excerpt.window.bottom].any()
