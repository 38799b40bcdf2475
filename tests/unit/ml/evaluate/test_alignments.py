"""By which landmarks a face of a video counts, and that what is left as it was counts by any."""

import numpy as np
import pytest

pytest.importorskip("dlib")
pytest.importorskip("av")

from veilmesh_ml import Engine, Face, RgbImage
from veilmesh_ml.evaluate.alignments import alignments
from veilmesh_ml.face import Box
from veilmesh_ml.five_points import five_points
from veilmesh_ml.regions import face_outline
from veilmesh_ml.video.centerface import FoundFace
from veilmesh_ml.video.lookout import agree


def as_found(face: Face) -> FoundFace:
    """What CenterFace says of a face that dlib knows: hairline to chin."""
    outline = face_outline(face.landmarks)
    box = Box(*(int(edge) for edge in (*outline.min(axis=0), *outline.max(axis=0))))
    return FoundFace(box, 0.8, five_points(face.landmarks))


@pytest.fixture
def known(astronaut_faces: list[Face]) -> Face:
    (face,) = astronaut_faces
    return face


@pytest.fixture
def too_high(known: Face) -> Box:
    """A box in which the landmarks come to lie on the forehead."""
    return known.box.moved(0, -known.box.height // 3)


def test_where_both_agree_both_count(engine: Engine, astronaut: RgbImage, known: Face) -> None:
    ways = alignments(engine, astronaut, known.box, [as_found(known)])
    assert len(ways) == 2
    assert ways[0].box == known.box
    assert all(agree(way, as_found(known)) for way in ways)


def test_landmarks_beside_the_face_do_not_count(
    engine: Engine, astronaut: RgbImage, known: Face, too_high: Box
) -> None:
    assert not agree(engine.face_in(astronaut, too_high), as_found(known))
    (way,) = alignments(engine, astronaut, too_high, [as_found(known)])
    assert np.abs(five_points(way.landmarks) - five_points(known.landmarks)).max() < 0.1 * known.box.width


def test_where_none_agree_or_nothing_else_is_seen_the_face_counts_all_the_same(
    engine: Engine, astronaut: RgbImage, known: Face, too_high: Box
) -> None:
    turned = FoundFace(as_found(known).box, 0.8, five_points(known.landmarks)[:, ::-1])
    elsewhere = FoundFace(Box(0, 0, 40, 40), 0.8, np.zeros((5, 2)))
    for seen in ([], [turned], [elsewhere]):
        (way,) = alignments(engine, astronaut, too_high, seen)
        assert way.box == too_high


@pytest.mark.parametrize("seen_at", ["its place", "nowhere"])
@pytest.mark.parametrize("shift", [-0.33, -0.15, 0.0, 0.2])
def test_a_face_that_is_left_matches_itself_by_any_landmarks(
    engine: Engine, astronaut: RgbImage, known: Face, shift: float, seen_at: str
) -> None:
    seen = [as_found(known)] if seen_at == "its place" else []
    box = known.box.moved(0, round(shift * known.box.height))
    ways = alignments(engine, astronaut, box, seen)
    darker = np.rint(astronaut * 0.9).astype(np.uint8)
    before, after = (
        engine.encode_chips(np.stack([engine.align(picture, way) for way in ways]))
        for picture in (astronaut, darker)
    )
    assert np.linalg.norm(before - after, axis=1).max() < 0.3
