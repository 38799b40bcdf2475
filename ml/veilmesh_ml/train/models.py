"""The models that can be trained, by name, and how a training is begun.

Importing this needs no torch; `train_model` does.
"""

import dataclasses
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from veilmesh_ml.errors import DeviceError, ParameterError, UnknownNameError
from veilmesh_ml.train.packed import read_packed

if TYPE_CHECKING:
    from veilmesh_ml.train.trainer import Outcome, Report, Run

NAMES: Final = ("siamese", "ciagan", "ppsa", "stylegan", "expression", "autoencoder")


def train_model(
    name: str,
    data: Path,
    run: "Run",
    *,
    settings: Mapping[str, str],
    needed: Path | None = None,
    on_step: "Callable[[Report], None]" = lambda _report: None,
    on_notice: Callable[[str], None] = lambda _notice: None,
) -> "Outcome":
    """Train a model by its recipe.

    Args:
        name: one of `NAMES`.
        data: the packed file.
        run: where, how long.
        settings: of the recipe's config, where they shall differ from it.
        needed: averages of the model that this one needs.
        on_step: see `trainer.train`.
        on_notice: see there.

    Raises:
        UnknownNameError: no such model.
        ParameterError: no such setting, a value of another kind, or `needed` is missing.
        MlError: see `trainer.train`.
    """
    require_torch()
    from veilmesh_ml.train.checkpoints import read_tensors  # noqa: PLC0415 (needs safetensors, and torch)
    from veilmesh_ml.train.trainer import train  # noqa: PLC0415 (torch)

    if name not in NAMES:
        raise UnknownNameError(f"no model called {name!r}", hint=f"there are: {', '.join(NAMES)}")
    model = importlib.import_module(f"veilmesh_ml.train.recipes.{name}").MODEL
    config = configured(model.config(), settings)
    further: tuple[Any, ...] = ()
    if model.needs is not None:
        if needed is None:
            raise ParameterError(
                f"{name} needs a trained {model.needs}",
                hint=f"train {model.needs} first, and name a file of its averages/ with --with",
            )
        tensors, _ = read_tensors(needed)
        prefix = f"{model.needs}."
        further = ({key.removeprefix(prefix): tensor for key, tensor in tensors.items()},)
    packed = read_packed(data)
    about = {"model": name, "data_sha256": packed.digest, "data": dict(packed.description), **run.about}
    return train(
        lambda config, compute: model.make(config, packed, compute, *further),
        config,
        dataclasses.replace(run, about=about),
        on_step,
        on_notice,
    )


def require_torch(*further: str) -> None:
    """Raise DeviceError where torch, safetensors or a further package is not installed."""
    for package in ("torch", "safetensors", *further):
        if importlib.util.find_spec(package) is None:
            raise DeviceError(
                f"training needs {package}, which is not installed",
                hint="install veilmesh with its [gan] extra",
            )


def configured(config: Any, settings: Mapping[str, str]) -> Any:
    """Return a config with these fields set, each read as the field's own kind.

    Raises:
        ParameterError: no such field, or not a value of its kind.
    """
    kinds = {field.name: type(getattr(config, field.name)) for field in dataclasses.fields(config)}
    values = {}
    for name, text in settings.items():
        if name not in kinds:
            raise ParameterError(f"no setting {name!r}", hint=f"there are: {', '.join(kinds)}")
        try:
            values[name] = kinds[name](text)
        except ValueError:
            raise ParameterError(f"setting {name}: {text!r} is no {kinds[name].__name__}") from None
    return dataclasses.replace(config, **values)
