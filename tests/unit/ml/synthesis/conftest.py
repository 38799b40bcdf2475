"""A style-based GAN of very few channels in place of the package's own: it draws blots, not faces."""

import hashlib
import shutil
from pathlib import Path
from typing import Final

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")

from veilmesh_ml import Engine, weights
from veilmesh_ml.surrogate.attributes import ATTRIBUTES, LIKENESS_COMPONENTS
from veilmesh_ml.synthesis.drawn import DrawnFaces, encode_drawn
from veilmesh_ml.synthesis.onlooker import features_of
from veilmesh_ml.synthesis.projection import thumbnail
from veilmesh_ml.synthesis.style_gan import StyleGan, face_random, noise

VECTORS: Final = Path(__file__).parents[3] / "vectors" / "stylegan"
PACKAGE: Final = Path(weights.__file__).parent
DRAWN: Final = 64


@pytest.fixture
def shipped(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that weights are read from: both networks, and the package's bank."""
    folder = tmp_path_factory.mktemp("weights")
    shutil.copy(PACKAGE / "cluster.npz", folder)
    manifest = (PACKAGE / "weights.toml").read_text(encoding="utf-8")
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


@pytest.fixture
def gan(shipped: Path) -> StyleGan:  # noqa: ARG001 (put in place)
    return StyleGan(threads=1)


@pytest.fixture(scope="session")
def drawn_faces() -> list[DrawnFaces]:
    """Made once, by `drawn`."""
    return []


@pytest.fixture
def drawn(gan: StyleGan, engine: Engine, drawn_faces: list[DrawnFaces]) -> DrawnFaces:
    """Faces of that GAN; attributes and likenesses are of nothing."""
    if not drawn_faces:
        draw = np.random.default_rng(0)
        randoms = [face_random(0, number) for number in range(DRAWN)]
        styles = np.stack([gan.styles(random, 1.0) for random in randoms])
        faces = gan.faces(styles, np.stack([noise(random) for random in randoms]))
        likenesses = draw.normal(size=(DRAWN, LIKENESS_COMPONENTS))
        drawn_faces.append(
            DrawnFaces(
                styles=styles[:, 0].astype(np.float16).astype(np.float32),
                numbers=np.arange(DRAWN),
                seed=0,
                landmarks=draw.uniform(8, 56, (DRAWN, 68, 2)).astype(np.float16).astype(np.float64),
                features=features_of(engine, faces),
                thumbnails=np.stack([thumbnail(face) for face in faces]),
                attributes=draw.normal(size=(DRAWN, len(ATTRIBUTES))),
                likenesses=likenesses / np.linalg.norm(likenesses, axis=1, keepdims=True),
                spread=np.ones(len(ATTRIBUTES)),
            )
        )
    return drawn_faces[0]


@pytest.fixture
def with_drawn(shipped: Path, drawn: DrawnFaces) -> Path:
    """The same folder, with drawn faces."""
    (shipped / "stylegan.npz").write_bytes(encode_drawn(drawn))
    with (shipped / "weights.toml").open("a", encoding="utf-8") as manifest:
        manifest.write(f'drawn = "stylegan.npz"\ndrawn_sha256 = "{_digest(shipped / "stylegan.npz")}"\n')
    return shipped


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
