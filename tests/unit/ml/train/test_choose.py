"""Checkpoints are scored once each, and the best is named; what ships is listed in the manifest."""

import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("onnxruntime")
pytest.importorskip("scipy")

from veilmesh_ml import Face, RgbImage
from veilmesh_ml.anonymizers import AnonymizedImage, load_anonymizer
from veilmesh_ml.errors import ModelError, TrainingError, UnknownNameError
from veilmesh_ml.evaluate.instruments import Instruments
from veilmesh_ml.inpainting.canvas import canvas_shape
from veilmesh_ml.inpainting.codes import CODE_LENGTH
from veilmesh_ml.train import ship
from veilmesh_ml.train.choose import SCORES, Scored, load_judge, score_checkpoints, write_choice
from veilmesh_ml.train.identities import Identities
from veilmesh_ml.train.judges.held_out import FOUND, FRECHET, NME, HeldOut, least_leaking_best_looking
from veilmesh_ml.train.packed import DONORS, PEERS, Packed, PackedFaces, PackedSurrogates, compress
from veilmesh_ml.train.ship import Shipment, put_together, trained, with_table, write
from veilmesh_ml.weights import shipped_bank

pytestmark = pytest.mark.faces

PEOPLE, PHOTOS, HELD_OUT = 15, 2, 3


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of three checkpoints, whose content is their looks."""
    folder = tmp_path / "run"
    (folder / "averages").mkdir(parents=True)
    for step, looks in ((10, 0.5), (20, 0.2), (30, 0.4)):
        (folder / "averages" / f"{step:07d}.safetensors").write_text(str(looks))
    return folder


class ByContent:
    """Scores a checkpoint by the number in it, and counts what it was asked for."""

    digest = "by content"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def score(self, averages: Path) -> Mapping[str, float]:
        self.asked.append(averages.stem)
        return {"looks": float(averages.read_text())}

    def best(self, scored: Sequence[Scored]) -> Scored:
        return min(scored, key=lambda each: each.scores["looks"])


class TestScoring:
    def test_in_the_order_of_steps_and_once_each(self, run: Path) -> None:
        judge, told = ByContent(), []
        scored = score_checkpoints(run, judge, lambda done, every: told.append((done, every)))
        assert [(each.step, each.scores["looks"]) for each in scored] == [(10, 0.5), (20, 0.2), (30, 0.4)]
        assert told == [(1, 3), (2, 3), (3, 3)]
        assert judge.best(scored).step == 20
        again = ByContent()
        assert score_checkpoints(run, again) == scored
        assert again.asked == []

    def test_a_stopped_choice_goes_on(self, run: Path) -> None:
        score_checkpoints(run, ByContent())
        lines = (run / SCORES).read_text().strip().split("\n")
        (run / SCORES).write_text("\n".join(lines)[:-15])
        judge = ByContent()
        assert len(score_checkpoints(run, judge)) == 3
        assert judge.asked == ["0000030"]
        (run / "averages" / "0000040.safetensors").write_text("0.1")
        assert [each.step for each in score_checkpoints(run, judge)] == [10, 20, 30, 40]
        assert judge.asked == ["0000030", "0000040"]

    def test_an_altered_checkpoint_or_another_judge_is_measured_anew(self, run: Path) -> None:
        score_checkpoints(run, ByContent())
        (run / "averages" / "0000020.safetensors").write_text("0.9")
        judge = ByContent()
        assert score_checkpoints(run, judge)[1].scores == {"looks": 0.9}
        assert judge.asked == ["0000020"]
        other = ByContent()
        other.digest = "another"
        score_checkpoints(run, other)
        assert len(other.asked) == 3

    def test_nothing_to_choose_from(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="no checkpoint in") as err:
            score_checkpoints(tmp_path, ByContent())
        assert err.value.hint

    def test_scores_that_cannot_be_kept(self, run: Path) -> None:
        (run / SCORES).mkdir()
        with pytest.raises((TrainingError, ModelError), match=SCORES):
            score_checkpoints(run, ByContent())

    def test_no_judge_of_that_name(self) -> None:
        with pytest.raises(UnknownNameError, match="'siamese'"):
            load_judge("siamese", Packed({}), Instruments.load(()))


def scored(step: int, leak: float, high: float, found: float, frechet: float) -> Scored:
    scores = {"leak dlib": leak, "leak dlib high": high, FOUND: found, NME: 0.05, FRECHET: frechet}
    return Scored(step, "", "", scores)


class TestTheBest:
    def test_leaks_least(self) -> None:
        poor, safe = scored(1, 0.3, 0.4, 1.0, 0.01), scored(2, 0.01, 0.03, 1.0, 0.09)
        assert least_leaking_best_looking([poor, safe]) is safe

    def test_within_the_interval_looks_best(self) -> None:
        first, second = scored(1, 0.010, 0.03, 1.0, 0.09), scored(2, 0.012, 0.03, 1.0, 0.02)
        assert least_leaking_best_looking([first, second]) is second

    def test_is_found_before_it_looks_well(self) -> None:
        lost, found = scored(1, 0.01, 0.03, 0.7, 0.02), scored(2, 0.01, 0.03, 0.995, 0.09)
        assert least_leaking_best_looking([lost, found]) is found

    def test_the_worst_encoder_counts(self) -> None:
        one = scored(1, 0.01, 0.02, 1.0, 0.01)
        leaks = {**one.scores, "leak other": 0.5, "leak other high": 0.6}
        other = Scored(1, "", "", leaks)
        assert least_leaking_best_looking([other, scored(2, 0.1, 0.12, 1.0, 0.5)]).step == 2


class Leaves:
    """An anonymizer that changes nothing."""

    name, attempts = "leaves", 1

    def anonymize(self, image: RgbImage, faces: list[Face], *, attempt: int = 0) -> AnonymizedImage:
        assert faces
        return AnonymizedImage(image, self.name, {"attempt": attempt}, ())


@pytest.fixture(scope="module")
def packed() -> Packed:
    """Patterns for people, two photos each; the last three are held out."""
    bank = shipped_bank()
    random = np.random.default_rng(0)
    people = np.repeat(np.arange(PEOPLE, dtype=np.int32), PHOTOS)
    patterns = random.integers(0, 255, (PEOPLE, 8, 8, 3), dtype=np.uint8).repeat(16, 1).repeat(16, 2)
    noise = random.integers(0, 20, (len(people), 128, 128, 3))
    pictures = np.clip(patterns[people] + noise, 0, 255).astype(np.uint8)
    faces = PackedFaces(
        pictures=[compress(picture, 95) for picture in pictures],
        landmarks=np.tile(canvas_shape(bank.frame.mean_shape)[:68], (len(people), 1, 1)).astype(np.float32),
        people=people,
        held_out=people >= PEOPLE - HELD_OUT,
        labels=np.full((len(people), 3), -1, dtype=np.int16),
        features=random.normal(0, 0.1, (len(people), 128)).astype(np.float32),
        donors=random.integers(0, 3, (len(people), DONORS)).astype(np.uint16),
        peers=np.tile(np.arange(PEERS, dtype=np.int32), (len(people), 1)),
    )
    surrogates = PackedSurrogates(
        [compress(texture, 85) for texture in bank.textures[:3]],
        bank.shapes[:3],
        bank.frame.mean_shape,
        bank.shape_model,
    )
    return Packed({"bank_sha256": bank.digest}, faces, surrogates, digest="d" * 64)


class TestHeldOut:
    def test_whom_nothing_hides_is_recognised_and_a_mask_hides(self, packed: Packed) -> None:
        held_out = HeldOut.of(packed, Instruments.load(()))
        assert len(held_out.probes) == HELD_OUT * PHOTOS
        bare, masked = held_out.judge(Leaves()), held_out.judge(load_anonymizer("mask"))
        assert bare["leak dlib"] > 0.9 > masked["leak dlib"]
        assert bare["leak dlib"] <= bare["leak dlib high"] <= 1
        assert bare[FRECHET] < 1e-6 < masked[FRECHET]
        assert 0 <= masked[FOUND] <= 1

    def test_nobody_held_out(self, packed: Packed) -> None:
        faces, surrogates = packed.require_faces()
        alone = np.arange(len(faces), dtype=np.int32)
        others = PackedFaces(
            faces.pictures,
            faces.landmarks,
            alone,
            faces.held_out,
            faces.labels,
            faces.features,
            faces.donors,
            faces.peers,
        )
        with pytest.raises(ModelError, match="0 people with several photos"):
            HeldOut.of(Packed({}, others, surrogates), Instruments.load(()))


class TestCodesOfNobody:
    def test_are_drawn_again_alike_and_are_nobodys(self, packed: Packed) -> None:
        faces, _ = packed.require_faces()
        identities = Identities(faces)
        table = identities.table(3, 2, "b" * 64)
        assert table.codes.shape == (3, 2, 128)
        assert np.array_equal(table.codes, Identities(faces).table(3, 2, "b" * 64).codes)
        assert np.allclose(np.linalg.norm(table.codes, axis=2), CODE_LENGTH, atol=1e-3)
        known = identities.code(identities.features[~faces.held_out])
        alike = table.codes.reshape(-1, 128) @ known.T / CODE_LENGTH**2
        assert alike.max() < 0.95
        assert identities.nearest(table) == pytest.approx(alike.max(), abs=1e-5)

    def test_suit_those_they_were_drawn_about(self, packed: Packed) -> None:
        faces, _ = packed.require_faces()
        identities = Identities(faces)
        drawn = identities.nobody(np.arange(4), np.random.default_rng(0), 4000)
        off = drawn.mean(axis=0) - identities.features[:4].mean(axis=0)
        assert np.abs(off).max() < 0.02


def shipment(**contents: bytes) -> Shipment:
    files = {"tiny.safetensors": b"weights", "tiny.onnx": b"graph", "tiny.md": b"# card\n", **contents}
    parts = {"file": "tiny.safetensors", "graph": "tiny.onnx"}
    return Shipment("tiny", parts, files, {"step": 30, "card": "tiny.md"})


class TestShipping:
    def test_files_and_their_table(self, tmp_path: Path) -> None:
        (tmp_path / "weights.toml").write_text('# what comes\n\n[cluster]\nfile = "cluster.npz"\n')
        write(shipment(), tmp_path)
        listed = tomllib.loads((tmp_path / "weights.toml").read_text())
        assert listed["cluster"] == {"file": "cluster.npz"}
        assert listed["tiny"]["step"] == 30
        assert listed["tiny"]["graph"] == "tiny.onnx"
        assert len(listed["tiny"]["sha256"]) == len(listed["tiny"]["graph_sha256"]) == 64
        assert (tmp_path / "tiny.md").read_bytes() == b"# card\n"

    def test_a_table_takes_the_place_of_the_one_before(self) -> None:
        manifest = "# head\n\n[a]\nx = 1\n\n[tiny]\nx = 2\ny = [1]\n\n[b]\nx = 3\n"
        replaced = with_table(manifest, "tiny", "[tiny]\nx = 9\n")
        assert tomllib.loads(replaced) == {"a": {"x": 1}, "tiny": {"x": 9}, "b": {"x": 3}}
        assert replaced.startswith("# head\n\n[a]\nx = 1\n\n[tiny]\nx = 9\n\n[b]")
        assert with_table(replaced, "tiny", "[tiny]\nx = 9\n") == replaced

    def test_into_an_empty_folder(self) -> None:
        assert with_table("", "tiny", "[tiny]\nx = 9") == "[tiny]\nx = 9\n"

    def test_no_manifest(self) -> None:
        with pytest.raises(ModelError, match="no TOML"):
            with_table("nonsense", "tiny", "[tiny]\n")

    def test_no_model_of_that_name(self, run: Path) -> None:
        with pytest.raises(UnknownNameError, match="'siamese'"):
            put_together("siamese", chosen(run))

    def test_no_file_is_too_large(self, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        large = shipment(**{"tiny.onnx": bytes(ship.LARGEST_FILE_BYTES + 1)})
        module = SimpleNamespace(shipment=lambda _chosen: large)
        monkeypatch.setattr(ship, "SHIPPED", ("tiny",))
        monkeypatch.setitem(sys.modules, "veilmesh_ml.train.shipments.tiny", module)
        with pytest.raises(TrainingError, match=r"tiny\.onnx has 12000001 bytes"):
            put_together("tiny", chosen(run))

    def test_a_run_of_other_data_is_refused(self, run: Path) -> None:
        assert chosen(run).begun["config"] == {"batch": 4}
        with pytest.raises(ModelError, match="another packed file"):
            _ = chosen(run, data="e" * 64).begun

    @pytest.mark.parametrize("log", ["", "{}\n", "no JSON\n", '{"event": "saved"}\n'])
    def test_a_log_that_is_none_is_refused(self, run: Path, log: str) -> None:
        known = chosen(run)
        (run / "log.jsonl").write_text(log)
        with pytest.raises(ModelError) as err:
            _ = trained(run, known.packed, "terms").begun
        assert err.value.hint

    def test_nothing_was_chosen(self, run: Path) -> None:
        with pytest.raises(ModelError, match="was chosen") as err:
            trained(run, Packed({}), "terms")
        assert "train choose" in err.value.hint

    def test_another_checkpoint_than_was_scored(self, run: Path) -> None:
        chosen(run)
        (run / "averages" / "0000030.safetensors").write_text("0.1")
        with pytest.raises(ModelError, match="not the checkpoint that was scored"):
            trained(run, Packed({}), "terms")

    def test_no_log(self, run: Path) -> None:
        chosen(run)
        (run / "log.jsonl").unlink()
        with pytest.raises(ModelError, match="cannot read the run's log"):
            trained(run, Packed({}), "terms")


def chosen(run: Path, **begun: Any) -> ship.Trained:
    """The last checkpoint of the run."""
    first = {"event": "begun", "data_sha256": "d" * 64, "config": {"batch": 4}} | {
        f"{name}_sha256": value for name, value in begun.items()
    }
    (run / "log.jsonl").write_text(json.dumps(first) + "\n")
    write_choice(run, score_checkpoints(run, ByContent())[-1])
    return trained(run, Packed({}, digest="d" * 64), "terms")
