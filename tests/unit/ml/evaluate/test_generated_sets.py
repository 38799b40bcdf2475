"""Distances between sets of pictures, counts of bytes, and who tells generated from real."""

import numpy as np
import pytest

pytest.importorskip("scipy")
pytest.importorskip("sklearn")

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from veilmesh_ml.evaluate.distributions import class_score, coverage, frechet_distance
from veilmesh_ml.evaluate.pixel_statistics import (
    RANDOM_NPCR,
    RANDOM_UACI,
    Histogram,
    entropies,
    npcr,
    uaci,
)
from veilmesh_ml.evaluate.real_or_synthetic import ToldApart, tell_apart
from veilmesh_ml.evaluate.small_cnn import Training
from veilmesh_ml.evaluate.stored_pictures import Storage, measure_storage

DRAW = np.random.default_rng(5)


class TestFrechetDistance:
    def test_of_a_set_to_itself_is_nothing(self) -> None:
        features = DRAW.normal(size=(300, 6))
        assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)

    def test_a_shift_counts_squared(self) -> None:
        features = DRAW.normal(size=(300, 6))
        assert frechet_distance(features, features + np.array([3, 4, 0, 0, 0, 0])) == pytest.approx(25)

    def test_of_one_dimension_is_the_formula(self) -> None:
        """(m1 - m2)^2 + (s1 - s2)^2."""
        one, other = DRAW.normal(2, 3, (400, 1)), DRAW.normal(5, 1, (400, 1))
        expected = (one.mean() - other.mean()) ** 2 + (one.std(ddof=1) - other.std(ddof=1)) ** 2
        assert frechet_distance(one, other) == pytest.approx(expected)

    def test_covariances_that_do_not_commute(self) -> None:
        """Against the eigenvalues of the product itself, which is not symmetric."""
        one, other = (DRAW.normal(size=(200, 4)) @ DRAW.normal(size=(4, 4)) for _ in range(2))
        c1, c2 = np.cov(one.T), np.cov(other.T)
        shared = np.sqrt(np.linalg.eigvals(c1 @ c2).real).sum()
        apart = one.mean(axis=0) - other.mean(axis=0)
        expected = apart @ apart + np.trace(c1) + np.trace(c2) - 2 * shared
        assert frechet_distance(one, other) == pytest.approx(expected)
        assert frechet_distance(other, one) == pytest.approx(expected)

    def test_more_features_than_pictures(self) -> None:
        few = DRAW.normal(size=(5, 40))
        assert np.isfinite(frechet_distance(few, few + 1))


class TestClassScore:
    def test_sharp_and_diverse_is_the_number_of_classes(self) -> None:
        assert class_score(np.eye(7)[np.arange(70) % 7]) == pytest.approx(7)

    @pytest.mark.parametrize("likely", [np.full((9, 7), 1 / 7), np.eye(7)[np.zeros(9, dtype=int)]])
    def test_blurred_or_uniform_is_one(self, likely: np.ndarray) -> None:
        assert class_score(likely) == pytest.approx(1)


class TestCoverage:
    def test_one_real_face_again_and_again_is_precise_and_covers_nothing(self) -> None:
        real = DRAW.normal(size=(60, 3))
        found = coverage(real, np.repeat(real[:1], 60, axis=0))
        assert found.precision.value == 1
        assert found.recall.value < 0.1

    def test_something_else_is_neither(self) -> None:
        real = DRAW.normal(size=(60, 3))
        found = coverage(real, real + 100)
        assert (found.precision.count, found.recall.count) == (0, 0)

    def test_the_same_distribution_is_both(self) -> None:
        found = coverage(DRAW.normal(size=(200, 2)), DRAW.normal(size=(200, 2)))
        assert found.precision.value > 0.8
        assert found.recall.value > 0.8


