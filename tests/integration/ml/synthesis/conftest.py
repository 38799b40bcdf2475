"""The GAN that draws blots in place of the package's own, and faces drawn once by it."""

from pathlib import Path
from typing import Final

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")

from veilmesh_ml import Engine, weights
from veilmesh_ml.surrogate.attributes import ATTRIBUTES, LIKENESS_COMPONENTS
from veilmesh_ml.synthesis.drawn import DrawnFaces, grain_of
from veilmesh_ml.synthesis.frame import mean_points
from veilmesh_ml.synthesis.onlooker import features_of
from veilmesh_ml.synthesis.projection import thumbnail
from veilmesh_ml.synthesis.style_gan import StyleGan, face_random

from tests.integration.ml.synthesis.blots import ship_blots, ship_drawn

DRAWN: Final = 64


@pytest.fixture
def shipped(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that weights are read from."""
    return ship_blots(tmp_path_factory.mktemp("weights"), monkeypatch)


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
        faces = gan.faces(styles, np.stack([grain_of(0, number) for number in range(DRAWN)]))
        lying = mean_points(weights.shipped_bank().frame.mean_shape)[:68] + draw.normal(
            0, 0.4, (DRAWN, 68, 2)
        )
        likenesses = draw.normal(size=(DRAWN, LIKENESS_COMPONENTS))
        drawn_faces.append(
            DrawnFaces(
                styles=styles[:, 0].astype(np.float16).astype(np.float32),
                numbers=np.arange(DRAWN),
                seed=0,
                landmarks=lying.astype(np.float16).astype(np.float64),
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
    return ship_drawn(shipped, drawn)
