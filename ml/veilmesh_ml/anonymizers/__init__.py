"""Anonymizers: one protocol, one file each, loaded by name.

| name | what it does to the face | undone by |
|---|---|---|
| `cluster` | another face, averaged from many, in the same pose and light | nobody |
| `blur` | Gaussian blur, as wide as a seventh of the face | nobody |
| `pixelate` | squares of one colour | nobody |
| `noise` | keyed Gaussian noise | nobody (it clips) |
| `mask` | one flat colour | nobody |
| `superpixel` | patches that follow edges, each of one colour | nobody |
| `permute` | keyed permutation of the pixels around eyes, brows, nose and mouth | its key's owner, exactly |
| `ciagan` | a face painted into the photo by a GAN that never sees the person's | nobody |
| `ppsa` | a face drawn from noise by a GAN, chosen by coarse appearance and expression | nobody |
| `stylegan` | a face drawn once by a style-based GAN, chosen as `cluster` chooses | nobody |
| `autoencoder` | the face through a narrow code and back: a baseline that is measured, not offered | nobody |

`cluster`, `ciagan`, `ppsa` and `stylegan` promise that a detector still finds a face. The last four are
trained networks; all but `autoencoder` are offered once their weights ship.

"Is it anonymous?" is not answered here: the release gate (`veilmesh_ml.gate`) tries to break every result.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage, Anonymizer, ChangedArea
from veilmesh_ml.errors import ParameterError, UnknownNameError
from veilmesh_ml.weights import ships

__all__ = ["ANONYMIZER_NAMES", "AnonymizedImage", "Anonymizer", "ChangedArea", "load_anonymizer"]

_CLASS_OF_NAME: Final = {
    "cluster": "Cluster",
    "blur": "Blur",
    "pixelate": "Pixelate",
    "noise": "Noise",
    "mask": "Mask",
    "superpixel": "Superpixel",
    "permute": "Permute",
    "ciagan": "Ciagan",
    "ppsa": "Ppsa",
    "stylegan": "Stylegan",
    "autoencoder": "Autoencoder",
}
_GENERATORS: Final = ("ciagan", "ppsa", "stylegan")  # offered once their weights ship
_NOT_OFFERED: Final = {"autoencoder", *(name for name in _GENERATORS if not ships(name))}
ANONYMIZER_NAMES: Final = tuple(name for name in _CLASS_OF_NAME if name not in _NOT_OFFERED)


def load_anonymizer(name: str, **parameters: Any) -> Anonymizer:
    """Load an anonymizer by name, with the parameters its class takes.

    Raises:
        UnknownNameError: none of that name.
        ParameterError: a parameter it does not take, or one outside its range.
    """
    if name not in _CLASS_OF_NAME:
        raise UnknownNameError(
            f"no anonymizer called {name!r}", hint=f"there are: {', '.join(ANONYMIZER_NAMES)}"
        )
    module = import_module(f"veilmesh_ml.anonymizers.{name}")
    make: Callable[..., Anonymizer] = getattr(module, _CLASS_OF_NAME[name])
    try:
        return make(**parameters)
    except TypeError as err:
        raise ParameterError(f"anonymizer {name!r} does not take these parameters: {err}") from err
