import pytest

pytest.importorskip("dlib")

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from veilmesh_ml import Box, Engine, Face, RgbImage, load_anonymizer, load_engine
from veilmesh_ml.anonymizers import AnonymizedImage
from veilmesh_ml.attacks import ATTACKED_FACE_PX, GATE_ATTACKS, STANDARD_ATTACKS, Attack
from veilmesh_ml.comparison import Features, dissimilarity
from veilmesh_ml.errors import AnonymizeError, GateRefusedError
from veilmesh_ml.gate import FACES_AT_ONCE, Candidate, GateLevel, GateVerdict, Promise, ReleaseGate
from veilmesh_ml.release import release
from veilmesh_ml.sample_features import sample_features

pytestmark = pytest.mark.faces


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The fast one: the gate asks for many encodings."""
    return load_engine("fast", device="cpu", threads=1)


@pytest.fixture(scope="module")
def features(engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]) -> Features:
    return sample_features(engine, astronaut, astronaut_faces)


@pytest.fixture(scope="module")
def bare_gate(engine: Engine) -> ReleaseGate:
    """The direct comparison alone."""
    return ReleaseGate(engine, attacks=())


def untouched(image: RgbImage) -> AnonymizedImage:
    return AnonymizedImage(image, "nothing at all", {}, ())


class CountingEngine:
    """An engine that tells how often it was asked to look."""

    name, landmarks_digest, detector = "counting", "", ""

    def __init__(self, engine: Engine) -> None:
        self.model_digest = engine.model_digest
        self.face_in, self.align, self.encode = engine.face_in, engine.align, engine.encode
        self._engine = engine
        self.batches: list[int] = []
        self.detected_in: list[tuple[int, int]] = []  # height, width

    def detect(self, image: RgbImage, *, thorough: bool = False) -> list[Face]:
        self.detected_in.append(image.shape[:2])
        return self._engine.detect(image, thorough=thorough)

    def encode_chips(self, chips: NDArray[np.uint8]) -> Features:
        self.batches.append(len(chips))
        return self._engine.encode_chips(chips)


class NoAnonymizer:
    name = "nothing at all"
    attempts = 2

    def anonymize(self, image: RgbImage, faces: list[Face], *, attempt: int = 0) -> AnonymizedImage:
        assert faces
        assert attempt in {0, 1}
        changed = load_anonymizer("mask").anonymize(image, faces).changed
        return AnonymizedImage(image, self.name, {}, changed)


class TestVerdict:
    def test_untouched_face_is_refused(
        self,
        engine: Engine,
        bare_gate: ReleaseGate,
        astronaut: RgbImage,
        astronaut_faces: list[Face],
        features: Features,
    ) -> None:
        verdict = bare_gate.judge(untouched(astronaut), astronaut_faces, features)
        assert not verdict.passed
        assert [check.name for check in verdict.checks] == ["direct, known landmarks"]  # that was enough
        alone = dissimilarity(features[0], engine.encode(astronaut, astronaut_faces)[0])
        assert verdict.closest_dissimilarity == pytest.approx(alone, abs=0.02)

    def test_limit_is_threshold_plus_margin(self, engine: Engine) -> None:
        standard = ReleaseGate(engine, threshold_dissimilarity=0.7)
        strict = ReleaseGate(engine, threshold_dissimilarity=0.7, level=GateLevel.STRICT)
        assert 0.7 < standard.limit_dissimilarity < strict.limit_dissimilarity < 0.8

    @pytest.mark.parametrize("level", GateLevel)
    def test_who_matches_more_strictly_does_not_hide_less(self, engine: Engine, level: GateLevel) -> None:
        usual, careful = (
            ReleaseGate(engine, threshold_dissimilarity=threshold, level=level) for threshold in (0.6, 0.5)
        )
        assert careful.limit_dissimilarity == usual.limit_dissimilarity

    def test_the_least_limit_is_of_dlibs_encoder_alone(self, engine: Engine) -> None:
        another = CountingEngine(engine)
        another.model_digest = "e" * 64
        assert ReleaseGate(another, threshold_dissimilarity=0.2).limit_dissimilarity == pytest.approx(0.22)

    def test_after_an_attack_that_brings_strangers_nearer_the_limit_is_lower(
        self, engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face], features: Features
    ) -> None:
        gate = ReleaseGate(engine)
        masked = load_anonymizer("mask").anonymize(astronaut, astronaut_faces)
        nearer = {attack.name: attack.nearer for attack in GATE_ATTACKS}
        for check in gate.judge(masked, astronaut_faces, features).checks:
            assert check.limit is not None
            expected = nearer.get(check.name.split(",")[0], 0.0)
            assert gate.limit_dissimilarity - check.limit == pytest.approx(expected)

    def test_no_checks_is_no_pass(self, bare_gate: ReleaseGate, astronaut: RgbImage) -> None:
        assert not bare_gate.judge(untouched(astronaut), [], np.empty((0, 128))).passed
        assert not GateVerdict("mask", GateLevel.STANDARD, 0.6, ()).passed

    def test_features_that_are_no_numbers_are_no_pass(
        self, engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face], features: Features
    ) -> None:
        class BrokenEngine:
            name = model_digest = landmarks_digest = detector = "broken"
            detect, face_in, align = engine.detect, engine.face_in, engine.align

            def encode(self, _image: RgbImage, faces: list[Face]) -> Features:
                return np.full((len(faces), 128), np.nan)

            def encode_chips(self, chips: NDArray[np.uint8]) -> Features:
                return np.full((len(chips), 128), np.nan)

        masked = load_anonymizer("mask").anonymize(astronaut, astronaut_faces)
        verdict = ReleaseGate(BrokenEngine(), attacks=()).judge(masked, astronaut_faces, features)
        assert not verdict.passed
        assert verdict.closest_dissimilarity is None

    def test_broken_promise_of_a_face_is_refused(
        self, bare_gate: ReleaseGate, astronaut: RgbImage, astronaut_faces: list[Face], features: Features
    ) -> None:
        masked = load_anonymizer("mask").anonymize(astronaut, astronaut_faces)
        assert bare_gate.judge(masked, astronaut_faces, features).passed
        verdict = bare_gate.judge(replace(masked, face_findable=True), astronaut_faces, features)
        assert [check.name for check in verdict.checks if not check.passed] == ["face findable"]

    def test_nothing_left_to_see_needs_no_comparison(
        self, bare_gate: ReleaseGate, astronaut: RgbImage, astronaut_faces: list[Face], features: Features
    ) -> None:
        mask = load_anonymizer("mask")
        last = mask.anonymize(astronaut, astronaut_faces, attempt=mask.attempts - 1)
        verdict = bare_gate.judge(last, astronaut_faces, features)
        assert [check.name for check in verdict.checks] == ["nothing left to see"]
        assert verdict.passed

    def test_every_face_is_judged(
        self, bare_gate: ReleaseGate, astronaut: RgbImage, astronaut_faces: list[Face], features: Features
    ) -> None:
        masked = load_anonymizer("mask").anonymize(astronaut, astronaut_faces)
        head = (slice(30, 230), slice(110, 310))
        half_done = np.ascontiguousarray(np.hstack([masked.image[head], astronaut[head]]))
        first = astronaut_faces[0].moved(-110, -30)
        faces = [first, first.moved(200, 0)]
        verdict = bare_gate.judge(untouched(half_done), faces, np.repeat(features, 2, axis=0))
        assert {check.face for check in verdict.checks if not check.passed} == {1}


class TestCost:
    def test_all_views_of_all_faces_go_in_batches(
        self, engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face], features: Features
    ) -> None:
        counting = CountingEngine(engine)
        masked = load_anonymizer("mask").anonymize(astronaut, astronaut_faces)
        candidate = Candidate(masked, astronaut_faces[0], features[0])
        verdicts = ReleaseGate(counting).judge_all([candidate] * FACES_AT_ONCE)
        again = sum(attack.looks_again for attack in GATE_ATTACKS)
        in_doubt = FACES_AT_ONCE  # one look of each comes near enough for its mirror image
        assert counting.batches == [FACES_AT_ONCE * (1 + len(GATE_ATTACKS)), in_doubt, FACES_AT_ONCE * again]
        assert counting.detected_in == []
        assert all(verdict.passed for verdict in verdicts)
        assert len(verdicts[0].checks) == 1 + len(GATE_ATTACKS) + again

    def test_the_detector_is_asked_once_and_near_the_face_where_one_is_promised(
        self, engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face], features: Features
    ) -> None:
        counting = CountingEngine(engine)
        promised = replace(untouched(astronaut), face_findable=True)
        somebody_else = features + 1.0
        verdict = ReleaseGate(counting).judge(promised, astronaut_faces, somebody_else)
        assert verdict.passed
        ((height, width),) = counting.detected_in
        box = astronaut_faces[0].box
        assert box.height < height < 2 * box.height  # near the face: the whole picture has 512 x 512 pixels
        assert box.width < width < 2 * box.width
        by_promise = [check.name for check in verdict.checks if check.promise is Promise.FACE_FINDABLE]
        assert by_promise == ["face findable"]
        assert "direct, detected" in {check.name for check in verdict.checks}

    def test_the_mirror_image_is_looked_at_where_it_may_decide(
        self, engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face], features: Features
    ) -> None:
        """An original that the face alone does not meet, but the face with its mirror image does."""
        away = features[0] - engine.encode(astronaut, astronaut_faces)[0]
        apart = np.linalg.norm(away)
        aside = np.random.default_rng(4).standard_normal(128)
        aside -= aside @ away / apart**2 * away

        def original(alone: float, mirrored: float) -> Features:
            """At these distances from the face's features, and from the mean with its mirror image."""
            along = (alone**2 - mirrored**2 - apart**2) / (2 * apart)
            across = np.sqrt(mirrored**2 - along**2)
            point = features[0] + along * away / apart + across * aside / np.linalg.norm(aside)
            return np.asarray(point)[np.newaxis]

        for alone, mirrored, closest, looks in [
            (0.65, 0.6, 0.6, 2),
            (0.65, 0.64, 0.64, 2),
            (0.7, 0.65, 0.7, 1),
        ]:
            counting = CountingEngine(engine)
            verdict = ReleaseGate(counting, attacks=()).judge(
                untouched(astronaut), astronaut_faces, original(alone, mirrored)
            )
            assert verdict.closest_dissimilarity == pytest.approx(closest, abs=1e-4)
            assert verdict.passed == (closest > 0.62)
            assert len(counting.batches) == looks

    def test_a_face_that_was_recognised_is_left_alone(
        self, engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face], features: Features
    ) -> None:
        counting = CountingEngine(engine)
        promised = replace(untouched(astronaut), face_findable=True)
        assert not ReleaseGate(counting).judge(promised, astronaut_faces, features).passed
        assert (len(counting.batches), counting.detected_in) == (1, [])

    def test_one_candidate_or_many_is_the_same(
        self, engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face], features: Features
    ) -> None:
        gate = ReleaseGate(engine)
        results = [
            load_anonymizer(name).anonymize(astronaut, astronaut_faces) for name in ("mask", "pixelate")
        ]
        candidates = [Candidate(result, astronaut_faces[0], features[0]) for result in results]
        passed = []
        for verdict, result in zip(gate.judge_all(candidates), results, strict=True):
            alone = gate.judge(result, astronaut_faces, features)
            assert [(check.name, check.passed) for check in verdict.checks] == [
                (check.name, check.passed) for check in alone.checks
            ]
            assert verdict.method == alone.method
            assert verdict.ms > 0
            passed.append(verdict.passed)
        assert passed == [True, False]


