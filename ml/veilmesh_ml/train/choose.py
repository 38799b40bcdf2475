"""Which checkpoint of a training ships: measured on people held out, by what the losses do not know.

Every file in the run's `averages/` is scored by the model's judge (`judges`), and the judge says which is
best: that is written to `choice.json`. Scores are kept in the run's `scores.jsonl` by the checkpoint's digest
and the judge's, so that a choice that was stopped goes on, and a longer training asks for the new ones alone.

How to write a judge: a class with the members of `Judge` in `judges/NAME.py`, made from a packed file and
instruments, and its name in `JUDGES`.
"""

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from veilmesh_ml.errors import ModelError, TrainingError, UnknownNameError
from veilmesh_ml.train.packed import Packed

if TYPE_CHECKING:
    from veilmesh_ml.evaluate.instruments import Instruments

SCORES: Final = "scores.jsonl"
CHOICE: Final = "choice.json"
JUDGES: Final = {
    "ciagan": "CiaganJudge",
    "ppsa": "PpsaJudge",
    "stylegan": "StyleganJudge",
    "expression": "ExpressionJudge",
    "autoencoder": "AutoencoderJudge",
}

Progress = Callable[[int, int], None]  # checkpoints done, in all


@dataclass(frozen=True, slots=True)
class Scored:
    """A checkpoint and what was measured of it.

    Attributes:
        step: how far the training was.
        checkpoint: SHA-256 (hex) of the file.
        judge: digest of what it was judged with and on.
        scores: by name.
    """

    step: int
    checkpoint: str
    judge: str
    scores: Mapping[str, float]


class Judge(Protocol):
    """Measures the checkpoints of one model."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all that scores depend on, but for the checkpoint."""
        ...

    def score(self, averages: Path) -> Mapping[str, float]:
        """Return what is measured of a checkpoint, by name, always the same names.

        Raises:
            ModelError: it cannot be read, or is of other networks.
        """
        ...

    def best(self, scored: Sequence[Scored]) -> Scored:
        """Return the one to ship, of one or more."""
        ...


def load_judge(model: str, packed: Packed, instruments: "Instruments") -> Judge:
    """Return a model's judge.

    Args:
        model: one of `JUDGES`.
        packed: what the model was trained on: its held-out people judge.
        instruments: encoders and a detector.

    Raises:
        UnknownNameError: no such model, or it has no judge.
        ModelError: too few people are held out.
    """
    if model not in JUDGES:
        raise UnknownNameError(
            f"no checkpoint of {model!r} is chosen", hint=f"there are: {', '.join(JUDGES)}"
        )
    judge: Judge = getattr(importlib.import_module(f"veilmesh_ml.train.judges.{model}"), JUDGES[model])(
        packed, instruments
    )
    return judge


def score_checkpoints(
    run: Path, judge: Judge, progress: Progress = lambda _done, _all: None
) -> tuple[Scored, ...]:
    """Score every checkpoint of a run, in the order of steps.

    Args:
        run: the training's folder.
        judge: of its model.
        progress: is told of every checkpoint.

    Raises:
        ModelError: there is no checkpoint, or one cannot be read.
        TrainingError: the scores cannot be written.
    """
    paths = sorted((run / "averages").glob("*.safetensors"))
    if not paths:
        raise ModelError(
            f"no checkpoint in {run / 'averages'}",
            hint="train first; every checkpoint's averages are kept there",
        )
    kept = {(one.checkpoint, one.judge): one for one in _kept(run / SCORES)}
    scored = []
    for done, path in enumerate(paths, start=1):
        checkpoint = file_digest(path)
        found = kept.get((checkpoint, judge.digest))
        if found is None:
            found = Scored(int(path.stem), checkpoint, judge.digest, judge.score(path))
            _keep(run / SCORES, found)
        scored.append(found)
        progress(done, len(paths))
    return tuple(scored)


def write_choice(run: Path, best: Scored) -> None:
    """Write which checkpoint of a run is best.

    Raises:
        TrainingError: it cannot be written.
    """
    try:
        (run / CHOICE).write_text(json.dumps(asdict(best), indent=1) + "\n", encoding="utf-8")
    except OSError as err:
        raise TrainingError(f"cannot write {run / CHOICE}: {err.strerror}", hint="make room") from err


def read_choice(run: Path) -> Scored:
    """Return which checkpoint of a run is best.

    Raises:
        ModelError: nothing was chosen yet, or the file is damaged.
    """
    try:
        return Scored(**json.loads((run / CHOICE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as err:
        raise ModelError(
            f"no checkpoint of {run} was chosen: {err}", hint="choose one with: veilmesh train choose"
        ) from err


def file_digest(path: Path) -> str:
    """Return a checkpoint's SHA-256 (hex).

    Raises:
        ModelError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as err:
        raise ModelError(f"cannot read checkpoint {path}: {err.strerror}", hint="check the path") from err


def _kept(path: Path) -> list[Scored]:
    """What was scored before; a line cut short by a crash is passed over, and measured again."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except OSError as err:
        raise ModelError(f"cannot read {path}: {err.strerror}", hint="check permissions") from err
    found = []
    for line in lines:
        try:
            found.append(Scored(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def _keep(path: Path, scored: Scored) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(asdict(scored)) + "\n")
    except OSError as err:
        raise TrainingError(f"cannot write {path}: {err.strerror}", hint="make room") from err
