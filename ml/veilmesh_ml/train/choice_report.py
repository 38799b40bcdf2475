"""The choice of a checkpoint, to read: a document, and a plot of every score over the steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from veilmesh_ml.evaluate.plots import rendered
from veilmesh_ml.image import write_atomically
from veilmesh_ml.train.choose import Scored

PLOT: Final = "choice.svg"
_UPPER_END: Final = " high"  # of the score's interval


def document(scored: Sequence[Scored], best: Scored) -> Mapping[str, Any]:
    """Return the choice as JSON values."""
    return {
        "best": best.step,
        "checkpoint_sha256": best.checkpoint,
        "judge_sha256": best.judge,
        "scored": [{"step": each.step, **each.scores} for each in scored],
    }


def write_plot(run: Path, scored: Sequence[Scored], best: Scored) -> Path:
    """Draw every score over the steps into the run's folder; return the file.

    Raises:
        ImageError: it cannot be written.
    """
    names = [name for name in best.scores if not name.endswith(_UPPER_END)]
    figure = Figure(figsize=(6.4, 1.8 * len(names)))
    steps = [each.step for each in scored]
    for axes, name in zip(
        figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0], names, strict=True
    ):
        axes.plot(steps, [each.scores[name] for each in scored], marker="o", markersize=3, label=name)
        if name + _UPPER_END in best.scores:
            axes.plot(steps, [each.scores[name + _UPPER_END] for each in scored], linestyle=":")
        axes.axvline(best.step, color="grey", linewidth=0.8)
        axes.set_ylabel(name)
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
    figure.supxlabel("steps; dotted: upper end of the 95 % interval; grey: chosen")
    path = run / PLOT
    write_atomically(path, rendered(figure, "scores over steps").content)
    return path
