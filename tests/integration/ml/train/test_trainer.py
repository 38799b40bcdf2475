"""The loop that trains every network, on one that learns to double a number."""

import dataclasses
import json
import math
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="trainings are torch's: install veilmesh with its [gan] extra")

import torch
from numpy.typing import NDArray
from PIL import Image
from veilmesh_ml.errors import DeviceError, DivergedError, ModelError, TrainingError
from veilmesh_ml.train import trainer
from veilmesh_ml.train.checkpoints import read_tensors, write_file
from veilmesh_ml.train.trainer import Compute, Losses, Report, Run, train


@dataclass(frozen=True)
class Config:
    batch: int = 8
    seed: int = 3
    steps: int = 30
    learning_rate: float = 0.01
    wrong_after: int = 10**9
    too_large: int = 10**9


class Doubling:
    """A `Recipe` with all that a training draws: data, noise of torch, momentum."""

    def __init__(self, config: Config, _compute: Compute) -> None:
        torch.manual_seed(config.seed)
        self._config = config
        network = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
        self.modules: Mapping[str, Any] = {"network": network}
        self.averaged: Mapping[str, float] = {"network": 0.9}
        self.optimizers: Mapping[str, Any] = {
            "network": torch.optim.Adam(network.parameters(), config.learning_rate)
        }

    def batch(self, random: np.random.Generator) -> Mapping[str, Any]:
        return {"number": random.random((self._config.batch, 1), dtype=np.float32)}

    def step(self, batch: Mapping[str, Any], done: int) -> Losses:
        if self._config.batch > self._config.too_large:
            raise torch.OutOfMemoryError
        noisy = batch["number"] + 0.01 * torch.randn_like(batch["number"])
        loss = (self.modules["network"](noisy) - 2 * batch["number"]).square().mean()
        if done >= self._config.wrong_after:
            loss = loss * math.nan
        self.optimizers["network"].zero_grad()
        loss.backward()
        self.optimizers["network"].step()
        return {"off": loss.detach()}

    def samples(self, averages: Mapping[str, Any]) -> NDArray[np.uint8]:
        shade = averages["network"](torch.ones(1, 1)) + 0 * torch.rand(1)
        return np.full((4, 6, 3), 100 + int(shade.item()), dtype=np.uint8)


def _tensors(folder: Path) -> Mapping[str, Any]:
    return read_tensors(folder / trainer.STATE)[0]


def _events(folder: Path) -> list[str]:
    lines = (folder / trainer.LOG).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["event"] for line in lines]


class TestTraining:
    def test_the_loss_falls(self, tmp_path: Path) -> None:
        losses: list[float] = []
        outcome = train(
            Doubling, Config(steps=300), Run(tmp_path), lambda report: losses.append(report.losses["off"])
        )
        assert outcome.ended == "steps"
        assert outcome.done == len(losses) == 300
        assert np.mean(losses[-20:]) < np.mean(losses[:20]) / 10

    def test_what_is_written(self, tmp_path: Path) -> None:
        train(Doubling, Config(), Run(tmp_path, about={"data_sha256": "ab"}))
        averages, about = read_tensors(tmp_path / "averages" / "0000030.safetensors")
        assert set(averages) == {f"network.{name}" for name in ("0.weight", "0.bias", "2.weight", "2.bias")}
        assert about["steps_done"] == 30
        assert about["images_done"] == 240
        assert about["config"]["learning_rate"] == 0.01
        assert about["data_sha256"] == "ab"
        assert np.asarray(Image.open(tmp_path / "grids" / "0000030.png")).shape == (4, 6, 3)
        assert _events(tmp_path) == ["begun", "saved", "ended"]

    def test_averages_follow_slowly(self, tmp_path: Path) -> None:
        train(Doubling, Config(), Run(tmp_path))
        tensors = _tensors(tmp_path)
        now, average = tensors["module.network.0.weight"], tensors["average.network.0.weight"]
        assert not torch.equal(now, average)
        assert (now - average).abs().max() < 0.2

    def test_equal_seeds_give_equal_networks(self, tmp_path: Path) -> None:
        for name in ("one", "other"):
            train(Doubling, Config(), Run(tmp_path / name))
        train(Doubling, Config(seed=4), Run(tmp_path / "third"))
        one, other, third = (_tensors(tmp_path / name) for name in ("one", "other", "third"))
        assert all(torch.equal(one[name], other[name]) for name in one)
        assert not torch.equal(one["module.network.0.weight"], third["module.network.0.weight"])


