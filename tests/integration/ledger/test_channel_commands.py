"""`veilmesh network admit|expel|revoke` and `veilmesh channel`, from the command line on a running ledger."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from veilmesh_network import running
from veilmesh_network.certificates import NodeRole
from veilmesh_network.network import ADMIN, OPERATOR, Network
from veilmesh_network.organisation import Organisation
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.main import main
from veilmesh_node.cli.provisioning import write_client_home


class Consortium:
    """A running network, and a client folder for each organisation's admin."""

    def __init__(self, folder: Path, homes: Path) -> None:
        self.folder = folder
        self._homes = homes

    @property
    def network(self) -> Network:
        return Network.load(self.folder)

    def home(self, name: str, identity: str = ADMIN) -> Path:
        organisation = self.network.organisation(name)
        home = self._homes / f"{name}-{identity}"
        write_client_home(self.network, organisation, organisation.identity(identity), home)
        return home


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    folder = tmp_path_factory.mktemp("commands")
    running.up(folder / "network", port=0)
    yield Consortium(folder / "network", folder / "homes")
    running.down(folder / "network")


class Told:
    """What a command came to."""

    def __init__(self, exit_code: int, out: str, err: str) -> None:
        self.exit_code = exit_code
        self.out = out
        self.err = err

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def command(*words: str | Path) -> Told:
        with pytest.raises(SystemExit) as leaving:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return Told(int(leaving.value.code or 0), said.out, said.err)

    return command


def test_the_configuration_is_shown(consortium: Consortium, run: Any) -> None:
    told = run("channel", "show", "--home", consortium.home("org1"), "--json")
    assert told.exit_code == ExitCode.OK
    assert {each["msp_id"] for each in told.document["members"]} >= {"Org1MSP", "Org2MSP", "Org3MSP"}
    assert told.document["policies"]["/Channel/Orderer/Admins"] == "'Admins' of 1 of (OrdererMSP)"
    people = run("channel", "show", "--home", consortium.home("org1"))
    assert "members   Org1MSP, Org2MSP, Org3MSP" in people.out
    assert "/Channel/Application/Admins" in people.out


def test_an_organisation_is_admitted_and_expelled_at_once(consortium: Consortium, run: Any) -> None:
    told = run("network", "admit", "org4", "--dir", consortium.folder, "--json")
    assert told.exit_code == ExitCode.OK
    assert told.document["members"] == ["Org1MSP", "Org2MSP", "Org3MSP", "Org4MSP"]
    assert "signed by admin.org1.example.com of Org1MSP" in told.err
    assert "signed by admin.org2.example.com of Org2MSP" in told.err
    assert "Org3MSP" not in told.err
    again = run("network", "admit", "org4", "--dir", consortium.folder)
    assert again.exit_code == ExitCode.FAILED
    assert "Org4MSP is in the channel already" in again.err
    gone = run("network", "expel", "org4", "--dir", consortium.folder)
    assert "members   Org1MSP, Org2MSP, Org3MSP" in gone.out
    assert [entry.name for entry in consortium.network.organisations] == [
        "org1",
        "org2",
        "org3",
        "audit",
        "orderer",
    ]


def test_an_auditor_is_admitted(consortium: Consortium, run: Any) -> None:
    told = run("network", "admit", "watch", "--auditor", "--dir", consortium.folder, "--json")
    assert told.document["auditors"] == ["AuditMSP", "WatchMSP"]
    assert run("network", "expel", "watch", "--dir", consortium.folder).exit_code == ExitCode.OK


def test_a_certificate_is_revoked(consortium: Consortium, run: Any) -> None:
    organisation = consortium.network.organisation("org2")
    files = organisation.issue("leaver", role=NodeRole.CLIENT, attributes={"role": "operator"})
    home = consortium.folder.parent / "leaver"
    write_client_home(consortium.network, organisation, files, home)
    assert (
        run("registry", "organisations", "--home", home).exit_code == ExitCode.REFUSED
    )  # nothing founded yet
    told = run("network", "revoke", "org2", "leaver", "--dir", consortium.folder, "--json")
    assert "signed by admin.org2.example.com of Org2MSP" in told.err
    refused = run("channel", "show", "--home", home)
    assert refused.exit_code == ExitCode.REFUSED
    assert "FORBIDDEN" in refused.err
    again = run("network", "revoke", "org2", "leaver", "--dir", consortium.folder)
    assert "would change nothing" in again.err
    nobody = run("network", "revoke", "org2", "nobody", "--dir", consortium.folder)
    assert "no identity 'nobody'" in nobody.err


