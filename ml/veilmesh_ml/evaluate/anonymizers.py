"""Judge anonymizers: every method, the same people, the same attackers, one table.

In this order:

1. plan who is compared with whom (`trials`), find the faces, set each judge's fixed threshold on originals;
2. a method at a time: anonymize gallery, probes and training photos, each with a key of its own;
3. attack (`reidentification`, `parrot`), measure what is left of use (`utility`) and what outputs
   are like (`outputs`).

All pictures pass through worker processes, block by block (`blocks`), so that a stopped run goes on where it
was. The photos themselves are never copied.
"""

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.errors import ParameterError, UnknownNameError
from veilmesh_ml.evaluate import measuring, parrot
from veilmesh_ml.evaluate.blocks import Arrays, Measurers, Progress
from veilmesh_ml.evaluate.cast import Cast
from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.groups import GroupClassifier
from veilmesh_ml.evaluate.instruments import ENGINE_JUDGE
from veilmesh_ml.evaluate.labelled_faces import learn_groups
from veilmesh_ml.evaluate.measuring import ORIGINAL, Method, Subject
from veilmesh_ml.evaluate.outputs import OutputFigures, OutputJudge
from veilmesh_ml.evaluate.permutation_attack import KNOWN_PHOTOS, KeyAttack, attack_permutation
from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.evaluate.reidentification import FaceSet, Outcome, fixed_threshold, link, reidentify
from veilmesh_ml.evaluate.trials import Trials, held_out, plan_trials
from veilmesh_ml.evaluate.utility import Utility, found_again, utility
from veilmesh_ml.evaluate.workshop import Workshop
from veilmesh_ml.image import read_image
from veilmesh_ml.weights import ships

DEFAULT_PEOPLE = 250
AVERAGED = f"{measuring.OUTPUTS_AVERAGED} outputs, "  # how the names of those attacks begin
PERMUTED_PIXELS = 6000  # the default of `permute`
OWN_OTHERS = 3  # people more in the gallery that an attacker anonymizes himself, for each one sought
PEOPLE_FOLDER = "lfw"  # in the folder of data
METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("blur", "blur"),
        Method("pixelate", "pixelate"),
        Method("noise", "noise"),
        Method("mask", "mask"),
        Method("superpixel", "superpixel"),
        Method("permute", "permute"),
        Method("cluster-natural", "cluster", {"mode": "natural"}),
        Method("cluster-strict", "cluster", {"mode": "strict"}),
        *(Method(name, name) for name in ("ciagan", "ppsa", "stylegan", "autoencoder") if ships(name)),
    )
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What is judged, on whom, by whom.

    Attributes:
        data: folder with `lfw/NAME/*.jpg` and, where there are such, `utkface_train/*.jpg` for gender and
            group, `fer2013/test/EXPRESSION/*` for expressions; or a folder of people itself.
        cache: folder for finished blocks.
        methods: names among `METHODS`.
        attackers: ONNX encoders, each with its description beside it.
        people: how many are judged; gallery and attackers' training grow with it.
        workers: processes, one thread each.
    """

    data: Path
    cache: Path
    methods: Sequence[str] = tuple(METHODS)
    attackers: Sequence[Path] = ()
    people: int = DEFAULT_PEOPLE
    workers: int = len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method's row.

    Attributes:
        method: which.
        attacks: per judge and attack, what came of it; "direct" first.
        linked: per judge, of two outputs of one person.
        named: by the attacker who has labelled outputs of the very people, of those with many photos.
        utility: what the output is good for.
        outputs: what outputs are like, as pictures and as a set.
    """

    method: Method
    attacks: Mapping[str, Mapping[str, Outcome]]
    linked: Mapping[str, Outcome]
    named: ClusteredRate | None
    utility: Utility
    outputs: OutputFigures

    def worst(self, judge: str) -> tuple[str, Outcome]:
        """The attack that this judge's recalibrated TPR is highest with."""
        return max(self.attacks[judge].items(), key=lambda item: item[1].tpr.value)


