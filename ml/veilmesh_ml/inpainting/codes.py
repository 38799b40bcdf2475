"""Identity codes of nobody, that a generator paints by, and the one file they are kept in.

A code is 128 numbers of length sqrt(128). Each of the shipped ones was drawn at random about what people have
in common who look like a donor of the bank (`train.identities`), and is further from everybody in the
training than they are from each other: nobody has it. Needs numpy alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.array_file import encode_arrays, reading_arrays, require_format
from veilmesh_ml.errors import ModelError

FORMAT: Final = "veilmesh/codes/1"
CODE: Final = 128
CODE_LENGTH: Final = CODE**0.5
_OFF: Final = 0.02  # of the length, after rounding to fp16


@dataclass(frozen=True, slots=True, eq=False)
class CodeTable:
    """A few codes for every donor of a bank.

    Attributes:
        codes: float32 (donors, each, 128).
        bank_sha256: of the bank whose donors they suit.
    """

    codes: NDArray[np.float32] = field(repr=False)
    bank_sha256: str

    def require_bank(self, bank_sha256: str) -> None:
        """Refuse to serve another bank.

        Raises:
            ModelError: its donors are others.
        """
        if bank_sha256 != self.bank_sha256:
            raise ModelError(
                f"the identity codes suit the bank {self.bank_sha256[:12]}…, not {bank_sha256[:12]}…",
                hint="install veilmesh again; who built a bank of their own trains and exports anew",
            )


def encode_codes(table: CodeTable) -> bytes:
    """Return the file's bytes; equal tables give equal bytes."""
    return encode_arrays(
        {
            "format": np.array([FORMAT]),
            "codes": table.codes.astype(np.float16),
            "bank_sha256": np.array([table.bank_sha256]),
        }
    )


def decode_codes(content: bytes, name: str = "codes") -> CodeTable:
    """Read a table.

    Raises:
        ModelError: not such a file, or damaged.
    """
    with reading_arrays(content, f"{name} is no file of identity codes", "export it again") as arrays:
        return _table(arrays)


def _table(arrays: Mapping[str, NDArray[Any]]) -> CodeTable:
    require_format(arrays, FORMAT)
    codes = arrays["codes"].astype(np.float32)
    if codes.ndim != 3 or codes.shape[2] != CODE or 0 in codes.shape:
        raise ValueError(f"codes have shape {codes.shape}, not (donors, each, {CODE})")
    lengths = np.linalg.norm(codes, axis=2)
    if not (np.abs(lengths / CODE_LENGTH - 1) < _OFF).all():
        raise ValueError("codes are of another length")
    return CodeTable(codes, str(arrays["bank_sha256"].item()))
