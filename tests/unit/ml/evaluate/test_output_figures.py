"""Sets of outputs, resemblance, gaps between groups: from made-up features, where the answer is known."""

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dlib")
pytest.importorskip("sklearn")

from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.estimates import Estimate
from veilmesh_ml.evaluate.group_gaps import FEWEST, Gap, by_label
from veilmesh_ml.evaluate.groups import labelled_photos, labels_of
from veilmesh_ml.evaluate.labelled_faces import some_of_each
from veilmesh_ml.evaluate.likeness_of_sets import SetLikeness
from veilmesh_ml.evaluate.nobody import FMR, PeopleLearntFrom, Resemblance
from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.evaluate.reidentification import FaceSet
from veilmesh_ml.evaluate.trials import Photo
from veilmesh_ml.evaluate.whole_pictures import WholePictures

pytestmark = pytest.mark.faces

DRAW = np.random.default_rng(6)


class TestLikeness:
    def test_what_is_shifted_is_farther_than_another_sample(self) -> None:
        real, other = DRAW.normal(size=(2, 200, 4))
        near, far = SetLikeness.of(real, other), SetLikeness.of(real, other + 3)
        assert far.frechet.value == pytest.approx(36, rel=0.1)  # 4 dimensions, 3 squared
        assert far.frechet.low < 36 < far.frechet.high
        assert near.frechet.high < 1
        assert near.coverage.precision.value > 0.8
        assert far.coverage.precision.value < 0.1

    def test_the_interval_is_as_wide_as_repetitions_differ(self) -> None:
        """Of 40 pairs of samples, most intervals hold the mean of all."""
        found = [
            SetLikeness.of(DRAW.normal(size=(150, 3)), DRAW.normal(1, 1, size=(150, 3))).frechet
            for _ in range(40)
        ]
        middle = np.mean([each.value for each in found])
        assert sum(each.low < middle < each.high for each in found) >= 32

    def test_of_a_handful_there_is_no_distance(self) -> None:
        few = DRAW.normal(size=(5, 4))
        document = SetLikeness.of(few, few).document()
        assert document["frechet_distance"]["value"] is None
        assert document["precision"]["rate"] == 1


class TestNobody:
    @pytest.fixture
    def learnt_from(self) -> PeopleLearntFrom:
        return PeopleLearntFrom.known(DRAW.normal(size=(400, 6)), DRAW.normal(size=(300, 6)))

    @staticmethod
    def faces(features: np.ndarray) -> FaceSet:
        return FaceSet(features, np.arange(len(features)) // 2, np.arange(len(features)))

    def test_strangers_match_at_chance(self, learnt_from: PeopleLearntFrom) -> None:
        found = learnt_from.resembled_by(self.faces(DRAW.normal(size=(300, 6)))).comparisons
        assert found.trials == 300 * 400
        assert found.value < 4 * FMR

    def test_copies_of_people_are_far_above_it(self, learnt_from: PeopleLearntFrom) -> None:
        chance = learnt_from.resembled_by(self.faces(DRAW.normal(size=(300, 6))))
        copies = learnt_from.resembled_by(self.faces(learnt_from.features[:300] + 1e-3))
        assert copies.outputs.count == copies.outputs.trials == 300
        times = copies.times(chance)
        assert 5 < times.low < times.value < times.high

    def test_where_no_original_matches_the_fmr_is_chance(self) -> None:
        few = ClusteredRate(0, 20, 10)
        found = Resemblance(ClusteredRate(2, 10_000, 10_000), few)
        times = found.times(Resemblance(few, few))
        assert times.value == pytest.approx(2)
        assert times.document()["low"] is None

    def test_the_interval_of_a_ratio(self) -> None:
        """20 of 100 beside 10 of 100, as if independent: exp(1.96 (1/20 + 1/10)^(1/2)) either way."""
        one, other = (ClusteredRate(count, 100, 100) for count in (20, 10))
        times = Resemblance(one, one).times(Resemblance(other, other))
        assert (times.value, times.low, times.high) == pytest.approx((2, 0.936, 4.273), abs=1e-3)


class TestGaps:
    def test_newcombes_example(self) -> None:
        """Newcombe 1998, table II, (a), method 10: 56/70 - 48/80 is .2000 (.0524 to .3339)."""
        gap = Gap.between({"one": Rate(56, 70), "other": Rate(48, 80), "middle": Rate(70, 100)})
        assert gap is not None
        assert (gap.largest, gap.smallest) == ("one", "other")
        assert (gap.value, *gap.interval) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)

    def test_classes_with_hardly_anybody_do_not_count(self) -> None:
        few = Rate(FEWEST - 1, FEWEST - 1)
        assert Gap.between({"many": Rate(5, 90), "few": few}) is None
        gap = Gap.between({"many": Rate(5, 90), "few": few, "more": Rate(9, 90)})
        assert gap is not None
        assert gap.largest == "more"

    def test_means_have_gaps_as_well(self) -> None:
        nothing = Estimate(math.nan, math.nan, math.nan, 50)
        gap = Gap.between({"a": Estimate(5, 4, 6, 50), "b": Estimate(2, 1, 3, 50), "c": nothing})
        assert gap is not None
        assert (gap.value, *gap.interval) == pytest.approx((3, 3 - math.sqrt(2), 3 + math.sqrt(2)))

    def test_every_class_is_counted_by_itself(self) -> None:
        classes = {"gender": np.array([0, 0, 1, 1, 1]), "group": np.array([4, 4, 4, 0, 0])}
        right = np.array([True, False, True, True, True])
        found = by_label(classes, lambda members: Rate(int(right[members].sum()), int(members.sum())))
        assert found["gender"].figures == {"male": Rate(1, 2), "female": Rate(3, 3)}
        assert found["group"].figures["other"] == Rate(2, 3)
        assert found["group"].figures["Asian"] == Rate(0, 0)
        assert found["group"].document()["gap"] is None


class TestLabels:
    def test_are_in_the_name(self) -> None:
        assert labels_of("31_1_3_20170116.jpg") == {"gender": 1, "group": 3}

    def test_photos_without_them_are_left_out(self, tmp_path: Path) -> None:
        for name in (
            "31_1_3_2.jpg",
            "31_3_3_1.jpg",
            "31_1_7_1.jpg",
            "9_1_3_1.jpg",
            "31_1_1.jpg",
            "20_0_0_1.jpg",
        ):
            (tmp_path / name).touch()
        assert labelled_photos(tmp_path) == ["20_0_0_1.jpg", "31_1_3_2.jpg"]

    def test_so_many_of_each_gender_and_group(self) -> None:
        names = [
            f"30_{gender}_{group}_{date}.jpg" for date in range(4) for gender in (0, 1) for group in (0, 2)
        ]
        photos = [Photo("", f"utkface_train/{name}") for name in names]
        chosen = some_of_each(photos, 3)
        assert chosen == photos[:12]


def test_pictures_wholly_inside_a_window_say_nothing() -> None:
    found = WholePictures.of(
        {
            "ssim": np.array([0.9, 0.8, 0.7]),
            "psnr": np.array([30.0, 20, math.inf]),
            "outside": np.array([100, 0, 50]),
            "altered": np.array([0, 0, 2]),
        }
    )
    assert found.untouched == Rate(1, 2)
    assert (found.psnr_db.value, found.psnr_db.count) == (25, 2)
