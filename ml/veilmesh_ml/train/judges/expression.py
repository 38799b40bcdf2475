"""Judges classifiers of expressions by the tenth of FER2013's training pictures that taught nothing."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from veilmesh_ml.errors import ModelError
from veilmesh_ml.evaluate.instruments import Instruments
from veilmesh_ml.networks.expression import ExpressionClassifier
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.choose import Scored
from veilmesh_ml.train.packed import Packed, grey
from veilmesh_ml.train.pictures import to_network
from veilmesh_ml.train.recipes.expression import recognised, split

_METHOD: Final = b"veilmesh/judge/expression/1"


class ExpressionJudge:
    """A `Judge`."""

    def __init__(self, packed: Packed, instruments: Instruments) -> None:  # noqa: ARG002 (as all judges)
        """Take the pictures held out.

        Raises:
            ModelError: there are none.
        """
        expressions = packed.require_expressions()
        _, held_out = split(expressions.pictures, expressions.labels)
        if not len(held_out):
            raise ModelError("no picture is held out", hint="prepare the file from more pictures")
        chosen = [expressions.pictures[index] for index in held_out]
        self._labels = expressions.labels[held_out]
        self._faces = to_network(grey(chosen))
        self.digest = sha256(_METHOD + b"".join(chosen) + self._labels.tobytes()).hexdigest()

    def score(self, averages: Path) -> Mapping[str, float]:
        """Return the share recognised, each picture and its mirror image together, and of how many."""
        classifier = read_module(averages, "classifier", ExpressionClassifier()).eval()
        right = recognised(classifier, self._faces) == self._labels
        return {"accuracy": float(right.mean()), "pictures": len(right)}

    def best(self, scored: Sequence[Scored]) -> Scored:
        return max(scored, key=lambda one: (one.scores["accuracy"], one.step))
