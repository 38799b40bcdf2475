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
_CONVERSION_PX: Final = (
    40_000  # so many pixels more are converted in the time that a conversion takes to begin
)


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
    aligned = (_aligned(window, orientation, stored.shape[:2]) for window in windows)
    parts = [part for part in aligned if part.width and part.height]
    for whole, inside in _converted_together(parts):
        converted = _converted(frame, stored[whole.top : whole.bottom, whole.left : whole.right])
        for part in inside:
            _write(frame, converted, whole, part)


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


def _converted_together(parts: Sequence[Box]) -> list[tuple[Box, Sequence[Box]]]:
    """Return what is converted, and the parts in it: all in one, unless too much lies between them."""
    if not parts:
        return []
    whole = Box(
        min(part.left for part in parts),
        min(part.top for part in parts),
        max(part.right for part in parts),
        max(part.bottom for part in parts),
    )
    if whole.width * whole.height <= sum(part.width * part.height + _CONVERSION_PX for part in parts):
        return [(whole, parts)]
    return [(part, [part]) for part in parts]


def _converted(frame: VideoFrame, part: RgbImage) -> VideoFrame:
    """Return a part of the picture as this frame stores it."""
    return VideoFrame.from_ndarray(np.ascontiguousarray(part), format="rgb24").reformat(
        format=frame.format.name,
        dst_colorspace=frame.colorspace,
        dst_color_range=frame.color_range,
        interpolation=_EXACTLY,
    )


def _write(frame: VideoFrame, converted: VideoFrame, whole: Box, part: Box) -> None:
    """Copy a part from what was converted; both begin on whole chroma samples."""
    inside = part.moved(-whole.left, -whole.top)
    for component in frame.format.components:
        across, down = _ALIGNED_PX, _ALIGNED_PX
        if component.is_chroma:
            across, down = frame.format.chroma_width(across), frame.format.chroma_height(down)
        there, here = (
            (_of_plane(box.top, box.bottom, down), _of_plane(box.left, box.right, across))
            for box in (part, inside)
        )
        own, new = (_samples(each, component.plane, component.bits) for each in (frame, converted))
        own[there] = new[here]


def _of_plane(low_px: int, high_px: int, samples: int) -> slice:
    """Return the samples of a row or column, of which a plane has so many for `_ALIGNED_PX`."""
    return slice(low_px * samples // _ALIGNED_PX, -(-high_px * samples // _ALIGNED_PX))


def _samples(frame: VideoFrame, plane: int, bits: int) -> NDArray[Any]:
    """Return a plane's samples, (height, width), to be read and written in place."""
    own = frame.planes[plane]
    samples: NDArray[Any] = np.frombuffer(memoryview(own), dtype=np.uint8 if bits <= 8 else np.uint16)
    per_row = own.line_size // samples.itemsize
    return samples[: own.height * per_row].reshape(own.height, per_row)[:, : own.width]
