"""Pictures anonymized here, receipts signed by the node and anchored on the ledger, checked by anyone."""

from pathlib import Path

import pytest

pytest.importorskip("dlib")

from PIL import Image
from skimage.data import astronaut
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.demo.shell import must, run

from tests.scenario.settled import Settled

pytestmark = [pytest.mark.faces, pytest.mark.slow]


@pytest.fixture(scope="module")
def released(settled: Settled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures, anonymized with receipts; one of the files is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "in" / "deeper").mkdir(parents=True)
    portrait = Image.fromarray(astronaut()[:300])  # type: ignore[no-untyped-call]  # no annotations
    portrait.save(folder / "in" / "one.png")
    portrait.resize((400, 234)).save(folder / "in" / "deeper" / "two.png")
    (folder / "in" / "bad.jpg").write_bytes(b"nothing of the kind")
    answer = run("anonymize", folder / "in", "-o", folder / "out", "-m", "cluster", "--home", settled.org1)

    assert answer.exit_code is ExitCode.FAILED  # because of the bad file alone
    said = answer.document
    assert (said["released"], said["failed"], said["anchor"]["receipts"]) == (2, 1, 2)
    assert [Path(file["input"]).name for file in said["files"] if file["error"]] == ["bad.jpg"]
    return folder


def test_a_receipt_holds_with_its_picture_and_its_anchor(settled: Settled, released: Path) -> None:
    for picture in (released / "out" / "one.png", released / "out" / "deeper" / "two.png"):
        receipt = picture.with_name(picture.name + ".receipt.json")
        said = must("receipt", "verify", receipt, "--image", picture, "--home", settled.org2)
        assert said["holds"]
        assert len(said["checked"]) == 4
        assert said["receipt"]["node_id"] == "org1-node"
        assert "cluster" in said["receipt"]["methods"]


def test_a_receipt_of_another_picture_does_not(released: Path) -> None:
    receipt = released / "out" / "one.png.receipt.json"
    answer = run("receipt", "verify", receipt, "--image", released / "in" / "one.png")
    assert answer.exit_code is ExitCode.INTEGRITY


def test_a_changed_receipt_does_not_hold(released: Path, tmp_path: Path) -> None:
    receipt = (released / "out" / "one.png.receipt.json").read_text()
    (tmp_path / "changed.json").write_text(receipt.replace('"policy_version":1', '"policy_version":2'))
    (tmp_path / "no.json").write_text("{}")
    assert run("receipt", "verify", tmp_path / "changed.json").exit_code is ExitCode.INTEGRITY
    assert run("receipt", "verify", tmp_path / "no.json").exit_code is ExitCode.INTEGRITY


def test_a_second_run_does_nothing_again(settled: Settled, released: Path) -> None:
    answer = run(
        "anonymize", released / "in", "-o", released / "out", "-m", "cluster", "--home", settled.org1
    )
    said = answer.document
    assert (said["released"], said["kept"], said["failed"], said["anchor"]["receipts"]) == (0, 2, 1, 0)


def test_a_picture_made_again_gets_a_new_receipt(settled: Settled, released: Path, tmp_path: Path) -> None:
    """The policy's first method is the default; another one gives another picture, and so another receipt."""
    picture, out = released / "in" / "one.png", tmp_path / "out"
    for words, method in (((), "ciagan"), (("-m", "mask"), "mask")):
        must("anonymize", picture, "-o", out, *words, "--home", settled.org1)
        receipt = out / "one.png.receipt.json"
        said = must("receipt", "verify", receipt, "--image", out / "one.png", "--home", settled.org2)
        assert method in said["receipt"]["methods"]


def test_a_method_outside_the_policy_gets_no_receipt(
    settled: Settled, released: Path, tmp_path: Path
) -> None:
    picture = released / "in" / "one.png"
    answer = run("anonymize", picture, "-o", tmp_path / "out", "-m", "blur", "--home", settled.org1)
    assert (answer.exit_code, answer.refusal) == (ExitCode.REFUSED, "METHOD_NOT_ALLOWED")
    assert not list((tmp_path / "out").glob("*.receipt.json"))


def test_the_salts_are_for_their_owner_alone(released: Path) -> None:
    salts = released / "out" / ".veilmesh-salts.jsonl"
    assert salts.stat().st_mode & 0o077 == 0
    assert len(salts.read_text().splitlines()) == 2
