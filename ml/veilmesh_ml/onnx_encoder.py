"""Any ONNX face encoder, run as its description says.

The model file is read once, digested and given to onnxruntime as those very bytes, so what runs is what the
digest names. A model that keeps weights in further files is refused: nothing would vouch for them.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.encoder_description import (
    Colour,
    EncoderDescription,
    Metric,
    PointsAlignment,
    read_description,
)
from veilmesh_ml.errors import ModelError
from veilmesh_ml.face import Landmarks
from veilmesh_ml.five_points import align_by_points, five_points
from veilmesh_ml.image import RgbImage
from veilmesh_ml.onnx_session import onnx_reason, onnx_session

MAX_MODEL_BYTES = 1024**3
MAX_BATCH = 32  # chips at once; bounds memory
MIN_FEATURES, MAX_FEATURES = 16, 4096


class OnnxEncoder:
    """Turns aligned chips into features. May be called from several threads.

    Attributes:
        description: how the model is used.
        model_digest: SHA-256 (hex) of model and description; what a consortium approves.
        feature_count: length of one face's features.
    """

    def __init__(self, model: bytes, description: EncoderDescription) -> None:
        """Check that the model fits its description, by running it once.

        Raises:
            ModelError: onnxruntime is missing or does not take the model, or the model is not as described.
        """
        self.description = description
        self.model_digest = description.model_digest(sha256(model).hexdigest())
        self._session = onnx_session(model, f"encoder {description.name}")
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelError(
                f"encoder {description.name} has {len(inputs)} inputs, {len(outputs)} outputs, not one each"
            )
        self._input = inputs[0].name
        batch = inputs[0].shape[0] if inputs[0].shape else None
        self._fixed_batch = batch if isinstance(batch, int) else None
        size = description.input.size_px
        trial = self._run(np.zeros((self._fixed_batch or 1, 3, size, size), dtype=np.float32))
        if trial.ndim != 2 or not MIN_FEATURES <= trial.shape[1] <= MAX_FEATURES:
            raise ModelError(
                f"encoder {description.name} gives shape {trial.shape}, not one row a chip of "
                f"{MIN_FEATURES} to {MAX_FEATURES} features"
            )
        self.feature_count = int(trial.shape[1])

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load `path` (.onnx) as the .toml beside it describes.

        Raises:
            ModelError: as `read_description` and the constructor; or the model cannot be read.
        """
        description = read_description(path)
        try:
            if path.stat().st_size > MAX_MODEL_BYTES:
                raise ModelError(f"encoder {path} is larger than {MAX_MODEL_BYTES // 1024**2} MB")
            return cls(path.read_bytes(), description)
        except OSError as err:
            raise ModelError(f"cannot read encoder {path}: {err.strerror}") from err

    def align(self, image: RgbImage, landmarks: Landmarks, dlib_chip: RgbImage | None) -> RgbImage:
        """Return a face as the encoder wants it: uint8 (size, size, 3) RGB.

        Args:
            image: the picture that the landmarks are of.
            landmarks: int64 (68, 2).
            dlib_chip: uint8 (150, 150, 3), where the description asks for that (`wants_dlib_chip`).
        """
        size, alignment = self.description.input.size_px, self.description.alignment
        if isinstance(alignment, PointsAlignment):
            target = np.array(alignment.points, dtype=np.float64)
            return align_by_points(image, five_points(landmarks), target, alignment.fit, size)
        if dlib_chip is None:
            raise ValueError("the encoder takes dlib's chip, and got none")
        how = cv2.INTER_AREA if size < len(dlib_chip) else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(dlib_chip, (size, size), interpolation=how), dtype=np.uint8)

    @property
    def wants_dlib_chip(self) -> bool:
        return not isinstance(self.description.alignment, PointsAlignment)

    def encode(self, chips: Sequence[RgbImage]) -> Features:
        """Return the features of chips as `align` gives them: float64 (n, feature_count), in their order.

        Raises:
            ModelError: the model gave a number that is not finite.
        """
        features = np.empty((len(chips), self.feature_count))
        step = self._fixed_batch or MAX_BATCH
        for start in range(0, len(chips), step):
            batch = self._normalised(chips[start : start + step])  # (k, 3, size, size)
            found = self._features(batch)
            if self.description.output.flip_average:
                found = (found + self._features(batch[..., ::-1])) / 2
            features[start : start + step] = found
        if not np.isfinite(features).all():
            raise ModelError(f"encoder {self.description.name} gave a number that is not finite")
        return self._scaled(features)

    def _normalised(self, chips: Sequence[RgbImage]) -> NDArray[np.float32]:
        """Return what the network takes: (n, 3, size, size), its channels in the described order."""
        given = self.description.input
        pixels = np.stack(chips).astype(np.float32) / np.float32(255)
        if given.colour is Colour.BGR:
            pixels = pixels[..., ::-1]
        normalised = (pixels - np.array(given.mean, np.float32)) / np.array(given.std, np.float32)
        return np.ascontiguousarray(normalised.transpose(0, 3, 1, 2))

    def _features(self, batch: NDArray[np.float32]) -> Features:
        """Run one batch; a graph of a fixed batch gets its number, the rest of it zeros."""
        count = len(batch)
        if self._fixed_batch is not None:
            padding = np.zeros((self._fixed_batch - count, *batch.shape[1:]), np.float32)
            batch = np.concatenate([batch, padding])
        return self._run(np.ascontiguousarray(batch))[:count].astype(np.float64)

    def _run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            return np.asarray(self._session.run(None, {self._input: batch})[0])
        except Exception as err:  # onnxruntime's own errors have no public base
            named = f"encoder {self.description.name}"
            raise ModelError(
                f"{named} does not take chips of shape {batch.shape}: {onnx_reason(err)}"
            ) from err

    def _scaled(self, features: Features) -> Features:
        output = self.description.output
        if output.metric is Metric.COSINE:
            lengths = np.linalg.norm(features, axis=1, keepdims=True)
            if (lengths == 0).any():
                raise ModelError(f"encoder {self.description.name} gave features of length 0")
            features = features / lengths
        return features * output.threshold_scale
