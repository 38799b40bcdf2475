"""Where a video comes from: a file, a pipe, numbered pictures, or a camera."""

import hashlib
import re
import sys
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import IO, Final, Self

import av
from av.container import InputContainer

from veilmesh_ml.errors import DamagedVideoError, NotAVideoError, UnsupportedVideoError, VideoError
from veilmesh_ml.video.inputs import NUMBERED, PIPE, is_camera, is_numbered

PICTURES_A_SECOND: Final = 25.0
_COPY_AGAIN: Final = "copy the file again from where it came from"
_READ: Final = "MP4, MOV, Matroska, WebM and AVI are read, and most others"
PIPED: Final = "pipe in Matroska, WebM, MPEG-TS or an MP4 that has its index first (-movflags +faststart)"


class Kind(Enum):
    FILE = auto()
    PIPE = auto()  # what is read is gone
    PICTURES = auto()  # numbered, as in frames/%04d.png
    CAMERA = auto()  # without an end


@dataclass(slots=True)
class Source:
    """A video that can be opened.

    Attributes:
        path: as it was given.
        kind: what it is.
        rate: pictures a second, of numbered pictures.
    """

    path: Path
    kind: Kind
    rate: float = PICTURES_A_SECOND
    _piped: "_Hashing | None" = field(default=None, repr=False)

    @classmethod
    def of(cls, path: Path, rate: float = PICTURES_A_SECOND) -> Self:
        """Tell by its name what it is."""
        if path == PIPE:
            return cls(path, Kind.PIPE)
        if is_camera(path):
            return cls(path, Kind.CAMERA)
        return cls(path, Kind.PICTURES if is_numbered(path) else Kind.FILE, rate)

    @property
    def again(self) -> bool:
        """Whether it can be read a second time, and is the same then."""
        return self.kind in {Kind.FILE, Kind.PICTURES}

    def __str__(self) -> str:
        """Return what it is called in messages."""
        return "the video piped in" if self.kind is Kind.PIPE else str(self.path)

    def open(self) -> InputContainer:
        """Open it.

        Raises:
            NotAVideoError: empty, or nothing we know.
            DamagedVideoError: a numbered picture is missing.
            VideoError: it cannot be read.
        """
        try:
            match self.kind:
                case Kind.FILE:
                    if not self.path.stat().st_size:
                        raise NotAVideoError(f"{self.path} is empty", hint=_COPY_AGAIN)
                    return av.open(str(self.path), metadata_errors="replace")
                case Kind.PIPE:
                    self._piped = _Hashing(sys.stdin.buffer)
                    return av.open(self._piped, "r", metadata_errors="replace")
                case Kind.PICTURES:
                    first = min(numbered(self.path))
                    options = {"start_number": str(first), "framerate": str(self.rate)}
                    return av.open(str(self.path), format="image2", options=options)
                case Kind.CAMERA:
                    return av.open(str(self.path), format="v4l2")
        except (av.InvalidDataError, av.EOFError) as err:
            raise NotAVideoError(
                f"{self} is no video that we can read, or its beginning or end is missing",
                hint=PIPED if self.kind is Kind.PIPE else _READ,
            ) from err
        except OSError as err:
            raise self._unreadable(err) from err

    def sha256(self) -> str:
        """Return the digest of all its bytes, hex; of numbered pictures, of their digests in order.

        A pipe's is known once it was read; a camera has none.

        Raises:
            VideoError: it cannot be read.
        """
        if self.kind in {Kind.PIPE, Kind.CAMERA}:
            return "" if self._piped is None else self._piped.sha256()
        try:
            if self.kind is Kind.PICTURES:
                files = numbered(self.path)
                digests = (_digest(files[number]) for number in sorted(files))
                return hashlib.sha256(b"".join(digests)).hexdigest()
            return _digest(self.path).hex()
        except OSError as err:
            raise self._unreadable(err) from err

    def _unreadable(self, err: OSError) -> VideoError:
        if self.kind is Kind.CAMERA:
            there = ", ".join(sorted(map(str, Path("/dev").glob("video*")))) or "none"
            return VideoError(
                f"cannot open the camera {self.path}: {err.strerror}",
                hint=f"cameras on this machine: {there}; is it in use, or are you not in the group `video`?",
            )
        return VideoError(f"cannot read {self}: {err.strerror}", hint="check the name and permissions")


def numbered(pattern: Path) -> dict[int, Path]:
    """Return the pictures that a pattern such as `frames/%04d.png` stands for, by their numbers.

    Raises:
        UnsupportedVideoError: a pattern with two numbers, or one in a folder's name.
        NotAVideoError: there is none.
        DamagedVideoError: one is missing between the first and the last.
    """
    parts = NUMBERED.split(pattern.name)
    if len(parts) != 3 or "%" in "".join([parts[0], parts[2], str(pattern.parent)]):
        raise UnsupportedVideoError(f"{pattern} has to hold one number", hint="as in frames/%04d.png")
    width = parts[1] or ""
    digits = rf"\d{{{int(width)},}}" if width else r"\d+"
    name = re.compile(f"{re.escape(parts[0])}({digits}){re.escape(parts[2])}")
    found = {
        int(match[1]): path
        for path in pattern.parent.glob("*")
        if (match := name.fullmatch(path.name)) and path.name == pattern.name % int(match[1])
    }
    if not found:
        raise NotAVideoError(
            f"there is no picture {pattern}", hint="numbers are written as in frames/%04d.png"
        )
    for number in range(min(found), max(found)):
        if number not in found:
            raise DamagedVideoError(
                f"{pattern.with_name(pattern.name % number)} is missing", hint="numbers must have no gap"
            )
    return found


class _Hashing:
    """A pipe that is read once, and what was read of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        self._digest.update(content)
        return content

    def sha256(self) -> str:
        """Return the digest of all there is, reading what nobody wanted."""
        while self.read(1 << 20):
            pass
        return self._digest.hexdigest()


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
