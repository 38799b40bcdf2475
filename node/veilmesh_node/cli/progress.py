"""How much of a long work is done: one line on stderr, where that is a terminal, gone when the work is."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from veilmesh_node.cli import output

if TYPE_CHECKING:
    from veilmesh_node.cluster.tally import Tally


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show how much of `what` is done, of how much, and how long the rest takes."""
    with _bar(TimeRemainingColumn()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def staged_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show which stage is under way, how much of it is done, of how much, and for how long all has run."""
    with _bar(TimeElapsedColumn()) as bar:
        task = bar.add_task("loading", total=None)
        yield lambda stage, done, total: bar.update(task, description=stage, completed=done, total=total)


@contextmanager
def losses_progress(what: str) -> Iterator[Callable[[int, int, Mapping[str, float]], None]]:
    """Show how many steps of a training are done, of how many, and the latest losses."""
    with _bar(TimeRemainingColumn()) as bar:
        task = bar.add_task(what, total=None)

        def show(done: int, total: int, losses: Mapping[str, float]) -> None:
            told = " ".join(f"{name} {loss:.3f}" for name, loss in losses.items())
            bar.update(task, description=f"{what} {told}", completed=done, total=total)

        yield show


@contextmanager
def frames_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show how many frames of a named video are done, of how many (0: nobody knows), and how fast."""
    with _bar(TimeRemainingColumn()) as bar:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total or None, completed=done)
            task = tasks[name]
            speed = bar.tasks[task].speed
            rate = f" {speed:.1f} fps" if speed else ""
            bar.update(task, description=f"{name}{rate}", completed=done, total=total or None)

        yield show


@contextmanager
def rates_progress(what: str) -> "Iterator[Callable[[Tally], None]]":
    """Show how many items of a job are done, how many a second, by whom, and how long the rest takes."""
    with _bar(TimeElapsedColumn()) as bar:
        task = bar.add_task(what, total=None)

        def show(tally: "Tally") -> None:
            now_s = time.monotonic()
            left_s = tally.left_s(now_s)
            told = [f"{what} {tally.items_per_s(now_s):.1f}/s"]
            told += [f"{node_id} {done}" for node_id, done in sorted(tally.done_by.items())]
            told += [f"{len(tally.failures)} failed"] if tally.failures else []
            told += [] if left_s is None else [f"{left_s:.0f} s left"]
            bar.update(task, description=", ".join(told), completed=tally.done, total=tally.items)

        yield show


def _bar(clock: ProgressColumn) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), clock)
    return Progress(*columns, console=output.notes, transient=True, disable=not output.notes.is_terminal)
