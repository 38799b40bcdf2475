"""What was to happen, what happened, and how long it took: the demo's summary."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from veilmesh_node.demo.shell import CommandFailedError


@dataclass(frozen=True, slots=True)
class Line:
    """One claim of the story, held against what happened."""

    chapter: int
    claim: str
    happened: str
    held: bool
    elapsed_s: float


@dataclass(slots=True)
class Report:
    """The lines told so far; `on_line` hears each as it is told."""

    on_line: Callable[[Line], None]
    lines: list[Line] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def tell(self, chapter: int, claim: str, act: Callable[[], tuple[bool, str]]) -> bool:
        """Do one thing and write down whether it went as claimed.

        Args:
            chapter: the story's chapter, 1 to 8.
            claim: what is to happen.
            act: does it; returns whether the claim held, and what happened.
        """
        started = time.perf_counter()
        try:
            held, happened = act()
        except CommandFailedError as err:
            held, happened = False, str(err)
        line = Line(chapter, claim, _short_ids(happened), held, time.perf_counter() - started)
        self.lines.append(line)
        self.on_line(line)
        return held

    @property
    def held(self) -> bool:
        return bool(self.lines) and all(line.held for line in self.lines)

    def document(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "held": self.held,
            "elapsed_s": round(sum(line.elapsed_s for line in self.lines), 3),
            "lines": [asdict(line) | {"elapsed_s": round(line.elapsed_s, 3)} for line in self.lines],
            "figures": self.figures,
        }

    def rows(self) -> Sequence[Sequence[str]]:
        """Return the table's rows, for people."""
        return [
            [
                str(line.chapter),
                line.claim,
                line.happened,
                "held" if line.held else "BROKEN",
                f"{line.elapsed_s:.2f} s",
            ]
            for line in self.lines
        ]


def _short_ids(text: str) -> str:
    """Cut ids and digests to a length that people can read."""
    return re.sub(r"\b([0-9a-f]{8})[0-9a-f]{24,}\b", r"\1…", text)
