"""What is to be painted over one face: the generator's input, and what is needed to lay its picture in.

1. the photo comes to the canvas, the face upright (`canvas`, `cutting`);
2. the landmarks are de-identified there, as in training;
3. the photo is blackened inside the mask, and mask, lines and prior are drawn to them (`conditions`).

From here on nothing knows a pixel of the face; of its colours the order is told three numbers.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.image import RgbImage
from veilmesh_ml.inpainting.canvas import CANVAS_PX, onto_canvas
from veilmesh_ml.inpainting.conditions import SEEN, Conditions, conditions, mask_outline
from veilmesh_ml.inpainting.cutting import cut_out
from veilmesh_ml.inpainting.tone import Tone, face_tone
from veilmesh_ml.surrogate.bank import Bank, Donor
from veilmesh_ml.surrogate.points import Points, Similarity, with_forehead
from veilmesh_ml.surrogate.shape import deidentified

_JAW: Final = 1.0  # the outline is the surrogate's, as in training


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """For one face.

    Attributes:
        onto: from the photo to the canvas.
        surrounding: the canvas, black inside the mask, uint8 (128, 128, 3).
        mask: where to paint, uint8 (128, 128).
        seen: the generator's input, float32 (8, 128, 128).
        features: how far the prior stays, uint8 (128, 128).
    """

    onto: Similarity
    surrounding: NDArray[np.uint8] = field(repr=False)
    mask: NDArray[np.uint8] = field(repr=False)
    seen: NDArray[np.float32] = field(repr=False)
    features: NDArray[np.uint8] = field(repr=False)

    def completed(self, painted: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the canvas as painted, with the prior's features, uint8 (128, 128, 3).

        Args:
            painted: by the generator, float32 (3, 128, 128), about -1 to 1.
        """
        share = self.features / np.float32(255)
        levels = (painted + (self.seen[5:] - painted) * share + 1) * np.float32(127.5)
        return np.asarray(np.clip(np.rint(levels.transpose(1, 2, 0)), 0, 255), dtype=np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A face on the canvas, before anything is hidden of it.

    Attributes:
        onto: from the photo to the canvas.
        points: the landmarks on the canvas, (68, 2).
        canvas: uint8 (128, 128, 3).
    """

    onto: Similarity
    points: Points = field(repr=False)
    canvas: NDArray[np.uint8] = field(repr=False)

    def tone(self) -> Tone:
        """Return the face's tone: all that an order is told of its colours.

        Raises:
            ValueError: the face's landmarks are too odd.
        """
        return face_tone(self.canvas, with_forehead(self.points))


def place(window: RgbImage, landmarks: Points, mean_shape: Points) -> Placed:
    """Return a face as it stands on the canvas.

    Args:
        window: the face and about a width of it around, uint8 (height, width, 3).
        landmarks: in the window, (68, 2).
        mean_shape: of the bank's frame.

    Raises:
        ValueError: the face's landmarks are too odd.
    """
    onto = onto_canvas(landmarks, mean_shape)
    return Placed(onto, onto.apply(landmarks), cut_out(window, onto))


def order(placed: Placed, donor: Donor, bank: Bank, caution: float, *, tone: Tone) -> Order:
    """Return what is to be painted.

    Args:
        placed: the face.
        donor: lends the prior and the shape.
        bank: of the donor.
        caution: of the shape filter.
        tone: see `Placed.tone`.

    Raises:
        ValueError: the face reaches beyond the canvas: its landmarks are too odd.
    """
    given = conditions(
        placed.canvas,
        with_forehead(placed.points),
        deidentified(placed.points, donor.shape, bank.shape_model, caution, _JAW),
        donor.texture,
        bank.frame.mean_shape,
        tone=tone,
    )
    rim = np.concatenate([given.mask[[0, -1]].ravel(), given.mask[:, [0, -1]].ravel()])
    if rim.any():
        raise ValueError("the face reaches beyond the canvas")
    return Order(placed.onto, given.surrounding, given.mask, network_input(given), given.features)


def own_outline(landmarks: Points, mean_shape: Points) -> Points:
    """Return the outline, in the photo, of what must not be seen of a face, (48, 2)."""
    onto = onto_canvas(landmarks, mean_shape)
    upright = with_forehead(onto.apply(landmarks))
    return onto.undo(mask_outline(upright, upright))


def network_input(given: Conditions) -> NDArray[np.float32]:
    """Return what `networks.ciagan.Generator` takes, float32 (8, 128, 128)."""
    seen = np.empty((SEEN, CANVAS_PX, CANVAS_PX), dtype=np.float32)
    seen[:3] = _centred(given.surrounding).transpose(2, 0, 1) * (given.mask == 0)
    seen[3] = given.mask / np.float32(255)
    seen[4] = given.lines / np.float32(255) * 2 - 1
    seen[5:] = _centred(given.prior).transpose(2, 0, 1)
    return seen


def _centred(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(picture / np.float32(127.5) - 1)
