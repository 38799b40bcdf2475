"""What `ppsa` ships as: the generator, its graph, the card, the log.

Its latents come after: `veilmesh train latents` draws them with the generator that ships.
"""

from typing import Final

import torch

from veilmesh_ml.networks.ppsa import Generator, PpsaConfig
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.export import WEIGHTS_FORMAT, Port, export
from veilmesh_ml.train.ship import Shipment, Trained

_FILE, _GRAPH, _CARD, _LOG = "ppsa.safetensors", "ppsa.onnx", "ppsa.md", "ppsa.jsonl"
_SHIPPED: Final = PpsaConfig(size_px=64)


def shipment(chosen: Trained) -> Shipment:
    """Return it.

    Raises:
        ModelError: the checkpoint or the log is of something else.
        TrainingError: torch writes no graph.
    """
    begun, data = chosen.begun, chosen.packed.description
    network = read_module(chosen.averages, "generator", Generator(_SHIPPED))
    about = {
        "model": "ppsa",
        "step": chosen.scored.step,
        "config": begun["config"],
        "data_sha256": chosen.packed.digest,
    }
    exported = export(network, (Port("latents", torch.zeros(2, _SHIPPED.latent)),), ("faces",), _FILE, about)
    contents = {
        _FILE: exported.weights,
        _GRAPH: exported.graph,
        _CARD: card(chosen, len(exported.weights)).encode(),
        _LOG: chosen.log.encode(),
    }
    return Shipment(
        "ppsa",
        {"file": _FILE, "graph": _GRAPH},
        contents,
        {
            "format": WEIGHTS_FORMAT,
            "built_with": "veilmesh train ppsa",
            "data_sha256": chosen.packed.digest,
            "photos_sha256": str(data["photos_sha256"]),
            "bank_sha256": str(data["bank_sha256"]),
            "step": chosen.scored.step,
            "seed": int(begun["config"]["seed"]),
            "log": _LOG,
            "card": _CARD,
        },
    )


def card(chosen: Trained, weights_bytes: int) -> str:
    """Return the model's card, from the log, the data's description and the scores."""
    begun, data, scores = chosen.begun, chosen.packed.description, chosen.scored.scores
    config = begun["config"]
    return _CARD_TEXT.format(
        parameters=begun["parameters"]["generator"],
        weights_bytes=weights_bytes,
        faces=data["faces"],
        people=data["people"],
        photos=data["photos"],
        initials=data["initials"],
        held_out=data["held_out"],
        held_out_faces=data["held_out_faces"],
        photos_sha256=data["photos_sha256"],
        terms=chosen.terms,
        step=chosen.scored.step,
        batch=config["batch"],
        rate=config["learning_rate"],
        seed=config["seed"],
        torch=begun["torch"],
        device=begun["device"],
        frechet=scores["frechet"],
        precision=100 * scores["precision"],
        recall=100 * scores["recall"],
        judged=int(scores["faces"]),
        checkpoint=chosen.scored.checkpoint,
    )


_CARD_TEXT: Final = """\
# The generator of `ppsa`

Draws faces of 64 x 64 pixels from noise, with self-attention (after PPSA-GAN, S3; see
`veilmesh_ml.networks`). They lie at the landmarks of the mean face, so that they can be laid over a person's
face; which one is laid over whom is chosen by coarse appearance and expression, with a key.

| | |
|---|---|
| size | {parameters} parameters, {weights_bytes} bytes (fp16) |
| taught with | {photos} photos, {faces} faces of {people} people, first names {initials} |
| held out | of these {held_out}, {held_out_faces} faces: they taught nothing, and judged |
| terms | {terms} |
| training | step {step}, batches of {batch}, Adam {rate}, seed {seed}, torch {torch} on {device} |
| log | `ppsa.jsonl` |
| digests | photos {photos_sha256}; checkpoint {checkpoint}; files: `weights.toml` |

Chosen among the checkpoints by the Fréchet distance of dlib's features, {judged} drawn faces against as
many of people held out: {frechet:.4f}. Of the drawn {precision:.0f} % lie among the real, of the real
{recall:.0f} % among the drawn (three nearest neighbours).

Not to be used to deceive: a picture with a surrogate shows nobody, and its receipt says which method made it.
Not to be used without the release gate. What it was taught with is unequal: most people in LFW are white men,
and so are most of the faces that it draws.
"""
