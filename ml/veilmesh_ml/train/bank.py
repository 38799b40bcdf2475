"""Builds the bank of surrogate faces from arrays of faces; see `surrogate.bank` for what it holds."""

from collections.abc import Callable

import numpy as np

from veilmesh_ml.surrogate.bank import Bank
from veilmesh_ml.surrogate.frame import Frame
from veilmesh_ml.surrogate.shape import ShapeModel, fit_shapes
from veilmesh_ml.train.apparent import fit_appearances
from veilmesh_ml.train.donors import build_donors
from veilmesh_ml.train.faces import TrainingFaces

CLUSTERS = 320
MAX_PHOTOS_OF_A_PERSON = 8  # in the shape model, so that the famous do not set it alone


def build_bank(
    faces: TrainingFaces,
    frame: Frame,
    *,
    clusters: int = CLUSTERS,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Bank:
    """Build a bank; equal faces and seed give an equal bank.

    Raises:
        ModelError: too few photos have labels.
    """
    appearances = fit_appearances(faces, frame, seed)
    donors = build_donors(
        faces,
        appearances.attributes,
        appearances.teacher,
        frame,
        clusters=clusters,
        seed=seed,
        progress=progress,
    )
    return Bank(
        frame,
        donors.textures,
        donors.shapes,
        donors.attributes,
        donors.people,
        appearances.attributes.std(axis=0) + 1e-6,
        appearances.model,
        _shapes(faces, frame),
    )


def _shapes(faces: TrainingFaces, frame: Frame) -> ShapeModel:
    groups = []
    for person in np.unique(faces.people):
        photos = faces.landmarks[faces.people == person][:MAX_PHOTOS_OF_A_PERSON]
        if len(photos) > 1:
            groups.append(photos)
    return fit_shapes(groups, frame.mean_shape)
