"""What a method's outputs are like.

Near to real photos or not, like people whom the method was made from or nobody's, with the expression of the
original or another, the same for all groups or not; and whether anything but the face was changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.evaluate.blocks import Arrays
from veilmesh_ml.evaluate.cast import Cast
from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.group_gaps import ByLabel, GroupFigures, by_label
from veilmesh_ml.evaluate.groups import GroupClassifier
from veilmesh_ml.evaluate.instruments import ENGINE_JUDGE
from veilmesh_ml.evaluate.kept_expression import PHOTOS_AN_EXPRESSION, KeptExpression, LabelledExpressions
from veilmesh_ml.evaluate.labelled_faces import PHOTOS_A_CELL, LabelledFaces
from veilmesh_ml.evaluate.likeness_of_sets import SetLikeness, measure_expressions
from veilmesh_ml.evaluate.measuring import ORIGINAL, Method, Subject
from veilmesh_ml.evaluate.nobody import PeopleLearntFrom, Resemblance
from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.evaluate.reidentification import FaceSet, mated_scores
from veilmesh_ml.evaluate.whole_pictures import WholePictures, measure_whole_pictures
from veilmesh_ml.evaluate.workshop import Workshop
from veilmesh_ml.expression_reader import ExpressionReader
from veilmesh_ml.weights import ships

EXPRESSION_SPACE = "expression"


@dataclass(frozen=True, slots=True)
class OutputFigures:
    """Of one method.

    Attributes:
        whole: of the whole pictures.
        likeness: to originals of other photos of the same people, per space: "dlib", and "expression" where
            that classifier ships.
        resemblance: to people whom methods may have learnt from, per judge.
        expression: kept or not; None where there were no labelled photos or no classifier.
        groups: None where there was nothing to learn groups from.
    """

    whole: WholePictures
    likeness: Mapping[str, SetLikeness]
    resemblance: Mapping[str, Resemblance]
    expression: KeptExpression | None
    groups: GroupFigures | None

    def document(self, original: "OutputFigures") -> Mapping[str, Any]:
        """For a JSON report; the originals' own figures are what resemblance is held against."""
        return {
            "whole_picture": self.whole.document(),
            "likeness_to_originals": {space: each.document() for space, each in self.likeness.items()},
            "resemblance_to_people_learnt_from": {
                judge: each.document(original.resemblance[judge]) for judge, each in self.resemblance.items()
            },
            "expression": None if self.expression is None else self.expression.document(),
            "groups": None if self.groups is None else self.groups.document(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class OutputJudge:
    """Judges one method's outputs after the other's.

    Attributes:
        workshop: where they are measured.
        cast: the photos in their roles.
        learnt_from: per judge, whom an output must not be like.
        expressions, labelled: photos with labels, where there are such.
        class_of: "gender" and "group" that a person is taken for, by the person's number; empty where there
            was nothing to learn that from.
    """

    workshop: Workshop
    cast: Cast
    learnt_from: Mapping[str, PeopleLearntFrom]
    expressions: LabelledExpressions | None
    labelled: LabelledFaces | None
    class_of: Mapping[str, NDArray[np.int64]]

    @classmethod
    def prepare(cls, workshop: Workshop, cast: Cast, classifier: GroupClassifier | None, people: int) -> Self:
        """Find what outputs are held against; of few people, few labelled photos."""
        return cls(
            workshop,
            cast,
            learnt_from={
                judge: PeopleLearntFrom.known(
                    cast.originals_of(judge, cast.not_judged).features,
                    cast.originals_of(judge, cast.strangers).features,
                )
                for judge in workshop.judges
            },
            expressions=LabelledExpressions.find(workshop, min(people, PHOTOS_AN_EXPRESSION)),
            labelled=LabelledFaces.find(workshop, min(people, PHOTOS_A_CELL)),
            class_of={}
            if classifier is None
            else _class_of_people(classifier, cast.references(ENGINE_JUDGE)),
        )

    @property
    def commonest_expression(self) -> Rate | None:
        """What would seem kept by guessing."""
        return None if self.expressions is None else self.expressions.commonest

    def judge(
        self, method: Method, mark: str, probes: Arrays, thresholds: Mapping[str, float]
    ) -> OutputFigures:
        """Judge a method.

        Args:
            method: whose outputs.
            mark: its fingerprint.
            probes: `measure_probes` of them.
            thresholds: per judge, that the outputs as they are were recognised at.
        """
        whole = self.workshop.run(
            f"{method.name} whole pictures", measure_whole_pictures, self.cast.probes, method, made_by=mark
        )
        faces = {
            judge: self.cast.faces(probes[f"features {judge}"], self.cast.probes) for judge in thresholds
        }
        return OutputFigures(
            whole=WholePictures.of(whole),
            likeness=self._likeness(method, mark, faces[ENGINE_JUDGE]),
            resemblance={judge: self.learnt_from[judge].resembled_by(each) for judge, each in faces.items()},
            expression=None if self.expressions is None else self.expressions.judge(method, mark),
            groups=self._groups(method, mark, faces, thresholds),
        )

    def _likeness(self, method: Method, mark: str, faces: FaceSet) -> dict[str, SetLikeness]:
        """One output of every person, and an original of another photo."""
        shown, anonymized = (list(each) for each in zip(*self.cast.pairs, strict=True))
        row_of = {photo: row for row, photo in enumerate(faces.photos)}
        rows = [row_of[self.cast.row_of[subject.photo]] for subject in anonymized]
        real = self.cast.originals_of(ENGINE_JUDGE, shown).features
        likeness = {ENGINE_JUDGE: SetLikeness.of(real, faces.features[rows])}
        if ships("expression"):
            likeness[EXPRESSION_SPACE] = SetLikeness.of(
                self._described(ORIGINAL, "", shown), self._described(method, mark, anonymized)
            )
        return likeness

    def _described(self, method: Method, mark: str, subjects: Sequence[Subject]) -> NDArray[np.float64]:
        return self.workshop.run(
            f"{method.name} described",
            measure_expressions,
            subjects,
            method,
            made_by=mark + ExpressionReader(threads=1).digest,
        )["expression"]

    def _groups(
        self, method: Method, mark: str, faces: Mapping[str, FaceSet], thresholds: Mapping[str, float]
    ) -> GroupFigures | None:
        if self.labelled is None:
            return None
        found, nme = self.labelled.judge(method, mark)
        return GroupFigures(
            reidentified={
                judge: self._reidentified(judge, each, thresholds[judge]) for judge, each in faces.items()
            },
            found=found,
            nme=nme,
        )

    def _reidentified(self, judge: str, probes: FaceSet, threshold: float) -> ByLabel[ClusteredRate]:
        scores, people = mated_scores(probes, self.cast.references(judge))

        def matched(members: NDArray[np.bool_]) -> ClusteredRate:
            return ClusteredRate.of(scores[members] <= threshold, people[members])

        return by_label({label: classes[people] for label, classes in self.class_of.items()}, matched)


def _class_of_people(classifier: GroupClassifier, originals: FaceSet) -> dict[str, NDArray[np.int64]]:
    """Return what most of each person's originals are taken for, by the person's number."""
    class_of = {}
    for label, classes in classifier.classes(originals.features).items():
        votes = np.zeros((originals.people.max() + 1, classes.max() + 1), np.int64)
        np.add.at(votes, (originals.people, classes), 1)
        class_of[label] = votes.argmax(axis=1)
    return class_of
