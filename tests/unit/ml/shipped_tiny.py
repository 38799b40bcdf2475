"""A folder of weights with one tiny network in it, in place of the package's own."""

import hashlib
import shutil
from pathlib import Path
from typing import Final

import pytest
from veilmesh_ml import weights

VECTORS: Final = Path(__file__).parents[2] / "vectors" / "networks"


def ship_tiny(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "tiny") -> Path:
    """Ship the tiny network under a name from `folder`; return the folder."""
    for suffix in ("safetensors", "onnx"):
        shutil.copy(VECTORS / f"tiny.{suffix}", folder)
    list_again(folder, name)
    monkeypatch.setattr(weights, "files", lambda _package: folder)
    return folder


def list_again(folder: Path, name: str = "tiny") -> None:
    """Write the manifest with the digests that the files have now."""
    digests = {
        suffix: hashlib.sha256((folder / f"tiny.{suffix}").read_bytes()).hexdigest()
        for suffix in ("safetensors", "onnx")
    }
    (folder / "weights.toml").write_text(
        f'[{name}]\nfile = "tiny.safetensors"\nsha256 = "{digests["safetensors"]}"\n'
        f'graph = "tiny.onnx"\ngraph_sha256 = "{digests["onnx"]}"\n'
    )
