"""How far a job is, by whom, how fast; and the report of it that stays."""

import json
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veilmesh_node.cluster.work import Settled

REPORT_NAME = ".veilmesh-report.json"
RATE_OVER_S = 30.0


@dataclass(slots=True)
class Tally:
    """One job's counts.

    Attributes:
        task: its name.
        items: how many there are.
        started_s: of the steady clock by which `add` is told the time.
    """

    task: str
    items: int
    started_s: float
    done: int = 0  # all that need no more work: with those kept, and those that failed
    kept: int = 0
    failures: list[Settled] = field(default_factory=list)
    done_by: Counter[str] = field(default_factory=Counter)  # node: items done there
    _lately: deque[float] = field(default_factory=deque)  # when items were done

    def add(self, settled: Settled, now_s: float) -> None:
        self.done += 1
        self.kept += settled.kept
        if settled.error:
            self.failures.append(settled)
        if settled.worker:
            self.done_by[settled.worker.partition("/")[0]] += 1
        if not settled.kept:
            self._lately.append(now_s)

    def items_per_s(self, now_s: float) -> float:
        """Return how many items a second were done lately."""
        while self._lately and now_s - self._lately[0] > RATE_OVER_S:
            self._lately.popleft()
        over_s = min(RATE_OVER_S, now_s - self.started_s)
        return len(self._lately) / over_s if over_s > 0 else 0.0

    def left_s(self, now_s: float) -> float | None:
        """Return how long the rest takes at this rate; None where nobody knows."""
        rate = self.items_per_s(now_s)
        return (self.items - self.done) / rate if rate else None

    def document(self, now_s: float, *, complete: bool) -> dict[str, Any]:
        """Return what `--json` says, and the report."""
        seconds = now_s - self.started_s
        worked = self.done - self.kept
        return {
            "task": self.task,
            "complete": complete,
            "items": self.items,
            "done": self.done - self.kept - len(self.failures),
            "kept": self.kept,
            "failed": len(self.failures),
            "left": self.items - self.done,
            "seconds": round(seconds, 3),
            "items_per_s": round(worked / seconds, 3) if seconds > 0 else 0.0,
            "workers": dict(self.done_by),
            "failures": [
                {"name": each.name, "error": each.error, "hint": each.hint} for each in self.failures
            ],
        }


def write_report(folder: Path, document: dict[str, Any]) -> Path:
    """Write the report of a job into its output folder.

    Raises:
        ImageError: it cannot be written.
    """
    from veilmesh_ml.image import write_atomically  # noqa: PLC0415 - comes with the faces

    path = folder / REPORT_NAME
    write_atomically(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
    return path
