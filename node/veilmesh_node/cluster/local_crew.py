"""One worker, this process: for few items, where Ray's start would cost more than it saves."""

from collections import deque
from collections.abc import Collection

from veilmesh_node.cluster.dispatch import Finished, Lost
from veilmesh_node.cluster.work import Loaded, Task

HERE = "here"


class LocalCrew:
    """Implements `dispatch.Crew`."""

    def __init__(self, task: Task) -> None:
        self._work = task.prepare()
        self._waiting: deque[tuple[int, Loaded]] = deque()

    def workers(self) -> Collection[str]:
        return (HERE,)

    def hand(self, worker: str, ticket: int, loaded: Loaded) -> None:  # noqa: ARG002 - there is one worker
        self._waiting.append((ticket, loaded))

    def collect(self, within_s: float) -> list[Finished | Lost]:  # noqa: ARG002 - it works meanwhile
        if not self._waiting:
            return []
        ticket, loaded = self._waiting.popleft()
        return [Finished(HERE, ticket, self._work(loaded.item.name, loaded.content))]
