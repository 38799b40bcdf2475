"""What runs on a worker's machine, as an actor of Ray's: a task with its models, and one item at a time."""

from veilmesh_node.cluster.work import Outcome, Task


class Hand:
    def __init__(self, task: Task) -> None:
        """Load the task's models, once."""
        self._work = task.prepare()

    def ready(self) -> None:
        """Return when the models are loaded."""

    def work(self, name: str, content: bytes) -> Outcome:
        return self._work(name, content)
