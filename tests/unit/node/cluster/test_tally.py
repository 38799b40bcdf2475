"""Counts add up, rates are of lately, and the report names every failure."""

import pytest
from veilmesh_node.cluster.tally import RATE_OVER_S, Tally
from veilmesh_node.cluster.work import Settled


@pytest.fixture
def tally() -> Tally:
    return Tally("detect", 10, 100.0)


def test_counts(tally: Tally) -> None:
    tally.add(Settled("a", kept=True), 100.0)
    tally.add(Settled("b", "org2-node/0"), 101.0)
    tally.add(Settled("c", "org2-node/1"), 102.0)
    tally.add(Settled("d", "org1-node/0", error="no picture", hint="look"), 102.0)
    document = tally.document(104.0, complete=False)
    assert {name: document[name] for name in ("items", "done", "kept", "failed", "left", "complete")} == {
        "items": 10,
        "done": 2,
        "kept": 1,
        "failed": 1,
        "left": 6,
        "complete": False,
    }
    assert document["workers"] == {"org2-node": 2, "org1-node": 1}
    assert document["failures"] == [{"name": "d", "error": "no picture", "hint": "look"}]
    assert document["items_per_s"] == 0.75


def test_the_rate_is_of_lately(tally: Tally) -> None:
    assert (tally.items_per_s(100.0), tally.left_s(100.0)) == (0.0, None)
    tally.add(Settled("a", "w"), 101.0)
    tally.add(Settled("b", "w"), 102.0)
    assert (tally.items_per_s(102.0), tally.left_s(102.0)) == (1.0, 8.0)
    assert tally.items_per_s(102.0 + RATE_OVER_S + 1) == 0.0


def test_nothing_took_no_time(tally: Tally) -> None:
    assert tally.document(100.0, complete=True)["items_per_s"] == 0.0
