"""Runs `veilmesh` commands as the demo's users would, and reads their `--json` answers.

The commands run inside this process: the same parsing, code and exit codes as in a terminal, without half a
second of interpreter start for each. Ledger and nodes are processes of their own.
"""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veilmesh_node.cli.exit import ExitCode


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said."""

    command: str
    exit_code: ExitCode
    document: Any  # of --json; None where a command printed none

    @property
    def refusal(self) -> str:
        """The code of the error it ended with; empty where it ended well."""
        failed = isinstance(self.document, dict) and "error" in self.document
        return str(self.document["error"]["code"]) if failed else ""

    def __str__(self) -> str:
        said = self.document["error"]["message"] if self.refusal else ""
        return f"exit {int(self.exit_code)}{': ' + said if said else ''}"


class CommandFailedError(RuntimeError):
    """A command that the story needs to go on did not end well."""


def run(*words: str | int | Path) -> Answer:
    """Run `veilmesh WORDS... --json`."""
    from veilmesh_node.cli.main import main

    arguments = [str(word) for word in words]
    stdout = io.StringIO()
    exit_code = ExitCode.OK
    with redirect_stdout(stdout), redirect_stderr(io.StringIO()):
        try:
            main([*arguments, "--json"])
        except SystemExit as leaving:
            exit_code = ExitCode(int(leaving.code or 0))
    text = stdout.getvalue()
    return Answer("veilmesh " + " ".join(arguments), exit_code, json.loads(text) if text else None)


def must(*words: str | int | Path) -> Any:
    """Run a command that has to end well; return its document.

    Raises:
        CommandFailedError: it did not.
    """
    answer = run(*words)
    if answer.exit_code is not ExitCode.OK:
        raise CommandFailedError(f"{answer.command}: {answer}")
    return answer.document
