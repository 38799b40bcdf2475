"""What `autoencoder` ships as: the network, its graph, the card, the log."""

from typing import Final

import torch

from veilmesh_ml.networks.autoencoder import SIDE_PX, Autoencoder, AutoencoderConfig
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.export import WEIGHTS_FORMAT, Port, export
from veilmesh_ml.train.ship import Shipment, Trained

_FILE, _GRAPH = "autoencoder.safetensors", "autoencoder.onnx"
_CARD, _LOG = "autoencoder.md", "autoencoder.jsonl"


def shipment(chosen: Trained) -> Shipment:
    """Return it.

    Raises:
        ModelError: the checkpoint or the log is of something else.
        TrainingError: torch writes no graph.
    """
    begun, data = chosen.begun, chosen.packed.description
    network = read_module(chosen.averages, "autoencoder", Autoencoder(AutoencoderConfig()))
    about = {
        "model": "autoencoder",
        "step": chosen.scored.step,
        "config": begun["config"],
        "data_sha256": chosen.packed.digest,
    }
    port = Port("faces", torch.zeros(2, 3, SIDE_PX, SIDE_PX))
    exported = export(network, (port,), ("returned",), _FILE, about)
    text = _CARD_TEXT.format(
        parameters=begun["parameters"]["autoencoder"],
        weights_bytes=len(exported.weights),
        code=begun["config"]["code"],
        faces=data["faces"],
        people=data["people"],
        photos=data["photos"],
        initials=data["initials"],
        held_out=data["held_out"],
        held_out_faces=data["held_out_faces"],
        photos_sha256=data["photos_sha256"],
        terms=chosen.terms,
        step=chosen.scored.step,
        batch=begun["config"]["batch"],
        rate=begun["config"]["learning_rate"],
        seed=begun["config"]["seed"],
        torch=begun["torch"],
        device=begun["device"],
        error=chosen.scored.scores["squared error"],
        checkpoint=chosen.scored.checkpoint,
    )
    return Shipment(
        "autoencoder",
        {"file": _FILE, "graph": _GRAPH},
        {
            _FILE: exported.weights,
            _GRAPH: exported.graph,
            _CARD: text.encode(),
            _LOG: chosen.log.encode(),
        },
        {
            "format": WEIGHTS_FORMAT,
            "built_with": "veilmesh train autoencoder",
            "data_sha256": chosen.packed.digest,
            "photos_sha256": str(data["photos_sha256"]),
            "step": chosen.scored.step,
            "seed": int(begun["config"]["seed"]),
            "held_out_squared_error": round(chosen.scored.scores["squared error"], 5),
            "log": _LOG,
            "card": _CARD,
        },
    )


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
