"""What `stylegan_mapping` ships as: latents to styles, its graph; card and log are `stylegan`'s."""

import torch

from veilmesh_ml.networks.stylegan import Mapping, StyleganConfig
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.export import Port
from veilmesh_ml.train.ship import Shipment, Trained
from veilmesh_ml.train.shipments.parts import exported, manifest_lines

_NAME = "stylegan_mapping"


def shipment(chosen: Trained) -> Shipment:
    """Return it.

    Raises:
        ModelError: the checkpoint or the log is of something else.
        TrainingError: torch writes no graph.
    """
    shape = StyleganConfig()
    network = read_module(chosen.averages, "mapping", Mapping(shape))
    ports = (Port("latents", torch.ones(2, shape.latent)), Port("truncation", torch.ones(2, 1)))
    files = exported(_NAME, network, ports, ("styles",), chosen)
    names = {"file": f"{_NAME}.safetensors", "graph": f"{_NAME}.onnx"}
    contents = {names["file"]: files.weights, names["graph"]: files.graph}
    lines = manifest_lines("stylegan", chosen)
    lines["photos_sha256"] = str(chosen.packed.description["photos_sha256"])
    return Shipment(_NAME, names, contents, lines)
