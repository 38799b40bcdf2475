"""What goes wrong at the command line: one clear message, the right exit code, and nothing left behind."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("dlib")

import numpy as np
from PIL import Image
from skimage.data import astronaut
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.demo.shell import Answer, must, run
from veilmesh_node.demo.story import PURPOSE

from tests.scenario.settled import Settled

pytestmark = [pytest.mark.faces, pytest.mark.slow]


def _verify(settled: Settled, picture: Path, **changes: str) -> Answer:
    claim = {"--reference": settled.reference_id, "--purpose": PURPOSE, "--home": str(settled.org2)} | changes
    return run("verify", picture, *(word for pair in claim.items() for word in pair))


def _portrait() -> "Image.Image":
    return Image.fromarray(astronaut())  # type: ignore[no-untyped-call]  # no annotations


def _not_an_image(path: Path) -> None:
    path.write_bytes(b"this is no picture at all")


def _truncated(path: Path) -> None:
    _portrait().save(path, format="JPEG")
    path.write_bytes(path.read_bytes()[:20_000])


def _wall(path: Path) -> None:
    Image.fromarray(np.full((400, 400, 3), 120, np.uint8)).save(path, format="JPEG")


def _two_people(path: Path) -> None:
    picture = np.asarray(_portrait())
    Image.fromarray(np.hstack([picture, picture])).save(path, format="JPEG")


def _tiny(path: Path) -> None:
    small = _portrait().resize((110, 110))
    Image.fromarray(np.pad(np.asarray(small), ((150, 150), (150, 150), (0, 0)))).save(path, format="PNG")


def _blurred(path: Path) -> None:
    small = _portrait().resize((64, 64), Image.Resampling.BILINEAR)
    small.resize((512, 512), Image.Resampling.BICUBIC).save(path, format="JPEG")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_not_an_image, "not a picture|no picture|not an image"),
        (_truncated, "cut short|damaged|truncated"),
        (_wall, "no face"),
        (_two_people, "2 faces"),
        (_tiny, "too small|no face"),
        (_blurred, "blurred|no face"),
    ],
)
def test_a_picture_that_nobody_can_be_enrolled_from(
    settled: Settled, tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    make(tmp_path / "picture.jpg")
    before = must("node", "status", "--home", settled.org1)
    answer = run("enrol", tmp_path / "picture.jpg", "--home", settled.org1)
    after = must("node", "status", "--home", settled.org1)

    assert (answer.exit_code, answer.refusal) == (ExitCode.FAILED, "SAMPLE_REJECTED")
    assert any(words in answer.document["error"]["message"] for words in said.split("|"))
    assert after["reference_count"] == before["reference_count"]
    assert not after["unfinished"]


def test_unknown_reference(settled: Settled) -> None:
    answer = _verify(settled, settled.person.pictures[1], **{"--reference": "0" * 32})
    assert (answer.exit_code, answer.refusal) == (ExitCode.REFUSED, "NOT_FOUND")


def test_reference_that_is_no_id(settled: Settled) -> None:
    answer = _verify(settled, settled.person.pictures[1], **{"--reference": "nonsense"})
    assert answer.exit_code is ExitCode.FAILED
    assert "nonsense" in answer.document["error"]["message"]


def test_purpose_that_nobody_agreed_to(settled: Settled) -> None:
    answer = _verify(settled, settled.person.pictures[1], **{"--purpose": "curiosity"})
    assert (answer.exit_code, answer.refusal) == (ExitCode.REFUSED, "PURPOSE_NOT_ALLOWED")


def test_mark_outside_the_picture(settled: Settled) -> None:
    answer = _verify(settled, settled.person.pictures[1], **{"--face": "0,0,9000,9000"})
    assert (answer.exit_code, answer.refusal) == (ExitCode.FAILED, "SAMPLE_REJECTED")


def test_mark_that_is_no_box(settled: Settled) -> None:
    answer = _verify(settled, settled.person.pictures[1], **{"--face": "here"})
    assert answer.exit_code is ExitCode.USAGE


def test_another_organisations_reference_cannot_be_changed(settled: Settled) -> None:
    answer = run("revoke", settled.reference_id, "--home", settled.org2)
    assert (answer.exit_code, answer.refusal) == (ExitCode.REFUSED, "NOT_OWNER")


def test_home_that_is_none(tmp_path: Path) -> None:
    answer = run("registry", "nodes", "--home", tmp_path)
    assert (answer.exit_code, answer.refusal) == (ExitCode.USAGE, "HOME")


def test_wrong_passphrase(settled: Settled, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("not the right one\n")
    home = settled.consortium.home("third")
    settled.consortium.init_node("org3", "org3-node", home)
    answer = run("node", "start", "--home", home, "--passphrase-file", tmp_path / "passphrase", as_json=False)
    assert answer.exit_code is ExitCode.FAILED
    assert "passphrase" in answer.said


def test_terms_that_are_no_terms(settled: Settled, tmp_path: Path) -> None:
    terms = tmp_path / "terms.toml"
    terms.write_text("threshold_micro = 0.6\n")
    answer = run("policy", "propose", terms, "--home", settled.org1)
    assert answer.exit_code is ExitCode.USAGE
    assert "threshold_micro" in answer.document["error"]["message"]


def test_owner_node_down_then_back(settled: Settled) -> None:
    picture = settled.person.pictures[1]
    settled.consortium.stop_node(settled.org1)
    down = _verify(settled, picture)
    asked = run("node", "status", "--home", settled.org1)
    settled.consortium.start_node(settled.org1)
    settled.consortium.await_node(settled.org1)

    assert down.exit_code is ExitCode.UNAVAILABLE
    assert "org1-node" in down.document["error"]["message"]
    assert asked.exit_code is ExitCode.UNAVAILABLE
    assert "start" in asked.document["error"]["hint"]
    assert _verify(settled, picture).exit_code is ExitCode.OK


def test_ledger_down_then_back(settled: Settled) -> None:
    picture = settled.person.pictures[1]
    network = settled.consortium.network
    must("network", "down", "--dir", network)
    answers = [
        _verify(settled, picture),
        run("registry", "nodes", "--home", settled.org1),
        run("audit", "verify", "--home", settled.consortium.auditor),
    ]
    status = must("node", "status", "--home", settled.org2)
    must("network", "up", "--dir", network)

    assert [answer.exit_code for answer in answers] == [ExitCode.UNAVAILABLE] * 3
    assert not status["ledger_reachable"]
    assert _soon(lambda: _verify(settled, picture).exit_code is ExitCode.OK)
    assert must("audit", "verify", "--home", settled.consortium.auditor)["holds"]


def _soon(holds: Callable[[], bool], within_s: float = 20.0) -> bool:
    """Whether something holds within a while: a node dials a ledger that was away again every few seconds."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.5)
    return False
