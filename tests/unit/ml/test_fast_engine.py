"""The parts of the fast engine; that it equals dlib is shown in tests/integration/ml/test_fast_engine.py."""

import pytest

pytest.importorskip("dlib")
pytest.importorskip("onnxruntime")

import itertools
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from hypothesis import given, settings
from hypothesis import strategies as st
from veilmesh_ml import load_engine
from veilmesh_ml.errors import DeviceError, ModelError, ParameterError
from veilmesh_ml.fast import cache
from veilmesh_ml.fast.dlib_network import (
    Affine,
    Convolution,
    Input,
    MetricLoss,
    MmodLoss,
    Network,
    Relu,
)
from veilmesh_ml.fast.folding import folded_convolutions, with_mean, with_pixel_scale
from veilmesh_ml.fast.mmod import CELL_FIELD_PX, CELL_PX, HALO_CELLS, Mmod, scores_in_bands
from veilmesh_ml.fast.onnx_model import OnnxGraph
from veilmesh_ml.fast.resnet import Resnet
from veilmesh_ml.fast.tiling import MARGIN_PX, Level, tiling
from veilmesh_ml.threads import default_threads

pytestmark = pytest.mark.faces


def convolved(picture: np.ndarray, convolution: Convolution) -> np.ndarray:
    """By the definition: (in, height, width) -> (out, height, width)."""
    outputs, _, size, _ = convolution.weights.shape
    margin = convolution.padding
    padded = np.pad(picture, ((0, 0), (margin, margin), (margin, margin)))
    places = range(0, padded.shape[1] - size + 1, convolution.stride)
    columns = range(0, padded.shape[2] - size + 1, convolution.stride)
    found = np.empty((outputs, len(places), len(columns)))
    for row, y in enumerate(places):
        for column, x in enumerate(columns):
            window = padded[:, y : y + size, x : x + size]
            found[:, row, column] = (convolution.weights * window).sum(axis=(1, 2, 3)) + convolution.biases
    return found


def some_convolution(stride: int = 2, padding: int = 0) -> Convolution:
    numbers = np.random.default_rng(5)
    weights = numbers.normal(size=(4, 3, 3, 3)).astype(np.float32)
    return Convolution(weights, numbers.normal(size=4).astype(np.float32), stride, padding)


class TestFolding:
    def test_is_the_same_function(self) -> None:
        numbers = np.random.default_rng(6)
        convolution, affine = some_convolution(), Affine(numbers.normal(size=4), numbers.normal(size=4))
        pixels = Input((120.0, 110.0, 100.0))
        picture = numbers.uniform(0, 255, (3, 9, 8))
        mean = np.array(pixels.mean)[:, np.newaxis, np.newaxis]
        plain = convolved((picture - mean) / 256, convolution)
        expected = plain * affine.gain[:, np.newaxis, np.newaxis] + affine.offset[:, np.newaxis, np.newaxis]
        (folded,) = folded_convolutions([convolution, affine, Relu()])
        found = convolved(picture, with_mean(with_pixel_scale(folded), pixels))
        assert np.abs(found - expected).max() < 1e-12

    def test_a_mean_is_not_folded_past_padding(self) -> None:
        with pytest.raises(ValueError, match="padding"):
            with_mean(some_convolution(padding=1), Input((1.0, 2.0, 3.0)))


class TestOnnxModel:
    @pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 0)])
    def test_runs_as_it_says(self, stride: int, padding: int) -> None:
        convolution = some_convolution(stride, padding)
        graph = OnnxGraph("test")
        picture = graph.input("picture", np.float32, [1, 3, "height", "width"])
        graph.output("places", graph.convolution(picture, convolution), np.float32, [1, 4, "rows", "columns"])
        session = onnxruntime.InferenceSession(graph.serialized(), providers=["CPUExecutionProvider"])
        values = np.random.default_rng(7).normal(size=(1, 3, 9, 7)).astype(np.float32)
        (found,) = session.run(None, {"picture": values})
        assert np.abs(found[0] - convolved(values[0], convolution)).max() < 1e-5

    def test_gives_the_same_bytes_again(self) -> None:
        def written() -> bytes:
            graph = OnnxGraph("test")
            graph.output("y", graph.node("Relu", graph.input("x", np.float32, ["n"])), np.float32, ["n"])
            return graph.serialized()

        assert written() == written()


class TestRecognising:
    """What is read is checked for being the network that it is taken for."""

    def test_another_network_is_no_encoder(self) -> None:
        with pytest.raises(ModelError, match="not those of dlib's face encoder"):
            Resnet.of(Network(Input((0.0, 0.0, 0.0)), (some_convolution(), Relu(), MetricLoss())))

    def test_another_network_is_no_detector(self) -> None:
        with pytest.raises(ModelError, match="not those of dlib's face detector"):
            Mmod.of(Network(Input((0.0, 0.0, 0.0)), (some_convolution(), MmodLoss((80, 80), 0.3))))


