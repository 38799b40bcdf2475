"""Encoders plugged in by a file and a description: what runs is what was described, or nothing."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from veilmesh_ml import Box, Engine, Face, RgbImage, dissimilarity
from veilmesh_ml.encoder_description import Fit, read_description
from veilmesh_ml.errors import MlError, ModelError, RegionError
from veilmesh_ml.five_points import align_by_points, five_points
from veilmesh_ml.onnx_encoder import OnnxEncoder
from veilmesh_ml.plugged_engine import PluggedEngine, plug_encoder

from tests.unit.ml import tiny_onnx
from tests.unit.ml.tiny_onnx import DESCRIPTION, FEATURES, SIZE_PX, write_encoder


def chips(count: int) -> list[RgbImage]:
    drawn = np.random.default_rng(1).integers(0, 256, (count, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    return list(drawn)


def by_hand(chip: RgbImage) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """What DESCRIPTION says, written out once more."""
    pixels = (chip.astype(np.float64) / 255 - 0.5) / 0.25
    sides = [side.transpose(2, 0, 1).ravel() @ tiny_onnx.matrix() for side in (pixels, pixels[:, ::-1])]
    mean = (sides[0] + sides[1]) / 2
    return np.asarray(0.5 * mean / np.linalg.norm(mean))


class TestFeatures:
    def test_they_are_what_the_description_says(self, tmp_path: Path) -> None:
        encoder = OnnxEncoder.load(write_encoder(tmp_path))
        given = chips(40)  # more than one batch
        expected = np.array([by_hand(chip) for chip in given])
        assert encoder.feature_count == FEATURES
        np.testing.assert_allclose(encoder.encode(given), expected, atol=1e-6)

    def test_a_fixed_batch_gives_the_same(self, tmp_path: Path) -> None:
        encoder = OnnxEncoder.load(write_encoder(tmp_path, batch=3))
        given = chips(7)
        np.testing.assert_allclose(encoder.encode(given), [by_hand(chip) for chip in given], atol=1e-6)

    def test_the_cosine_is_in_the_distance(self, tmp_path: Path) -> None:
        encoder = OnnxEncoder.load(
            write_encoder(tmp_path, description=DESCRIPTION.replace("threshold_scale = 0.5", ""))
        )
        one, other = encoder.encode(chips(2))
        assert dissimilarity(one, other) == pytest.approx(np.sqrt(2 - 2 * (one @ other)))

    def test_colours_in_the_other_order(self, tmp_path: Path) -> None:
        bgr = write_encoder(tmp_path, description=DESCRIPTION.replace('"rgb"', '"bgr"'))
        turned = [chip[..., ::-1] for chip in chips(2)]
        np.testing.assert_allclose(
            OnnxEncoder.load(bgr).encode(turned), [by_hand(chip) for chip in chips(2)], atol=1e-6
        )

    def test_euclidean_features_keep_their_length(self, tmp_path: Path) -> None:
        plain = DESCRIPTION.replace('"cosine"', '"euclidean"').replace("true", "false")
        found = OnnxEncoder.load(write_encoder(tmp_path, description=plain)).encode(chips(1))[0]
        pixels = (chips(1)[0].astype(np.float64) / 255 - 0.5) / 0.25
        np.testing.assert_allclose(
            found, 0.5 * pixels.transpose(2, 0, 1).ravel() @ tiny_onnx.matrix(), rtol=1e-4
        )

    def test_no_chips_no_features(self, tmp_path: Path) -> None:
        assert OnnxEncoder.load(write_encoder(tmp_path)).encode([]).shape == (0, FEATURES)

    def test_features_without_a_direction_are_refused(self, tmp_path: Path) -> None:
        path = write_encoder(tmp_path)
        path.write_bytes(tiny_onnx.model(np.zeros_like(tiny_onnx.matrix()), batch=None))
        with pytest.raises(ModelError, match="length 0"):
            OnnxEncoder.load(path).encode(chips(1))

    def test_numbers_that_are_not_finite_are_refused(self, tmp_path: Path) -> None:
        path = write_encoder(tmp_path)
        path.write_bytes(tiny_onnx.model(np.full_like(tiny_onnx.matrix(), np.nan), batch=None))
        with pytest.raises(ModelError, match="not finite"):
            OnnxEncoder.load(path).encode(chips(1))


class TestDigest:
    def test_spelling_does_not_count(self, tmp_path: Path) -> None:
        digest = OnnxEncoder.load(write_encoder(tmp_path)).model_digest
        other = (
            DESCRIPTION.replace("= 0.5", "= 5e-1").replace("[0.5, 0.5, 0.5]", "[ 0.50, 0.5,0.5 ]") + "# !\n"
        )
        assert OnnxEncoder.load(write_encoder(tmp_path, description=other)).model_digest == digest

    @pytest.mark.parametrize(
        ("old", "new"),
        [("[0.5, 0.5, 0.5]", "[0.5, 0.5, 0.4]"), ("scale = 0.5", "scale = 0.6"), ("true", "false")],
    )
    def test_another_description_is_another_model(self, tmp_path: Path, old: str, new: str) -> None:
        digest = OnnxEncoder.load(write_encoder(tmp_path)).model_digest
        changed = DESCRIPTION.replace(old, new)
        assert OnnxEncoder.load(write_encoder(tmp_path, description=changed)).model_digest != digest

    def test_other_weights_are_another_model(self, tmp_path: Path) -> None:
        path = write_encoder(tmp_path)
        digest = OnnxEncoder.load(path).model_digest
        path.write_bytes(tiny_onnx.model(tiny_onnx.matrix() + 1, batch=None))
        assert OnnxEncoder.load(path).model_digest != digest


class TestRefusals:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ('colour = "rgb"', 'colour = "hsv"', "input.colour"),
            ("std = [0.25, 0.25, 0.25]", "std = [0.25, 0.0, 0.25]", "input.std.1"),
            ("std = [0.25, 0.25, 0.25]", "std = [0.25, nan, 0.25]", "input.std.1"),
            ("size_px = 16", "size_px = 0", "input.size_px"),
            ("[5.0, 6.0], ", "", "alignment.points"),
            ('metric = "cosine"', "", "output.metric"),
            ("flip_average = true", "flip_average = true\njitter = 3", "output.jitter"),
            ('kind = "points"', 'kind = "dlib"', "alignment.dlib.fit"),
            ("[output]", "[output", "is not TOML"),
        ],
    )
    def test_a_wrong_description_names_the_setting(
        self, tmp_path: Path, old: str, new: str, says: str
    ) -> None:
        path = write_encoder(tmp_path, description=DESCRIPTION.replace(old, new))
        with pytest.raises(ModelError, match=r"tiny\.toml") as refused:
            read_description(path)
        assert says in str(refused.value).replace("alignment.points.points", "alignment.points")

    def test_no_description(self, tmp_path: Path) -> None:
        path = write_encoder(tmp_path)
        path.with_suffix(".toml").unlink()
        with pytest.raises(ModelError, match=r"the description of encoder tiny\.onnx"):
            OnnxEncoder.load(path)

    def test_no_model(self, tmp_path: Path) -> None:
        path = write_encoder(tmp_path)
        path.unlink()
        with pytest.raises(ModelError, match="cannot read encoder"):
            OnnxEncoder.load(path)

    def test_a_file_that_is_no_model(self, tmp_path: Path) -> None:
        path = write_encoder(tmp_path)
        path.write_bytes(b"\x00" * 1000)
        with pytest.raises(ModelError, match="not a model that onnxruntime runs"):
            OnnxEncoder.load(path)

    def test_another_size_than_described(self, tmp_path: Path) -> None:
        path = write_encoder(tmp_path, description=DESCRIPTION.replace("size_px = 16", "size_px = 20"))
        with pytest.raises(ModelError, match="does not take chips of shape"):
            OnnxEncoder.load(path)

    def test_too_few_features(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="16 to 4096"):
            OnnxEncoder.load(write_encoder(tmp_path, features=3))

    def test_weights_in_another_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The digest would not vouch for them."""
        monkeypatch.chdir(tmp_path)
        path = write_encoder(tmp_path)
        (tmp_path / "weights.bin").write_bytes(tiny_onnx.matrix().tobytes())
        path.write_bytes(tiny_onnx.model(tiny_onnx.matrix(), batch=None, external="weights.bin"))
        with pytest.raises(ModelError, match="not a model that onnxruntime runs"):
            OnnxEncoder.load(path)