class TestGoingOn:
    def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(self, tmp_path: Path) -> None:
        train(Doubling, Config(steps=30), Run(tmp_path / "whole"))
        train(Doubling, Config(steps=12), Run(tmp_path / "parts"))
        outcome = train(Doubling, Config(steps=30), Run(tmp_path / "parts", resume=True))
        assert outcome.done == 30
        whole, parts = _tensors(tmp_path / "whole"), _tensors(tmp_path / "parts")
        assert set(whole) == set(parts)
        for name, tensor in whole.items():
            assert torch.equal(tensor, parts[name]), name
        assert (tmp_path / "parts" / "averages" / "0000012.safetensors").exists()

    def test_saving_in_between_changes_nothing(self, tmp_path: Path) -> None:
        train(Doubling, Config(), Run(tmp_path / "rarely"))
        train(Doubling, Config(), Run(tmp_path / "often", every_minutes=0))
        rarely, often = _tensors(tmp_path / "rarely"), _tensors(tmp_path / "often")
        assert len(list((tmp_path / "often" / "grids").iterdir())) == 30
        assert all(torch.equal(rarely[name], often[name]) for name in rarely)

    def test_a_signal_ends_the_step_and_saves(self, tmp_path: Path) -> None:
        def interrupt(report: Report) -> None:
            if report.done == 5:
                os.kill(os.getpid(), signal.SIGTERM)

        before = signal.getsignal(signal.SIGTERM)
        outcome = train(Doubling, Config(), Run(tmp_path / "parts"), interrupt)
        assert outcome.ended == "signal"
        assert outcome.done == 5
        assert signal.getsignal(signal.SIGTERM) is before
        train(Doubling, Config(), Run(tmp_path / "parts", resume=True))
        train(Doubling, Config(), Run(tmp_path / "whole"))
        whole, parts = _tensors(tmp_path / "whole"), _tensors(tmp_path / "parts")
        assert all(torch.equal(whole[name], parts[name]) for name in whole)

    def test_time_that_is_over(self, tmp_path: Path) -> None:
        outcome = train(Doubling, Config(), Run(tmp_path, max_minutes=0))
        assert outcome.ended == "minutes"
        assert outcome.done == 0

    def test_another_config_is_refused_but_for_how_long_and_how_many(self, tmp_path: Path) -> None:
        train(Doubling, Config(steps=2), Run(tmp_path))
        with pytest.raises(ModelError, match=r"learning_rate 0\.01 before, 0\.02 now"):
            train(Doubling, Config(learning_rate=0.02), Run(tmp_path, resume=True))
        assert train(Doubling, Config(steps=4, batch=4), Run(tmp_path, resume=True)).done == 4

    def test_a_folder_in_use_is_not_overwritten(self, tmp_path: Path) -> None:
        train(Doubling, Config(steps=2), Run(tmp_path))
        with pytest.raises(TrainingError, match="holds a training already"):
            train(Doubling, Config(), Run(tmp_path))

    def test_nothing_to_go_on_with(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="no training to go on with"):
            train(Doubling, Config(), Run(tmp_path, resume=True))

    @pytest.mark.parametrize("spoil", [lambda b: b[: len(b) // 2], lambda _: b"", lambda b: b"x" * len(b)])
    def test_a_damaged_state_is_told(self, tmp_path: Path, spoil: Any) -> None:
        train(Doubling, Config(steps=2), Run(tmp_path))
        state = tmp_path / trainer.STATE
        state.write_bytes(spoil(state.read_bytes()))
        with pytest.raises(ModelError, match="cannot read checkpoint"):
            train(Doubling, Config(), Run(tmp_path, resume=True))


class TestTrouble:
    def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good(self, tmp_path: Path) -> None:
        config = Config(wrong_after=5)
        train(Doubling, dataclasses.replace(config, steps=4), Run(tmp_path))
        good = (tmp_path / trainer.STATE).read_bytes()
        with pytest.raises(DivergedError, match="at step 6 the loss off is no number"):
            train(Doubling, config, Run(tmp_path, resume=True))
        assert (tmp_path / trainer.STATE).read_bytes() == good
        assert _events(tmp_path)[-1] == "diverged"

    def test_too_little_memory_halves_the_batch(self, tmp_path: Path) -> None:
        told: list[str] = []
        outcome = train(Doubling, Config(batch=32, too_large=8), Run(tmp_path), on_notice=told.append)
        assert outcome.done == 30
        assert [notice.split()[-3] for notice in told] == ["16", "8"]

    def test_too_little_memory_for_anything(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingError, match="even with the smallest batch"):
            train(Doubling, Config(too_large=0), Run(tmp_path))

    def test_a_full_disk_leaves_the_last_checkpoint(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        train(Doubling, Config(steps=2), Run(tmp_path))
        good = (tmp_path / trainer.STATE).read_bytes()

        def full(_file: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(TrainingError, match="No space left on device"):
            train(Doubling, Config(), Run(tmp_path, resume=True))
        assert (tmp_path / trainer.STATE).read_bytes() == good
        assert not list(tmp_path.rglob("*.part"))

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(TrainingError, match="cannot write"):
            write_file(tmp_path / "file" / "state", b"")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_no_gpu(self, tmp_path: Path) -> None:
        with pytest.raises(DeviceError, match="no GPU"):
            train(Doubling, Config(), Run(tmp_path, device="cuda"))


def test_batches_drawn_ahead_are_the_same() -> None:
    from veilmesh_ml.train.batches import Batches

    draw = Doubling(Config(), Compute(torch.device("cpu"))).batch
    drawn = []
    for workers in (0, 2):
        with Batches(draw, 7, 3, workers) as batches:
            drawn.append([batches.following()["number"] for _ in range(8)])
    assert all(torch.equal(one, other) for one, other in zip(*drawn, strict=True))
    assert not torch.equal(drawn[0][0], drawn[0][1])
