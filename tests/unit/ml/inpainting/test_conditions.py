"""What a generator is given instead of a face, drawn on the canvas."""

import numpy as np
import pytest

pytest.importorskip("cv2")

from numpy.typing import NDArray
from veilmesh_ml.inpainting.canvas import CANVAS_PX, canvas_shape, onto_canvas
from veilmesh_ml.inpainting.conditions import conditions, features_of, mask_outline, visible
from veilmesh_ml.inpainting.cutting import cut_out
from veilmesh_ml.inpainting.drawing import filled, landmark_lines
from veilmesh_ml.inpainting.smooth_warp import spline, warp_picture
from veilmesh_ml.inpainting.tone import face_tone
from veilmesh_ml.surrogate.points import OUTLINE, Points, Similarity, with_forehead
from veilmesh_ml.weights import shipped_bank

pytestmark = pytest.mark.faces

TONE = np.full(3, 200.0)


@pytest.fixture(scope="module")
def mean_shape() -> Points:
    return shipped_bank().frame.mean_shape


@pytest.fixture(scope="module")
def face(mean_shape: Points) -> Points:
    """The mean face's 77 points on the canvas."""
    return with_forehead(canvas_shape(mean_shape)[:68])


class TestCanvas:
    def test_the_mean_face_leaves_room_for_hair(self, face: Points) -> None:
        assert face.min() > 15
        assert face.max() < CANVAS_PX - 15
        assert np.ptp(face[:, 1]) == pytest.approx(85, abs=1)

    def test_a_turned_face_of_any_size_comes_upright(self, mean_shape: Points, face: Points) -> None:
        angle = 0.6
        turn = 7 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        photo = face[:68] @ turn.T + [900, -50]
        assert np.allclose(onto_canvas(photo, mean_shape).apply(photo), face[:68], atol=1e-9)

    @pytest.mark.parametrize("scale", [0.2, 0.7, 1.0, 3.0])
    def test_pixels_come_where_the_similarity_says(self, scale: float) -> None:
        side = round(CANVAS_PX / scale)
        rows, columns = np.mgrid[:side, :side] * (200 / side)
        ramp = np.dstack([columns, rows, np.full_like(rows, 9)]).astype(np.uint8)
        onto = Similarity(np.eye(2) * scale, np.array([2.0, -3.0]))
        canvas = cut_out(ramp, onto)
        x, y = onto.undo(np.array([[70.0, 40.0]]))[0] * (200 / side)
        assert canvas[40, 70].tolist() == pytest.approx([x, y, 9], abs=1.5)

    def test_beyond_the_border_the_photo_is_mirrored(self) -> None:
        photo = np.full((60, 60, 3), 77, dtype=np.uint8)
        assert (cut_out(photo, Similarity(np.eye(2), np.array([40.0, 40.0]))) == 77).all()


class TestWarp:
    def test_points_go_where_they_are_sent(self) -> None:
        random = np.random.default_rng(0)
        source = random.uniform(10, 110, (30, 2))
        target = source * 0.9 + random.normal(0, 0.5, (30, 2)) + 5
        assert np.abs(spline(target, source, target) - source).max() < 1.5

    def test_equal_points_change_nothing(self) -> None:
        random = np.random.default_rng(0)
        picture = random.integers(0, 255, (CANVAS_PX, CANVAS_PX, 3), dtype=np.uint8)
        points = random.uniform(5, 120, (40, 2))
        warped = warp_picture(picture, points, points, CANVAS_PX)
        assert np.abs(warped.astype(int) - picture)[:-2, :-2].max() <= 1

    def test_a_shift_shifts(self) -> None:
        rows, columns = np.mgrid[:CANVAS_PX, :CANVAS_PX]
        picture = np.dstack([columns, rows, columns]).astype(np.uint8)
        points = np.random.default_rng(0).uniform(20, 100, (20, 2))
        warped = warp_picture(picture, points + np.array([5, -3]), points, CANVAS_PX)
        assert warped[60, 60].tolist() == pytest.approx([55, 63, 55], abs=1)


