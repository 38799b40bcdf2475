"""The commands as a whole: all are there, all explain themselves, and wrong words are refused one way."""

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.main import app, main

ROOT = Path(__file__).parents[3]


def _commands() -> list[str]:
    """Every command with its group, such as "audit verify"."""
    names = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]  # it is a group
        inner = getattr(command, "commands", None)
        names += [name] if inner is None else [f"{name} {each}" for each in inner]
    return names


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(words)
    return int(leaving.value.code or 0)


@pytest.mark.parametrize("command", _commands())
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(*command.split(), "--help") == ExitCode.OK
    said = capsys.readouterr().out
    assert f"veilmesh {command}" in said
    assert len(said.splitlines()) > 5


def test_the_readme_lists_every_command() -> None:
    table = set(
        re.findall(r"^\| `veilmesh ([a-z]+(?: [a-z]+)?)", (ROOT / "README.md").read_text(), re.MULTILINE)
    )
    assert table == set(_commands())


def test_wrong_words_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("policy", "sing") == ExitCode.USAGE
    said = capsys.readouterr()
    assert "sing" in said.err
    assert "hint:" in said.err
    assert not said.out


def test_an_error_is_one_json_document_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("registry", "nodes", "--home", str(tmp_path), "--json") == ExitCode.USAGE
    said = capsys.readouterr()
    error = json.loads(said.out)["error"]
    assert error["code"] == "HOME"
    assert str(tmp_path) in error["message"]
    assert error["message"] in said.err


def test_no_home_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("VEILMESH_HOME", raising=False)
    assert _run("registry", "nodes") == ExitCode.USAGE
    assert "--home" in capsys.readouterr().err


def test_every_exit_code_has_a_meaning() -> None:
    assert all(code.meaning for code in ExitCode)
    assert len({code.meaning for code in ExitCode}) == len(ExitCode)
    assert [int(code) for code in ExitCode] == [*range(7), 130]