@dataclass(frozen=True, slots=True)
class AnonymizersResult:
    """The whole table, and on whom it was measured.

    Attributes:
        trials: the photos planned.
        without_face: those in which no face was found; they take no part.
        people_known: people of whom the attacker has labelled outputs.
        commonest_known: their photos that the one with most photos is in: what naming everybody by that name
            gets right.
        thresholds: per judge, of originals at the judged FMR.
        accuracy: of the classifiers of gender and group, on photos held out.
        guessed: what would seem kept of gender and group if everybody got the commonest.
        commonest_expression: what would seem kept of expressions; None where none were read.
        methods: the rows, "original" first.
        key: what attacks on the key of `permute` came to, where it was judged.
        seconds: the run took, without what the cache already had.
    """

    trials: Trials
    without_face: int
    people_known: int
    commonest_known: Rate
    thresholds: Mapping[str, float]
    accuracy: Mapping[str, Rate]
    guessed: Mapping[str, Rate]
    commonest_expression: Rate | None
    methods: Sequence[MethodResult]
    key: KeyAttack | None
    seconds: float

    @property
    def anonymized(self) -> Sequence[MethodResult]:
        """The rows but "original"."""
        return [row for row in self.methods if row.method is not ORIGINAL]


def evaluate_anonymizers(
    settings: Settings, progress: Progress, measurers: Measurers | None = None
) -> AnonymizersResult:
    """Run the evaluation.

    Args:
        settings: what is judged, on whom, by whom.
        progress: told of every stage.
        measurers: who measure; by default so many processes as the settings say.

    Raises:
        ParameterError: the folder holds no people that could be judged, or no face of theirs was found.
        UnknownNameError: no such method.
        ModelError: an encoder or its description is missing or wrong.
    """
    started = time.perf_counter()
    for name in settings.methods:
        if name not in METHODS:
            raise UnknownNameError(f"no method called {name!r}", hint=f"there are: {', '.join(METHODS)}")
    folder = settings.data / PEOPLE_FOLDER
    trials = plan_trials(settings.data, folder if folder.is_dir() else settings.data, settings.people)
    with Workshop.open(
        settings.data, settings.cache, settings.attackers, measurers or settings.workers, progress
    ) as workshop:
        cast = Cast.of(workshop.run("originals", measuring.measure_originals, trials.photos), trials)
        if not cast.probes:
            raise ParameterError("no face was found in any photo of the people to be judged")
        classifier = learn_groups(workshop)
        bench = _Bench(workshop, cast, classifier)
        seen = OutputJudge.prepare(workshop, cast, classifier, settings.people)
        rows = [
            bench.judge(method, seen) for method in (ORIGINAL, *(METHODS[name] for name in settings.methods))
        ]
    known = Counter(subject.photo.person for subject in cast.known)
    return AnonymizersResult(
        trials=trials,
        without_face=int((~cast.originals["found"]).sum()),
        people_known=len(known),
        commonest_known=Rate(max(known.values(), default=0), known.total()),
        thresholds=bench.thresholds,
        accuracy={} if classifier is None else classifier.accuracy,
        guessed={} if classifier is None else classifier.guessed(bench.features(ENGINE_JUDGE, cast.probes)),
        commonest_expression=seen.commonest_expression,
        methods=rows,
        key=_attack_key(settings.data, cast.probes) if "permute" in settings.methods else None,
        seconds=time.perf_counter() - started,
    )


