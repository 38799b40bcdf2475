"""What `autoencoder` ships as: the network, its graph, the card, the log."""

from typing import Final

import torch

from veilmesh_ml.networks.autoencoder import SIDE_PX, Autoencoder, AutoencoderConfig
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.export import Port
from veilmesh_ml.train.ship import Shipment, Trained
from veilmesh_ml.train.shipments.parts import card_facts, exported, face_facts, shipment_of


def shipment(chosen: Trained) -> Shipment:
    """Return it.

    Raises:
        ModelError: the checkpoint or the log is of something else.
        TrainingError: torch writes no graph.
    """
    network = read_module(chosen.averages, "autoencoder", Autoencoder(AutoencoderConfig()))
    port = Port("faces", torch.zeros(2, 3, SIDE_PX, SIDE_PX))
    files = exported("autoencoder", network, (port,), ("returned",), chosen)
    error = chosen.scored.scores["squared error"]
    card = _CARD_TEXT.format(
        **card_facts(chosen, "autoencoder", files),
        **face_facts(chosen),
        code=chosen.begun["config"]["code"],
        error=error,
    )
    lines: dict[str, str | int | float] = {
        "photos_sha256": str(chosen.packed.description["photos_sha256"]),
        "held_out_squared_error": round(error, 5),
    }
    return shipment_of("autoencoder", files, card, chosen, lines=lines)


_CARD_TEXT: Final = """\
# The autoencoder (`autoencoder`)

A face of 64 x 64 pixels through a code of {code} numbers and back: the baseline "CAE" of S4's tables, of
which S4 tells no more than the name (see `veilmesh_ml.networks`). It is there to be measured, not to be
used: what comes back is the person, blurred.

| | |
|---|---|
| size | {parameters} parameters, {weights_bytes} bytes (fp16) |
| taught with | {photos} photos, {faces} faces of {people} people, first names {initials} |
| held out | of these {held_out}, {held_out_faces} faces |
| terms | {terms} |
| training | step {step}, batches of {batch}, Adam {rate}, seed {seed}, torch {torch} on {device} |
| log | `autoencoder.jsonl` |
| digests | photos {photos_sha256}; checkpoint {checkpoint}; files: `weights.toml` |

Mean squared error on the faces held out, values from 0 to 1: {error:.5f}; the checkpoint was chosen by it.

Not to be used to hide who somebody is.
"""
