"""Which way a head is turned, from its landmarks."""

from dataclasses import dataclass

import cv2
import numpy as np

from veilmesh_ml.face import Landmarks

# A generic head in millimetres about the nose tip: x to the picture's right, y down, z away from the camera.
# Rounded anthropometric means, as commonly used with solvePnP.
HEAD_POINTS_MM = np.array(
    [
        (0.0, 0.0, 0.0),  # nose tip
        (0.0, 66.0, 13.0),  # chin
        (-45.0, -34.0, 27.0),  # outer corner of the eye at the left of the picture
        (45.0, -34.0, 27.0),  # and at the right
        (-30.0, 30.0, 25.0),  # corner of the mouth at the left
        (30.0, 30.0, 25.0),  # and at the right
    ]
)
HEAD_LANDMARKS = (30, 8, 36, 45, 48, 54)  # of the same points
# Of the camera, in widths of the face: long enough that perspective hardly matters, as the true one is
# not known.
FOCAL_LENGTH_FACES = 20.0


@dataclass(frozen=True, slots=True)
class Pose:
    """Degrees; 0, 0, 0 looks into the camera. A generic head is assumed, so good to about ten degrees.

    Yaw is positive where the face looks to the picture's left, pitch where it looks up, roll where it is
    tilted clockwise.
    """

    yaw: float
    pitch: float
    roll: float


def head_pose(landmarks: Landmarks) -> Pose:
    """Estimate the pose by fitting a generic head to six landmarks (perspective n-point, SQPnP).

    Args:
        landmarks: int64 (68, 2).
    """
    points = landmarks[list(HEAD_LANDMARKS)].astype(np.float64)
    focal = FOCAL_LENGTH_FACES * max(1.0, float(np.ptp(landmarks[:, 0])))
    across, down = landmarks.mean(axis=0)
    camera = np.array([[focal, 0, across], [0, focal, down], [0, 0, 1]])
    _, turn, _ = cv2.solvePnP(HEAD_POINTS_MM, points, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    rotation, _ = cv2.Rodrigues(turn)
    yaw, pitch = np.arctan2(rotation[0, 2], rotation[2, 2]), np.arcsin(np.clip(-rotation[1, 2], -1, 1))
    roll = np.arctan2(rotation[1, 0], rotation[1, 1])
    return Pose(*(float(np.degrees(angle)) for angle in (yaw, pitch, roll)))
