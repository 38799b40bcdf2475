"""What `stylegan` ships as: what makes faces of styles, its graph, the card, the log.

What makes styles of latents is `stylegan_mapping`, of the same checkpoint. Drawn faces come after: `veilmesh
train drawn` draws them with the networks that ship.
"""

from collections.abc import Mapping
from typing import Any, Final

import torch

from veilmesh_ml.networks.stylegan import StyleganConfig, Synthesis
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.export import WEIGHTS_FORMAT, Port, export
from veilmesh_ml.train.ship import Shipment, Trained

CARD: Final = "stylegan.md"
LOG: Final = "stylegan.jsonl"
_FILE, _GRAPH = "stylegan.safetensors", "stylegan.onnx"


def shipment(chosen: Trained) -> Shipment:
    """Return it.

    Raises:
        ModelError: the checkpoint or the log is of something else.
        TrainingError: torch writes no graph.
    """
    shape = StyleganConfig()
    network = read_module(chosen.averages, "synthesis", Synthesis(shape))
    ports = (
        Port("styles", torch.zeros(2, shape.styles, shape.latent)),
        Port("noise", torch.zeros(2, shape.noise)),
    )
    exported = export(network, ports, ("faces",), _FILE, about("stylegan", chosen))
    contents = {
        _FILE: exported.weights,
        _GRAPH: exported.graph,
        CARD: card(chosen, len(exported.weights)).encode(),
        LOG: chosen.log.encode(),
    }
    return Shipment("stylegan", {"file": _FILE, "graph": _GRAPH}, contents, lines(chosen))


def about(model: str, chosen: Trained) -> dict[str, Any]:
    """Return what the weights' file says of itself."""
    return {
        "model": model,
        "step": chosen.scored.step,
        "config": chosen.begun["config"],
        "data_sha256": chosen.packed.digest,
    }


def lines(chosen: Trained) -> dict[str, str | int | float]:
    """Return further lines of the table in the manifest."""
    return {
        "format": WEIGHTS_FORMAT,
        "built_with": "veilmesh train stylegan",
        "data_sha256": chosen.packed.digest,
        "photos_sha256": str(chosen.packed.description["photos_sha256"]),
        "step": chosen.scored.step,
        "seed": int(chosen.begun["config"]["seed"]),
        "log": LOG,
        "card": CARD,
    }


def card(chosen: Trained, weights_bytes: int) -> str:
    """Return the model's card, from the log, the data's description and the scores."""
    begun, data, scores = chosen.begun, chosen.packed.description, chosen.scored.scores
    config: Mapping[str, Any] = begun["config"]
    return _CARD_TEXT.format(
        parameters=begun["parameters"]["synthesis"],
        mapping=begun["parameters"]["mapping"],
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
        penalty=config["penalty"],
        seed=config["seed"],
        torch=begun["torch"],
        device=begun["device"],
        frechet=scores["frechet"],
        precision=100 * scores["precision"],
        recall=100 * scores["recall"],
        found=100 * scores["found"],
        judged=int(scores["faces"]),
        checkpoint=chosen.scored.checkpoint,
    )


_CARD_TEXT: Final = """\
# The style-based GAN (`stylegan` and `stylegan_mapping`)

Draws faces of 64 x 64 pixels from noise, in styles that can be mixed (after Karras et al. 2019 and 2020, and
S1; see `veilmesh_ml.networks`). `veilmesh synthesize` draws faces of nobody with it, and one person in other
pose, light and expression; the anonymizer `stylegan` lays a drawn face over a person's.

| | |
|---|---|
| size | {parameters} parameters, {weights_bytes} bytes (fp16); {mapping} parameters of the mapping network |
| taught with | {photos} photos, {faces} faces of {people} people, first names {initials} |
| held out | of these {held_out}, {held_out_faces} faces: they taught nothing, and judged |
| terms | {terms} |
| training | step {step}, batches of {batch}, Adam {rate}, R1 {penalty}, seed {seed} |
| made by | torch {torch} on {device} |
| log | `stylegan.jsonl` |
| digests | photos {photos_sha256}; checkpoint {checkpoint}; files: `weights.toml` |

Chosen among the checkpoints by the Fréchet distance of dlib's features, {judged} drawn faces against as many
of people held out: {frechet:.4f}. Of the drawn {precision:.0f} % lie among the real, of the real
{recall:.0f} % among the drawn (three nearest neighbours); in {found:.0f} % of the drawn a detector finds a
face. All without truncation.

Not to be used to deceive: a drawn face is nobody's, and whoever shows one says so. Not to be used to enrol
somebody: a variation of a photo is what the networks make of it, no evidence of what somebody looks like. As
an anonymizer not to be used without the release gate. What it was taught with is unequal: most people in LFW
are white men, and so are most of the faces that it draws.
"""
