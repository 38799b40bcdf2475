import itertools

import pytest

pytest.importorskip("dlib")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from veilmesh_ml.errors import ParameterError
from veilmesh_ml.keystream import derive, gaussian, key_or_fresh, permutation, words

pytestmark = pytest.mark.faces

KEY = bytes(range(32))


def test_words_are_the_chacha20_stream_of_rfc_8439() -> None:
    """RFC 8439 appendix A.1, test vectors 1 and 2: key and nonce of zeros, counters 0 and 1."""
    stream = words(bytes(32), 16).astype("<u8").tobytes()
    assert stream[:32].hex() == "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
    assert stream[64:96].hex() == "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"


def test_every_name_has_a_key_of_its_own() -> None:
    names = [("permute", 0), ("permute", 1), ("noise", 0), ("permute", 0, 0)]
    keys = {derive(KEY, *name) for name in names} | {
        derive(KEY, "permute", 0, salt=b"x"),
        derive(bytes(32), "permute", 0),
    }
    assert len(keys) == len(names) + 2


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 3000), seed=st.binary(min_size=32, max_size=32))
def test_permutation_is_one(count: int, seed: bytes) -> None:
    order = permutation(seed, count)
    assert np.array_equal(np.sort(order), np.arange(count))
    assert np.array_equal(order, permutation(seed, count))


def test_every_order_of_four_is_about_equally_likely() -> None:
    """The chi-square of 24 orders exceeds 49.7 for one set of keys in 1,000; these keys are fixed."""
    counts = dict.fromkeys(itertools.permutations(range(4)), 0)
    for index in range(12_000):
        counts[tuple(int(place) for place in permutation(derive(KEY, index), 4))] += 1
    chi_square = sum((count - 500) ** 2 / 500 for count in counts.values())
    assert chi_square < 49.7


def test_gaussian_has_its_moments() -> None:
    drawn = gaussian(KEY, 100_001)
    assert drawn.shape == (100_001,)
    assert abs(drawn.mean()) < 0.015
    assert abs(drawn.std() - 1) < 0.01
    assert abs((drawn**4).mean() - 3) < 0.15


def test_without_a_key_each_is_fresh() -> None:
    assert key_or_fresh(None) != key_or_fresh(None)
    assert key_or_fresh(KEY) == KEY


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_key_has_256_bits(length: int) -> None:
    with pytest.raises(ParameterError, match=f"{length} bytes, not 32"):
        key_or_fresh(bytes(length))
