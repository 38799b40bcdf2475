"""Names and settings of trainings, and what is said where torch is not installed."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from veilmesh_ml.errors import DeviceError, ParameterError
from veilmesh_ml.train import models
from veilmesh_ml.train.models import NAMES, configured, require_torch


@dataclass(frozen=True)
class Config:
    batch: int = 8
    learning_rate: float = 1e-3
    prior: str = "mean"


class TestSettings:
    def test_each_is_read_as_its_own_kind(self) -> None:
        config = configured(Config(), {"batch": "16", "learning_rate": "2e-4", "prior": "donor"})
        assert config == Config(16, 2e-4, "donor")

    def test_none_leaves_the_config(self) -> None:
        assert configured(Config(), {}) == Config()

    def test_an_unknown_one_names_those_there_are(self) -> None:
        with pytest.raises(ParameterError, match="no setting 'speed'") as refused:
            configured(Config(), {"speed": "1"})
        assert "learning_rate" in refused.value.hint

    def test_a_word_for_a_number(self) -> None:
        with pytest.raises(ParameterError, match="setting batch: 'many' is no int"):
            configured(Config(), {"batch": "many"})


def test_every_name_has_a_recipe() -> None:
    recipes = Path(models.__file__).parent / "recipes"
    for name in NAMES:
        assert "MODEL" in (recipes / f"{name}.py").read_text(encoding="utf-8"), name


def test_without_torch_the_hint_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    with pytest.raises(DeviceError, match="training needs torch") as refused:
        require_torch()
    assert "[gan]" in refused.value.hint
