"""Trains where only torch, numpy, Pillow and safetensors are installed.

    python -m veilmesh_ml.train ciagan --data faces.npz --out run --with siamese/averages/0006000.safetensors

`veilmesh train` does the same with a progress bar, and also prepares the data.
"""

import argparse
import math
import sys
import time
from pathlib import Path

from veilmesh_ml.errors import MlError
from veilmesh_ml.train.models import NAMES, require_torch, train_model

_TOLD_EVERY_S = 30.0


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m veilmesh_ml.train", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("model", choices=NAMES)
    parser.add_argument("--data", type=Path, required=True, help="the packed file")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, grids and the log")
    parser.add_argument("--with", dest="needed", type=Path, help="averages of the model that this one needs")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--max-minutes", type=float, default=math.inf)
    parser.add_argument("--every-minutes", type=float, default=10.0, help="between checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on with the training in --out")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="of the model's config"
    )
    chosen = parser.parse_args()
    try:
        require_torch()
        from veilmesh_ml.train.trainer import Report, Run  # noqa: PLC0415 (torch)

        told = [0.0]

        def tell(report: Report) -> None:
            if time.monotonic() - told[0] >= _TOLD_EVERY_S:
                told[0] = time.monotonic()
                losses = " ".join(f"{name} {loss:.3f}" for name, loss in report.losses.items())
                print(f"{report.done}/{report.steps} {report.images_per_s:.1f} images/s {losses}", flush=True)  # noqa: T201

        outcome = train_model(
            chosen.model,
            chosen.data,
            Run(
                chosen.out,
                device=chosen.device,
                max_minutes=chosen.max_minutes,
                resume=chosen.resume,
                every_minutes=chosen.every_minutes,
            ),
            settings=dict(setting.split("=", 1) for setting in chosen.set),
            needed=chosen.needed,
            on_step=tell,
            on_notice=print,
        )
    except MlError as err:
        print(f"error: {err}" + (f"\nhint: {err.hint}" if err.hint else ""), file=sys.stderr)  # noqa: T201
        return 1
    print(f"{outcome.done} steps in {outcome.minutes:.0f} minutes, ended by {outcome.ended}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
