"""What `stylegan_mapping` ships as: latents to styles, its graph; card and log are `stylegan`'s."""

from typing import Final

import torch

from veilmesh_ml.networks.stylegan import Mapping, StyleganConfig
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.export import Port, export
from veilmesh_ml.train.ship import Shipment, Trained
from veilmesh_ml.train.shipments.stylegan import about, lines

_FILE: Final = "stylegan_mapping.safetensors"
_GRAPH: Final = "stylegan_mapping.onnx"


def shipment(chosen: Trained) -> Shipment:
    """Return it.

    Raises:
        ModelError: the checkpoint or the log is of something else.
        TrainingError: torch writes no graph.
    """
    shape = StyleganConfig()
    network = read_module(chosen.averages, "mapping", Mapping(shape))
    ports = (Port("latents", torch.ones(2, shape.latent)), Port("truncation", torch.ones(2, 1)))
    exported = export(network, ports, ("styles",), _FILE, about("stylegan_mapping", chosen))
    contents = {_FILE: exported.weights, _GRAPH: exported.graph}
    return Shipment("stylegan_mapping", {"file": _FILE, "graph": _GRAPH}, contents, lines(chosen))
