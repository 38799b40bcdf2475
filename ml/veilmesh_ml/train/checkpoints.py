"""What a training writes: its state, to go on from, and the averaged networks, to choose from.

| file in the run's folder | what |
|---|---|
| `state.safetensors` | networks, averages, optimizers, random numbers: the last moment, replaced each time |
| `averages/STEP.safetensors` | the averaged networks alone, at every such moment; all are kept |
| `grids/STEP.png` | samples of the averaged networks at the same moments |
| `log.jsonl` | one line per event: begun, losses, saved, ended |

Files are safetensors: numbers and JSON, no code. Each is written beside and moved into place, so that a crash
or a full disk leaves the one before.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from veilmesh_ml.errors import ModelError, TrainingError

FORMAT: Final = "veilmesh/training/1"


def write_tensors(path: Path, tensors: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write tensors and what is to be said of them (JSON), wholly or not at all.

    Raises:
        TrainingError: it cannot be written; what stood there before still stands.
    """
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(on_cpu, {"format": FORMAT, "about": json.dumps(about)})
    write_file(path, content)


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the tensors, on the CPU, and what was said of them.

    Raises:
        ModelError: it cannot be read, or is no file of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = (file.metadata() or {}).get("about")
            if about is None:
                raise ModelError(f"{path} is not a checkpoint of a training")
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(about)  # noqa: SIM118
    except (OSError, SafetensorError, json.JSONDecodeError) as err:
        raise ModelError(
            f"cannot read checkpoint {path}: {err}", hint="take an earlier one from averages/, or begin anew"
        ) from err


def read_module(path: Path, name: str, module: Any) -> Any:
    """Load a module's averages from a checkpoint into it, and return it.

    Raises:
        ModelError: it cannot be read, or is of other networks.
    """
    tensors, _ = read_tensors(path)
    prefix = f"{name}."
    own = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
    try:
        module.load_state_dict(own)
    except RuntimeError as err:
        raise ModelError(
            f"{path} holds another {name}: {str(err).splitlines()[0]}",
            hint="name a file of that model's averages/",
        ) from err
    return module


def write_file(path: Path, content: bytes) -> None:
    """Put `content` at `path`, wholly or not at all.

    Raises:
        TrainingError: disk full, no permission. What stood there before still stands.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as err:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise TrainingError(
            f"cannot write {path}: {err.strerror}", hint="the one before is kept: make room, then --resume"
        ) from err
