"""Builds the bank of surrogate faces from arrays of faces; see `surrogate.bank` for what it holds."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.surrogate.attributes import AttributeModel
from veilmesh_ml.surrogate.bank import Bank
from veilmesh_ml.surrogate.frame import Frame
from veilmesh_ml.surrogate.shape import ShapeModel, fit_shapes
from veilmesh_ml.train.apparent import fit_appearances
from veilmesh_ml.train.donors import Donors, build_donors
from veilmesh_ml.train.faces import TrainingFaces

CLUSTERS = 430
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
        appearances.likeness,
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
        _likenesses(donors, appearances.model, frame),
        donors.people,
        appearances.attributes.std(axis=0) + 1e-6,
        appearances.model,
        _shapes(faces, frame),
    )


def _likenesses(donors: Donors, model: AttributeModel, frame: Frame) -> NDArray[np.float64]:
    likenesses = []
    for texture, shape in zip(donors.textures, donors.shapes, strict=True):
        face = np.where(frame.face[..., np.newaxis], texture, 0).astype(np.uint8)
        likenesses.append(model.read(face, shape, shape, frame).likeness)
    return np.stack(likenesses)


def _shapes(faces: TrainingFaces, frame: Frame) -> ShapeModel:
    groups = []
    for person in np.unique(faces.people):
        photos = faces.landmarks[faces.people == person][:MAX_PHOTOS_OF_A_PERSON]
        if len(photos) > 1:
            groups.append(photos)
    return fit_shapes(groups, frame.mean_shape)