class TestAttacks:
    @pytest.mark.parametrize("attack", STANDARD_ATTACKS, ids=lambda attack: attack.name)
    def test_keeps_size_and_type(
        self, attack: Attack, astronaut: RgbImage, astronaut_faces: list[Face]
    ) -> None:
        window = np.ascontiguousarray(astronaut[50:210, 150:300])
        restored = attack.restore(window, float(astronaut_faces[0].box.width))
        assert restored.shape == window.shape
        assert restored.dtype == np.uint8

    def test_deblurring_brings_back_what_was_blurred(self, astronaut: RgbImage) -> None:
        window = np.ascontiguousarray(astronaut[20:240, 110:330])
        blurred = np.asarray(cv2.GaussianBlur(window, (0, 0), 0.05 * ATTACKED_FACE_PX), dtype=np.uint8)
        (wiener,) = (attack for attack in STANDARD_ATTACKS if attack.name == "wiener 0.05")
        restored = wiener.restore(blurred, ATTACKED_FACE_PX)
        inner = (slice(40, -40), slice(40, -40))

        def error(image: RgbImage) -> float:
            return float(np.square(image[inner].astype(float) - window[inner]).mean())

        assert error(restored) < 0.6 * error(blurred)

    def test_squares_are_undone_where_a_direct_look_fails(
        self, engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face], features: Features
    ) -> None:
        """Why the gate attacks: ten squares across look safe to the encoder until someone smooths them."""
        pixelated = load_anonymizer("pixelate", across=10).anonymize(astronaut, astronaut_faces)
        resample = next(attack for attack in STANDARD_ATTACKS if attack.name == "resample")
        checks = ReleaseGate(engine, attacks=[resample]).judge(pixelated, astronaut_faces, features).checks
        by_name = {check.name: check for check in checks}
        assert by_name["direct, known landmarks"].passed
        assert not by_name["resample, known landmarks"].passed


