"""Every attack of the gate against every anonymizer, on the portrait that the demo uses."""

import io

import pytest

pytest.importorskip("dlib")

import cv2
import numpy as np
from PIL import Image
from veilmesh_ml import Engine, RgbImage, decide, dissimilarity, load_anonymizer, read_image
from veilmesh_ml.anonymizers import ANONYMIZER_NAMES
from veilmesh_ml.attacks import ATTACKED_FACE_PX, STANDARD_ATTACKS
from veilmesh_ml.comparison import Decision
from veilmesh_ml.gate import GateLevel, ReleaseGate
from veilmesh_ml.regions import surroundings
from veilmesh_ml.release import release

pytestmark = pytest.mark.faces


@pytest.mark.parametrize("name", ["smooth", "median", "non-local means"])
def test_filters_keep_an_untouched_face_recognisable(name: str, engine: Engine, astronaut: RgbImage) -> None:
    """An attack that loses the person even here would never refuse anything.

    The others are aimed at blur and squares, and spoil what has neither.
    """
    (attack,) = (attack for attack in STANDARD_ATTACKS if attack.name == name)
    (face,) = engine.detect(astronaut)
    original = engine.encode(astronaut, [face])[0]
    window, inside = surroundings(astronaut, face, ATTACKED_FACE_PX)
    restored = attack.restore(window, inside.box.width)
    assert dissimilarity(engine.encode(restored, [inside])[0], original) <= 0.6


@pytest.mark.parametrize(
    ("name", "level"),
    [
        *((name, GateLevel.STANDARD) for name in ANONYMIZER_NAMES),
        ("blur", GateLevel.STRICT),
        ("permute", GateLevel.STRICT),
    ],
)
def test_whatever_the_method_the_release_is_no_match(
    name: str, level: GateLevel, engine: Engine, astronaut: RgbImage
) -> None:
    faces = engine.detect(astronaut)
    original = engine.encode(astronaut, faces)[0]
    gate = ReleaseGate(engine, level=level)
    released = release(astronaut, faces, gate, [load_anonymizer(name)])
    assert all(face.verdict.passed for face in released.faces)
    assert dissimilarity(engine.encode(released.image, faces)[0], original) > gate.limit_dissimilarity
    for face in engine.detect(released.image, thorough=True):
        features = engine.encode(released.image, [face])[0]
        if face.box.overlap(faces[0].box) > 0:
            assert decide(dissimilarity(features, original)) is Decision.NO_MATCH


def test_faces_that_touch_are_released_together(engine: Engine, astronaut: RgbImage) -> None:
    head = astronaut[40:230, 140:300]
    two = np.ascontiguousarray(np.hstack([head, head[:, ::-1]]))
    faces = engine.detect(two)
    assert len(faces) == 2
    gate = ReleaseGate(engine)
    released = release(two, faces, gate)
    originals = engine.encode(two, faces)
    for features, original in zip(engine.encode(released.image, faces), originals, strict=True):
        assert dissimilarity(features, original) > gate.limit_dissimilarity


@pytest.mark.parametrize(
    ("scale", "gamma", "degrees"),
    [
        (0.65, 0.7, 0),
        (0.65, 1.4, 8),
        (0.8, 1.0, -8),
        (1.0, 1.4, 0),
        (1.0, 0.7, 8),
        (1.3, 1.4, -8),
        (1.3, 0.7, 0),
    ],
)
def test_rephotographed_portrait_still_matches(
    scale: float, gamma: float, degrees: float, engine: Engine, astronaut: RgbImage
) -> None:
    """Cropped, turned, scaled, lit otherwise and saved as a JPEG of quality 60: still well within 0.6."""
    original = engine.encode(astronaut, engine.detect(astronaut))[0]
    turn = cv2.getRotationMatrix2D((223, 127), degrees, 1.0)
    turned = cv2.warpAffine(astronaut, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)[10:330, 60:400]
    sized = cv2.resize(turned, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    lit = np.rint(255 * (sized / 255) ** gamma).astype(np.uint8)
    saved = io.BytesIO()
    Image.fromarray(lit).save(saved, format="JPEG", quality=60)
    again = read_image(saved.getvalue())
    (face, *_) = engine.detect(again)
    assert dissimilarity(engine.encode(again, [face])[0], original) < 0.45
