"""What a face is compared by: the mean of the features of its chip and of the mirrored chip.

No face is symmetric in a photo: light and pose fall on one side. The mean over both halves the false
non-matches at dlib's threshold, at about the same false matches, for a second pass through the encoder
(docs/benchmarks.md, "mirrored too"). It is no other model: such features compare with plain ones, too.
"""

import numpy as np

from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import Engine, align_all
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage


def sample_features(engine: Engine, image: RgbImage, faces: list[Face]) -> Features:
    """Return the features to compare these faces by, float64 (n, d), in their order.

    Args:
        engine: with dlib's encoder. A plugged encoder's description says itself whether it mirrors.
        image: uint8 (height, width, 3) RGB.
        faces: as found in there; none is no error.
    """
    chips = align_all(engine.align, image, faces)
    both = engine.encode_chips(np.concatenate([chips, chips[:, :, ::-1]]))
    return (both[: len(faces)] + both[len(faces) :]) / 2
