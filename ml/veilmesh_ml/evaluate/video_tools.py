"""Runs what anonymizes videos, each clip in a process of its own, and tells what that cost.

`deface` (PyPI) is the popular tool that this project's is put beside: it finds faces in every frame and blurs
them. It runs as it comes, but for sound, which it drops unless told otherwise.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

OURS: Final = "veilmesh"
DEFACE: Final = "deface"
_PEAK: Final = re.compile(r"VmHWM:\s+(\d+) kB")
_LOOKED_AT_EVERY_S: Final = 0.02
_TOLD_AT_MOST: Final = 300  # characters


@dataclass(frozen=True, slots=True)
class Tool:
    """Attributes: command: to which input and output are added in the places of IN and OUT."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What a tool did with a clip.

    Attributes:
        wall_s, cpu_s: from the process's start to its end, all its threads and children.
        peak_rss_bytes: of the process.
        refusal: why there is no output; empty where there is one.
    """

    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    refusal: str


def ours(method: str) -> Tool:
    return Tool(OURS, (sys.executable, "-m", "veilmesh_ml.video", "IN", "OUT", method))


def find_deface(command: str) -> Tool | None:
    """Return deface where that command runs; the bare package, without what it depends on, does not."""
    found = shutil.which(command)
    if found is None:
        return None
    answer = subprocess.run([found, "--version"], capture_output=True, check=False)
    return Tool(DEFACE, (found, "IN", "-o", "OUT", "--keep-audio")) if answer.returncode == 0 else None


def run_tool(tool: Tool, source: Path, target: Path) -> Run:
    """Let a tool anonymize a clip."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    places = {"IN": str(source), "OUT": str(target)}
    said_in = target.with_suffix(".log")
    with said_in.open("wb") as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            [places.get(part, part) for part in tool.command], stdout=said, stderr=subprocess.STDOUT
        )
        try:
            status, used, peak_rss_bytes = _watched(process.pid)
        except BaseException:
            process.kill()
            raise
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    refusal = "" if process.returncode == 0 and target.exists() else _last_line(said_in) or "no output"
    said_in.unlink()
    return Run(wall_s, used.ru_utime + used.ru_stime, peak_rss_bytes, refusal)


def _watched(pid: int) -> tuple[int, resource.struct_rusage, int]:
    """Wait for a process; return its status, what it used, and the most memory that it had at once.

    The kernel's own `ru_maxrss` begins with what the parent had when it started the process.
    """
    peak_bytes = 0
    while True:
        with suppress(OSError):
            found = _PEAK.search(Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
            peak_bytes = int(found[1]) * 1024 if found else peak_bytes  # a process that has ended has none
        ended, status, used = os.wait4(pid, os.WNOHANG)
        if ended:
            return status, used, peak_bytes
        time.sleep(_LOOKED_AT_EVERY_S)


def _last_line(path: Path) -> str:
    lines: Sequence[str] = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][-_TOLD_AT_MOST:] if lines else ""
