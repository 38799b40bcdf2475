"""The networks on onnxruntime, which is set up here for a machine that has other work too."""

import os

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from veilmesh_ml.fast import cache
from veilmesh_ml.fast.dlib_network import read_network
from veilmesh_ml.fast.resnet import CHIPS, Resnet
from veilmesh_ml.model_files import ENCODER, locate

THREADS_AT_MOST = 8  # more gain little on pictures of this size


class OnnxNetworks:
    """Implements `Networks` on the CPU; Python's lock is free while it computes."""

    def __init__(self, threads: int | None = None) -> None:
        """Load the models, converted now or before.

        Args:
            threads: how many work on one call; by default `default_threads`.

        Raises:
            ModelError: a model file is missing or is not the pinned one.
        """
        threads = threads or default_threads()
        path = locate(ENCODER)
        resnet = cache.converted(
            "resnet",
            ENCODER.sha256,
            lambda: Resnet.of(read_network(path.read_bytes(), path.name)).to_onnx(),
        )
        self._encoder = _session(resnet, threads)

    def encode(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        features: NDArray[np.float32] = self._encoder.run(None, {CHIPS: np.ascontiguousarray(chips)})[0]
        return features


def default_threads() -> int:
    """Return as many threads as this process may use cores, or as `OMP_NUM_THREADS` says."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return min(len(os.sched_getaffinity(0)), THREADS_AT_MOST)


def _session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait must not spin: beside a busy neighbour a call of 7 ms would take 500.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
