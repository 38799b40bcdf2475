"""dlib's serialisation of numbers, text and tensors, read in Python.

- integer: a control byte (low four bits: how many bytes follow, 1 to 8; top bit: negative), then these,
  little-endian; boolean: ASCII "0" or "1";
- real: integer mantissa m and exponent e, for m * 2^e; three exponents stand for infinities and NaN;
- text: integer length, then bytes;
- tensor: integer 2, four integers (samples, channels, rows, columns), raw little-endian float32;
- a view into a tensor: integer 1, four integers.

Source: dlib `serialize.h`, `float_details.h`, `cuda/tensor.h`.
"""

import math

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.errors import ModelError

TENSOR_VERSION = 2
TENSOR_VIEW_VERSION = 1
_NOT_FINITE = {32000: math.inf, 32001: -math.inf, 32002: math.nan}


class DlibStream:
    """A position in a file's content.

    Every method reads one thing and raises ModelError, with the position, where the bytes are no such thing.
    """

    def __init__(self, content: bytes, name: str) -> None:
        """`name`: how errors call the file."""
        self._content = memoryview(content)
        self._position = 0
        self._name = name

    @property
    def at_end(self) -> bool:
        return self._position == len(self._content)

    def error(self, what: str) -> ModelError:
        return ModelError(
            f"model {self._name} is damaged or of another dlib version: {what} at byte {self._position:,}",
            hint="install face_recognition_models 0.3.0 again",
        )

    def byte(self) -> int:
        return self._raw(1)[0]

    def integer(self) -> int:
        control = self.byte()
        size = control & 0x0F
        if not 1 <= size <= 8 or control & 0x70:
            raise self.error(f"no integer begins with {control:#04x}")
        value = int.from_bytes(self._raw(size), "little")
        return -value if control & 0x80 else value

    def integers(self, count: int) -> tuple[int, ...]:
        return tuple(self.integer() for _ in range(count))

    def peek_integer(self) -> int:
        """Return the integer that comes next without reading past it."""
        position = self._position
        value = self.integer()
        self._position = position
        return value

    def real(self) -> float:
        mantissa, exponent = self.integer(), self.integer()
        if exponent in _NOT_FINITE:
            return _NOT_FINITE[exponent]
        try:
            return math.ldexp(mantissa, exponent)
        except OverflowError:
            raise self.error(f"no number has the exponent {exponent}") from None

    def reals(self, count: int) -> tuple[float, ...]:
        return tuple(self.real() for _ in range(count))

    def booleans(self, count: int) -> tuple[bool, ...]:
        raw = bytes(self._raw(count))
        if raw.strip(b"01"):
            raise self.error(f"{raw!r} are no booleans")
        return tuple(letter == ord("1") for letter in raw)

    def text(self) -> str:
        raw = bytes(self._raw(self.integer()))
        try:
            return raw.decode("ascii")
        except UnicodeDecodeError:
            raise self.error("no text") from None

    def tensor(self) -> NDArray[np.float32]:
        """Return float32 (samples, channels, rows, columns)."""
        self._expect(TENSOR_VERSION, "a tensor")
        shape = self.integers(4)
        if min(shape) < 0:
            raise self.error(f"no tensor has the shape {shape}")
        return np.frombuffer(self._raw(4 * math.prod(shape)), dtype="<f4").reshape(shape)

    def tensor_view(self) -> tuple[int, ...]:
        """Return the shape that a view into a tensor gives it."""
        self._expect(TENSOR_VIEW_VERSION, "a view into a tensor")
        return self.integers(4)

    def _expect(self, version: int, what: str) -> None:
        found = self.integer()
        if found != version:
            raise self.error(f"{what} of version {found}, not {version}")

    def _raw(self, size: int) -> memoryview:
        if not 0 <= size <= len(self._content) - self._position:
            raise self.error(f"{size:,} more bytes are asked for, {len(self._content):,} there are")
        self._position += size
        return self._content[self._position - size : self._position]
