"""A folder of weights with tiny networks in it, in place of the package's own."""

import hashlib
import shutil
from pathlib import Path
from typing import Final

import pytest
from veilmesh_ml import weights

VECTORS: Final = Path(__file__).parents[2] / "vectors" / "networks"


def ship_tiny(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "tiny") -> Path:
    """Ship the tiny network under a name from `folder`; return the folder."""
    copy("tiny", folder)
    list_again(folder, name)
    monkeypatch.setattr(weights, "files", lambda _package: folder)
    return folder


def ship_tiny_ppsa(folder: Path, monkeypatch: pytest.MonkeyPatch, latents: bytes) -> Path:
    """Ship tiny networks as `ppsa` and `expression`, and these latents; return the folder."""
    weights.shipped_bank()  # the package's own, which is kept
    for name in ("ppsa", "expression"):
        copy(f"tiny-{name}", folder)
    (folder / "latents.npz").write_bytes(latents)
    digest = hashlib.sha256(latents).hexdigest()
    (folder / "weights.toml").write_text(
        table(folder, "ppsa", "tiny-ppsa")
        + f'latents = "latents.npz"\nlatents_sha256 = "{digest}"\n'
        + table(folder, "expression", "tiny-expression")
    )
    monkeypatch.setattr(weights, "files", lambda _package: folder)
    return folder


def copy(name: str, folder: Path) -> None:
    """Copy a tiny network's files."""
    for suffix in ("safetensors", "onnx"):
        shutil.copy(VECTORS / f"{name}.{suffix}", folder)


def list_again(folder: Path, name: str = "tiny") -> None:
    """Write the manifest with the digests that the files have now."""
    (folder / "weights.toml").write_text(table(folder, name, "tiny"))


def table(folder: Path, name: str, stem: str) -> str:
    """Return a network's table in the manifest."""
    digests = {
        suffix: hashlib.sha256((folder / f"{stem}.{suffix}").read_bytes()).hexdigest()
        for suffix in ("safetensors", "onnx")
    }
    return (
        f'[{name}]\nfile = "{stem}.safetensors"\nsha256 = "{digests["safetensors"]}"\n'
        f'graph = "{stem}.onnx"\ngraph_sha256 = "{digests["onnx"]}"\n'
    )
