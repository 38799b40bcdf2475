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
    said: str  # on stderr

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


def run(*words: str | int | Path, as_json: bool = True) -> Answer:
    """Run `veilmesh WORDS... --json`; a few commands have no result, and so no `--json`.

    Raises:
        KeyboardInterrupt: the command was interrupted, which is meant for the whole demo.
    """
    from veilmesh_node.cli.main import main

    arguments = [str(word) for word in words]
    stdout, stderr = io.StringIO(), io.StringIO()
    exit_code = ExitCode.OK
    with redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            main([*arguments, "--json"] if as_json else arguments)
        except SystemExit as leaving:
            exit_code = ExitCode(int(leaving.code or 0))
            if exit_code is ExitCode.INTERRUPTED:
                raise KeyboardInterrupt from leaving
    text = stdout.getvalue()
    document = json.loads(text) if text and as_json else None
    return Answer("veilmesh " + " ".join(arguments), exit_code, document, stderr.getvalue())


def must(*words: str | int | Path) -> Any:
    """Run a command that has to end well; return its document.

    Raises:
        CommandFailedError: it did not.
    """
    answer = run(*words)
    if answer.exit_code is not ExitCode.OK:
        raise CommandFailedError(f"{answer.command}: {answer}")
    return answer.document
