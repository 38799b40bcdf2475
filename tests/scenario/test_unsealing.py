"""A court orders a permuted picture to be restored: two organisations consent, the keeper's node opens it."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("dlib")

import numpy as np
from skimage.data import astronaut
from veilmesh_ml import read_image, write_image
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.demo.shell import must, run
from veilmesh_node.demo.story import TERMS

from tests.scenario.settled import Settled

pytestmark = [pytest.mark.faces, pytest.mark.slow]


@dataclass(frozen=True, slots=True)
class Case:
    """A released picture with its sealed key, and the order to restore it."""

    original: Path
    picture: Path
    order: Path
    unsealing_id: str


@pytest.fixture(scope="module")
def permuting(settled: Settled, tmp_path_factory: pytest.TempPathFactory) -> Settled:
    """The consortium, whose policy allows what can be undone."""
    terms = tmp_path_factory.mktemp("policy") / "terms.toml"
    terms.write_text(re.sub(r"anonymizers = .*", 'anonymizers = ["permute", "mask"]', TERMS))
    proposal_id = must("policy", "propose", terms, "--home", settled.org1)["proposal_id"]
    must("policy", "vote", proposal_id, "--home", settled.org2)
    return settled


@pytest.fixture(scope="module")
def case(permuting: Settled, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Org1 releases a picture, permuted; Org2 brings an order, which is Org2's consent."""
    folder = tmp_path_factory.mktemp("case")
    original, order = folder / "in" / "witness.jpg", folder / "order.txt"
    write_image(original, astronaut()[:300])  # type: ignore[no-untyped-call]  # no annotations
    order.write_text("It is ordered that the picture be restored.")
    said = must("anonymize", original, "-o", folder / "out", "-m", "permute", "--home", permuting.org1)
    assert (said["released"], said["sealed_keys"]) == (1, 1)
    picture = folder / "out" / "witness.jpg.png"
    words = ("--order", order, "--authority", "Court, 12 C 345/26", "--purpose", "identify a witness")
    asked = must("unseal", "request", picture, *words, "--home", permuting.org2)
    assert (asked["status"], asked["consents"]) == ("requested", ["Org2MSP"])
    assert (asked["keeper_node_id"], asked["keeper_msp_id"]) == ("org1-node", "Org1MSP")
    assert asked["receipt_sha256"]
    return Case(original, picture, order, asked["unsealing_id"])


def test_one_consent_opens_nothing(settled: Settled, case: Case, tmp_path: Path) -> None:
    answer = run(
        "unseal", "open", case.unsealing_id, case.picture, "-o", tmp_path / "x.png", "--home", settled.org1
    )
    assert (answer.exit_code, answer.refusal) == (ExitCode.REFUSED, "NOT_GRANTED")
    assert not (tmp_path / "x.png").exists()


def test_nobody_but_the_keeper_opens_it(settled: Settled, case: Case, tmp_path: Path) -> None:
    answer = run(
        "unseal", "open", case.unsealing_id, case.picture, "-o", tmp_path / "x.png", "--home", settled.org2
    )
    assert (answer.exit_code, answer.refusal) == (ExitCode.REFUSED, "NOT_KEEPER")


def test_an_order_of_another_picture(settled: Settled, case: Case, tmp_path: Path) -> None:
    other, sealed = tmp_path / "other.png", case.picture.with_name("witness.jpg.png.sealed.json")
    write_image(other, np.zeros((4, 4, 3), dtype=np.uint8))
    words = (other, "--sealed-key", sealed)
    opened = run(
        "unseal", "open", case.unsealing_id, *words, "-o", tmp_path / "x.png", "--home", settled.org1
    )
    assert (opened.exit_code, opened.refusal) == (ExitCode.INTEGRITY, "SEALEDKEY")
    texts = ("--order", case.order, "--authority", "Court", "--purpose", "none")
    asked = run("unseal", "request", *words, *texts, "--home", settled.org1)
    assert (asked.exit_code, asked.refusal) == (ExitCode.INTEGRITY, "SEALEDKEY")


def test_two_consents_restore_it_bit_for_bit(settled: Settled, case: Case, tmp_path: Path) -> None:
    granted = must("unseal", "consent", case.unsealing_id, "--home", settled.org1)
    assert (granted["status"], granted["consents"]) == ("granted", ["Org2MSP", "Org1MSP"])
    assert not np.array_equal(read_image(case.picture), read_image(case.original))
    for _ in range(2):  # again: the answer may have been lost on its way
        said = must(
            "unseal",
            "open",
            case.unsealing_id,
            case.picture,
            "-o",
            tmp_path / "restored.png",
            "--home",
            settled.org1,
        )
        assert said["faces_restored"] == 1
        assert np.array_equal(read_image(tmp_path / "restored.png"), read_image(case.original))
    (entry,) = must("unseal", "list", "--home", settled.consortium.auditor)
    assert (entry["unsealing_id"], entry["status"]) == (case.unsealing_id, "fulfilled")
    assert entry["authority"] == "Court, 12 C 345/26"
    late = run("unseal", "refuse", case.unsealing_id, "--home", settled.org1)
    assert (late.exit_code, late.refusal) == (ExitCode.REFUSED, "ALREADY_CONCLUDED")


def test_the_key_is_nowhere_in_the_clear(case: Case) -> None:
    """What the folder holds restores nothing without the keeper: no recovery record, no key."""
    for path in case.picture.parent.glob(".*"):
        assert '"steps"' not in path.read_text()
        assert '"key"' not in path.read_text()


def test_a_key_sealed_to_another_organisations_node(settled: Settled, case: Case, tmp_path: Path) -> None:
    words = ("-m", "permute", "--home", settled.org1, "--seal-to", "org2-node")
    must("anonymize", case.original, "-o", tmp_path, *words)
    texts = ("--order", case.order, "--authority", "Court", "--purpose", "none")
    asked = must("unseal", "request", tmp_path / "witness.jpg.png", *texts, "--home", settled.org1)
    assert asked["keeper_msp_id"] == "Org2MSP"
    refused = must("unseal", "refuse", asked["unsealing_id"], "--home", settled.org2)
    assert refused["status"] == "refused"
    unknown = run("anonymize", case.original, "-o", tmp_path, *words[:-1], "nobody")
    assert (unknown.exit_code, unknown.refusal) == (ExitCode.REFUSED, "NOT_FOUND")


def test_words_that_do_not_go_together(case: Case, tmp_path: Path) -> None:
    answer = run("anonymize", case.original, "-o", tmp_path, "-m", "permute", "--seal-to", "org1-node")
    assert answer.exit_code is ExitCode.USAGE
    answer = run("unseal", "open", "0" * 64, case.picture, "-o", tmp_path / "x.jpg", "--home", tmp_path)
    assert answer.exit_code is ExitCode.USAGE
