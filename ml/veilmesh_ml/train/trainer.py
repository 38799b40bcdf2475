"""The one loop that trains every network here.

How to write a recipe (`recipes/NAME.py`):

1. a frozen dataclass of numbers, the config: at least `batch`, `seed` and `steps` (`RecipeConfig`);
2. a class with the members of `Recipe`. Its `__init__(config, packed, compute)` builds networks and
   optimizers; put networks on the device with `compute.place(network)`, and run them inside
   `with compute.autocast():`. `batch` draws with the generator it is given and with nothing else; it may run
   in other processes (see `batches`), and what it returns travels: best as arrays of uint8. `step` does its
   own zero_grad, backward and optimizer steps (a GAN has two) and returns its losses; `samples` draws a grid
   from the averaged networks;
3. `MODEL = Model(Config, Recipe)` at its end, and NAME in `models.NAMES`.

The loop does the rest: seeds, moving averages, checkpoints that go on bit for bit (on one machine's CPU with
the same number of threads), the log, sample grids, the clock, signals, losses that are no numbers, too little
memory.

    outcome = train(make_recipe, config, Run(Path("run"), max_minutes=30))

At SIGTERM or SIGINT the step under way is finished and saved.
"""

import copy
import dataclasses
import io
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from veilmesh_ml.errors import DeviceError, DivergedError, ModelError, TrainingError
from veilmesh_ml.train.batches import Batches, workers_beside
from veilmesh_ml.train.checkpoints import read_tensors, write_file, write_tensors

STATE: Final = "state.safetensors"
LOG: Final = "log.jsonl"
SMALLEST_BATCH: Final = 4
_LOG_EVERY_S: Final = 30.0

Batch: TypeAlias = Mapping[str, Any]  # tensors or arrays, on the CPU
Losses: TypeAlias = Mapping[str, Any]  # tensors without dimension, or floats


class RecipeConfig(Protocol):
    """A frozen dataclass of plain numbers and strings."""

    @property
    def batch(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def steps(self) -> int:
        """After so many the training is done."""
        ...


@dataclass(frozen=True)
class Compute:
    """Where networks run, and how exactly.

    bf16 is used on a GPU, and on a CPU that multiplies it in hardware; elsewhere it is emulated, and slow.
    """

    device: Any

    @property
    def half(self) -> bool:
        if self.device.type == "cuda":
            return True
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())  # noqa: SLF001

    def autocast(self) -> AbstractContextManager[Any]:
        context: AbstractContextManager[Any] = torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.half
        )
        return context

    def place(self, module_or_tensor: Any) -> Any:
        """Return it on the device; pictures of floats and networks channels last."""
        if isinstance(module_or_tensor, torch.nn.Module):
            return module_or_tensor.to(self.device, memory_format=torch.channels_last)
        if module_or_tensor.ndim == 4 and module_or_tensor.is_floating_point():
            return module_or_tensor.to(self.device, memory_format=torch.channels_last)
        return module_or_tensor.to(self.device)


class Recipe(Protocol):
    """What is peculiar to one model's training; see the module for how to write one."""

    @property
    def modules(self) -> Mapping[str, Any]:
        """All networks that are trained, by name."""
        ...

    @property
    def averaged(self) -> Mapping[str, float]:
        """Which of them are averaged over the steps, and what the average keeps at each, such as 0.999."""
        ...

    @property
    def optimizers(self) -> Mapping[str, Any]: ...

    def batch(self, random: np.random.Generator) -> Batch:
        """Draw what a step learns from; tensors or arrays."""
        ...

    def step(self, batch: Batch, done: int) -> Losses:
        """Learn from it. Done: steps before this one, for what changes over the training."""
        ...

    def samples(self, averages: Mapping[str, Any]) -> NDArray[np.uint8]:
        """Return a picture, uint8 (height, width, 3), of what the averaged networks make."""
        ...


