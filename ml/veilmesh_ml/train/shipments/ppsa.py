"""What `ppsa` ships as: the generator, its graph, the card, the log.

Its latents come after: `veilmesh train latents` draws them with the generator that ships.
"""

from typing import Final

import torch

from veilmesh_ml.networks.ppsa import Generator, PpsaConfig
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.export import Exported, Port
from veilmesh_ml.train.ship import Shipment, Trained
from veilmesh_ml.train.shipments.parts import card_facts, exported, face_facts, shipment_of

_SHIPPED: Final = PpsaConfig(size_px=64)


def shipment(chosen: Trained) -> Shipment:
    """Return it.

    Raises:
        ModelError: the checkpoint or the log is of something else.
        TrainingError: torch writes no graph.
    """
    network = read_module(chosen.averages, "generator", Generator(_SHIPPED))
    files = exported("ppsa", network, (Port("latents", torch.zeros(2, _SHIPPED.latent)),), ("faces",), chosen)
    data = chosen.packed.description
    lines = {name: str(data[name]) for name in ("photos_sha256", "bank_sha256")}
    return shipment_of("ppsa", files, card(chosen, files), chosen, lines=lines)


def card(chosen: Trained, files: Exported) -> str:
    """Return the model's card, from the log, the data's description and the scores."""
    scores = chosen.scored.scores
    return _CARD_TEXT.format(
        **card_facts(chosen, "generator", files),
        **face_facts(chosen),
        frechet=scores["frechet"],
        precision=100 * scores["precision"],
        recall=100 * scores["recall"],
        judged=int(scores["faces"]),
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
