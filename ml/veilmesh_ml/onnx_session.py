"""Sets up onnxruntime for a machine that has other work too. It is loaded on demand."""

from collections.abc import Mapping
from typing import Any

from veilmesh_ml.errors import ModelError
from veilmesh_ml.threads import default_threads

_TOLD_AT_MOST = 300  # characters


def onnx_session(
    model: bytes,
    name: str,
    *,
    threads: int | None = None,
    weights: Mapping[str, bytes] | None = None,
    keep_memory: bool = True,
) -> Any:
    """Return an `onnxruntime.InferenceSession` on the CPU.

    Args:
        model: the graph. Weights that it says are on disk are refused: nothing would vouch for them.
        name: what errors call it.
        threads: how many work on one call; by default `default_threads`.
        weights: files that the graph refers to, by name.
        keep_memory: for the next call; with pictures of ever new sizes it would only grow.

    Raises:
        ModelError: onnxruntime is missing or does not take the model.
    """
    try:
        import onnxruntime  # noqa: PLC0415 (loads on demand)
    except ImportError as err:
        raise ModelError(
            "onnxruntime is not installed", hint="install veilmesh with its [faces] extra"
        ) from err
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong comes as an error
    options.intra_op_num_threads = threads or default_threads()
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = options.enable_mem_pattern = keep_memory
    # Threads that wait must not spin: beside a busy neighbour a call of 7 ms would take 500.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if weights:
        files = list(weights.values())
        options.add_external_initializers_from_files_in_memory(list(weights), files, list(map(len, files)))
    else:  # files beside the model are looked for in a folder that cannot be
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", "/dev/null/none"
        )
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as err:  # onnxruntime's own errors have no public base
        raise ModelError(f"{name} is not a model that onnxruntime runs: {onnx_reason(err)}") from err


def onnx_reason(err: Exception) -> str:
    """Return the first line of what onnxruntime says."""
    told = str(err).strip()
    return told.splitlines()[0][:_TOLD_AT_MOST] if told else type(err).__name__
