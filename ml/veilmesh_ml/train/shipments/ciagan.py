"""What `ciagan` ships as: the generator, its graph, codes of nobody, the card, the log."""

from collections.abc import Mapping
from typing import Final

import torch

from veilmesh_ml.inpainting.codes import CODE, encode_codes
from veilmesh_ml.inpainting.conditions import SEEN
from veilmesh_ml.networks.ciagan import CiaganConfig, Generator
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.export import Exported, Port
from veilmesh_ml.train.identities import CODES_EACH, Identities
from veilmesh_ml.train.ship import Shipment, Trained
from veilmesh_ml.train.shipments.parts import card_facts, exported, face_facts, shipment_of

_SIDE_PX: Final = 128
_UPPER_END: Final = " high"  # of a score's interval


def shipment(chosen: Trained) -> Shipment:
    """Return it.

    Raises:
        ModelError: the checkpoint or the log is of something else.
        TrainingError: torch writes no graph.
    """
    faces, surrogates = chosen.packed.require_faces()
    data = chosen.packed.description
    network = read_module(chosen.averages, "generator", Generator(CiaganConfig()))
    ports = (
        Port("seen", torch.zeros(2, SEEN, _SIDE_PX, _SIDE_PX)),
        Port("code", torch.ones(2, CODE)),
    )
    files = exported("ciagan", network, ports, ("painted",), chosen)
    identities = Identities(faces)
    codes = identities.table(len(surrogates.shapes), CODES_EACH, str(data["bank_sha256"]))
    return shipment_of(
        "ciagan",
        files,
        card(chosen, files, identities.nearest(codes)),
        chosen,
        parts={"codes": ("ciagan-codes.npz", encode_codes(codes))},
        lines={name: str(data[name]) for name in ("photos_sha256", "bank_sha256")},
    )


def card(chosen: Trained, files: Exported, nearest: float) -> str:
    """Return the model's card, from the log, the data's description and the scores.

    Args:
        chosen: the checkpoint.
        files: weights and graph.
        nearest: cosine of the code that is most like somebody's.
    """
    scores = chosen.scored.scores
    measured = [
        f"| {name} | {value:.4f}{_up_to(scores, name)} |"
        for name, value in scores.items()
        if not name.endswith(_UPPER_END)
    ]
    return _CARD_TEXT.format(
        **card_facts(chosen, "generator", files),
        **face_facts(chosen),
        images=chosen.scored.step * int(chosen.begun["config"]["batch"]),
        measured="\n".join(measured),
        nearest=nearest,
    )


def _up_to(scores: Mapping[str, float], name: str) -> str:
    high = scores.get(name + _UPPER_END)
    return "" if high is None else f" (95 % interval up to {high:.4f})"


_CARD_TEXT: Final = """\
# The generator of `ciagan`

Paints a face that is nobody's into a photo whose face was cut out (after CIAGAN; S2 in
`veilmesh_ml.networks`). It is given what is around the face, landmarks that are de-identified, a face of the
bank of `cluster` in the tone of the skin, and an identity code of nobody; never a pixel of the face. In use
that face of the bank stays as it is from forehead to chin: what is painted is hairline, temples and the rim.

| | |
|---|---|
| size | {parameters} parameters, {weights_bytes} bytes (fp16) |
| taught with | {photos} photos, {faces} faces of {people} people, first names {initials} |
| held out | of these {held_out}, {held_out_faces} faces: they taught nothing, and judged |
| terms | {terms} |
| training | {step} steps of {batch}, {images} images, Adam {rate}, seed {seed}, torch {torch} on {device} |
| log | `ciagan.jsonl` |
| digests | photos {photos_sha256}; checkpoint {checkpoint}; files: `weights.toml` |

Chosen among the checkpoints on the people held out, by what its losses do not know. Leak: how often an output
is recognised as its person at FMR 1e-3, by each encoder. Found: faces that HOG finds again. NME: landmarks'
error over the distance of the eyes. Frechet: distance of dlib's features, outputs against originals.

| | |
|---|---|
{measured}

Not to be used to say who somebody is, or what gender, age or ancestry somebody has: it knows nothing of it.
Not to be used to deceive: a picture with a surrogate shows nobody, and its receipt says which method made it.
Not to be used without the release gate: single photos can still give their person away. What it was taught
with is unequal, as the photos are; how it does for whom is in `docs/anonymizers.md`.

The codes were drawn at random. The nearest that one comes to somebody's in the training is a cosine of
{nearest:.2f}; of two photos of one person the median is about .7.
"""
