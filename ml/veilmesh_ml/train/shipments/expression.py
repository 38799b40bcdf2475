"""What `expression` ships as: the classifier, its graph, the card, the log."""

from typing import Final

import torch

from veilmesh_ml.expressions import EXPRESSIONS, SIDE_PX
from veilmesh_ml.networks.expression import DescribingClassifier
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.export import Exported, Port
from veilmesh_ml.train.recipes.expression import split
from veilmesh_ml.train.ship import Shipment, Trained
from veilmesh_ml.train.shipments.parts import card_facts, exported, shipment_of


def shipment(chosen: Trained) -> Shipment:
    """Return it.

    Raises:
        ModelError: the checkpoint or the log is of something else.
        TrainingError: torch writes no graph.
    """
    network = read_module(chosen.averages, "classifier", DescribingClassifier())
    port = Port("faces", torch.zeros(2, 1, SIDE_PX, SIDE_PX))
    files = exported("expression", network, (port,), ("logits", "features"), chosen)
    lines = {"held_out_accuracy": round(chosen.scored.scores["accuracy"], 4)}
    return shipment_of("expression", files, card(chosen, files), chosen, lines=lines)


def card(chosen: Trained, files: Exported) -> str:
    """Return the model's card, from the log, the data and the scores."""
    expressions = chosen.packed.require_expressions()
    taught, held_out = split(expressions.pictures, expressions.labels)
    counts = [
        f"{(expressions.labels[taught] == label).sum()} {name}" for label, name in enumerate(EXPRESSIONS)
    ]
    return _CARD_TEXT.format(
        **card_facts(chosen, "classifier", files),
        pictures=len(expressions),
        taught=len(taught),
        counts=", ".join(counts),
        held_out=len(held_out),
        steps=chosen.begun["config"]["steps"],
        accuracy=100 * chosen.scored.scores["accuracy"],
        judged=int(chosen.scored.scores["pictures"]),
    )


_CARD_TEXT: Final = """\
# The classifier of expressions (`expression`)

Says how likely each of seven expressions is for a face of 48 x 48 grey pixels (after S3, section 3.1.5; see
`veilmesh_ml.networks`). `ppsa` draws a face of the person's expression by it, and evaluations count with it
how many expressions an anonymizer keeps.

| | |
|---|---|
| size | {parameters} parameters, {weights_bytes} bytes (fp16) |
| taught with | {taught} of {pictures} pictures of FER2013; one that stands under two labels taught neither |
| of these | {counts} |
| held out | {held_out}, chosen by their digests |
| terms | {terms} |
| training | step {step} of {steps}, batches of {batch}, AdamW {rate} in one cycle, seed {seed} |
| made by | torch {torch} on {device} |
| log | `expression.jsonl` |
| digests | checkpoint {checkpoint}; files: `weights.toml` |

Recognised of the pictures held out, each together with its mirror image: {accuracy:.1f} % of {judged}; the
checkpoint was chosen by this figure. People agree with FER2013's labels in about 65 of 100 pictures
(Goodfellow et al. 2013), so these labels say how a face looks to most, not what somebody feels.

Not to be used to judge what somebody feels, means or will do: it reads a pixel pattern, and badly. It has few
disgusted faces to know, and takes fearful, sad and angry ones for each other.
"""
