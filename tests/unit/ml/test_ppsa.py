"""The anonymizer `ppsa` with tiny networks in place of the shipped ones."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dlib")
pytest.importorskip("onnxruntime")

from veilmesh_ml import Face, RgbImage, load_anonymizer
from veilmesh_ml.anonymizers import ANONYMIZER_NAMES
from veilmesh_ml.errors import ModelError, ParameterError
from veilmesh_ml.surrogate.attributes import LIKENESS_COMPONENTS
from veilmesh_ml.surrogate.latents import DRAWN_FROM, LatentClusters, encode_latents
from veilmesh_ml.weights import shipped_bank, ships

from tests.unit.ml.shipped_tiny import ship_tiny_ppsa

pytestmark = pytest.mark.faces

KEYS = [bytes([number]) * 32 for number in range(8)]


@pytest.fixture(scope="module")
def clusters() -> LatentClusters:
    """A cluster of eight faces about each of ten donors of the bank."""
    bank, random = shipped_bank(), np.random.default_rng(4)
    likenesses = random.normal(size=(10, 8, LIKENESS_COMPONENTS))
    return LatentClusters(
        centres=bank.attributes[:10],
        spread=bank.spread,
        latents=random.normal(size=(10, 8, 6)).astype(np.float32),
        likenesses=likenesses / np.linalg.norm(likenesses, axis=2, keepdims=True),
        expressions=random.dirichlet(np.ones(7), size=(10, 8)),
        shapes=bank.shapes[:10],
        people=np.full(10, 24),
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clusters: LatentClusters) -> Path:
    return ship_tiny_ppsa(tmp_path, monkeypatch, encode_latents(clusters))


def test_is_offered_where_its_weights_ship() -> None:
    assert ("ppsa" in ANONYMIZER_NAMES) == ships("ppsa")


@pytest.mark.usefixtures("folder")
class TestFaces:
    def test_only_the_face_changes(self, astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
        result = load_anonymizer("ppsa", key=KEYS[0]).anonymize(astronaut, astronaut_faces)
        (area,) = result.changed
        window = area.window
        differs = (result.image != astronaut).any(axis=2)
        assert differs[window.top : window.bottom, window.left : window.right].sum() > 0.5 * area.pixels
        differs[window.top : window.bottom, window.left : window.right] = False
        assert not differs.any()
        assert result.face_findable
        assert result.parameters["mode"] == "natural"
        assert "key" not in result.parameters

    def test_a_key_and_an_attempt_give_one_face(
        self, astronaut: RgbImage, astronaut_faces: list[Face]
    ) -> None:
        """Two anonymizers of one key agree; its draws and other keys' differ, of one cluster's few."""
        first, again = (load_anonymizer("ppsa", key=KEYS[0]) for _ in range(2))
        outputs = [
            first.anonymize(astronaut, astronaut_faces, attempt=draw).image for draw in range(DRAWN_FROM)
        ]
        assert np.array_equal(again.anonymize(astronaut, astronaut_faces, attempt=1).image, outputs[1])
        assert len({output.tobytes() for output in outputs}) == DRAWN_FROM
        others = {
            load_anonymizer("ppsa", key=key).anonymize(astronaut, astronaut_faces).image.tobytes()
            for key in KEYS
        }
        assert len(others) > 2

    def test_natural_goes_on_to_strict(self, astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
        natural, strict = (load_anonymizer("ppsa", mode=mode, key=KEYS[0]) for mode in ("natural", "strict"))
        assert (natural.attempts, strict.attempts) == (2 * DRAWN_FROM, DRAWN_FROM)
        last = natural.anonymize(astronaut, astronaut_faces, attempt=DRAWN_FROM)
        assert np.array_equal(last.image, strict.anonymize(astronaut, astronaut_faces).image)

    def test_no_faces_no_change(self, astronaut: RgbImage) -> None:
        result = load_anonymizer("ppsa").anonymize(astronaut, [])
        assert np.array_equal(result.image, astronaut)

    def test_no_such_mode(self) -> None:
        with pytest.raises(ParameterError, match="mode 'loud' is none of natural, strict"):
            load_anonymizer("ppsa", mode="loud")


class TestBadWeights:
    @pytest.mark.parametrize("file", ["tiny-ppsa.onnx", "tiny-expression.safetensors", "latents.npz"])
    def test_altered(self, folder: Path, file: str) -> None:
        content = bytearray((folder / file).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / file).write_bytes(content)
        with pytest.raises(ModelError, match=rf"{file} has digest"):
            load_anonymizer("ppsa")

    @pytest.mark.parametrize("file", ["tiny-ppsa.safetensors", "latents.npz"])
    def test_missing(self, folder: Path, file: str) -> None:
        (folder / file).unlink()
        with pytest.raises(ModelError, match="'ppsa' are not here"):
            load_anonymizer("ppsa")

    def test_latents_of_another_generator(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clusters: LatentClusters
    ) -> None:
        longer = dataclasses.replace(clusters, latents=np.zeros((10, 8, 7), dtype=np.float32))
        ship_tiny_ppsa(tmp_path, monkeypatch, encode_latents(longer))
        with pytest.raises(
            ModelError, match="'ppsa' are of another config: they take 6 and give 3 x 64 x 64"
        ):
            load_anonymizer("ppsa")
