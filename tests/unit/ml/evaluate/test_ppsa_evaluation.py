"""S3's tables on a handful of made-up faces: what is chosen, compared, timed and told."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2")
pytest.importorskip("dlib")
pytest.importorskip("sklearn")

from veilmesh_ml.errors import ParameterError
from veilmesh_ml.evaluate.framed_faces import Described, enlarged, judged_photos
from veilmesh_ml.evaluate.ppsa import (
    PpsaResult,
    clustering_s,
    count_pixels,
    draw,
    generation_ms,
    judge_realism,
    sheet,
)
from veilmesh_ml.evaluate.ppsa_report import LedgerTime, pixel_rows, ppsa_report, realism_rows, time_rows
from veilmesh_ml.evaluate.report import html
from veilmesh_ml.evaluate.small_cnn import Training
from veilmesh_ml.evaluate.stored_pictures import Storage, measure_storage

pytestmark = pytest.mark.faces

FACES = 24
QUICK = Training(channels=(2, 2, 2), epochs=2)


def pictures(seed: int, lightest: int) -> NDArray[np.uint8]:
    """Noise on grey discs."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:64, :64]
    disc = ((rows - 32) ** 2 + (columns - 32) ** 2 < 700) * lightest
    noise = random.integers(0, 40, (FACES, 64, 64, 3))
    return np.asarray(disc[..., np.newaxis] + noise, dtype=np.uint8)


def described(seed: int) -> Described:
    random = np.random.default_rng(seed)
    likely = random.random((FACES, 7))
    return Described(
        random.normal(size=(FACES, 16)),
        likely / likely.sum(axis=1, keepdims=True),
        random.normal(size=(FACES, 32)),
    )


@pytest.fixture(scope="module")
def result() -> PpsaResult:
    real, generated = pictures(1, 120), pictures(2, 180)
    return PpsaResult(
        photos=30,
        faces=FACES,
        generator="ab" * 32,
        realism=judge_realism((real, described(1)), (generated, described(2)), QUICK),
        pixels=count_pixels(real, generated),
        stored=measure_storage(generated, Storage("nothing", bytes, bytes)),
        generation_ms={1: 3.5, 8: 2.25},
        clustering_s=clustering_s(generated, 4),
        clusters=4,
        storage="nothing",
        sheet=sheet(generated, columns=8),
    )


LEDGER = LedgerTime("embedded ledger", 8.5, 0.0125, 10_000)


class TestPhotos:
    @pytest.fixture
    def data(self, tmp_path: Path) -> Path:
        for name in ("Ruth", "Sam", "Tess", "Zoe"):
            for number in range(3):
                photo = tmp_path / "lfw" / name / f"{name}_{number}.jpg"
                photo.parent.mkdir(parents=True, exist_ok=True)
                photo.touch()
        return tmp_path

    def test_people_before_s_do_not_judge(self, data: Path) -> None:
        found = judged_photos(data, 100)
        assert {photo.person for photo in found} == {"Sam", "Tess", "Zoe"}
        assert len(found) == 9
        assert found[0].path == "lfw/Sam/Sam_0.jpg"

    def test_fewer_are_spread_over_all(self, data: Path) -> None:
        assert [photo.person for photo in judged_photos(data, 3)] == ["Sam", "Tess", "Zoe"]

    def test_the_folder_of_people_itself_will_do(self, data: Path) -> None:
        assert judged_photos(data / "lfw", 1)[0].path == "Sam/Sam_0.jpg"

    def test_nobody_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match="no photos NAME"):
            judged_photos(tmp_path, 3)


class TestMeasures:
    def test_a_set_is_nearer_to_itself_than_to_another(self) -> None:
        real, generated = (pictures(1, 120), described(1)), (pictures(2, 180), described(2))
        same, other = judge_realism(real, real, QUICK), judge_realism(real, generated, QUICK)
        for space in ("dlib", "expression"):
            assert same.distance[space] == pytest.approx(0, abs=1e-6)
            assert other.distance[space] > 1
            assert same.coverage[space].precision.value == 1
        assert same.score == same.score_of_real

    def test_half_of_the_faces_are_judged_by_what_the_others_taught(self, result: PpsaResult) -> None:
        assert len(result.realism.told_apart.real_scores) == FACES // 2
        assert len(result.realism.told_apart.generated_scores) == FACES // 2

    def test_lighter_pictures_have_a_higher_mean(self, result: PpsaResult) -> None:
        pixels = result.pixels
        assert pixels.generated.mean > pixels.real.mean + 20
        assert pixels.real_shares.sum() == pytest.approx(1)
        assert pixels.pairs.uaci.value == pytest.approx(60 * 0.53 / 255, abs=0.07)

    def test_drawing_is_in_order_and_in_pixels(self) -> None:
        latents = np.zeros((40, 6), dtype=np.float32)
        latents[:, 0] = np.linspace(-1.2, 1.2, 40)

        def generate(part: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.broadcast_to(part[:, :1, np.newaxis, np.newaxis], (len(part), 3, 64, 64))

        drawn = draw(generate, latents)
        assert drawn.shape == (40, 64, 64, 3)
        assert drawn[0].max() == 0
        assert drawn[-1].min() == 255
        assert (np.diff(drawn[:, 0, 0, 0].astype(int)) >= 0).all()

    def test_time_is_the_median_of_a_face(self) -> None:
        ticks = iter(np.cumsum([0, 0.008] * 30))

        def generate(part: NDArray[np.float32]) -> NDArray[np.float32]:
            return part

        latents = np.zeros((8, 6), dtype=np.float32)
        assert generation_ms(generate, latents, lambda: float(next(ticks))) == pytest.approx(1)

    def test_sheet_has_rows(self) -> None:
        assert sheet(pictures(1, 100), columns=8).shape == (3 * 64, 8 * 64, 3)

    def test_enlarged_as_a_texture(self) -> None:
        assert enlarged(pictures(1, 100)[0]).shape == (160, 160, 3)


class TestReport:
    def test_every_figure_of_the_paper_stands_beside_ours(self, result: PpsaResult) -> None:
        rows = [*realism_rows(result), *time_rows(result, LEDGER), *pixel_rows(result)]
        published = " ".join(row[1] for row in rows)
        for figure in (
            *("13.99", "35.50", ".948", ".938", ".943", ".947", ".991", "24.8", "11.6", "18.2", "32 min"),
            *("127.54", "62.17", "-0.21", "2.87", "7.28", "7.31", ".345", ".027"),
        ):
            assert figure in published
        assert all(len(row) == 3 and row[2] for row in rows)

    def test_ledger_and_storage_are_told(self, result: PpsaResult) -> None:
        page = html(ppsa_report(result, LEDGER))
        assert "8.5 alone, 0.013 in batches of 10,000 (embedded ledger)" in page
        assert "identity test" in page
        assert page.count("<img") == 3

    def test_no_score_is_called_what_it_is_not(self, result: PpsaResult) -> None:
        """Our own networks' scores bear no name of Inception's."""
        for row in realism_rows(result):
            assert "Inception" not in row[0] + row[2]
            assert "FID" not in row[0] + row[2]

    def test_the_document_is_json(self, result: PpsaResult) -> None:
        document = json.loads(json.dumps(ppsa_report(result, LEDGER).document, allow_nan=False))
        assert document["told_apart"]["real"] == FACES // 2
        assert document["generation_ms"] == {"batch 1": 3.5, "batch 8": 2.25}
        assert document["stored"]["identity"]["npcr"]["value"] == 0
