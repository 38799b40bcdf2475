"""Between a frame as it is stored, in planes of luma and chroma, and a picture in RGB.

Only what an anonymizer changed is written back: everything else keeps its samples, of 10 bits too.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from veilmesh_ml.face import Box
from veilmesh_ml.image import RgbImage
from veilmesh_ml.video.orientation import Orientation

# libswscale's bilinear with accurate rounding, whole chroma and equal bits on every machine. Without these
# a picture that goes to RGB and back comes out a level darker.
_EXACTLY: Final = 0x2 | 0x40000 | 0x2000 | 0x80000
_ALIGNED_PX: Final = 4  # no chroma is coarser
_ROOM_PX: Final = 8  # around a change: chroma is interpolated across pixels


def to_rgb(frame: VideoFrame, orientation: Orientation) -> RgbImage:
    """Return a frame as it is shown, uint8 (height, width, 3)."""
    stored = frame.reformat(format="rgb24", interpolation=_EXACTLY).to_ndarray()
    return np.asarray(orientation.upright(stored), dtype=np.uint8)


def in_format(frame: VideoFrame, pixel_format: str) -> VideoFrame:
    """Return the frame in this pixel format: the same one where it has it."""
    if frame.format.name == pixel_format:
        return frame
    converted = frame.reformat(
        format=pixel_format,
        dst_colorspace=frame.colorspace,
        dst_color_range=frame.color_range,
        interpolation=_EXACTLY,
    )
    converted.pts, converted.time_base = frame.pts, frame.time_base
    converted.duration = frame.duration
    return converted


def lay_back(frame: VideoFrame, picture: RgbImage, windows: Sequence[Box], orientation: Orientation) -> None:
    """Write these windows of the upright picture over the frame's own samples.

    Args:
        frame: in a planar format (`is_planar`).
        picture: uint8 (height, width, 3), upright.
        windows: where it differs from the frame.
        orientation: of the frame.
    """
    frame.make_writable()
    stored = orientation.stored(picture)
    for window in windows:
        part = _aligned(window, orientation, stored.shape[:2])
        if part.width and part.height:
            _write(frame, np.ascontiguousarray(stored[part.top : part.bottom, part.left : part.right]), part)


def is_planar(pixel_format: VideoFormat) -> bool:
    """Whether every component has a plane of its own, as 4:2:0 has, and NV12 or packed formats have not."""
    return sorted(component.plane for component in pixel_format.components) == list(
        range(len(pixel_format.components))
    )


def _aligned(window: Box, orientation: Orientation, shape: Sequence[int]) -> Box:
    """Return where an upright window is stored, grown to whole chroma samples, within the picture."""
    height, width = shape
    shown = (width, height) if orientation.transposed else (height, width)
    left, top, right, bottom = window.left, window.top, window.right, window.bottom
    if orientation.flipped:
        top, bottom = shown[0] - bottom, shown[0] - top
    if orientation.mirrored:
        left, right = shown[1] - right, shown[1] - left
    if orientation.transposed:
        left, top, right, bottom = top, left, bottom, right
    low = ((edge - _ROOM_PX) // _ALIGNED_PX * _ALIGNED_PX for edge in (left, top))
    high = (-(-(edge + _ROOM_PX) // _ALIGNED_PX) * _ALIGNED_PX for edge in (right, bottom))
    return Box(*low, *high).within(height, width)


def _write(frame: VideoFrame, part: RgbImage, where: Box) -> None:
    converted = VideoFrame.from_ndarray(part, format="rgb24").reformat(
        format=frame.format.name,
        dst_colorspace=frame.colorspace,
        dst_color_range=frame.color_range,
        interpolation=_EXACTLY,
    )
    for component in frame.format.components:
        left, top = where.left, where.top
        if component.is_chroma:
            left = left * frame.format.chroma_width(_ALIGNED_PX) // _ALIGNED_PX
            top = top * frame.format.chroma_height(_ALIGNED_PX) // _ALIGNED_PX
        samples = _samples(converted, component.plane, component.bits)
        rows, columns = slice(top, top + samples.shape[0]), slice(left, left + samples.shape[1])
        _samples(frame, component.plane, component.bits)[rows, columns] = samples


def _samples(frame: VideoFrame, plane: int, bits: int) -> NDArray[Any]:
    """Return a plane's samples, (height, width), to be read and written in place."""
    own = frame.planes[plane]
    samples: NDArray[Any] = np.frombuffer(memoryview(own), dtype=np.uint8 if bits <= 8 else np.uint16)
    per_row = own.line_size // samples.itemsize
    return samples[: own.height * per_row].reshape(own.height, per_row)[:, : own.width]
