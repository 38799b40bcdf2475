"""Writes ONNX files: a graph of nodes and weights, and no more of the format than that needs.

Of files that others wrote it changes the sizes that inputs and outputs are declared to have.

The messages are declared here and built at import, in a descriptor pool of their own, so
that the `onnx` package (85 MB) is not needed and does no harm where it is present.

Source: onnx `onnx.proto` (field numbers); ONNX operators of opset 17.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from numpy.typing import NDArray

from veilmesh_ml.fast.dlib_network import Convolution

IR_VERSION = 8
OPSET_VERSION = 17
ELEMENT_FLOAT = 1
ELEMENT_TYPES = {np.dtype(np.float32): ELEMENT_FLOAT, np.dtype(np.uint8): 2, np.dtype(np.int64): 7}
ATTRIBUTE_INT = 2
ATTRIBUTE_STRING = 3
ATTRIBUTE_INTS = 7

# message: {field: (number, type)}; a trailing * marks a repeated field, a capital a message of this table.
_SCHEMA = {
    "Model": {"ir_version": (1, "int64"), "graph": (7, "Graph"), "opset_import": (8, "Opset*")},
    "Opset": {"domain": (1, "string"), "version": (2, "int64")},
    "Graph": {
        "node": (1, "Node*"),
        "name": (2, "string"),
        "initializer": (5, "Tensor*"),
        "input": (11, "Value*"),
        "output": (12, "Value*"),
    },
    "Node": {
        "input": (1, "string*"),
        "output": (2, "string*"),
        "op_type": (4, "string"),
        "attribute": (5, "Attribute*"),
    },
    "Attribute": {
        "name": (1, "string"),
        "i": (3, "int64"),
        "s": (4, "bytes"),
        "ints": (8, "int64*"),
        "type": (20, "int32"),
    },
    "Tensor": {
        "dims": (1, "int64*"),
        "data_type": (2, "int32"),
        "name": (8, "string"),
        "raw_data": (9, "bytes"),
    },
    "Value": {"name": (1, "string"), "type": (2, "Type")},
    "Type": {"tensor_type": (1, "TensorType")},
    "TensorType": {"elem_type": (1, "int32"), "shape": (2, "Shape")},
    "Shape": {"dim": (1, "Dimension*")},
    "Dimension": {"dim_value": (1, "int64"), "dim_param": (2, "string")},
}

_SCALARS = {
    "int64": Field.TYPE_INT64,
    "int32": Field.TYPE_INT32,
    "string": Field.TYPE_STRING,
    "bytes": Field.TYPE_BYTES,
}


class OnnxGraph:
    """A graph under construction: every method adds a node and returns its output's name."""

    def __init__(self, name: str) -> None:
        self._graph = _message("Graph")(name=name)
        self._names = 0

    def input(self, name: str, dtype: type[np.generic], shape: Sequence[int | str]) -> str:
        """Declare an input; a string in `shape` names a size that varies."""
        self._graph.input.append(_value(name, dtype, shape))
        return name

    def output(self, name: str, source: str, dtype: type[np.generic], shape: Sequence[int | str]) -> None:
        self._graph.node.append(_message("Node")(op_type="Identity", input=[source], output=[name]))
        self._graph.output.append(_value(name, dtype, shape))

    def constant(self, array: NDArray[Any]) -> str:
        """Add weights, float32 or int64."""
        name = self._name()
        self._graph.initializer.append(
            _message("Tensor")(
                name=name,
                dims=array.shape,
                data_type=ELEMENT_TYPES[array.dtype],
                raw_data=array.astype(array.dtype.newbyteorder("<")).tobytes(),
            )
        )
        return name

    def convolution(self, source: str, convolution: Convolution) -> str:
        """Apply a convolution, its weights rounded to float32."""
        return self.node(
            "Conv",
            source,
            self.constant(convolution.weights.astype(np.float32)),
            self.constant(convolution.biases.astype(np.float32)),
            kernel_shape=convolution.weights.shape[2:],
            strides=[convolution.stride] * 2,
            pads=[convolution.padding] * 4,
        )

    def node(self, operator: str, *inputs: str, **attributes: int | str | Sequence[int]) -> str:
        """Apply an ONNX operator; an empty name leaves an optional input out."""
        output = self._name()
        self._graph.node.append(
            _message("Node")(
                op_type=operator,
                input=inputs,
                output=[output],
                attribute=[_attribute(name, value) for name, value in attributes.items()],
            )
        )
        return output

    def serialized(self) -> bytes:
        """Return the file, the same bytes for the same graph."""
        opset = _message("Opset")(domain="", version=OPSET_VERSION)
        model = _message("Model")(ir_version=IR_VERSION, graph=self._graph, opset_import=[opset])
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def _name(self) -> str:
        self._names += 1
        return f"v{self._names}"


def with_sizes(content: bytes, sizes: Mapping[str, Sequence[int | str]]) -> bytes:
    """Return a model whose inputs and outputs of these names have these sizes; a string: one that varies.

    What lies between must not be declared: onnxruntime infers it.
    """
    model = _message("Model").FromString(content)  # what the table does not know goes over as it is
    for value in (*model.graph.input, *model.graph.output):
        if value.name in sizes:
            value.CopyFrom(_value(value.name, np.float32, sizes[value.name]))
    changed: bytes = model.SerializeToString(deterministic=True)
    return changed


def _attribute(name: str, value: int | str | Sequence[int]) -> Any:
    if isinstance(value, str):
        return _message("Attribute")(name=name, s=value.encode(), type=ATTRIBUTE_STRING)
    if isinstance(value, int):
        return _message("Attribute")(name=name, i=value, type=ATTRIBUTE_INT)
    return _message("Attribute")(name=name, ints=value, type=ATTRIBUTE_INTS)


def _value(name: str, dtype: type[np.generic], shape: Sequence[int | str]) -> Any:
    dimensions = [{"dim_param": size} if isinstance(size, str) else {"dim_value": size} for size in shape]
    tensor = {"elem_type": ELEMENT_TYPES[np.dtype(dtype)], "shape": {"dim": dimensions}}
    return _message("Value")(name=name, type={"tensor_type": tensor})


def _declared() -> Any:
    """Return a descriptor pool with the messages of `_SCHEMA`."""
    file = descriptor_pb2.FileDescriptorProto(name="onnx_model", package="onnx", syntax="proto3")
    for message, fields in _SCHEMA.items():
        declared = file.message_type.add(name=message)
        for name, (number, kind) in fields.items():
            field = declared.field.add(name=name, number=number, label=Field.LABEL_OPTIONAL)
            if kind.endswith("*"):
                field.label = Field.LABEL_REPEATED
            if kind.rstrip("*") in _SCHEMA:
                field.type, field.type_name = Field.TYPE_MESSAGE, f".onnx.{kind.rstrip('*')}"
            else:
                field.type = _SCALARS[kind.rstrip("*")]
    pool: Any = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


_POOL = _declared()


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"onnx.{name}"))
