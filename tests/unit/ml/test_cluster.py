"""The surrogate faces of `cluster`: what stays, what changes, and that nothing odd stops it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dlib")

from veilmesh_ml import Engine, Face, RgbImage, load_anonymizer
from veilmesh_ml.anonymizers import AnonymizedImage
from veilmesh_ml.errors import ModelError, ParameterError
from veilmesh_ml.surrogate.attributes import ATTRIBUTES, Reading
from veilmesh_ml.surrogate.bank import MIN_PEOPLE, decode_bank, encode_bank
from veilmesh_ml.surrogate.choice import DRAWN_FROM, choose
from veilmesh_ml.surrogate.geometry import piecewise_affine
from veilmesh_ml.surrogate.points import ALIGNMENT_WEIGHTS, MIRRORED, fit_similarity, with_forehead
from veilmesh_ml.surrogate.samples import middle, sampled
from veilmesh_ml.surrogate.shape import aligned
from veilmesh_ml.weights import read_weights, shipped_bank

pytestmark = pytest.mark.faces

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
MODES = pytest.mark.parametrize("mode", ["natural", "strict"])


@pytest.fixture(scope="module")
def head(astronaut: RgbImage) -> RgbImage:
    """200 x 200 about the face."""
    return np.ascontiguousarray(astronaut[10:230, 110:330])


@pytest.fixture(scope="module")
def face(astronaut_faces: list[Face]) -> Face:
    return astronaut_faces[0].moved(-110, -10)


def replaced(image: RgbImage, face: Face, key: bytes = KEY, mode: str = "natural") -> AnonymizedImage:
    return load_anonymizer("cluster", mode=mode, key=key).anonymize(image, [face])


def odd(face: Face, landmarks: np.ndarray) -> Face:
    return Face(face.box, np.rint(landmarks).astype(np.int64), face.confidence)


class TestWhatChanges:
    @MODES
    def test_another_face_is_found_there(self, engine: Engine, head: RgbImage, face: Face, mode: str) -> None:
        result = replaced(head, face, mode=mode)
        (found,) = engine.detect(result.image)
        assert found.box.overlap(face.box) > 0.6
        before, after = engine.encode(head, [face])[0], engine.encode(result.image, [found])[0]
        assert np.linalg.norm(before - after) > 0.62
        assert result.face_findable

    @MODES
    def test_no_pixel_of_the_inner_face_stays(self, head: RgbImage, face: Face, mode: str) -> None:
        result = replaced(head, face, mode=mode)
        brows, chin = face.landmarks[17:27, 1].min(), face.landmarks[8, 1]
        left, right = face.landmarks[36, 0], face.landmarks[45, 0]
        rows, columns = slice(brows, chin - 6), slice(left, right)
        moved = np.abs(result.image[rows, columns].astype(int) - head[rows, columns]).max(axis=2)
        assert (moved > 0).mean() > 0.9

    def test_strict_also_covers_the_hair_over_the_forehead(self, head: RgbImage, face: Face) -> None:
        crown = with_forehead(face.landmarks)[68:].mean(axis=0).astype(int)
        hairy = head.copy()
        hairy[crown[1] - 8 : crown[1] + 10, crown[0] - 20 : crown[0] + 20] = (20, 15, 12)
        kept, covered = (
            (replaced(hairy, face, mode=mode).image[crown[1] + 2 : crown[1] + 8, crown[0]] < 60).mean()
            for mode in ("natural", "strict")
        )
        assert covered < kept

    def test_a_grey_picture_stays_grey(self, head: RgbImage, face: Face) -> None:
        grey = np.repeat(head.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
        image = replaced(grey, face).image
        assert (np.ptp(image, axis=2) <= 3).all()


class TestTheKey:
    def test_one_key_one_face(self, head: RgbImage, face: Face) -> None:
        one, two = replaced(head, face), replaced(head, face)
        assert np.array_equal(one.image, two.image)

    def test_another_key_another_face(self, engine: Engine, head: RgbImage, face: Face) -> None:
        keys = [bytes([number] * 32) for number in range(6)]
        images = [replaced(head, face, key).image for key in keys]
        features = np.stack([engine.encode(image, [face])[0] for image in images])
        apart = np.linalg.norm(features[:, np.newaxis] - features, axis=2)[np.triu_indices(6, 1)]
        assert np.median(apart) > 0.25

    def test_another_photo_another_draw(self, head: RgbImage, face: Face) -> None:
        """One key over many photos of one person: no donor becomes their name."""
        cluster = load_anonymizer("cluster", key=KEY)
        shifted = [cluster.anonymize(np.roll(head, step, axis=1), [face.moved(step, 0)]) for step in range(4)]
        inner = [np.roll(result.image, -step, axis=1)[90:150, 90:140] for step, result in enumerate(shifted)]
        assert len({crop.tobytes() for crop in inner}) > 1


class TestOddFaces:
    @pytest.mark.parametrize(
        "change",
        [
            lambda points: points * [0.02, 1] + [100, 0],  # no width
            lambda points: points * [1, 0.02] + [0, 100],  # no height
            lambda points: np.zeros_like(points) + 100.0,  # one point
            lambda points: points[::-1],  # all in disorder
            lambda points: points * [-1, 1] + [220, 0],  # mirrored
            lambda points: points * 40 - 4000,  # far larger than the picture
            lambda points: (points - 110) @ np.array([[0, 1], [-1, 0]]) + 110,  # on its side
            lambda points: points + np.random.default_rng(0).normal(0, 30, points.shape),
        ],
    )
    def test_never_raises_and_never_leaves_the_face(
        self, head: RgbImage, face: Face, change: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        given = odd(face, change(face.landmarks.astype(np.float64)))
        result = replaced(head, given)
        assert result.image.shape == head.shape
        assert (result.image != head).any()
        assert result.face_findable is ("masked faces" not in result.parameters)

    def test_a_face_too_small_is_masked_and_says_so(self, head: RgbImage, face: Face) -> None:
        tiny = odd(face, (face.landmarks - 110) * 0.1 + 110)
        result = replaced(head, tiny)
        assert result.parameters["masked faces"] == 1
        assert not result.face_findable

    def test_any_size(self, head: RgbImage, face: Face) -> None:
        import cv2

        for scale in (0.5, 3.0):
            image = np.asarray(cv2.resize(head, None, fx=scale, fy=scale), dtype=np.uint8)
            result = replaced(image, face.scaled(scale))
            assert "masked faces" not in result.parameters


class TestTheChoice:
    def test_the_donors_drawn_are_the_least_like_the_person(self, head: RgbImage, face: Face) -> None:
        bank = shipped_bank()
        points = with_forehead(face.landmarks)
        upright = aligned(points, bank.frame.mean_shape)
        texture = np.where(bank.frame.face[..., np.newaxis], bank.frame.warp_from(points).pull(head), 0)
        reading = bank.attribute_model.read(texture.astype(np.uint8), points[:68], upright, bank.frame)
        drawn = [choose(bank, reading, 40, KEY, draw) for draw in range(DRAWN_FROM)]
        assert len(set(drawn)) == DRAWN_FROM
        alike = bank.likenesses @ reading.likeness
        assert alike[drawn].max() < np.median(alike)

    def test_more_of_the_persons_gender_is_no_fault(self) -> None:
        bank = shipped_bank()
        woman = ATTRIBUTES.index("woman")
        likeness = np.zeros(bank.likenesses.shape[1])
        wanted = bank.attributes.mean(axis=0)
        for score in (-1.0, 1.0):
            wanted[woman] = score
            drawn = [choose(bank, Reading(wanted, likeness), 40, KEY, draw) for draw in range(DRAWN_FROM)]
            scores = bank.attributes[drawn, woman] * score
            assert scores.min() > 0
            assert scores.max() > 1

    def test_a_donor_is_like_itself(self) -> None:
        bank = shipped_bank()
        alike = bank.likenesses @ bank.likenesses.T
        assert np.allclose(np.diag(alike), 1, atol=1e-2)
        assert np.median(alike) < 0.6


class TestSamples:
    @pytest.mark.parametrize("most", [1, 7, 800])
    def test_are_evenly_spread_and_few_enough(self, most: int) -> None:
        mask = np.zeros((60, 50), dtype=np.bool_)
        mask[10:40, 5:45] = True
        places = sampled(mask, most)
        assert 0 < len(places) <= most
        ranks = np.searchsorted(np.flatnonzero(mask), places)
        assert mask.ravel()[places].all()
        assert len(set(np.diff(ranks))) <= 1

    def test_none_of_none(self) -> None:
        assert len(sampled(np.zeros((4, 4), dtype=np.bool_))) == 0

    def test_the_middle_is_the_median(self) -> None:
        values = np.random.default_rng(0).normal(0, 1, (101, 3)).astype(np.float32)
        assert np.array_equal(middle(values), np.median(values, axis=0))


class TestTheBank:
    def test_every_donor_is_the_average_of_enough_people(self) -> None:
        bank = shipped_bank()
        assert bank.people.min() >= MIN_PEOPLE
        assert bank.donors >= 100

    def test_is_small_and_survives_writing(self) -> None:
        content = read_weights("cluster")
        assert len(content) <= 3_000_000
        bank = decode_bank(content)
        again = decode_bank(encode_bank(bank))
        assert np.allclose(again.shapes, bank.shapes)
        assert np.abs(again.textures.astype(int) - bank.textures).mean() < 2
        assert encode_bank(bank) == encode_bank(bank)

    def test_damage_is_noticed(self) -> None:
        content = read_weights("cluster")
        for broken in (content[:1000], b"", b"PK" + content[2:100], content[: len(content) // 2]):
            with pytest.raises(ModelError):
                decode_bank(broken)

    def test_a_donor_of_too_few_is_refused(self) -> None:
        from dataclasses import replace

        bank = shipped_bank()
        few = replace(bank, people=np.minimum(bank.people, MIN_PEOPLE - 1))
        with pytest.raises(ModelError, match="fewer than 16 people"):
            decode_bank(encode_bank(few))

    def test_altered_weights_are_refused(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        from importlib.resources import files

        from veilmesh_ml import weights

        manifest = files(weights).joinpath("weights.toml").read_text()
        (tmp_path / "weights.toml").write_text(manifest)
        (tmp_path / "cluster.npz").write_bytes(read_weights("cluster") + b"\0")
        monkeypatch.setattr(weights, "files", lambda _name: tmp_path)
        with pytest.raises(ModelError, match="expected"):
            weights.read_weights("cluster")
        with pytest.raises(ModelError, match="not here"):
            weights.read_weights("generator")


class TestGeometry:
    def test_similarity_is_found_again(self, face: Face) -> None:
        points = face.landmarks.astype(np.float64)
        turned = points @ (1.7 * np.array([[0.8, -0.6], [0.6, 0.8]])).T + [5, -3]
        fitted = fit_similarity(points, turned, ALIGNMENT_WEIGHTS)
        assert np.allclose(fitted.apply(points), turned)
        assert np.allclose(fitted.undo(turned), points)

    def test_mirroring_twice_is_nothing(self) -> None:
        assert np.array_equal(MIRRORED[MIRRORED], np.arange(68))

    def test_a_warp_onto_itself_moves_nothing(self) -> None:
        frame = shipped_bank().frame
        warp = piecewise_affine(frame.mean_shape, frame.mean_shape, frame.triangles, 160, 160)
        rows, columns = np.nonzero(warp.inside)
        assert np.abs(warp.across[rows, columns] - columns).max() < 0.01
        assert np.abs(warp.down[rows, columns] - rows).max() < 0.01


def test_modes_have_names() -> None:
    with pytest.raises(ParameterError, match="natural, strict"):
        load_anonymizer("cluster", mode="wild")
