"""What uses drawn faces: the anonymizer `stylegan`, and the measurement of variations."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("matplotlib")

from veilmesh_ml import Engine, Face, RgbImage, load_anonymizer
from veilmesh_ml.anonymizers import ANONYMIZER_NAMES
from veilmesh_ml.anonymizers.stylegan import Stylegan, donor_of
from veilmesh_ml.errors import ModelError, ParameterError
from veilmesh_ml.evaluate import augmentation
from veilmesh_ml.evaluate.trials import Photo
from veilmesh_ml.image import write_image
from veilmesh_ml.surrogate.geometry import TEXTURE_PX
from veilmesh_ml.synthesis import variations
from veilmesh_ml.synthesis.drawn import DrawnFaces
from veilmesh_ml.synthesis.projection import Projector
from veilmesh_ml.synthesis.style_gan import StyleGan
from veilmesh_ml.weights import shipped_bank, ships

pytestmark = pytest.mark.faces

KEY, OTHER_KEY = bytes(range(32)), bytes(32)


@pytest.fixture(scope="module")
def head(astronaut: RgbImage) -> RgbImage:
    return np.ascontiguousarray(astronaut[10:230, 110:330])


@pytest.fixture(scope="module")
def face(astronaut_faces: list[Face]) -> Face:
    return astronaut_faces[0].moved(-110, -10)


@pytest.mark.usefixtures("with_drawn")
class TestAnonymizer:
    def test_another_face_lies_there_and_nothing_else_changes(self, head: RgbImage, face: Face) -> None:
        result = Stylegan(key=KEY).anonymize(head, [face])
        (area,) = result.changed
        outside = np.ones(head.shape[:2], dtype=bool)
        outside[area.window.top : area.window.bottom, area.window.left : area.window.right] = False
        assert np.array_equal(result.image[outside], head[outside])
        left, right = face.landmarks[36, 0], face.landmarks[45, 0]
        inner = slice(face.landmarks[36:48, 1].min(), face.landmarks[8, 1] - 6), slice(left, right)
        moved = np.abs(result.image[inner].astype(int) - head[inner]).max(axis=2)
        assert (moved > 0).mean() > 0.9
        assert result.face_findable
        assert result.parameters["weights"] == StyleGan(1).digest

    def test_a_key_says_whose_face(self, head: RgbImage, face: Face) -> None:
        one, again, other = (Stylegan(key=key).anonymize(head, [face]).image for key in (KEY, KEY, OTHER_KEY))
        assert np.array_equal(one, again)
        assert not np.array_equal(one, other)

    def test_every_attempt_is_another(self, head: RgbImage, face: Face) -> None:
        stylegan = Stylegan(key=KEY)
        assert stylegan.attempts == 16
        first, second, strict = (
            stylegan.anonymize(head, [face], attempt=attempt) for attempt in (0, 1, stylegan.attempts - 1)
        )
        assert not np.array_equal(first.image, second.image)
        assert [each.parameters["setting"] for each in (first, second, strict)] == [0, 0, 1]

    def test_the_donor_lies_in_the_banks_frame(self, gan: StyleGan, drawn: DrawnFaces) -> None:
        bank = shipped_bank()
        donor = donor_of(gan, drawn, 3, bank)
        assert donor.texture.shape == (TEXTURE_PX, TEXTURE_PX, 3)
        assert donor.texture[bank.frame.face].std() > 5
        assert np.abs(donor.shape - bank.frame.mean_shape[:68]).mean() < 3

    def test_loads_by_name(self) -> None:
        assert isinstance(load_anonymizer("stylegan", mode="strict"), Stylegan)

    def test_an_unknown_mode(self) -> None:
        with pytest.raises(ParameterError, match="mode 'odd' is none of natural, strict"):
            Stylegan(mode="odd")


def test_is_offered_once_it_ships() -> None:
    assert ("stylegan" in ANONYMIZER_NAMES) == ships("stylegan")


def test_without_drawn_faces_there_is_no_anonymizer(shipped: Path) -> None:
    assert (shipped / "stylegan.onnx").exists()
    with pytest.raises(ModelError, match="drawn"):
        Stylegan()


class TestMeasuredVariations:
    @pytest.fixture
    def projector(self, gan: StyleGan, drawn: DrawnFaces, engine: Engine) -> Projector:
        return Projector(gan, drawn, engine)

    @pytest.fixture
    def photos(
        self,
        projector: Projector,
        engine: Engine,
        astronaut: RgbImage,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> list[Photo]:
        """A worker's tools, and two photos, the second of nobody."""
        at_hand = {"folder": tmp_path, "engine": engine, "gan": projector.gan, "projector": projector}
        monkeypatch.setattr(augmentation, "_at_hand", at_hand)
        monkeypatch.setattr(augmentation, "GENERATIONS", 0)
        write_image(tmp_path / "one.png", astronaut[20:270, 100:350])
        write_image(tmp_path / "none.png", np.full((250, 250, 3), 128, np.uint8))
        return [Photo("one", "one.png"), Photo("none", "none.png")]

    def test_where_all_is_taken_there_are_eight(
        self, photos: list[Photo], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(variations, "SAME_PERSON", 9.0)
        features = augmentation.measure_variations(photos)["features"]
        assert features.shape == (2, augmentation.PER_PHOTO, 128)
        assert np.isfinite(features[0]).all()
        assert np.isnan(features[1]).all()
        again = augmentation.measure_variations(photos)["features"]
        assert np.allclose(features[0], again[0])

    def test_what_is_somebody_else_is_not_there(self, photos: list[Photo]) -> None:
        assert np.isnan(augmentation.measure_variations(photos[:1])["features"]).all()

    def test_strangers_are_drawn_by_number(self, photos: list[Photo]) -> None:
        assert photos
        two = augmentation.measure_strangers([0, 1])["features"]
        (second,) = augmentation.measure_strangers([1])["features"]
        assert np.allclose(two[1], second, atol=1e-2)
        assert not np.allclose(two[0], second, atol=1e-2)