@dataclass(frozen=True, slots=True)
class Model:
    """How a model's training is made.

    Attributes:
        config: the config's class; without arguments, as the shipped weights were trained.
        make: (config, packed file, compute) to recipe; where it needs another model, that one's averaged
            tensors come fourth.
        needs: the name of that other model.
    """

    config: Callable[..., Any]
    make: Callable[..., Recipe]
    needs: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Where to train and how long.

    Attributes:
        folder: for everything that is written.
        device: `auto`, `cpu` or `cuda`.
        max_minutes: of this run; resumed ones count anew.
        resume: go on from the folder's state; without it the folder must hold none.
        every_minutes: between checkpoints and grids.
        about: goes into the log and every checkpoint: what was trained on.
    """

    folder: Path
    device: str = "auto"
    max_minutes: float = math.inf
    resume: bool = False
    every_minutes: float = 10.0
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """After a step: steps done and in all, images a second in this run, the step's losses."""

    done: int
    steps: int
    images_per_s: float
    losses: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a training ended.

    Attributes:
        done: steps in all, earlier runs included.
        minutes: spent, earlier runs included.
        ended: `steps`, `minutes` or `signal`.
        losses: means of the latest.
    """

    done: int
    minutes: float
    ended: str
    losses: Mapping[str, float]


Make: TypeAlias = Callable[[Any, Compute], Recipe]
OnStep: TypeAlias = Callable[[Report], None]
OnNotice: TypeAlias = Callable[[str], None]


def train(
    make: Make,
    config: RecipeConfig,
    run: Run,
    on_step: OnStep = lambda _report: None,
    on_notice: OnNotice = lambda _notice: None,
) -> Outcome:
    """Train until the steps are done, the time is over or a signal comes.

    Args:
        make: builds the recipe from a config and where it is to compute.
        config: of the recipe.
        run: where, how long.
        on_step: is told of every step.
        on_notice: is told, in a sentence, what was done about too little memory.

    Raises:
        DeviceError: no such device.
        ModelError: the state is missing, damaged, or of another config.
        DivergedError: a loss is no number; the last good checkpoint is kept.
        TrainingError: a checkpoint cannot be written, or there is one already and `resume` was not asked for.
    """
    state = run.folder / STATE
    if state.exists() and not run.resume:
        raise TrainingError(
            f"{run.folder} holds a training already", hint="go on with --resume, or name another folder"
        )
    if run.resume and not state.exists():
        raise ModelError(f"no training to go on with in {run.folder}", hint="leave out --resume")
    compute = Compute(_device(run.device))
    with _signals() as stop:
        while True:
            torch.manual_seed(config.seed)  # before the recipe draws its networks' first weights
            try:
                return _Training(make(config, compute), config, compute, run).go(stop, on_step)
            except torch.OutOfMemoryError:
                config, compute = _smaller(config, compute)
                on_notice(f"out of memory: going on with batches of {config.batch} on {compute.device.type}")


class _Training:
    def __init__(self, recipe: Recipe, config: RecipeConfig, compute: Compute, run: Run) -> None:
        self._recipe, self._config, self._compute, self._run = recipe, config, compute, run
        self._averages = {name: copy.deepcopy(recipe.modules[name]).eval() for name in recipe.averaged}
        for average in self._averages.values():
            average.requires_grad_(False)
        self._done = 0
        self._minutes_before = 0.0
        self._begun = time.monotonic()
        if (run.folder / STATE).exists():
            self._load()

    def go(self, stop: threading.Event, on_step: OnStep) -> Outcome:
        self._log("begun", **self._described(), **self._run.about)
        workers = workers_beside(self._compute.device.type)
        with Batches(self._recipe.batch, self._config.seed, self._done, workers) as batches:
            ended, losses = self._go(batches, stop, on_step)
        self.save()
        self._log("ended", why=ended, losses=losses)
        return Outcome(self._done, self._minutes(), ended, losses)

    def _go(
        self, batches: Batches, stop: threading.Event, on_step: OnStep
    ) -> tuple[str, Mapping[str, float]]:
        logged = saved = time.monotonic()
        recent: list[Mapping[str, float]] = []
        first = self._done
        while self._done < self._config.steps:
            if stop.is_set() or self._minutes_now() >= self._run.max_minutes:
                return "signal" if stop.is_set() else "minutes", _means(recent)
            recent.append(self._step(batches.following()))
            speed = (self._done - first) * self._config.batch / (60 * self._minutes_now() + 1e-9)
            on_step(Report(self._done, self._config.steps, speed, recent[-1]))
            now = time.monotonic()
            if now - logged >= _LOG_EVERY_S:
                self._log("losses", images_per_s=round(speed, 2), losses=_means(recent))
                logged, recent = now, recent[-1:]
            if now - saved >= 60 * self._run.every_minutes:
                self.save()
                saved = time.monotonic()
        return "steps", _means(recent)

    def _step(self, drawn: Batch) -> Mapping[str, float]:
        placed = {name: self._compute.place(tensor) for name, tensor in drawn.items()}
        losses = {name: float(loss) for name, loss in self._recipe.step(placed, self._done).items()}
        if not all(math.isfinite(loss) for loss in losses.values()):
            wrong = ", ".join(name for name, loss in losses.items() if not math.isfinite(loss))
            self._log("diverged", losses=losses)
            raise DivergedError(
                f"at step {self._done + 1} the loss {wrong} is no number",
                hint=f"the last good checkpoint is kept in {self._run.folder}: resume from it",
            )
        self._done += 1
        self._average()
        return losses

    def _average(self) -> None:
        with torch.no_grad():
            for name, keep in self._recipe.averaged.items():
                # Early on an average of few steps keeps less, so that the beginning is forgotten.
                share = min(keep, (1 + self._done) / (10 + self._done))
                average, module = self._averages[name], self._recipe.modules[name]
                for old, new in zip(average.parameters(), module.parameters(), strict=True):
                    old.lerp_(new, 1 - share)
                for old, new in zip(average.buffers(), module.buffers(), strict=True):
                    old.copy_(new)

    def save(self) -> None:
        """Write the state, the averages and a grid, without drawing from the training's random numbers."""
        folder, name = self._run.folder, f"{self._done:07d}"
        described = {**self._described(), **self._run.about}
        averages = {
            f"{module}.{key}": tensor
            for module, average in self._averages.items()
            for key, tensor in average.state_dict().items()
        }
        if averages:
            write_tensors(folder / "averages" / f"{name}.safetensors", averages, described)
        write_tensors(folder / STATE, self._state(), {**described, "minutes": self._minutes()})
        with torch.random.fork_rng(enabled=True), torch.no_grad():
            picture = self._recipe.samples(self._averages)
        target = io.BytesIO()
        Image.fromarray(picture).save(target, format="PNG")
        write_file(folder / "grids" / f"{name}.png", target.getvalue())
        self._log("saved", checkpoint=name)

    def _state(self) -> dict[str, Any]:
        tensors = {
            f"{kind}.{name}.{key}": tensor
            for kind, modules in (("module", self._recipe.modules), ("average", self._averages))
            for name, module in modules.items()
            for key, tensor in module.state_dict().items()
        }
        for name, optimizer in self._recipe.optimizers.items():
            for index, values in optimizer.state_dict()["state"].items():
                tensors |= {
                    f"optimizer.{name}.{index}.{key}": torch.as_tensor(v) for key, v in values.items()
                }
        tensors["random.cpu"] = torch.get_rng_state()
        if self._compute.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        return tensors

    def _load(self) -> None:
        path = self._run.folder / STATE
        tensors, about = read_tensors(path)
        _same_config(about["config"], _plain(self._config), path)
        try:
            for kind, modules in (("module", self._recipe.modules), ("average", self._averages)):
                for name, module in modules.items():
                    module.load_state_dict(_within(tensors, f"{kind}.{name}."))
            for name, optimizer in self._recipe.optimizers.items():
                _load_optimizer(optimizer, _within(tensors, f"optimizer.{name}."))
        except (RuntimeError, KeyError, ValueError) as err:
            raise ModelError(
                f"{path} is of other networks: {err}", hint="begin anew in another folder"
            ) from err
        torch.set_rng_state(tensors["random.cpu"])
        if self._compute.device.type == "cuda" and "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"])
        self._done, self._minutes_before = about["steps_done"], about["minutes"]

    def _described(self) -> dict[str, Any]:
        return {
            "config": _plain(self._config),
            "steps_done": self._done,
            "images_done": self._done * self._config.batch,
            "device": self._compute.device.type,
            "bf16": self._compute.half,
            "torch": torch.__version__,
            "parameters": {
                name: sum(p.numel() for p in module.parameters())
                for name, module in self._recipe.modules.items()
            },
        }

    def _minutes_now(self) -> float:
        return (time.monotonic() - self._begun) / 60

    def _minutes(self) -> float:
        return self._minutes_before + self._minutes_now()

    def _log(self, event: str, **values: Any) -> None:
        line = {"event": event, "step": self._done, "minutes": round(self._minutes(), 2), **values}
        try:
            self._run.folder.mkdir(parents=True, exist_ok=True)
            with (self._run.folder / LOG).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as err:
            raise TrainingError(
                f"cannot write {self._run.folder / LOG}: {err.strerror}", hint="make room"
            ) from err