class TestPixels:
    def test_moments(self) -> None:
        values = np.array([0, 0, 0, 100], dtype=np.uint8)
        found = Histogram.of(values)
        assert found.mean == 25
        assert found.standard_deviation == pytest.approx(np.sqrt(1875))
        assert found.skewness == pytest.approx(2 / np.sqrt(3))
        assert found.kurtosis == pytest.approx(7 / 3)

    def test_entropy_of_flat_coin_and_all_values(self) -> None:
        flat, coin = np.zeros(256), np.arange(256) % 2
        pictures = np.stack([flat, coin, np.arange(256)]).astype(np.uint8)
        assert entropies(pictures).tolist() == [0, 1, 8]

    def test_uaci_and_npcr_of_every_pair(self) -> None:
        one = np.array([[0, 0, 0, 0], [255, 0, 255, 0]], dtype=np.uint8)
        other = np.array([[0, 0, 0, 51], [0, 255, 0, 255]], dtype=np.uint8)
        assert uaci(one, other).tolist() == [0.05, 1]
        assert npcr(one, other).tolist() == [0.25, 1]

    def test_random_bytes(self) -> None:
        one, other = DRAW.integers(0, 256, (2, 4, 100_000), dtype=np.uint8)
        assert npcr(one, other).mean() == pytest.approx(RANDOM_NPCR, abs=5e-4)
        assert uaci(one, other).mean() == pytest.approx(RANDOM_UACI, abs=2e-3)


class TestToldApart:
    def test_counts(self) -> None:
        found = ToldApart(np.array([-2.0, -1, 1, -3]), np.array([2.0, -1.5, 3]))
        assert (found.precision.count, found.precision.trials) == (2, 3)
        assert (found.recall.count, found.recall.trials) == (2, 3)
        assert (found.accuracy.count, found.accuracy.trials) == (5, 7)
        assert found.f1 == pytest.approx(2 / 3)
        assert found.auc == pytest.approx(10 / 12)

    def test_auc_is_the_area_under_the_curve(self) -> None:
        found = ToldApart(DRAW.normal(0, 1, 50).round(1), DRAW.normal(1, 1, 80).round(1))
        false_positives, true_positives = found.roc
        area = np.trapezoid(true_positives, false_positives)
        assert (false_positives[0], true_positives[0], false_positives[-1], true_positives[-1]) == (
            0,
            0,
            1,
            1,
        )
        assert found.auc == pytest.approx(area)

    def test_nothing_called_generated(self) -> None:
        found = ToldApart(np.array([-1.0]), np.array([-2.0]))
        assert found.f1 == 0
        assert np.isnan(found.precision.value)

    def test_light_is_told_from_dark_and_like_from_like_is_not(self) -> None:
        random = np.random.default_rng(3)
        few = Training(channels=(4, 4, 4), epochs=30, learning_rate=0.02)
        dark, light = (random.integers(low, low + 120, (48, 32, 32, 3), dtype=np.uint8) for low in (0, 130))
        assert tell_apart(dark, light, few).accuracy.value > 0.95
        assert 0.1 < tell_apart(dark[:24], dark[24:], few).auc < 0.9


class TestStorage:
    @pytest.fixture
    def pictures(self) -> np.ndarray:
        """Four gradients."""
        ramp = np.linspace(0, 200, 48).astype(np.uint8)
        return np.stack(
            [np.broadcast_to(ramp[:, np.newaxis, np.newaxis] + 10 * n, (48, 48, 3)) for n in range(4)]
        )

    def test_aes_gcm_looks_random_even_of_the_same_picture(self, pictures: np.ndarray) -> None:
        key, nonces = AESGCM(bytes(32)), iter(range(1000))

        def seal(plain: bytes) -> bytes:
            nonce = next(nonces).to_bytes(12)
            return nonce + key.encrypt(nonce, plain, None)

        found = measure_storage(
            pictures, Storage("AES-256-GCM", seal, lambda sealed: key.decrypt(sealed[:12], sealed[12:], None))
        )
        for difference in (found.one_pixel, found.identity):
            assert difference.npcr.value == pytest.approx(RANDOM_NPCR, abs=5e-3)
            assert difference.uaci.value == pytest.approx(RANDOM_UACI, abs=5e-3)
        assert found.plain_identity.npcr.value == found.plain_identity.uaci.value == 0
        assert found.entropy.value > 7.95
        assert found.histogram.mean == pytest.approx(127.5, abs=2)
        assert found.encode_ms > 0
        assert found.decode_ms > 0

    def test_a_fixed_stream_is_seen(self, pictures: np.ndarray) -> None:
        """Encryption that draws no nonce: equal pictures stay equal, one pixel changes one value."""
        stream = DRAW.integers(0, 256, pictures[0].size, dtype=np.uint8)

        def apply(content: bytes) -> bytes:
            plain = np.frombuffer(content, dtype=np.uint8)
            return bytes(plain ^ stream[: len(plain)])

        found = measure_storage(pictures, Storage("fixed stream", apply, apply))
        assert found.identity.npcr.value == 0
        assert found.one_pixel.npcr.value == pytest.approx(1 / pictures[0].size)