class TestConditions:
    def test_the_mask_covers_both_faces_and_more(self, face: Points) -> None:
        wide = face + (face - face.mean(axis=0)) * [0.15, 0.0]
        mask = filled(mask_outline(wide, face))
        for outline in (wide[OUTLINE], face[OUTLINE]):
            covered = filled(outline) > 0
            assert (mask[covered] > 0).mean() > 0.999
        assert (mask > 0).sum() > 1.05 * (filled(wide[OUTLINE]) > 0).sum()
        assert mask[:8].max() == 0

    def test_the_prior_is_a_face_bridged_to_the_photo(self, face: Points, mean_shape: Points) -> None:
        texture = np.full((160, 160, 3), 200, dtype=np.uint8)
        photo = np.full((CANVAS_PX, CANVAS_PX, 3), 40, dtype=np.uint8)
        given = conditions(photo, face, face, texture, mean_shape, tone=TONE)
        assert given.prior[67, 64].tolist() == [200, 200, 200]
        assert (given.prior[given.mask == 0] == 40).all()
        steps = np.abs(np.diff(given.prior[67, :, 0].astype(int)))
        assert 0 < steps.max() < 80  # from 40 to 200 at once would be an edge

    @pytest.mark.parametrize("wanted", [(210.0, 170.0, 150.0), (90.0, 60.0, 50.0)])
    def test_the_prior_has_the_tone_asked_for(
        self, face: Points, mean_shape: Points, wanted: tuple[float, ...]
    ) -> None:
        texture = np.empty((160, 160, 3), dtype=np.uint8)
        texture[:] = (150, 120, 110)
        given = conditions(_noise(1), face, face, texture, mean_shape, tone=np.array(wanted))
        assert face_tone(given.prior, face) == pytest.approx(wanted, abs=2)

    def test_a_face_beyond_the_canvas_has_no_tone(self, face: Points) -> None:
        with pytest.raises(ValueError, match="outside"):
            face_tone(_noise(1), face + 500)

    def test_lines_follow_the_surrogate_alone(self, face: Points, mean_shape: Points) -> None:
        texture = np.zeros((160, 160, 3), dtype=np.uint8)
        moved = face + np.array([3.0, 1.0])
        given, other = (
            conditions(_noise(1), face, face, texture, mean_shape, tone=TONE),
            conditions(_noise(1), moved, face, texture, mean_shape, tone=TONE),
        )
        assert np.array_equal(given.lines, landmark_lines(face))
        assert np.array_equal(given.lines, other.lines)

    def test_nothing_of_the_face_goes_in(self, face: Points, mean_shape: Points) -> None:
        mask = filled(mask_outline(face, face))
        one, other = (_noise(seed) for seed in (1, 2))
        other[mask == 0] = one[mask == 0]
        texture = _noise(3).repeat(2, axis=0).repeat(2, axis=1)[:160, :160]
        given, again = (
            conditions(photo, face, face, texture, mean_shape, tone=TONE) for photo in (one, other)
        )
        for name in ("surrounding", "mask", "lines", "prior", "features"):
            assert np.array_equal(getattr(given, name), getattr(again, name)), name

    def test_features_reach_from_forehead_to_chin_and_fade_to_the_rim(self, face: Points) -> None:
        features = features_of(face)
        inside = np.rint(face[17:68]).astype(int)  # brows, eyes, nose, mouth
        assert (features[inside[:, 1], inside[:, 0]] > 127).mean() > 0.9
        assert features[filled(mask_outline(face, face)) == 0].max() == 0
        rim = np.rint(face[OUTLINE]).astype(int)
        assert features[rim[:, 1], rim[:, 0]].max() == 0
        assert np.abs(np.diff(features.astype(int), axis=1)).max() < 80

    def test_no_pixel_beneath_the_mask_is_visible(self, face: Points) -> None:
        mask = filled(mask_outline(face, face))
        one, other = (_noise(seed) for seed in (1, 2))
        other[mask == 0] = one[mask == 0]
        assert not np.array_equal(one, other)
        assert np.array_equal(visible(one, mask), visible(other, mask))
        assert (visible(one, mask)[mask == 0] == one[mask == 0]).all()


def _noise(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(1, 255, (CANVAS_PX, CANVAS_PX, 3), dtype=np.uint8)
