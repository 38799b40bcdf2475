"""What every face engine can do, and how to get one by name.

An engine finds faces, aligns them and turns them into features. The reference engine is dlib itself; any
other is held to its numbers.
"""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.errors import ModelError, ParameterError, UnknownNameError
from veilmesh_ml.face import Box, Face
from veilmesh_ml.image import RgbImage

ENGINE_NAMES = ("fast", "reference")
Device: TypeAlias = Literal["auto", "cpu", "cuda"]
CHIP_PX = 150  # side of the aligned chip that the encoder was trained on


class Engine(Protocol):
    """Finds, aligns and encodes faces. Implementations may be called from several threads."""

    @property
    def name(self) -> str: ...

    @property
    def model_digest(self) -> str:
        """SHA-256 (hex) of the encoder's file. Features compare only where this is equal."""
        ...

    @property
    def landmarks_digest(self) -> str:
        """SHA-256 (hex) of the landmark model's file."""
        ...

    @property
    def detector(self) -> str:
        """Name and version of the detector, for receipts."""
        ...

    def detect(self, image: RgbImage, *, thorough: bool = False) -> list[Face]:
        """Find faces, surest first.

        Args:
            image: uint8 (height, width, 3) RGB, upright.
            thorough: look for small, tilted and doubtful faces too. Anonymizing wants this: there a false
                alarm costs a patch of wall and a missed face costs a person.
        """
        ...

    def face_in(self, image: RgbImage, box: Box) -> Face:
        """Return the face that somebody marked, with the landmarks found in there; its confidence is 0.

        Raises:
            RegionError: the box is empty, or reaches out of the picture.
        """
        ...

    def align(self, image: RgbImage, face: Face) -> RgbImage:
        """Cut the face out, turned upright and scaled: uint8 (150, 150, 3) RGB."""
        ...

    def encode(self, image: RgbImage, faces: list[Face]) -> Features:
        """Return the features of these faces, float64 (n, 128), in their order."""
        ...

    def encode_chips(self, chips: NDArray[np.uint8]) -> Features:
        """Return the features of aligned faces, float64 (n, 128), in their order.

        Args:
            chips: uint8 (n, 150, 150, 3) RGB, as `align` gives them; any number.

        Raises:
            ValueError: another shape or type.
        """
        ...


def align_all(
    align: Callable[[RgbImage, Face], RgbImage], image: RgbImage, faces: Sequence[Face]
) -> NDArray[np.uint8]:
    """Return the faces' chips by `Engine.align`: uint8 (n, 150, 150, 3), n may be 0."""
    chips = np.empty((len(faces), CHIP_PX, CHIP_PX, 3), np.uint8)
    for index, face in enumerate(faces):
        chips[index] = align(image, face)
    return chips


def check_chips(chips: NDArray[np.uint8]) -> None:
    """Raise ValueError unless these are chips: uint8 (n, 150, 150, 3)."""
    if chips.dtype != np.uint8 or chips.shape[1:] != (CHIP_PX, CHIP_PX, 3):
        raise ValueError(f"chips are {chips.dtype} {chips.shape}, not uint8 (n, {CHIP_PX}, {CHIP_PX}, 3)")


def load_engine(name: str = "fast", *, device: Device = "auto", threads: int | None = None) -> Engine:
    """Load an engine with its models.

    Args:
        name: `fast`, or `reference`, which is dlib itself: equal results, a twentieth of the speed.
        device: where the fast engine computes. `auto` is the GPU where there is one that torch can use.
        threads: of one call on the CPU; by default as many as cores, or what `OMP_NUM_THREADS` says.

    Raises:
        UnknownNameError: none of that name.
        ModelError: dlib or a model file is missing or is not the pinned one.
        DeviceError: a device is asked for that is not there.
        ParameterError: `cuda` for the reference engine, which knows none.
    """
    if name not in ENGINE_NAMES:
        raise UnknownNameError(f"no engine called {name!r}", hint=f"there are: {', '.join(ENGINE_NAMES)}")
    if name == "reference" and device == "cuda":
        raise ParameterError("the reference engine computes on the CPU alone", hint="use the fast one")
    try:
        if name == "reference":
            from veilmesh_ml.reference_engine import ReferenceEngine  # noqa: PLC0415 (dlib loads on demand)

            return ReferenceEngine()
        from veilmesh_ml.fast.engine import FastEngine  # noqa: PLC0415 (onnxruntime loads on demand)

        return FastEngine(device=device, threads=threads)
    except ImportError as err:
        raise ModelError(
            f"the {name} engine needs {err.name}, which is not installed",
            hint="install veilmesh with its [faces] extra",
        ) from err
