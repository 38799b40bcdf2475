"""What a face is compared by: the mean of the features of its chip and of the mirrored chip.

No face is symmetric in a photo: light and pose fall on one side. The mean over both halves the false
non-matches at dlib's threshold, at about the same false matches, for a second pass through the encoder
(docs/benchmarks.md, "mirrored too"). It is no other model: such features compare with plain ones, too.

All this holds of dlib's encoder. A plugged one's description says itself whether it mirrors.
"""

import numpy as np

from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import Engine, align_all
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.model_files import ENCODER


def mirrors(engine: Engine) -> bool:
    """Whether faces are compared with their mirror images under this engine."""
    return engine.model_digest == ENCODER.sha256


def sample_features(engine: Engine, image: RgbImage, faces: list[Face]) -> Features:
    """Return the features to compare these faces by, float64 (n, d), in their order.

    Args:
        engine: encodes.
        image: uint8 (height, width, 3) RGB.
        faces: as found in there; none is no error.
    """
    if not mirrors(engine):
        return engine.encode(image, faces)
    chips = align_all(engine.align, image, faces)
    both = engine.encode_chips(np.concatenate([chips, chips[:, :, ::-1]]))
    return (both[: len(faces)] + both[len(faces) :]) / 2
