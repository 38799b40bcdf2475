"""Values that must not show up in a log: their `repr` tells a size and nothing else."""

import struct
from dataclasses import dataclass
from math import dist, isfinite
from typing import Self

MIN_FEATURES, MAX_FEATURES = 16, 4096  # of one face; dlib's encoder gives 128
NUMBER_BYTES = 8


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
    """The numbers extracted from one face: float64, shape (d,), d the encoder's; bytes little-endian.

    They are as the encoder gave them: dlib's are not L2-normalised.
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not MIN_FEATURES <= len(self.values) <= MAX_FEATURES:
            raise ValueError(
                f"features have {MIN_FEATURES} to {MAX_FEATURES} numbers, not {len(self.values)}"
            )
        if not all(map(isfinite, self.values)):
            raise ValueError("features hold a number that is not finite")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read 8 bytes a number.

        Raises:
            ValueError: another length, too few or too many, or a number that is not finite.
        """
        count, rest = divmod(len(data), NUMBER_BYTES)
        if rest:
            raise ValueError(f"features take {NUMBER_BYTES} bytes a number, so not {len(data)}")
        return cls(struct.unpack(f"<{count}d", data))

    def to_bytes(self) -> bytes:
        return struct.pack(f"<{len(self.values)}d", *self.values)

    def dissimilarity(self, other: "Features") -> float:
        """Return the Euclidean distance: unitless, >= 0, lower is more alike.

        Raises:
            ValueError: the two have not the same length, so they are not of one encoder.
        """
        return dist(self.values, other.values)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"<features, {len(self.values)} numbers>"
