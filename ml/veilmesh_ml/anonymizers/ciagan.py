"""A surrogate face that a generator paints into the photo: nobody's, by CIAGAN (S2; see `networks.ciagan`).

The face is cut out before anything else is done; the generator gets what is around it, landmarks that are
de-identified, a donor of `cluster`'s bank warped to them in the tone of the skin, and an identity code of
nobody. It never receives a pixel of the face. The donor's features stay, what is around them is painted.
Donor and code are drawn with a key, so that two organisations' pictures of one person get different faces.
Which donors suit, and the tone, are read off the face, as for `cluster`.

Where the release gate refuses a face, other donors and codes are drawn for it, and in the end less of the
person stays (`modes`). A face that cannot be painted (landmarks too odd, too small) gets the solid mask.
"""

from functools import partial
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage
from veilmesh_ml.anonymizers.modes import Attempts
from veilmesh_ml.anonymizers.replacing import Cast, Casting, replace_faces, window_of
from veilmesh_ml.exported import ExportedNetwork
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.inpainting.canvas import CANVAS_PX
from veilmesh_ml.inpainting.codes import CODE, CodeTable, decode_codes
from veilmesh_ml.inpainting.conditions import SEEN
from veilmesh_ml.inpainting.order import Order, order, own_outline, place
from veilmesh_ml.inpainting.seam import lay_in
from veilmesh_ml.keystream import derive, key_or_fresh, words
from veilmesh_ml.surrogate.bank import Bank
from veilmesh_ml.surrogate.choice import DRAWN_FROM, choose
from veilmesh_ml.surrogate.points import Points
from veilmesh_ml.surrogate.replacement import read_face
from veilmesh_ml.weights import read_weights, shipped_bank

NAME: Final = "ciagan"
MARGIN: Final = 1.0  # around the points, in widths of the face: as far as the canvas reaches
AT_ONCE: Final = 16  # faces in one run of the network; bounds memory


class Generator(Protocol):
    """float32 [n, 8, 128, 128] and codes [n, 128] to [n, 3, 128, 128]; see `inpainting.order`."""

    @property
    def digest(self) -> str: ...

    def __call__(self, seen: NDArray[np.float32], codes: NDArray[np.float32], /) -> NDArray[np.float32]: ...


class Ciagan(Cast[int]):
    """Replace every face by one that the generator paints."""

    name: Final = NAME

    def __init__(
        self,
        mode: str = "natural",
        key: bytes | None = None,
        threads: int | None = None,
        painter: tuple[Generator, CodeTable] | None = None,
    ) -> None:
        """Mode: `natural` or `strict`. Key: 32 bytes; without one, a fresh one.

        Threads: of the network. Painter: the shipped generator and its codes.

        Raises:
            ModelError: shipped weights are missing, altered, or of another config or bank.
        """
        self._attempts = Attempts.of(mode, DRAWN_FROM)
        self._casting = Casting(self.name, key_or_fresh(key))
        self._bank: Bank = shipped_bank()
        self._generator, self._codes = shipped_painter(threads) if painter is None else painter
        self._codes.require_bank(self._bank.digest)

    @property
    def attempts(self) -> int:
        return len(self._attempts)

    def anonymize(self, image: RgbImage, faces: list[Face], *, attempt: int = 0) -> AnonymizedImage:
        """Replace the faces; equal key, picture and faces give an equal result."""
        tried = self._attempts[attempt]
        orders = self._orders(image, faces, attempt)
        painted = self._painted(orders)

        def replace(number: int, window: RgbImage, _landmarks: Points, key: bytes) -> RgbImage:
            if number not in orders:
                raise ValueError("the face cannot be painted")
            asked, _ = orders[number]
            return lay_in(window, asked.completed(painted[number]), asked, derive(key, "noise"))

        replaced = replace_faces(image, faces, replace, casting=self._casting, margin=MARGIN)
        parameters = {**tried.parameters, "weights": self._generator.digest, "bank": self._bank.digest}
        return replaced.by(self.name, parameters)

    def _orders(
        self, image: RgbImage, faces: list[Face], attempt: int
    ) -> dict[int, tuple[Order, NDArray[np.float32]]]:
        """What is to be painted over each face, by its number, and the code to paint it by.

        Raises:
            RegionError: a face lies outside the picture.
        """
        orders = {}
        tried = self._attempts[attempt]
        for number, face in enumerate(faces):
            window = window_of(image, face, MARGIN)
            if window is None:
                continue
            corner = np.array([window.left, window.top])
            part = image[window.top : window.bottom, window.left : window.right]
            landmarks = face.landmarks.astype(np.float64) - corner
            others = [other.landmarks - corner for place, other in enumerate(faces) if place != number]
            key = self._casting.key_of(image, face)
            try:
                reading = read_face(np.ascontiguousarray(part), landmarks, self._bank)
                suiting = partial(choose, self._bank, reading, tried.setting.suitable, key, tried.draw)
                chosen = self._casting.choose(attempt, suiting)
                covered = _without(part, others, self._bank)
                placed = place(covered, landmarks, self._bank.frame.mean_shape)
                donor = self._bank.donor(chosen)
                asked = order(placed, donor, self._bank, tried.setting.caution, tone=placed.tone())
            except (cv2.error, np.linalg.LinAlgError, ValueError):
                continue  # fails closed: the caller masks the face
            orders[number] = asked, self._code(chosen, key, tried.draw)
        return orders

    def _code(self, donor: int, key: bytes, draw: int) -> NDArray[np.float32]:
        each = self._codes.codes.shape[1]
        drawn = int(words(derive(key, "code", draw), 1)[0] % each)
        return np.asarray(self._codes.codes[donor, drawn])

    def _painted(
        self, orders: dict[int, tuple[Order, NDArray[np.float32]]]
    ) -> dict[int, NDArray[np.float32]]:
        """What the generator paints, float32 (3, 128, 128) each; many faces in one run."""
        numbers = list(orders)
        painted: dict[int, NDArray[np.float32]] = {}
        for start in range(0, len(numbers), AT_ONCE):
            some = numbers[start : start + AT_ONCE]
            seen = np.stack([orders[number][0].seen for number in some])
            codes = np.stack([orders[number][1] for number in some])
            painted |= zip(some, self._generator(seen, codes), strict=True)
        return painted


def shipped_painter(threads: int | None = None) -> tuple[Generator, CodeTable]:
    """Return the generator and the codes that come with the package.

    Raises:
        ModelError: a file is missing, altered, or of another config.
    """
    generator = ExportedNetwork(NAME, threads)
    generator.require_shapes([(SEEN, CANVAS_PX, CANVAS_PX), (CODE,)], [(3, CANVAS_PX, CANVAS_PX)])
    return generator, decode_codes(read_weights(NAME, "codes"), "the codes of ciagan")


def _without(part: RgbImage, others: list[Points], bank: Bank) -> RgbImage:
    """Return the part of the picture without the other faces in it: a generator sees nobody's."""
    covered = part.copy()
    for landmarks in others:
        outline = own_outline(np.asarray(landmarks, dtype=np.float64), bank.frame.mean_shape)
        cv2.fillPoly(covered, [np.rint(np.clip(outline, -16384, 16384)).astype(np.int32)], (0, 0, 0))
    return covered
