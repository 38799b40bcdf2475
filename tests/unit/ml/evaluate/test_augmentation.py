"""Who is found in a gallery with synthetic pictures in it, and what is said of that."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("cv2")

from veilmesh_ml.evaluate.augmentation import (
    NOBODY,
    NOTHING,
    PER_PHOTO,
    PLAIN,
    RULES,
    STRANGERS,
    AugmentationResult,
    Pictures,
    Row,
    nearest_mean,
    nearest_picture,
    plainly_changed,
    rows_of,
)
from veilmesh_ml.evaluate.augmentation_report import augmentation_report, table_rows, verdict
from veilmesh_ml.evaluate.clustered_rate import ClusteredRate

pytestmark = pytest.mark.faces

NEAR = 0.1


def features(*places: float) -> np.ndarray:
    """Features that differ in one number."""
    made = np.zeros((len(places), 128))
    made[:, 0] = places
    return made


def pictures(*placed: tuple[float, int]) -> Pictures:
    return Pictures(features(*(place for place, _ in placed)), np.array([person for _, person in placed]))


class TestIdentified:
    def test_by_the_nearest_picture(self) -> None:
        gallery = pictures((0, 7), (1, 8), (5, 7))
        assert nearest_picture(features(0.2, 0.9, 4), gallery).tolist() == [7, 8, 7]

    def test_by_the_nearest_mean(self) -> None:
        """7 is 0 and 5, on average 2.5."""
        gallery = pictures((0, 7), (1, 8), (5, 7))
        assert nearest_mean(features(0.2, 0.9, 4), gallery).tolist() == [8, 8, 7]

    @pytest.mark.parametrize("rule", [nearest_picture, nearest_mean])
    def test_strangers_are_many(self, rule: object) -> None:
        """Not one person between them."""
        gallery = pictures((0, 7), (10, NOBODY), (-10, NOBODY))
        assert rule(features(1, 9, -9), gallery).tolist() == [7, NOBODY, NOBODY]  # type: ignore[operator]

    def test_a_probe_without_features_is_found_by_no_rule(self) -> None:
        gallery = pictures((0, 0), (1, NOBODY))
        for rule in (nearest_picture, nearest_mean):
            assert rule(features(np.nan), gallery)[0] not in gallery.people

    def test_pictures_without_features_are_not_in_a_gallery(self) -> None:
        assert pictures((np.nan, 1), (2, 3)).usable().people.tolist() == [3]


class TestRows:
    def test_gained_and_lost_are_counted_against_real_photos(self) -> None:
        real = pictures((0, 0), (10, 1))
        added = real.and_(pictures((6 - NEAR, 0), (2, 1)))
        probes = pictures((6, 0), (2, 0), (9, 1))
        rows = {
            row.added: row
            for row in rows_of({NOTHING: real, PLAIN: added}, probes, 1)
            if row.rule == RULES[0]
        }
        assert (rows[NOTHING].accuracy.count, rows[NOTHING].accuracy.trials) == (2, 3)
        assert (rows[PLAIN].accuracy.count, rows[PLAIN].gained, rows[PLAIN].lost) == (2, 1, 1)
        assert (rows[NOTHING].synthetic, rows[PLAIN].synthetic) == (0, 2)

    def test_strangers_can_only_mislead(self) -> None:
        real = pictures((0, 0), (10, 1))
        probes = pictures((4, 0), (9, 1))
        rows = rows_of({NOTHING: real, STRANGERS: real.and_(pictures((4, NOBODY)))}, probes, 1)
        for row in rows:
            assert (row.gained, row.lost) == ((0, 1) if row.added == STRANGERS else (0, 0))


class TestPlain:
    def test_every_change_is_another(self) -> None:
        chip = np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8)
        changed = plainly_changed(chip)
        assert changed.shape == (PER_PHOTO, 150, 150, 3)
        assert len(np.unique(changed.reshape(PER_PHOTO, -1), axis=0)) == PER_PHOTO
        assert np.array_equal(changed[0], chip[:, ::-1])

    def test_lighter_and_darker(self) -> None:
        changed = plainly_changed(np.full((150, 150, 3), 128, np.uint8))
        assert changed[1].min() > 128 > changed[2].max()


class TestReport:
    def result(self, *changes: tuple[int, int]) -> AugmentationResult:
        rate = ClusteredRate(90, 100, 50.0)
        rows = [Row(NOTHING, real, rule, rate, 0, 0, 0) for rule in RULES for real in (1, 2, 3)]
        rows += [Row(PLAIN, 1, RULES[0], rate, gained, lost, 8) for gained, lost in changes]
        return AugmentationResult(rows, 5, 20, "The generator has no rows: no weights.")

    @pytest.mark.parametrize(
        ("gained", "lost", "said"),
        [
            (20, 2, "plain augmentation helps with 1 real photos, by nearest picture (20 gained, 2 lost)."),
            (1, 12, "plain augmentation harms with 1 real photos, by nearest picture (1 gained, 12 lost)."),
            (6, 4, "Nothing that was added changes the accuracy beyond chance."),
            (4, 0, "Nothing that was added changes the accuracy beyond chance."),
        ],
    )
    def test_says_whether_it_helps(self, gained: int, lost: int, said: str) -> None:
        assert verdict(self.result((gained, lost))) == said

    def test_stands_beside_the_papers_figures(self) -> None:
        report = augmentation_report(self.result((20, 2)))
        published = report.document["published_percent"]
        assert (published["StyleGAN"], published["ProGAN"]) == (93.84, 90.27)
        assert (published["CycleGAN"], published["MGAN"]) == (89.80, 80.80)
        assert "no weights" in report.sections[0].text
        assert all(section.plots for section in report.sections[1:3])

    def test_a_row_has_counts_and_an_interval(self) -> None:
        first = table_rows(self.result((20, 2)), RULES[0])[0]
        assert first[:3] == [NOTHING, "1", "90.00% (90/100)"]
        assert first[3] == "78.64% to 95.65%"
