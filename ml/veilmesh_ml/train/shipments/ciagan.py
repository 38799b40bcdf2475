"""What `ciagan` ships as: the generator, its graph, codes of nobody, the card, the log."""

from collections.abc import Mapping
from typing import Any, Final

import torch

from veilmesh_ml.inpainting.codes import CODE, encode_codes
from veilmesh_ml.inpainting.conditions import SEEN
from veilmesh_ml.networks.ciagan import CiaganConfig, Generator
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.export import WEIGHTS_FORMAT, Port, export
from veilmesh_ml.train.identities import CODES_EACH, Identities
from veilmesh_ml.train.ship import Shipment, Trained

_FILE, _GRAPH, _CODES = "ciagan.safetensors", "ciagan.onnx", "ciagan-codes.npz"
_CARD, _LOG = "ciagan.md", "ciagan.jsonl"
_SIDE_PX: Final = 128
_UPPER_END: Final = " high"  # of a score's interval


def shipment(chosen: Trained) -> Shipment:
    """Return it.

    Raises:
        ModelError: the checkpoint or the log is of something else.
        TrainingError: torch writes no graph.
    """
    begun = chosen.begun
    packed = chosen.packed
    faces, surrogates = packed.require_faces()
    bank = str(packed.description["bank_sha256"])
    network = read_module(chosen.averages, "generator", Generator(CiaganConfig()))
    about = {
        "model": "ciagan",
        "step": chosen.scored.step,
        "config": begun["config"],
        "data_sha256": packed.digest,
    }
    ports = (
        Port("seen", torch.zeros(2, SEEN, _SIDE_PX, _SIDE_PX)),
        Port("code", torch.ones(2, CODE)),
    )
    exported = export(network, ports, ("painted",), _FILE, about)
    identities = Identities(faces)
    codes = identities.table(len(surrogates.shapes), CODES_EACH, bank)
    contents = {
        _FILE: exported.weights,
        _GRAPH: exported.graph,
        _CODES: encode_codes(codes),
        _CARD: card(chosen, len(exported.weights), identities.nearest(codes)).encode(),
        _LOG: chosen.log.encode(),
    }
    return Shipment(
        "ciagan",
        {"file": _FILE, "graph": _GRAPH, "codes": _CODES},
        contents,
        {
            "format": WEIGHTS_FORMAT,
            "built_with": "veilmesh train ciagan",
            "data_sha256": packed.digest,
            "photos_sha256": str(packed.description["photos_sha256"]),
            "bank_sha256": bank,
            "step": chosen.scored.step,
            "seed": int(begun["config"]["seed"]),
            "log": _LOG,
            "card": _CARD,
        },
    )


def card(chosen: Trained, weights_bytes: int, nearest: float) -> str:
    """Return the model's card, from the log, the data's description and the scores.

    Args:
        chosen: the checkpoint.
        weights_bytes: size of the file.
        nearest: cosine of the code that is most like somebody's.
    """
    begun, data = chosen.begun, chosen.packed.description
    config: dict[str, Any] = begun["config"]
    images = chosen.scored.step * int(config["batch"])
    scores = chosen.scored.scores
    measured = [
        f"| {name} | {value:.4f}{_up_to(scores, name)} |"
        for name, value in scores.items()
        if not name.endswith(_UPPER_END)
    ]
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
        images=images,
        rate=config["learning_rate"],
        batch=config["batch"],
        seed=config["seed"],
        torch=begun["torch"],
        device=begun["device"],
        measured="\n".join(measured),
        checkpoint=chosen.scored.checkpoint,
        nearest=nearest,
    )


def _up_to(scores: Mapping[str, float], name: str) -> str:
    high = scores.get(name + _UPPER_END)
    return "" if high is None else f" (95 % interval up to {high:.4f})"


_CARD_TEXT: Final = """\
# The generator of `ciagan`

Paints a face that is nobody's into a photo whose face was cut out (after CIAGAN; S2 in
`veilmesh_ml.networks`). It is given what is around the face, landmarks that are de-identified, a face of the
bank of `cluster` and an identity code of nobody; never a pixel of the face.

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