class TestFivePoints:
    TARGET = np.array([(38.3, 51.7), (73.5, 51.5), (56.0, 71.7), (41.5, 92.4), (70.7, 92.2)])

    def moved(self) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
        """The target, turned by 20 degrees, twice as large and somewhere else."""
        angle = np.radians(20)
        turn = 2 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return np.asarray(self.TARGET @ turn.T + (40, 30))

    @pytest.mark.parametrize("fit", list(Fit))
    def test_points_come_to_lie_on_the_target(self, fit: Fit) -> None:
        points = self.moved()
        image = np.zeros((400, 400, 3), np.uint8)
        for x, y in points:
            cv2.circle(image, (round(x), round(y)), 6, (255, 255, 255), -1)
        chip = align_by_points(image, points, self.TARGET, fit, 112)
        marks, _, _, centres = cv2.connectedComponentsWithStats((chip[..., 0] > 127).astype(np.uint8))
        assert marks == 6
        for target in self.TARGET:
            assert np.linalg.norm(centres[1:] - target, axis=1).min() < 0.6

    def test_one_wrong_point_does_not_pull_the_least_median(self) -> None:
        points = self.moved()
        points[3] += (60, -20)
        image = np.random.default_rng(3).integers(0, 256, (300, 300, 3), dtype=np.uint8)
        whole = align_by_points(image, self.moved(), self.TARGET, Fit.LEAST_SQUARES, 112)
        robust = align_by_points(image, points, self.TARGET, Fit.LEAST_MEDIAN, 112)
        pulled = align_by_points(image, points, self.TARGET, Fit.LEAST_SQUARES, 112)
        assert np.abs(robust.astype(int) - whole).mean() < 1
        assert np.abs(pulled.astype(int) - whole).mean() > 20

    def test_landmarks_on_one_spot(self) -> None:
        image = np.zeros((50, 50, 3), np.uint8)
        with pytest.raises(RegionError):
            align_by_points(image, np.full((5, 2), 9.0), self.TARGET, Fit.LEAST_MEDIAN, 112)

    def test_which_landmarks(self) -> None:
        landmarks = np.arange(136).reshape(68, 2)
        expected = [(77, 78), (89, 90), (60, 61), (96, 97), (108, 109)]
        np.testing.assert_array_equal(five_points(landmarks), expected)


