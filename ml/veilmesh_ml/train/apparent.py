"""Fits the attribute model: the look's components, and what gender, age and group a face appears to have.

Few photos have labels, and a linear model on pixels learns little from few. So the labels are learnt twice:

1. teacher: logistic regression from dlib's features, which see more, on the labelled photos;
2. student: ridge regression from the texture to the teacher's scores, on all photos.

The student alone goes into the bank: the anonymizer has no encoder.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge

from veilmesh_ml.errors import ModelError
from veilmesh_ml.surrogate.attributes import (
    GROUPS,
    LOOK_COMPONENTS,
    MEASURED,
    AttributeModel,
    appearance_features,
    coarse_texture,
    measured,
    shape_features,
)
from veilmesh_ml.surrogate.frame import Frame
from veilmesh_ml.surrogate.shape import aligned
from veilmesh_ml.train.faces import TrainingFaces
from veilmesh_ml.train.likeness import fit_likeness

MIN_LABELLED = 200
MAX_SCORE = 4.0  # of the teacher: beyond it, it is sure enough
_MIRRORED_SIGN = np.array([-1 if name in {"light from the side", "yaw"} else 1 for name in MEASURED])


@dataclass(frozen=True, slots=True, eq=False)
class Appearances:
    """The fitted model, and what it says of the faces it was fitted to.

    Attributes:
        model: for the bank.
        likeness: every person's true one, a row per face, (n, LIKENESS_COMPONENTS).
        teacher: its scores of every face, averaged over each person's photos, (n, len(APPARENT)).
        attributes: of every face and then of every mirrored face, (2 n, len(ATTRIBUTES)).
    """

    model: AttributeModel
    likeness: NDArray[np.float64]
    teacher: NDArray[np.float64]
    attributes: NDArray[np.float64]


def fit_appearances(faces: TrainingFaces, frame: Frame, seed: int) -> Appearances:
    """Fit to these faces.

    Raises:
        ModelError: too few of them have labels.
    """
    teacher = _averaged_by_person(_teacher_scores(faces), faces.people)
    coarse = np.stack([coarse_texture(texture, frame) for texture in faces.textures])
    mirrored = np.stack(
        [coarse_texture(np.ascontiguousarray(texture[:, ::-1]), frame) for texture in faces.textures]
    )
    components = min(LOOK_COMPONENTS, *coarse.shape)
    look = PCA(components, svd_solver="randomized", random_state=seed).fit(coarse)
    basis = np.zeros((coarse.shape[1], LOOK_COMPONENTS), dtype=np.float32)
    basis[:, :components] = look.components_.T / np.sqrt(look.explained_variance_[0])
    seen = np.stack([appearance_features(texture, frame) for texture in faces.textures])
    student = Ridge(alpha=0.02 * len(faces)).fit(seen, teacher)
    shapes = np.stack(
        [shape_features(aligned(points, frame.mean_shape), frame) for points in faces.landmarks]
    )
    likeness = fit_likeness(np.column_stack([seen, shapes]), faces.features, faces.people, teacher)
    model = AttributeModel(
        look.mean_.astype(np.float32),
        basis,
        np.asarray(student.intercept_, dtype=np.float32),
        np.asarray(student.coef_.T, dtype=np.float32),
        likeness.bias,
        likeness.weights,
    )
    measures = np.stack(
        [measured(*face, frame) for face in zip(faces.textures, faces.landmarks, strict=True)]
    )
    apparent = seen @ model.apparent + model.apparent_bias
    attributes = np.column_stack(
        [
            np.concatenate([measures, measures * _MIRRORED_SIGN]),
            np.concatenate([coarse, mirrored]) @ basis - look.mean_ @ basis,
            np.concatenate([apparent, apparent]),
        ]
    )
    return Appearances(model, likeness.truth, teacher, attributes)


def _teacher_scores(faces: TrainingFaces) -> NDArray[np.float64]:
    """Log-odds of being seen as a woman, years, and centred log-probabilities of the groups."""
    labelled = faces.labelled
    if labelled.sum() < MIN_LABELLED:
        raise ModelError(
            f"{int(labelled.sum())} photos have labels, at least {MIN_LABELLED} are needed",
            hint="add photos named AGE_GENDER_GROUP_....jpg, as UTKFace's",
        )
    scaled = (faces.features - faces.features[labelled].mean(axis=0)) / faces.features[labelled].std(axis=0)
    age, woman, group = faces.labels[labelled].T
    years = np.asarray(Ridge(alpha=10).fit(scaled[labelled], age).predict(scaled))
    adult = age >= 14  # a child's face says little of its gender
    gender = LogisticRegression(C=0.1, max_iter=1000).fit(scaled[labelled][adult], woman[adult])
    groups = LogisticRegression(C=0.1, max_iter=1000).fit(scaled[labelled], group)
    scores = np.full((len(faces), len(GROUPS)), -MAX_SCORE)
    likely = groups.predict_log_proba(scaled)
    scores[:, groups.classes_] = likely - likely.mean(axis=1, keepdims=True)
    together = np.column_stack([gender.decision_function(scaled), scores])
    clipped = np.clip(together, -MAX_SCORE, MAX_SCORE)
    return np.column_stack([clipped[:, 0], years, clipped[:, 1:]])


def _averaged_by_person(scores: NDArray[np.float64], people: NDArray[np.int64]) -> NDArray[np.float64]:
    """One person has one gender and one ancestry: average over the photos."""
    _, person = np.unique(people, return_inverse=True)
    sums = np.zeros((person.max() + 1, scores.shape[1]))
    np.add.at(sums, person, scores)
    return np.asarray((sums / np.bincount(person)[:, np.newaxis])[person])
