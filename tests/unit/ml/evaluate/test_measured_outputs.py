"""What workers measure on outputs: of the public-domain portrait, with a tiny classifier of expressions."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("dlib")
pytest.importorskip("onnxruntime")
pytest.importorskip("sklearn")

from veilmesh_ml import Engine, Face, RgbImage, write_image
from veilmesh_ml.anonymizers import AnonymizedImage, ChangedArea
from veilmesh_ml.evaluate import measuring
from veilmesh_ml.evaluate.anonymizers import METHODS
from veilmesh_ml.evaluate.kept_expression import FOLDER, LabelledExpressions, labelled_photos
from veilmesh_ml.evaluate.likeness_of_sets import measure_expressions
from veilmesh_ml.evaluate.measuring import ORIGINAL, Subject
from veilmesh_ml.evaluate.trials import Photo
from veilmesh_ml.evaluate.whole_pictures import measure_whole_pictures
from veilmesh_ml.evaluate.workshop import Workshop
from veilmesh_ml.expressions import FEATURES
from veilmesh_ml.face import Box
from veilmesh_ml.fast.engine import FastEngine

from tests.unit.ml.evaluate.measuring_here import workshop_here
from tests.unit.ml.shipped_tiny import ship_tiny_ppsa

pytestmark = pytest.mark.faces


@pytest.fixture
def workshop(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    assert isinstance(engine, FastEngine)
    with workshop_here(tmp_path / "data", tmp_path / "cache", engine, monkeypatch) as here:
        yield here


@pytest.fixture
def subject(tmp_path: Path, astronaut: RgbImage, astronaut_faces: list[Face]) -> Subject:
    write_image(tmp_path / "data" / "portrait.png", astronaut)
    return Subject(Photo("", "portrait.png"), astronaut_faces[0])


@pytest.fixture
def tiny_expression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    ship_tiny_ppsa(folder, monkeypatch, b"")


class Careless:
    """Says that it changed a corner, and changes a pixel elsewhere too."""

    def anonymize(self, image: RgbImage, _faces: list[Face], *, attempt: int = 0) -> AnonymizedImage:
        del attempt
        changed = image.copy()
        changed[:8, :8] = 0
        changed[20, 30, 1] ^= 1
        return AnonymizedImage(changed, "careless", {}, (ChangedArea(Box(0, 0, 8, 8), 64),))


@pytest.mark.usefixtures("workshop")
class TestWholePictures:
    def test_only_the_window_changes(self, subject: Subject, astronaut: RgbImage) -> None:
        found = measure_whole_pictures([subject, subject], METHODS["mask"])
        assert (found["altered"] == 0).all()
        assert 0 < found["outside"][0] < astronaut[..., 0].size
        assert 0.8 < found["ssim"][0] < 1
        assert 15 < found["psnr"][0] < 40

    def test_an_original_is_itself(self, subject: Subject, astronaut: RgbImage) -> None:
        found = measure_whole_pictures([subject], ORIGINAL)
        assert found["outside"].tolist() == [astronaut[..., 0].size]
        assert found["altered"].tolist() == [0]
        assert found["ssim"].tolist() == [1]

    def test_one_bit_elsewhere_is_seen(self, subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(measuring, "load_anonymizer", lambda _name: Careless())
        assert measure_whole_pictures([subject], METHODS["mask"])["altered"].tolist() == [1]


@pytest.mark.usefixtures("workshop", "tiny_expression")
def test_the_classifier_describes_outputs(subject: Subject) -> None:
    before, after = (measure_expressions([subject], method) for method in (ORIGINAL, METHODS["mask"]))
    assert before["expression"].shape == (1, FEATURES)
    assert not np.allclose(before["expression"], after["expression"])


class TestExpressions:
    @pytest.fixture
    def faces(self, tmp_path: Path, astronaut: RgbImage, astronaut_faces: list[Face]) -> Path:
        """The portrait as FER2013 has faces, in two folders, and a picture without a face."""
        box = astronaut_faces[0].box.grown(0.05)
        face = cv2.cvtColor(astronaut[box.top : box.bottom, box.left : box.right], cv2.COLOR_RGB2GRAY)
        grey = cv2.resize(face, (48, 48), interpolation=cv2.INTER_AREA)[..., np.newaxis]
        small = np.asarray(np.repeat(grey, 3, axis=2), dtype=np.uint8)
        data = tmp_path / "data"
        for name in ("happy/0.png", "happy/1.png", "sad/0.png"):
            write_image(data / FOLDER / name, small)
        write_image(data / FOLDER / "sad/1.png", np.full((48, 48, 3), 90, np.uint8))
        return data

    @pytest.mark.usefixtures("faces", "tiny_expression")
    def test_are_read_before_and_after(self, workshop: Workshop) -> None:
        labelled = LabelledExpressions.find(workshop, 9)
        assert labelled is not None
        assert [each.photo.path for each in labelled.subjects] == [
            f"{FOLDER}/{name}.png" for name in ("happy/0", "happy/1", "sad/0")
        ]
        assert labelled.commonest.count == 3  # three times the same picture
        untouched = labelled.judge(ORIGINAL, "")
        assert (untouched.same.count, untouched.same.trials) == (3, 3)
        assert untouched.right.count in (0, 1, 2)  # whatever is read, it is not both happy and sad
        masked = labelled.judge(METHODS["mask"], "mask")
        assert masked.same.trials == masked.right.trials == 3
        assert masked.same.count in (0, 3)

    @pytest.mark.usefixtures("faces")
    def test_without_the_classifier_none_are_judged(
        self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("veilmesh_ml.evaluate.kept_expression.ships", lambda _name: False)
        assert LabelledExpressions.find(workshop, 9) is None

    @pytest.mark.usefixtures("tiny_expression")
    def test_without_photos_none_are_judged(self, workshop: Workshop) -> None:
        assert LabelledExpressions.find(workshop, 9) is None

    def test_a_few_are_spread_over_all(self, faces: Path) -> None:
        for number in range(2, 9):
            (faces / FOLDER / "happy" / f"{number}.png").touch()
        chosen = [photo.path for photo in labelled_photos(faces, 3)]
        assert chosen == [
            f"{FOLDER}/{name}.png" for name in ("happy/0", "happy/4", "happy/8", "sad/0", "sad/1")
        ]
