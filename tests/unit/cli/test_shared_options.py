"""Options declared once are asked for by every command that takes them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner
from veilmesh_node.cli.shared_options import with_options


@dataclass(frozen=True, slots=True)
class Asked:
    data: Annotated[Path, typer.Option("--data")]
    tries: Annotated[int, typer.Option(min=1)] = 3
    settings: Annotated[list[str], typer.Option("--set")] = field(default_factory=list)


@pytest.fixture
def heard() -> list[tuple[object, ...]]:
    return []


@pytest.fixture
def app(heard: list[tuple[object, ...]]) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @with_options(Asked)
    def run(asked: Asked, name: Annotated[str, typer.Argument()], loud: bool = False) -> None:
        heard.append((asked, name, loud))

    return app


def test_what_is_given_reaches_the_command(app: typer.Typer, heard: list[tuple[object, ...]]) -> None:
    given = ["somebody", "--data", "x", "--tries", "2", "--set", "a=1", "--set", "b=2", "--loud"]
    assert CliRunner().invoke(app, given).exit_code == 0
    assert heard == [(Asked(Path("x"), 2, ["a=1", "b=2"]), "somebody", True)]


def test_what_is_not_given_is_as_the_fields_say(app: typer.Typer, heard: list[tuple[object, ...]]) -> None:
    assert CliRunner().invoke(app, ["somebody", "--data", "x"]).exit_code == 0
    assert heard == [(Asked(Path("x"), 3, []), "somebody", False)]


def test_a_field_without_default_must_be_given(app: typer.Typer) -> None:
    answer = CliRunner().invoke(app, ["somebody"])
    assert answer.exit_code == 2
    assert "--data" in answer.output


def test_limits_of_a_field_are_kept(app: typer.Typer) -> None:
    assert CliRunner().invoke(app, ["somebody", "--data", "x", "--tries", "0"]).exit_code == 2