class TestTiling:
    def test_the_arrangement_of_a_small_picture(self) -> None:
        """Followed by hand through dlib's procedure: six levels down, the seventh beside the sixth."""
        found = tiling(20, 30)
        assert (found.width, found.height) == (52, 145)
        assert found.levels == (
            Level(11, 11, 30, 20),
            Level(11, 41, 25, 16),
            Level(11, 67, 20, 13),
            Level(11, 90, 16, 10),
            Level(11, 110, 13, 8),
            Level(11, 128, 10, 6),
            Level(33, 129, 8, 5),
        )

    @settings(max_examples=60, deadline=None)
    @given(st.integers(1, 3000), st.integers(1, 3000))
    def test_levels_shrink_within_the_margins(self, height: int, width: int) -> None:
        found = tiling(height, width)
        assert found.levels[0] == Level(MARGIN_PX, MARGIN_PX, width, height)
        for level in found.levels:
            assert min(level.left, level.top) >= MARGIN_PX
            assert level.left + level.width <= found.width - MARGIN_PX
            assert level.top + level.height <= found.height - MARGIN_PX
        for larger, smaller in itertools.pairwise(found.levels):
            assert (smaller.width, smaller.height) == (larger.width * 5 // 6, larger.height * 5 // 6)

    def test_points_go_back_to_the_level_they_are_in_or_near(self) -> None:
        found = tiling(20, 30)
        points = np.array([[11, 11], [12, 42], [30, 32], [40, 131]])
        levels = found.levels_at(points)
        assert levels.tolist() == [0, 1, 0, 6]
        back = found.to_picture(points.astype(np.float64), levels)
        assert back[:3] == pytest.approx(np.array([[0, 0], [1.5, 1.5], [19, 21]]))


class TestDetections:
    def test_overlapping_boxes_leave_the_surest(self) -> None:
        mmod = Mmod((), (0.0, 0.0, 0.0), (80, 80), 0.3382761)
        arrangement = tiling(300, 400)
        scores = np.full((60, 50), -1.0, np.float32)
        scores[10, 10], scores[10, 11], scores[12, 30] = 0.5, 0.75, 0.25
        found = mmod.detections(scores, arrangement)
        assert [detection.confidence for detection in found] == [0.75, 0.25]
        box = found[0].box
        centre_px = CELL_PX * 11 + CELL_FIELD_PX // 2 - MARGIN_PX
        assert (box.left + box.right) / 2 == pytest.approx(centre_px, abs=1)
        assert (box.width, box.height) == (80, 80)
        assert mmod.detections(scores, arrangement, floor=0.75) == []

    @pytest.mark.parametrize("band_px", [1, 40_000, 10**9])
    def test_bands_see_what_the_whole_sees(self, band_px: int) -> None:
        """A stand-in that, as the network does, mixes a cell's field with that of cells ten rows away."""
        tiled = np.random.default_rng(8).normal(size=(1, 3, 8 * 70 + 29, 200)).astype(np.float32)

        def score(picture: np.ndarray) -> np.ndarray:
            rows, columns = ((size - CELL_FIELD_PX) // CELL_PX + 1 for size in picture.shape[2:])
            fields = np.array(
                [
                    [
                        picture[0, :, 8 * row : 8 * row + 29, 8 * column : 8 * column + 29].sum()
                        for column in range(columns)
                    ]
                    for row in range(rows)
                ]
            )
            padded = np.pad(fields, ((HALO_CELLS, HALO_CELLS), (0, 0)))
            mixed: np.ndarray = padded[: -2 * HALO_CELLS] + padded[2 * HALO_CELLS :]
            return mixed

        assert np.allclose(scores_in_bands(tiled, score, band_px), score(tiled), atol=1e-3)

    def test_a_picture_too_small_for_a_cell_has_no_scores(self) -> None:
        assert scores_in_bands(np.zeros((1, 3, 40, 28), np.float32), pytest.fail).size == 0


class TestCache:
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VEILMESH_CACHE", str(tmp_path / "cache"))

    def test_converts_once(self) -> None:
        assert cache.converted("model", "ab" * 32, lambda: b"made") == b"made"
        assert cache.converted("model", "ab" * 32, pytest.fail) == b"made"

    def test_another_source_is_another_file(self) -> None:
        cache.converted("model", "ab" * 32, lambda: b"made")
        assert cache.converted("model", "cd" * 32, lambda: b"other") == b"other"

    @pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content[:-1] + b"X"])
    def test_damage_is_made_good_and_said(
        self, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
    ) -> None:
        cache.converted("model", "ab" * 32, lambda: b"made")
        (path,) = cache.folder().iterdir()
        path.write_bytes(damage(path.read_bytes()))
        with caplog.at_level(logging.WARNING):
            assert cache.converted("model", "ab" * 32, lambda: b"made") == b"made"
        assert "damaged" in caplog.text
        assert cache.converted("model", "ab" * 32, pytest.fail) == b"made"

    def test_a_folder_that_cannot_be_written_only_costs_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        monkeypatch.setenv("VEILMESH_CACHE", str(tmp_path / "file"))
        assert cache.converted("model", "ab" * 32, lambda: b"made") == b"made"
        assert "not kept" in caplog.text

    def test_is_the_owners_alone(self) -> None:
        cache.converted("model", "ab" * 32, lambda: b"made")
        assert cache.folder().stat().st_mode & 0o077 == 0

    def test_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("VEILMESH_CACHE")
        monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
        assert cache.folder() == Path("/somewhere/veilmesh")
        monkeypatch.delenv("XDG_CACHE_HOME")
        assert cache.folder() == Path.home() / ".cache" / "veilmesh"


class TestThreads:
    def test_as_the_environment_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        assert default_threads() == 3

    def test_as_the_machine_has_cores(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(5)))
        assert default_threads() == 5


class TestDevices:
    def test_cuda_without_torch_or_gpu_says_what_is_missing(self) -> None:
        with pytest.raises(DeviceError, match="torch") as caught:
            load_engine("fast", device="cuda")
        assert "cpu" in caught.value.hint

    def test_the_reference_engine_has_no_gpu(self) -> None:
        with pytest.raises(ParameterError, match="reference"):
            load_engine("reference", device="cuda")
