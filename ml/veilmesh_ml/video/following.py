"""Carries a face's landmarks from one frame to the next, by how the pixels about it move.

Points in the face are followed with pyramidal Lucas-Kanade and back again; what does not come back is left
out (Kalal, Mikolajczyk and Matas 2010, "Forward-backward error"). What remains says, by RANSAC, how the face
moved, turned in the picture and grew. It works on half-turned and hidden faces, where detectors find nothing.
"""

from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.face import Box

Grey: TypeAlias = NDArray[np.uint8]  # (height, width)
Points: TypeAlias = NDArray[np.float64]  # (n, 2): x, y in pixels
Motion: TypeAlias = NDArray[np.float64]  # (2, 3): a similarity

GRID: Final = 7  # points in a row and in a column
REACH: Final = 1.0  # widths of the face, on every side: no face moves farther from frame to frame
WORKED_AT_PX: Final = 96  # wide; larger faces are scaled down
BACK_WITHIN_PX: Final = 1.0  # at that size
AGREE_WITHIN_PX: Final = 1.5
LEAST_POINTS: Final = 12  # of the grid's, that agree
MOST_GROWTH: Final = 1.25  # from frame to frame, and least shrinking
_STEPS: Final = np.linspace(0, 1, GRID)
_GRID: Final[Points] = np.stack(np.meshgrid(_STEPS, _STEPS), axis=-1).reshape(-1, 2)  # in the unit square


def follow(before: Grey, after: Grey, landmarks: Points) -> Motion | None:
    """Return how a face moved from one frame to the next; None where that cannot be seen.

    Args:
        before: a frame.
        after: the next one, or the one before.
        landmarks: of the face in `before`.
    """
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    width_px = float(max(high[0] - low[0], 1.0))
    window = Box(
        int(low[0] - REACH * width_px),
        int(low[1] - REACH * width_px),
        int(high[0] + REACH * width_px) + 1,
        int(high[1] + REACH * width_px) + 1,
    ).within(*before.shape)
    scale = min(1.0, WORKED_AT_PX / width_px)
    if min(window.width, window.height) * scale < 16:
        return None
    first, second = (_cut(grey, window, scale) for grey in (before, after))
    corner = np.array([window.left, window.top])
    points = ((low + _GRID * (high - low) - corner) * scale).astype(np.float32)
    inside = ((points >= 0) & (points < first.shape[::-1])).all(axis=1)
    if inside.sum() < LEAST_POINTS:
        return None
    there, good = came_back(first, second, points[inside])
    if good.sum() < LEAST_POINTS:
        return None
    motion, agreeing = cv2.estimateAffinePartial2D(
        points[inside][good], there[good], ransacReprojThreshold=AGREE_WITHIN_PX
    )
    if motion is None or agreeing.sum() < LEAST_POINTS:
        return None
    growth = float(np.hypot(motion[0, 0], motion[1, 0]))
    if not 1 / MOST_GROWTH <= growth <= MOST_GROWTH:
        return None
    return _in_the_picture(np.asarray(motion, dtype=np.float64), corner, scale)


def moved(points: Points, motion: Motion) -> Points:
    """Return where these points are after the motion."""
    return np.asarray(points @ motion[:, :2].T + motion[:, 2])


def came_back(
    before: Grey, after: Grey, points: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return where points go, float32 (n, 2), and which of them come back to where they were, (n,)."""
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, points.copy())
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(after, before, there, there.copy())
    error = np.linalg.norm(back - points, axis=1)
    good = (found[:, 0] > 0) & (found_back[:, 0] > 0) & (error < BACK_WITHIN_PX)
    return np.asarray(there, dtype=np.float32), good


def _cut(grey: Grey, window: Box, scale: float) -> Grey:
    part = np.ascontiguousarray(grey[window.top : window.bottom, window.left : window.right])
    if scale == 1:
        return part
    return np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _in_the_picture(motion: Motion, corner: NDArray[np.int64], scale: float) -> Motion:
    """Return a motion found in a scaled window as one of the whole picture."""
    turn = motion[:, :2]
    shift = motion[:, 2] / scale + corner - turn @ corner
    return np.column_stack([turn, shift])
