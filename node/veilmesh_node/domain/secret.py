"""Values that must not show up in a log: their `repr` tells a size and nothing else."""

import struct
from dataclasses import dataclass
from math import dist, isfinite
from typing import Self

FEATURE_COUNT = 128
_FORMAT = struct.Struct(f"<{FEATURE_COUNT}d")
FEATURES_BYTES = _FORMAT.size


class Secret:
    """Bytes that print as their length. `reveal()` is the one way to them, and easy to search for."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        return self._value

    def __repr__(self) -> str:
        return f"<secret, {len(self._value)} bytes>"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True, repr=False)
class Features:
    """The numbers extracted from one face: float64, shape (128,), not L2-normalised; bytes little-endian."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.values) != FEATURE_COUNT:
            raise ValueError(f"features have {FEATURE_COUNT} numbers, not {len(self.values)}")
        if not all(map(isfinite, self.values)):
            raise ValueError("features hold a number that is not finite")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read 1,024 bytes.

        Raises:
            ValueError: another length, or a number that is not finite.
        """
        if len(data) != FEATURES_BYTES:
            raise ValueError(f"features take {FEATURES_BYTES} bytes, not {len(data)}")
        return cls(_FORMAT.unpack(data))

    def to_bytes(self) -> bytes:
        return _FORMAT.pack(*self.values)

    def dissimilarity(self, other: "Features") -> float:
        """Return the Euclidean distance: unitless, >= 0, lower is more alike."""
        return dist(self.values, other.values)

    def __repr__(self) -> str:
        return f"<features, {FEATURE_COUNT} numbers>"