class TestRelease:
    def test_falls_through_to_the_mask(
        self, bare_gate: ReleaseGate, astronaut: RgbImage, astronaut_faces: list[Face]
    ) -> None:
        released = release(astronaut, astronaut_faces, bare_gate, [NoAnonymizer()])
        assert released.method == "mask"
        assert [verdict.method for verdict in released.refused] == ["nothing at all"] * 2

    def test_nothing_goes_out_when_all_is_refused(
        self, engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]
    ) -> None:
        """No result exceeds this threshold, and the mask does not cover all of a box that fits no face."""
        gate = ReleaseGate(engine, threshold_dissimilarity=4.0, attacks=())
        oversized = Face(Box(0, 0, 512, 512), astronaut_faces[0].landmarks, 1.0)
        with pytest.raises(GateRefusedError, match=r"refused every anonymizer tried \(mask\)") as caught:
            release(astronaut, [oversized], gate, [])
        assert len(caught.value.verdicts) == load_anonymizer("mask").attempts
        assert "not released" in caught.value.hint

    def test_permuted_face_can_be_restored_by_its_owner(
        self, bare_gate: ReleaseGate, astronaut: RgbImage, astronaut_faces: list[Face]
    ) -> None:
        from veilmesh_ml.anonymizers.permute import restore

        key = bytes(range(32))
        released = release(
            astronaut, astronaut_faces, bare_gate, [load_anonymizer("permute", n=6000, key=key)]
        )
        assert released.method == "permute"
        assert released.recovery is not None
        assert np.array_equal(restore(released.image, released.recovery, key), astronaut)

    def test_no_face_no_release(self, bare_gate: ReleaseGate, astronaut: RgbImage) -> None:
        with pytest.raises(AnonymizeError, match="no face"):
            release(astronaut, [], bare_gate)
