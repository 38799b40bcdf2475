"""What a process's log says: why it ended, and its last lines, without the stacks that Go prints under them.

Each start leaves a line in the log, so that nothing of an earlier life is taken for a reason of this one.
"""

import os
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import IO

_TAIL_LINES = 12
_TAIL_BYTES = 1 << 16  # a stack is a few KiB, and a peer prints several

_STARTED = "--- started at "

# How Fabric, Go's runtime and our chaincode service begin the line that matters. A process survives many a
# mere error, unless it is the last thing it says.
_REASONS = (
    re.compile(r"\b(?:PANIC|FATAL|CRITICAL) (?:\[[^\]]*\] |\S+: )(.+)"),
    re.compile(r"^(?:panic|Error): (.+)"),
)
_ERROR = re.compile(r"\bERROR (?:\[[^\]]*\] |\S+: )(.+)")
_RECORD = re.compile(r"\d{4}[-/]\d\d[-/]\d\d ")
_GOROUTINE = re.compile(r"goroutine \d+ .*\[.*\]:$")
_VERBOSE = re.compile(r'\s+errorVerbose="(?:[^"\\]|\\.)*"')

_ADVICE = (
    ("address already in use", "another process has taken the port meanwhile: end that one"),
    ("no space left on device", "make room on the disk"),
)


def mark_start(log: IO[bytes], at: datetime) -> None:
    """Write that a process starts now."""
    log.write(f"{_STARTED}{at:%Y-%m-%d %H:%M:%S} UTC ---\n".encode())
    log.flush()


def log_tail(log: Path) -> str:
    """Return the last lines since the process started, indented; empty where there are none."""
    return "".join(f"\n    {line}" for line in _lines(log)[-_TAIL_LINES:])


def last_words(log: Path) -> str:
    """Return the line that tells why the process ended, and what to do where that is known; or nothing."""
    lines = _lines(log)
    found = [match for reason in _REASONS for line in lines if (match := reason.search(line))]
    found += [match for line in lines[-1:] if (match := _ERROR.search(line))]
    if not found:
        return ""
    why = found[0][1]
    return "; ".join((why, *(advice for words, advice in _ADVICE if words in why.lower())))


def _lines(log: Path) -> Sequence[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    starts = [number for number, line in enumerate(lines) if _STARTED in line]
    return list(_without_stacks(lines[starts[-1] + 1 if starts else 0 :]))


def _without_stacks(lines: Sequence[str]) -> Iterator[str]:
    """Yield what is no part of a Go stack: there, below each function stands an indented file and line."""
    for line, below in zip_longest(lines, lines[1:], fillvalue=""):
        of_stack = line.startswith("\t") or (below.startswith("\t") and not _RECORD.match(line))
        if line and not of_stack and not _GOROUTINE.match(line):
            yield _VERBOSE.sub("", line)
