import pytest

pytest.importorskip("dlib")

import numpy as np
from veilmesh_ml import Decision, decide, dissimilarity

pytestmark = pytest.mark.faces


def test_is_the_euclidean_distance() -> None:
    probe, reference = np.zeros(128), np.zeros(128)
    probe[3], reference[7] = 0.3, 0.4
    assert dissimilarity(probe, reference) == pytest.approx(0.5)


def test_match_at_the_threshold_itself() -> None:
    assert decide(0.6, 0.6) is Decision.MATCH
    assert decide(0.6000001, 0.6) is Decision.NO_MATCH


@pytest.mark.parametrize("shape", [(127,), (1, 128), (2, 128)])
def test_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="not one length"):
        dissimilarity(np.zeros(shape), np.zeros(128))


def test_refuses_numbers_that_are_none() -> None:
    with pytest.raises(ValueError, match="not finite"):
        dissimilarity(np.full(128, np.nan), np.zeros(128))