def test_an_update_goes_from_admin_to_admin(consortium: Consortium, run: Any, tmp_path: Path) -> None:
    """As between machines: each admin acts from a folder of their own, and only the file travels."""
    guest = Organisation.create(tmp_path / "guest", "GuestMSP", "guest.example.com")
    file = tmp_path / "admit.update"
    public = ("--msp", guest.dir / "msp", "--anchor", "peer0.guest.example.com:7051")
    made = run("channel", "admit", file, "GuestMSP", *public, "--home", consortium.home("org1"), "--json")
    assert made.exit_code == ExitCode.OK
    assert (made.document["complete"], made.document["signers"]) == (False, [])
    assert {"/Channel/Application", "/Channel/Application/Endorsement"} <= {
        each["path"] for each in made.document["consents"]
    }
    early = run("channel", "submit", file, "--home", consortium.home("org1"), "--json")
    assert early.exit_code == ExitCode.REFUSED
    assert early.document["error"]["code"] == "CONSENT"
    assert any(
        "/Channel/Application wants 2 of (admin of Org1MSP" in each
        for each in early.document["error"]["reasons"]
    )

    copy = tmp_path / "copy.update"
    copy.write_bytes(file.read_bytes())
    assert not run("channel", "sign", file, "--home", consortium.home("org1"), "--json").document["complete"]
    run("channel", "sign", copy, "--home", consortium.home("org2"))
    both = run("channel", "sign", file, "--copy", copy, "--home", consortium.home("org3"), "--json")
    assert both.document["complete"]
    assert both.document["signers"] == [
        f"admin.org{number}.example.com of Org{number}MSP" for number in (1, 2, 3)
    ]
    people = run("channel", "inspect", file, "--home", consortium.home("org2"))
    assert "signed by admin.org1.example.com of Org1MSP, admin.org2.example.com of Org2MSP" in people.out
    assert "GuestMSP with root" in people.out

    where = consortium.network.address
    told = run("channel", "submit", file, "--home", consortium.home("org2"), "--orderer", where, "--json")
    assert told.exit_code == ExitCode.OK
    shown = run("channel", "show", "--home", consortium.home("org1"), "--json").document
    assert shown["sequence"] == told.document["sequence"]
    (found,) = [each for each in shown["members"] if each["msp_id"] == "GuestMSP"]
    assert found["anchor_peers"] == ["peer0.guest.example.com:7051"]
    late = run("channel", "sign", file, "--home", consortium.home("org1"), "--json")
    assert late.document["error"]["code"] == "OVERTAKEN"

    leaving = tmp_path / "expel.update"
    run("channel", "expel", leaving, "GuestMSP", "--home", consortium.home("org1"))
    for name in ("org1", "org2", "org3"):
        run("channel", "sign", leaving, "--home", consortium.home(name))
    told = run("channel", "submit", leaving, "--home", consortium.home("org3"), "--orderer", where)
    assert "is in force since block" in told.out


def test_members_vote_for_a_member(consortium: Consortium, run: Any) -> None:
    operators = [consortium.home(f"org{number}", OPERATOR) for number in (1, 2, 3)]
    members = [word for number in (1, 2, 3) for word in ("--member", f"Org{number}MSP")]
    run("registry", "found", *members, "--auditor", "AuditMSP", "--home", operators[0])
    open_vote = run("registry", "admit", "Org4MSP", "--home", operators[0], "--json")
    assert (open_vote.document["admit"], open_vote.document["carried"]) == (True, False)
    carried = run("registry", "admit", "Org4MSP", "--home", operators[1])
    assert "admitting Org4MSP is carried: Org1MSP, Org2MSP voted for it" in carried.out
    shown = run("registry", "organisations", "--home", operators[2], "--json")
    assert shown.document["members"] == ["Org1MSP", "Org2MSP", "Org3MSP", "Org4MSP"]
    for home in operators:
        told = run("registry", "expel", "Org4MSP", "--home", home, "--json")
    assert (told.document["admit"], told.document["carried"]) == (False, True)


def test_smaller_updates(consortium: Consortium, run: Any, tmp_path: Path) -> None:
    organisation = consortium.network.organisation("org3")
    organisation.issue("gone", role=NodeRole.CLIENT)
    crl = organisation.revoke(["gone"])
    home = consortium.home("org3")
    asked = {
        ("batches", tmp_path / "b", "--count", "9", "--timeout-ms", "40"): {
            "/Channel/Orderer/BatchSize",
            "/Channel/Orderer/BatchTimeout",
        },
        ("revoke", tmp_path / "r", "Org3MSP", "--crl", crl): {"/Channel/Application/Org3MSP/MSP"},
        ("anchors", tmp_path / "a", "Org3MSP", "--anchor", "h:1"): {"/Channel/Application/Org3MSP"},
    }
    for words, wanted in asked.items():
        told = run("channel", *words, "--home", home, "--json")
        assert {each["path"] for each in told.document["consents"]} == wanted


def test_what_is_no_update(consortium: Consortium, run: Any, tmp_path: Path) -> None:
    home = consortium.home("org1")
    file = tmp_path / "file"
    file.write_bytes(b"\xff\xff")
    assert "config update file is not a" in run("channel", "inspect", file, "--home", home).err
    missing = run("channel", "sign", tmp_path / "missing", "--home", home)
    assert missing.exit_code == ExitCode.FAILED
    assert "missing" in missing.err
    wrong = run("channel", "anchors", file, "Org1MSP", "--anchor", "nowhere", "--home", home)
    assert wrong.exit_code == ExitCode.USAGE
    assert "is not host:port" in wrong.err
    stranger = run("channel", "expel", file, "Org9MSP", "--home", home)
    assert "no organisation Org9MSP in the channel" in stranger.err
    nothing = run("channel", "batches", file, "--home", home)
    assert nothing.exit_code == ExitCode.REFUSED
    assert "would change nothing" in nothing.err


def test_a_ledger_that_is_down(tmp_path: Path, run: Any) -> None:
    Network.create(tmp_path / "network", members=1, port=1)
    told = run("network", "admit", "org2", "--dir", tmp_path / "network")
    assert told.exit_code == ExitCode.UNAVAILABLE
    assert "org2" not in {entry.name for entry in Network.load(tmp_path / "network").organisations}
