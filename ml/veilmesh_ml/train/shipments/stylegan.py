"""What `stylegan` ships as: what makes faces of styles, its graph, the card, the log.

What makes styles of latents is `stylegan_mapping`, of the same checkpoint. Drawn faces come after: `veilmesh
train drawn` draws them with the networks that ship.
"""

from typing import Final

import torch

from veilmesh_ml.networks.stylegan import StyleganConfig, Synthesis
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.export import Exported, Port
from veilmesh_ml.train.ship import Shipment, Trained
from veilmesh_ml.train.shipments.parts import card_facts, exported, face_facts, shipment_of


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
    files = exported("stylegan", network, ports, ("faces",), chosen)
    lines = {"photos_sha256": str(chosen.packed.description["photos_sha256"])}
    return shipment_of("stylegan", files, card(chosen, files), chosen, lines=lines)


def card(chosen: Trained, files: Exported) -> str:
    """Return the model's card, from the log, the data's description and the scores."""
    begun, scores = chosen.begun, chosen.scored.scores
    return _CARD_TEXT.format(
        **card_facts(chosen, "synthesis", files),
        **face_facts(chosen),
        mapping=begun["parameters"]["mapping"],
        penalty=begun["config"]["penalty"],
        frechet=scores["frechet"],
        precision=100 * scores["precision"],
        recall=100 * scores["recall"],
        found=100 * scores["found"],
        judged=int(scores["faces"]),
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
