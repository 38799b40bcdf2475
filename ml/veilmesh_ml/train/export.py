"""From a trained network to what ships: its weights as safetensors, and a graph that refers to them.

1. weights of two and more dimensions are rounded to fp16, the rest stays fp32; safetensors keeps them by the
   names that the network's `state_dict` has, so that torch loads the same file;
2. torch writes the ONNX graph of the network with these rounded weights;
3. every weight in the graph becomes a reference to its bytes in the safetensors file (ONNX external data),
   followed by a cast to fp32: the graph is then some kB, and weights are stored once;
4. what torch adds for people (stack traces, paths) is taken out: equal weights give equal files.

Needs torch, onnx and onnxscript; what it writes needs onnxruntime (`veilmesh_ml.exported`).
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from safetensors.torch import load, save

from veilmesh_ml.errors import TrainingError

WEIGHTS_FORMAT: Final = "veilmesh/network/1"
OPSET: Final = 18
_INLINE_BYTES: Final = 256  # what is larger must be one of the network's weights
# Numbers of onnx.proto: TensorProto.DataType, TensorProto.DataLocation, AttributeProto.AttributeType.
_SINGLE, _HALF, _EXTERNAL, _INTEGER = 1, 10, 1, 2


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of the graph: its name, and an example for an input, [batch, ...]."""

    name: str
    example: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Exported:
    """Both files' bytes."""

    weights: bytes = field(repr=False)
    graph: bytes = field(repr=False)


def export(
    network: Any,
    inputs: tuple[Port, ...],
    outputs: tuple[str, ...],
    weights_name: str,
    about: Mapping[str, Any],
) -> Exported:
    """Export a network for inference; the first dimension of every input and output may vary.

    Args:
        network: a torch module; its weights are rounded in place.
        inputs: in the order of `forward`'s arguments; examples hold two of a batch or more.
        outputs: names, in the order of what `forward` returns.
        weights_name: the weights' file name, by which the graph refers to it.
        about: kept in the weights' file, JSON.

    Raises:
        TrainingError: the graph holds weights that are none of the network's.
    """
    network.eval()
    weights = _weights(network, about)
    network.load_state_dict({name: tensor.float() for name, tensor in load(weights).items()}, strict=False)
    every_batch = torch.export.Dim("batch")
    program = torch.onnx.export(
        network,
        tuple(port.example for port in inputs),
        input_names=[port.name for port in inputs],
        output_names=list(outputs),
        dynamic_shapes=tuple({0: every_batch} for _ in inputs),
        opset_version=OPSET,
        dynamo=True,
        optimize=False,
        verbose=False,
    )
    if program is None:
        raise TrainingError("torch wrote no graph")
    model = program.model_proto
    _refer(model.graph, weights, weights_name)
    _without_notes(model)
    return Exported(weights, model.SerializeToString(deterministic=True))


def _weights(network: Any, about: Mapping[str, Any]) -> bytes:
    tensors = {
        name: (tensor.half() if tensor.ndim > 1 else tensor).detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
        if tensor.is_floating_point()
    }
    content: bytes = save(tensors, {"about": json.dumps({"format": WEIGHTS_FORMAT, **about}, sort_keys=True)})
    return content


def _refer(graph: Any, weights: bytes, weights_name: str) -> None:
    """Replace the weights in the graph by references to their bytes in the file."""
    places = _places(weights)
    nodes = list(graph.node)
    del graph.node[:]
    for tensor in graph.initializer:
        name = tensor.name
        if name not in places:
            if tensor.ByteSize() > _INLINE_BYTES:
                raise TrainingError(f"the graph holds {name}, which is no weight of the network")
            continue
        kind, offset, length = places[name]
        tensor.ClearField("raw_data")
        tensor.data_location = _EXTERNAL
        for key, value in (("location", weights_name), ("offset", str(offset)), ("length", str(length))):
            tensor.external_data.add(key=key, value=value)
        if kind == "F16":
            tensor.name, tensor.data_type = f"{name}.half", _HALF
            cast = graph.node.add(op_type="Cast", input=[tensor.name], output=[name])
            cast.attribute.add(name="to", type=_INTEGER, i=_SINGLE)
    graph.node.extend(nodes)


def _places(weights: bytes) -> dict[str, tuple[str, int, int]]:
    """Return each tensor's kind, offset and length in a safetensors file: 8 bytes length, JSON, tensors."""
    (header_bytes,) = struct.unpack("<Q", weights[:8])
    header = json.loads(weights[8 : 8 + header_bytes])
    begin = 8 + header_bytes
    return {
        name: (
            entry["dtype"],
            begin + entry["data_offsets"][0],
            entry["data_offsets"][1] - entry["data_offsets"][0],
        )
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _without_notes(model: Any) -> None:
    """Take out what is there for people only, names of source files among it."""
    model.producer_version = ""
    model.doc_string = ""
    del model.metadata_props[:]
    del model.functions[:]
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    for part in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"
