"""How much of a long work is done: one line on stderr, where that is a terminal, gone when the work is."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

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
                tasks[name] = bar.add_task(name, total=None)
            task = tasks[name]
            speed = bar.tasks[task].speed
            rate = f" {speed:.1f} fps" if speed else ""
            bar.update(task, description=f"{name}{rate}", completed=done, total=total or None)

        yield show


def _bar(time: ProgressColumn) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), time)
    return Progress(*columns, console=output.notes, transient=True, disable=not output.notes.is_terminal)
