"""Pictures in and out: files or bytes <-> uint8 (height, width, 3) RGB arrays, upright.

Reading happens in this order, and each step can refuse: size of the file, header (format, width, height),
decode, orientation from EXIF, conversion to 8-bit RGB. Nothing is decoded before the header was accepted,
so a 30,000 x 30,000 PNG costs no memory.

Conversion: transparency is laid over white; 16-bit grey keeps its upper byte; CMYK, palettes and grey go
through Pillow's own conversion; embedded colour profiles are not applied (dlib was trained without them).
Of a file with several frames the first is read.

Writing carries pixels and nothing else: EXIF (place, camera, and a thumbnail that may show the face),
colour profiles and comments stay behind.
"""

import io
import os
import struct
import tempfile
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from veilmesh_ml.errors import (
    DamagedImageError,
    ImageError,
    ImageTooLargeError,
    NotAnImageError,
    UnsupportedImageError,
)

RgbImage: TypeAlias = NDArray[np.uint8]  # (height, width, 3)

MAX_PIXELS = 64_000_000
MAX_FILE_BYTES = 256 * 1024 * 1024
# JPEG covers the MPO that phones write (several pictures in one file), PPM the grey PGM of research
# collections.
READABLE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM")
FORMAT_OF_SUFFIX = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".ppm": "PPM",
}
LOSSY_FORMATS = frozenset({"JPEG", "WEBP"})

# What Pillow raises from inside a broken file; Warning where warnings are made errors.
_BROKEN_FILE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    Warning,
)
_TRANSPARENT_MODES = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})


def read_image(source: str | os.PathLike[str] | bytes) -> RgbImage:
    """Read a picture as it should be looked at.

    Args:
        source: a path, or the bytes of a file. JPEG, PNG, WebP, BMP, TIFF, PPM or PGM.

    Returns:
        uint8 (height, width, 3), RGB, upright, contiguous.

    Raises:
        NotAnImageError, UnsupportedImageError, ImageTooLargeError, DamagedImageError: as their names say.
        ImageError: the file cannot be opened.
    """
    name = "picture" if isinstance(source, bytes) else str(source)
    content = source if isinstance(source, bytes) else read_file(Path(source))
    with _open(content, name) as picture:
        _check_size(*picture.size, name)
        try:
            picture.load()
            upright = _upright(picture)
            return _to_rgb(upright, name)
        except _BROKEN_FILE_ERRORS as err:
            raise DamagedImageError(
                f"{name} is cut short or damaged: {err}", hint="copy the file again from where it came from"
            ) from err


def read_file(path: Path) -> bytes:
    """Return a picture file's bytes, unread.

    Raises:
        ImageTooLargeError: more than `MAX_FILE_BYTES`.
        ImageError: it cannot be opened.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ImageTooLargeError(
                f"{path} has {size:,} bytes, the limit is {MAX_FILE_BYTES:,}", hint="save it smaller"
            )
        return path.read_bytes()
    except OSError as err:
        raise ImageError(
            f"cannot read {path}: {err.strerror}", hint="check the name and permissions"
        ) from err


def encode_image(image: RgbImage, file_format: str = "PNG") -> bytes:
    """Return the bytes of a file holding these pixels and no metadata.

    Args:
        image: uint8 (height, width, 3) RGB.
        file_format: one of the values of `FORMAT_OF_SUFFIX`. JPEG is written at quality 95 without chroma
            subsampling and WebP at quality 95; the others are lossless.
    """
    target = io.BytesIO()
    lossy = {"quality": 95} if file_format in LOSSY_FORMATS else {}
    subsampling = {"subsampling": 0} if file_format == "JPEG" else {}
    Image.fromarray(image).save(target, format=file_format, **lossy, **subsampling)
    return target.getvalue()


def format_of(path: Path) -> str:
    """Return the format a file name asks for.

    Raises:
        UnsupportedImageError: its ending is none we write.
    """
    try:
        return FORMAT_OF_SUFFIX[path.suffix.lower()]
    except KeyError:
        endings = " ".join(FORMAT_OF_SUFFIX)
        raise UnsupportedImageError(
            f"cannot write {path}: unknown ending {path.suffix!r}", hint=f"use one of {endings}"
        ) from None


def write_image(path: str | os.PathLike[str], image: RgbImage) -> bytes:
    """Write a picture in the format its name asks for, wholly or not at all.

    Returns:
        The bytes written, so that a caller who wants their digest need not read them back.

    Raises:
        UnsupportedImageError: unknown ending.
        ImageError: the file cannot be written (disk full, no permission). Nothing is left behind.
    """
    target = Path(path)
    content = encode_image(image, format_of(target))
    write_atomically(target, content)
    return content


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path`: a reader, or a crash, sees the old file or the new one, nothing between.

    Raises:
        ImageError: it cannot be written; the temporary file is removed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as err:
        raise ImageError(
            f"cannot write {path}: {err.strerror or err}", hint="check free space and permissions"
        ) from err


def _open(content: bytes, name: str) -> ImageFile.ImageFile:
    """Read the header alone."""
    try:
        return Image.open(io.BytesIO(content), formats=READABLE_FORMATS)
    except UnidentifiedImageError as err:
        raise NotAnImageError(
            f"{name} is not a picture we can read", hint="we read JPEG, PNG, WebP, BMP, TIFF, PPM and PGM"
        ) from err
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as err:
        raise _too_large(name, "") from err
    except _BROKEN_FILE_ERRORS as err:
        raise DamagedImageError(
            f"{name} has a damaged header: {err}", hint="copy the file again from where it came from"
        ) from err


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise _too_large(name, f" of {width:,} x {height:,}")


def _too_large(name: str, size: str) -> ImageTooLargeError:
    return ImageTooLargeError(
        f"{name} has more pixels{size} than the {MAX_PIXELS // 1_000_000} million we decode",
        hint="scale it down first",
    )


def _upright(picture: Image.Image) -> Image.Image:
    """Turn and mirror as EXIF asks. EXIF that cannot be parsed asks for nothing."""
    try:
        return ImageOps.exif_transpose(picture)
    except _BROKEN_FILE_ERRORS:
        return picture


def _to_rgb(picture: Image.Image, name: str) -> RgbImage:
    if picture.mode in {"F", "I"}:
        return _grey_from_wide(np.asarray(picture), name)
    if picture.mode.startswith("I;16"):
        return _grey_from_wide(np.asarray(picture).astype(np.int64), name)
    if picture.mode in _TRANSPARENT_MODES or "transparency" in picture.info:
        on_white = Image.new("RGBA", picture.size, "white")
        on_white.alpha_composite(picture.convert("RGBA"))
        picture = on_white
    return np.array(picture.convert("RGB"), dtype=np.uint8)


def _grey_from_wide(values: NDArray[np.integer] | NDArray[np.floating], name: str) -> RgbImage:
    """16-bit grey (height, width) to RGB by its upper byte.

    Raises:
        UnsupportedImageError: wider numbers, which have no agreed white.
    """
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 0xFFFF:
        raise UnsupportedImageError(
            f"{name} has pixels of more than 16 bits", hint="save it with 8 or 16 bits a channel"
        )
    grey = (values.astype(np.uint16) >> 8).astype(np.uint8)
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