@pytest.mark.faces
class TestPluggedEngine:
    def test_it_is_an_engine_with_another_encoder(
        self, tmp_path: Path, engine: Engine, astronaut: RgbImage
    ) -> None:
        plugged = plug_encoder(engine, write_encoder(tmp_path))
        checked: Engine = plugged
        faces = checked.detect(astronaut)
        assert [face.box for face in faces] == [face.box for face in engine.detect(astronaut)]
        assert plugged.encode(astronaut, faces).shape == (len(faces), FEATURES)
        assert plugged.encode(astronaut, []).shape == (0, FEATURES)
        assert plugged.name == f"{engine.name}+tiny"
        assert plugged.model_digest != engine.model_digest
        assert plugged.landmarks_digest == engine.landmarks_digest
        box = faces[0].box
        assert plugged.face_in(astronaut, box).box == box

    def test_a_chip_gives_nearly_what_the_picture_gives(
        self, tmp_path: Path, engine: Engine, astronaut: RgbImage
    ) -> None:
        plugged = plug_encoder(engine, write_encoder(tmp_path))
        face = plugged.detect(astronaut)[0]
        from_picture = plugged.encode(astronaut, [face])[0]
        from_chip = plugged.encode_chips(plugged.align(astronaut, face)[np.newaxis])[0]
        assert (
            dissimilarity(from_picture, from_chip) < 0.4
        )  # pixels that have nothing in common lie 0.7 apart

    def test_an_encoder_that_takes_dlibs_chip(
        self, tmp_path: Path, engine: Engine, astronaut: RgbImage
    ) -> None:
        points = f'kind = "points"\nfit = "least-median"\npoints = {tiny_onnx.POINTS}'
        dlib_chip = DESCRIPTION.replace(points, 'kind = "dlib"')
        plugged = plug_encoder(engine, write_encoder(tmp_path, description=dlib_chip))
        face = plugged.detect(astronaut)[0]
        np.testing.assert_allclose(
            plugged.encode(astronaut, [face]),
            plugged.encode_chips(plugged.align(astronaut, face)[np.newaxis]),
            atol=1e-6,
        )

    def test_faces_are_not_lost_to_a_wrong_description(self, tmp_path: Path, engine: Engine) -> None:
        encoder = OnnxEncoder.load(write_encoder(tmp_path))
        plugged = PluggedEngine(engine, encoder)
        flat = Face(Box(0, 0, 10, 10), np.zeros((68, 2), np.int64), 0.0)
        with pytest.raises(MlError):
            plugged.encode(np.zeros((20, 20, 3), np.uint8), [flat])
