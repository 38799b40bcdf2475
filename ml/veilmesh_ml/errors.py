"""What can go wrong with pictures, models and anonymization.

MlError                     base: a message and, where there is one, a hint that answers "what now?"
├── ImageError              a picture that cannot be read or written; names it
│   ├── NotAnImageError         the bytes are no picture we know
│   ├── UnsupportedImageError   a picture, but of a kind we do not read (32-bit float, say)
│   ├── ImageTooLargeError      refused from its header, before any pixel was decoded
│   └── DamagedImageError       cut short or broken inside
├── VideoError              a video that cannot be read or written; names it
│   ├── NotAVideoError          the bytes are no video we know, or hold no moving picture
│   ├── UnsupportedVideoError   a video, but of a kind we do not read or write
│   ├── DamagedVideoError       cut short or broken inside
│   └── UnwritableVideoError    no space or permission: what is done is kept, and the same command goes on
├── ModelError              a model file or the library that reads it is missing, or is not the one we pinned
├── DeviceError             the GPU that was asked for, or the library for it, is not there
├── TrainingError           a training cannot begin or go on
│   └── DivergedError           a loss is no number any more
├── UnknownNameError        no engine or anonymizer of that name; lists those there are
├── ParameterError          a parameter outside its range, or one the method does not take
├── AnonymizeError          a picture could not be anonymized
│   ├── RegionError             a face has no pixel inside the picture
│   └── GateRefusedError        the release gate refused every method; carries the verdicts
└── RecoveryError           a permuted picture cannot be restored
    ├── WrongKeyError           the key is not the one it was permuted with
    └── AlteredImageError       the pixels are not those that were released: saved with loss, cropped, changed
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from veilmesh_ml.gate import GateVerdict


class MlError(Exception):
    """Base of everything raised here on purpose."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Message: lower case, no full stop, names the thing. Hint: what to do now."""
        super().__init__(message)
        self.hint = hint


class ImageError(MlError):
    pass


class NotAnImageError(ImageError):
    pass


class UnsupportedImageError(ImageError):
    pass


class ImageTooLargeError(ImageError):
    pass


class DamagedImageError(ImageError):
    pass


class VideoError(MlError):
    pass


class NotAVideoError(VideoError):
    pass


class UnsupportedVideoError(VideoError):
    pass


class DamagedVideoError(VideoError):
    pass


class UnwritableVideoError(VideoError):
    pass


class ModelError(MlError):
    pass


class DeviceError(MlError):
    pass


class TrainingError(MlError):
    pass


class DivergedError(TrainingError):
    pass


class UnknownNameError(MlError):
    pass


class ParameterError(MlError):
    pass


class AnonymizeError(MlError):
    pass


class RegionError(AnonymizeError):
    pass


class GateRefusedError(AnonymizeError):
    """Nothing may be released: every method left a face that can still be recognised."""

    def __init__(self, verdicts: "tuple[GateVerdict, ...]") -> None:
        """Verdicts: one per attempt, in the order they were made."""
        tried = ", ".join(dict.fromkeys(verdict.method for verdict in verdicts))
        super().__init__(
            f"the release gate refused every anonymizer tried ({tried})",
            hint="the picture was not released; try another photo, or a stronger method",
        )
        self.verdicts = verdicts


class RecoveryError(MlError):
    pass


class WrongKeyError(RecoveryError):
    pass


class AlteredImageError(RecoveryError):
    pass
