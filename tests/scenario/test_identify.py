"""1:N by commands: not before the consortium has agreed to it, then with a name, and on record."""

from pathlib import Path

import pytest

pytest.importorskip("dlib")

import numpy as np
from PIL import Image
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.demo.shell import must, run
from veilmesh_node.demo.story import TERMS

from tests.scenario.settled import Settled

pytestmark = [pytest.mark.faces, pytest.mark.slow]


def test_identify(settled: Settled, tmp_path: Path) -> None:
    picture = settled.person.pictures[1]
    refused = run("identify", picture, "--home", settled.org1)
    assert (refused.exit_code, refused.refusal) == (ExitCode.REFUSED, "PURPOSE_NOT_ALLOWED")

    terms = tmp_path / "terms.toml"
    terms.write_text(TERMS.replace("purposes = [", 'purposes = ["identification", '))
    proposal_id = must("policy", "propose", terms, "--home", settled.org1)["proposal_id"]
    must("policy", "vote", proposal_id, "--home", settled.org2)

    must(
        "update", settled.reference_id, settled.person.pictures[2], "--name", "Eileen", "--home", settled.org1
    )
    found = must("identify", picture, "--home", settled.org1)
    # The detector sees a face in an emblem, too, which is nobody's.
    (face,) = [each for each in found["faces"] if each["reference_id"]]
    assert (face["name"], face["reference_id"]) == ("Eileen", settled.reference_id)
    assert face["similarity"] > 0.9
    assert (len(face["landmarks"]), found["searched"], len(found["search_tx_id"])) == (68, 1, 64)
    renewals = [
        entry["reference"]["renewal"]
        for entry in must("history", settled.reference_id, "--home", settled.org1)
    ]
    assert renewals == ["", "compared"]

    # Org2 has nobody enrolled; a wall has no face.
    nobody = run("identify", picture, "--home", settled.org2)
    assert nobody.exit_code is ExitCode.NO_MATCH
    assert {each["reference_id"] for each in nobody.document["faces"]} == {None}
    Image.fromarray(np.full((400, 400, 3), 120, np.uint8)).save(tmp_path / "wall.png")
    wall = run("identify", tmp_path / "wall.png", "--home", settled.org1)
    assert wall.exit_code is ExitCode.NO_MATCH
    assert (wall.document["faces"], wall.document["search_tx_id"]) == ([], "")