class _Bench:
    """Judges one method after the other."""

    def __init__(self, workshop: Workshop, cast: Cast, classifier: GroupClassifier | None) -> None:
        self._workshop, self._cast, self._classifier = workshop, cast, classifier
        mark = workshop.fingerprint(cast.probes[0], ORIGINAL)
        self._untouched = self._measure_probes(ORIGINAL, mark)
        self._untouched_by_mmod = self._by_mmod(ORIGINAL, mark)
        self._gallery = {judge: self._cast.originals_of(judge, cast.gallery) for judge in workshop.judges}
        self.thresholds = {
            judge: fixed_threshold(self._cast.originals_of(judge, cast.probes), self._gallery[judge])
            for judge in workshop.judges
        }

    def features(self, judge: str, subjects: Sequence[Subject]) -> NDArray[np.float64]:
        """Return the features of originals."""
        return self._cast.originals_of(judge, subjects).features

    def judge(self, method: Method, seen: OutputJudge) -> MethodResult:
        """Measure and attack; what outputs are like is another's to judge."""
        cast = self._cast
        mark = self._workshop.fingerprint(cast.probes[0], method)
        probes = self._measure_probes(method, mark)
        attacks = {judge: self._without_learning(judge, probes) for judge in self._workshop.judges}
        named = None
        if method is not ORIGINAL:
            named = self._attack_with_learning(method, mark, probes, attacks)
        if method.keyed:
            self._attack_averages(method, mark, attacks)
        return MethodResult(
            method=method,
            attacks=attacks,
            linked={
                judge: link(cast.faces(probes[f"features {judge}"], cast.probes), self.thresholds[judge])
                for judge in self._workshop.judges
            },
            named=named,
            utility=utility(self._untouched, probes, self._found(method, mark, probes), self._kept(probes)),
            outputs=seen.judge(
                method,
                mark,
                probes,
                {judge: outcomes["direct"].threshold for judge, outcomes in attacks.items()},
            ),
        )

    def _measure_probes(self, method: Method, mark: str) -> dict[str, NDArray[Any]]:
        return self._workshop.run(
            f"{method.name} probes",
            measuring.measure_probes,
            self._cast.probes,
            method,
            made_by=mark,
        )

    def _measure_outputs(
        self, method: Method, mark: str, role: str, subjects: Sequence[Subject]
    ) -> dict[str, NDArray[Any]]:
        return self._workshop.run(
            f"{method.name} {role}", measuring.measure_outputs, subjects, method, role, made_by=mark
        )

    def _own_gallery(self, method: Method, mark: str) -> tuple[Sequence[Subject], Arrays]:
        """Return outputs that the attacker made of originals of the people sought and of others."""
        sought, others = self._cast.sought, self._cast.others[: OWN_OTHERS * len(self._cast.sought)]
        parts = [
            self._measure_outputs(method, mark, role, subjects)
            for role, subjects in (("sought", sought), ("others", others))
            if subjects
        ]
        return [*sought, *others], {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _against_originals(
        self, judge: str, features: NDArray[Any], subjects: Sequence[Subject] | None = None
    ) -> Outcome:
        """Compare features of outputs, of all probes where no others are named."""
        return reidentify(
            self._cast.faces(features, subjects or self._cast.probes),
            self._cast.references(judge),
            self._gallery[judge],
            self.thresholds[judge],
        )

    def _without_learning(self, judge: str, probes: Arrays) -> dict[str, Outcome]:
        """The output as it is, by found landmarks, and after each restoration."""
        name = f"features {judge}"
        measured = {"direct": probes[name]} | {
            key.removeprefix(f"{name}, "): features
            for key, features in probes.items()
            if key.startswith(f"{name}, ")
        }
        return {attack: self._against_originals(judge, features) for attack, features in measured.items()}

    def _attack_averages(self, method: Method, mark: str, attacks: dict[str, dict[str, Outcome]]) -> None:
        """Several outputs of one photo, put together; one photo a person."""
        subjects = [probe for _, probe in self._cast.pairs]
        arrays = self._workshop.run(
            f"{method.name} averages", measuring.measure_averages, subjects, method, made_by=mark
        )
        for judge, outcomes in attacks.items():
            for what in ("mean picture", "mean features"):
                features = arrays[f"features {judge}, {what}"]
                outcomes[AVERAGED + what] = self._against_originals(judge, features, subjects)

    def _attack_with_learning(
        self, method: Method, mark: str, probes: Arrays, attacks: dict[str, dict[str, Outcome]]
    ) -> ClusteredRate | None:
        """Attackers who ran the method themselves; returns what the one with labelled outputs named."""
        cast = self._cast
        gallery = self._own_gallery(method, mark)
        training = self._measure_outputs(method, mark, "training", cast.training)
        kept = np.array(held_out([subject.photo.person for subject in cast.training]))
        for judge, outcomes in attacks.items():
            learning = parrot.Learning(
                outputs=cast.faces(training[f"features {judge}"], cast.training),
                crops=training["crops"],
                originals=self.features(judge, cast.training),
                held_out=kept,
            )
            outcomes.update(self._by_features(judge, learning, probes, gallery))
            if judge == ENGINE_JUDGE:
                outcomes.update(self._by_pixels(method, learning, probes, gallery))
        if not cast.known:
            return None
        known = self._measure_outputs(method, mark, "known", cast.known)
        faces = cast.faces(known[f"features {ENGINE_JUDGE}"], cast.known)
        return parrot.name_known_people(faces.features, known["crops"], faces.people)

    def _by_features(
        self,
        judge: str,
        learning: parrot.Learning,
        probes: Arrays,
        gallery: tuple[Sequence[Subject], Arrays],
    ) -> dict[str, Outcome]:
        name = f"features {judge}"
        subjects, outputs = gallery
        of_outputs, of_originals = parrot.learn_linear_map(learning)
        metric = parrot.learn_metric(learning.outputs.features, learning.outputs.people, learning.held_out)
        return {
            "linear map": self._projected(of_outputs(probes[name]), of_originals, judge),
            "own outputs": self._between_outputs(metric(probes[name]), metric(outputs[name]), subjects),
        }

    def _by_pixels(
        self,
        method: Method,
        learning: parrot.Learning,
        probes: Arrays,
        gallery: tuple[Sequence[Subject], Arrays],
    ) -> dict[str, Outcome]:
        """Attackers that see pixels alone; reported with the engine's judge, whose features they aim at."""
        subjects, outputs = gallery
        metric = parrot.learn_pixel_metric(learning)
        _, of_originals = parrot.aims(learning)
        seen = self._workshop.run_whole(
            f"{method.name} small CNN",
            parrot.look_by_cnn,
            (learning, probes["crops"]),
            *(learning.crops, learning.originals, probes["crops"]),
        )["features"]
        return {
            "pixels": self._between_outputs(metric(probes["crops"]), metric(outputs["crops"]), subjects),
            "small CNN": self._projected(seen, of_originals, ENGINE_JUDGE),
        }

    def _projected(self, probes: NDArray[Any], of_originals: parrot.Projection, judge: str) -> Outcome:
        references, gallery = self._cast.references(judge), self._gallery[judge]
        return reidentify(
            self._cast.faces(probes, self._cast.probes),
            FaceSet(of_originals(references.features), references.people, references.photos),
            FaceSet(of_originals(gallery.features), gallery.people, gallery.photos),
        )

    def _between_outputs(
        self, probes: NDArray[Any], gallery: NDArray[Any], subjects: Sequence[Subject]
    ) -> Outcome:
        own = self._cast.faces(gallery, subjects)
        return reidentify(self._cast.faces(probes, self._cast.probes), own, own)

    def _found(self, method: Method, mark: str, probes: Arrays) -> dict[str, Rate]:
        by_mmod = self._by_mmod(method, mark)
        return {
            "hog": found_again(self._untouched["box"], probes["box"]),
            "mmod": found_again(self._untouched_by_mmod, by_mmod),
        }

    def _by_mmod(self, method: Method, mark: str) -> NDArray[np.int64]:
        return self._workshop.run(
            f"{method.name} MMOD", measuring.measure_detection, self._cast.probes, method, made_by=mark
        )["box"]

    def _kept(self, probes: Arrays) -> dict[str, Rate]:
        if self._classifier is None:
            return {}
        before = self.features(ENGINE_JUDGE, self._cast.probes)
        return self._classifier.kept(
            before, probes[f"features {ENGINE_JUDGE}, found again"].astype(np.float64)
        )


def _attack_key(data: Path, probes: Sequence[Subject]) -> KeyAttack:
    subjects = probes[: max(KNOWN_PHOTOS) + 2]
    return attack_permutation(
        [(read_image(data / subject.photo.path), subject.face) for subject in subjects], PERMUTED_PIXELS
    )