def _device(name: str) -> Any:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise DeviceError(f"no device {name!r}", hint="there are: auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "torch finds no GPU that it can use",
            hint="check the driver with nvidia-smi, or use the device cpu",
        )
    return torch.device(name)


def _plain(config: RecipeConfig) -> dict[str, Any]:
    return dataclasses.asdict(config)  # type: ignore[call-overload, no-any-return]  # is a dataclass


def _smaller(config: RecipeConfig, compute: Compute) -> tuple[Any, Compute]:
    """Halve the batch, and where that is small already, leave the GPU."""
    if config.batch >= 2 * SMALLEST_BATCH:
        smaller = dataclasses.replace(config, batch=config.batch // 2)  # type: ignore[type-var]  # is one
        return smaller, compute
    if compute.device.type == "cuda":
        return config, Compute(torch.device("cpu"))
    raise TrainingError("out of memory even with the smallest batch", hint="close other programs")


def _same_config(before: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> None:
    """How long and in which portions is free; all else is what the optimizers' state belongs to."""
    differing = [
        f"{name} {before.get(name)!r} before, {value!r} now"
        for name, value in json.loads(json.dumps(now)).items()
        if name not in ("batch", "steps") and before.get(name) != value
    ]
    if differing:
        raise ModelError(
            f"{path} is of another config: {'; '.join(differing)}", hint="begin anew in another folder"
        )


def _within(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _load_optimizer(optimizer: Any, tensors: Mapping[str, Any]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _means(losses: list[Mapping[str, float]]) -> dict[str, float]:
    """Each loss's mean over the steps that have it: some are computed now and then."""
    names = dict.fromkeys(name for each in losses for name in each)
    return {name: round(float(np.mean([each[name] for each in losses if name in each])), 5) for name in names}


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """Set the event at SIGTERM and SIGINT, instead of ending at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
