"""Commitments bind and separate; decisions are exact; secrets are quiet."""

import logging
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from veilmesh_chaincode.records.authentication import Outcome
from veilmesh_node.domain.commitment import (
    commit_consent,
    commit_input,
    commit_probe,
    commit_template,
    equal,
    new_salt,
)
from veilmesh_node.domain.decision import decide
from veilmesh_node.domain.ids import new_operation_id, new_reference_id
from veilmesh_node.domain.secret import MAX_FEATURES, MIN_FEATURES, Features, Secret

SALT = Secret(bytes(32))
ONES = Features((1.0,) * 128)
TWOS = Features((2.0,) * 128)


def test_every_part_of_a_template_commitment_counts() -> None:
    commitments = {
        commit_template(salt, reference_id=name, version=version, model_digest=model, template=template)
        for salt, name, version, model, template in [
            (SALT, "r", 1, "m", ONES),
            (new_salt(), "r", 1, "m", ONES),
            (SALT, "s", 1, "m", ONES),
            (SALT, "r", 2, "m", ONES),
            (SALT, "r", 1, "n", ONES),
            (SALT, "r", 1, "m", TWOS),
        ]
    }
    assert len(commitments) == 6


def test_kinds_and_parts_are_separated() -> None:
    commitments = {
        commit_probe(SALT, reference_id="ab", model_digest="c", probe=ONES),
        commit_probe(SALT, reference_id="a", model_digest="bc", probe=ONES),
        commit_consent(SALT, reference_id="ab", consent=b"c"),
        commit_consent(SALT, reference_id="a", consent=b"bc"),
        commit_input(SALT, "ab"),
    }
    assert len(commitments) == 5


def test_a_commitment_is_as_documented() -> None:
    # printf 'veilmesh/v1/input\0\0\0\0\0\0\0\0\2ab' | openssl dgst -sha256 -mac HMAC -macopt hexkey:00..00
    assert commit_input(SALT, "ab") == "af07100087924ccbd6a785d53d08e61290c0b81cafbd16eb98caf59cdc57c520"
    assert equal(commit_input(SALT, "ab"), commit_input(SALT, "ab"))
    assert not equal(commit_input(SALT, "ab"), commit_input(SALT, "ac"))


@pytest.mark.parametrize(
    ("dissimilarity", "outcome"),
    [
        (0.0, Outcome.MATCH),
        (0.6, Outcome.MATCH),  # the float below the rational 6/10
        (math.nextafter(0.6, 1), Outcome.NO_MATCH),
        (0.7, Outcome.NO_MATCH),
        (1e300, Outcome.NO_MATCH),
    ],
)
def test_decision_at_the_edge(dissimilarity: float, outcome: Outcome) -> None:
    assert decide(dissimilarity, 600_000) is outcome


@given(st.floats(min_value=0, max_value=4), st.integers(1, 4_000_000))
def test_decision_is_the_exact_comparison(dissimilarity: float, threshold_micro: int) -> None:
    matches = Fraction(dissimilarity) <= Fraction(threshold_micro, 1_000_000)
    assert (decide(dissimilarity, threshold_micro) is Outcome.MATCH) == matches


@pytest.mark.parametrize("dissimilarity", [math.nan, math.inf, -0.1])
def test_no_number_never_matches(dissimilarity: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        decide(dissimilarity, 4_000_000)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=16, max_size=200))
def test_features_round_trip(values: list[float]) -> None:
    features = Features(tuple(values))
    assert Features.from_bytes(features.to_bytes()) == features


@pytest.mark.parametrize(
    "data",
    [b"", bytes(8 * MIN_FEATURES - 8), bytes(8 * MAX_FEATURES + 8), bytes(1025), b"\xff" * 1024],
    ids=["none", "too few", "too many", "a byte too many", "not a number"],
)
def test_what_is_no_features_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="features"):
        Features.from_bytes(data)


def test_secrets_are_quiet(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(b"the salt itself")
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r %s", secret, [secret], f"{secret} {ONES}")
    assert "salt" not in caplog.text
    assert "1.0" not in caplog.text
    assert "15 bytes" in caplog.text


def test_ids_are_random() -> None:
    assert len({new_reference_id() for _ in range(100)} | {new_operation_id() for _ in range(100)}) == 200
    assert len(new_reference_id()) == 32
