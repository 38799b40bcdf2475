"""Where dlib's trained models lie on this machine, and that they are the ones we mean.

They come with the PyPI package `face_recognition_models`. That package is located, never imported:
importing it needs `pkg_resources`, which today's setuptools no longer has.
"""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from veilmesh_ml.errors import ModelError


@dataclass(frozen=True, slots=True)
class ModelFile:
    name: str
    sha256: str  # hex


ENCODER = ModelFile(
    "dlib_face_recognition_resnet_model_v1.dat",
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
)
MMOD = ModelFile(
    "mmod_human_face_detector.dat",
    "4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",
)
LANDMARKS_68 = ModelFile(
    "shape_predictor_68_face_landmarks.dat",
    "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
)


def locate(model: ModelFile) -> Path:
    """Return the path of a model whose content has just been checked against its digest.

    Raises:
        ModelError: the package or the file is missing, or the content is another.
    """
    path = _folder() / model.name
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as err:
        raise ModelError(
            f"cannot read model {path}: {err.strerror}", hint="install face_recognition_models again"
        ) from err
    if found != model.sha256:
        raise ModelError(
            f"model {path} has digest {found[:12]}…, expected {model.sha256[:12]}…",
            hint="install face_recognition_models again; features of two models cannot be compared",
        )
    return path


def _folder() -> Path:
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            "the package face_recognition_models is not installed",
            hint="install veilmesh with its [faces] extra",
        )
    return Path(spec.submodule_search_locations[0]) / "models"
