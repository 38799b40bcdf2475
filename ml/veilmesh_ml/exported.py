"""Runs a network that ships with the package on onnxruntime: no torch.

A network is two files, both named with their digests in `weights.toml`: a graph, and the weights it refers
to. Both are read once a process, checked, and given to onnxruntime as those very bytes.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.errors import ModelError
from veilmesh_ml.onnx_session import onnx_session
from veilmesh_ml.threads import default_threads
from veilmesh_ml.weights import folder, read_weights, weights_entry

Shape: TypeAlias = tuple[int, ...]


class ExportedNetwork:
    """A network by its name in `weights.toml`. May be called from several threads.

    Attributes:
        digest: SHA-256 (hex) of the weights; what a consortium approves.
    """

    def __init__(self, name: str, threads: int | None = None) -> None:
        """Load it.

        Args:
            name: its table in `weights.toml`.
            threads: how many work on one call; by default `default_threads`.

        Raises:
            ModelError: a file is missing or altered, or onnxruntime is missing or does not take the graph.
        """
        self.digest, self._session = _loaded(str(folder()), name, threads or default_threads())
        self._name = name
        self._inputs = [port.name for port in self._session.get_inputs()]

    def require_shapes(self, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> None:
        """Refuse weights of another config: shapes without the batch, in the graph's order.

        Raises:
            ModelError: the network takes or gives something else.
        """
        found = [
            [tuple(port.shape[1:]) for port in ports]
            for ports in (self._session.get_inputs(), self._session.get_outputs())
        ]
        if found != [list(inputs), list(outputs)]:
            raise ModelError(
                f"the weights {self._name!r} are of another config: they take {_told(found[0])} and give "
                f"{_told(found[1])}, not {_told(inputs)} and {_told(outputs)}",
                hint="install veilmesh again",
            )

    def __call__(self, *inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the first output for inputs in the graph's order, [batch, ...] each."""
        return self.every_output(*inputs)[0]

    def every_output(self, *inputs: NDArray[np.floating]) -> list[NDArray[np.float32]]:
        """Return all outputs, in the graph's order, [batch, ...] each."""
        given = {
            name: np.ascontiguousarray(array, dtype=np.float32)
            for name, array in zip(self._inputs, inputs, strict=True)
        }
        return [np.asarray(output) for output in self._session.run(None, given)]


def _told(shapes: Sequence[Shape]) -> str:
    return ", ".join(" x ".join(map(str, shape)) for shape in shapes)


@lru_cache(maxsize=16)
def _loaded(_folder: str, name: str, threads: int) -> tuple[str, Any]:
    """Return the digest and the session of a network in the folder of weights."""
    entry = weights_entry(name)
    weights, graph = read_weights(name), read_weights(name, "graph")
    session = onnx_session(
        graph, f"the graph of {entry['file']}", threads=threads, weights={str(entry["file"]): weights}
    )
    return str(entry["sha256"]), session
