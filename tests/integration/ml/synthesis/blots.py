"""A style-based GAN of very few channels in place of the package's own: it draws blots, not faces."""

import hashlib
import shutil
from pathlib import Path
from typing import Final

import pytest
from veilmesh_ml import weights
from veilmesh_ml.synthesis.drawn import DrawnFaces, encode_drawn

VECTORS: Final = Path(__file__).parents[3] / "vectors" / "stylegan"
PACKAGE: Final = Path(weights.__file__).parent


def ship_blots(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have weights read from a folder with both networks and the package's bank; return the folder."""
    shutil.copy(PACKAGE / "cluster.npz", folder)
    manifest = _without_stylegan((PACKAGE / "weights.toml").read_text(encoding="utf-8"))
    for name in ("stylegan_mapping", "stylegan"):
        for part in ("safetensors", "onnx"):
            shutil.copy(VECTORS / f"{name}.{part}", folder)
        manifest += (
            f'\n[{name}]\nfile = "{name}.safetensors"\nsha256 = "{_digest(folder / f"{name}.safetensors")}"\n'
            f'graph = "{name}.onnx"\ngraph_sha256 = "{_digest(folder / f"{name}.onnx")}"\n'
        )
    (folder / "weights.toml").write_text(manifest, encoding="utf-8")
    monkeypatch.setattr(weights, "files", lambda _package: folder)
    return folder


def ship_drawn(folder: Path, drawn: DrawnFaces) -> Path:
    """Add drawn faces to that folder; return it."""
    (folder / "stylegan.npz").write_bytes(encode_drawn(drawn))
    with (folder / "weights.toml").open("a", encoding="utf-8") as manifest:
        manifest.write(f'drawn = "stylegan.npz"\ndrawn_sha256 = "{_digest(folder / "stylegan.npz")}"\n')
    return folder


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _without_stylegan(manifest: str) -> str:
    """The manifest without the tables of the GAN that ships, if one does."""
    kept = [table for table in manifest.split("\n[") if not table.startswith("stylegan")]
    return "\n[".join(kept)
