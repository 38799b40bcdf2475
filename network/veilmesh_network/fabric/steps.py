"""Steps on the way up: timed and told of, given up when a process dies, explained when they fail."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from veilmesh_fabric.errors import FabricError

from veilmesh_network.errors import BringUpError, NetworkError
from veilmesh_network.fabric.configuration import Program
from veilmesh_network.fabric.process_log import log_tail
from veilmesh_network.fabric.processes import Children, ProcessEndedError

Result = TypeVar("Result")


class Steps:
    """Takes steps, one after the other."""

    def __init__(self, children: Children, progress: Callable[[str], None]) -> None:
        """Prepare.

        Args:
            children: all of them must live.
            progress: is told each step that is done, for people.
        """
        self._children = children
        self._progress = progress

    async def take(self, what: str, programs: Sequence[Program], work: Coroutine[Any, Any, Result]) -> Result:
        """Return what `work` returns.

        Args:
            what: the step, as people would say it.
            programs: who may have logged why it fails.
            work: what is done.

        Raises:
            BringUpError: it failed, or a process ended meanwhile.
        """
        begun = time.monotonic()
        try:
            result = await self._children.while_all_live(work)
        except ProcessEndedError as err:
            raise BringUpError(f"{what}: {err}") from err
        except (NetworkError, FabricError, OSError, TimeoutError) as err:
            raise BringUpError(f"{what}: {err}{_said(programs)}") from err
        self._progress(f"{what} ({time.monotonic() - begun:.1f} s)")
        return result


async def for_all(works: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Return what all of them return, done side by side; the first error ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def counted(programs: Sequence[Program], noun: str) -> str:
    return f"{len(programs)} {noun}{'' if len(programs) == 1 else 's'}"


def _said(programs: Sequence[Program]) -> str:
    return "".join(
        f"\nthe end of {program.log}:{tail}" for program in programs if (tail := log_tail(program.log))
    )
