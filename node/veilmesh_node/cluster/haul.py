"""A long item's way to its worker and back: a piece at a time, from disk to disk.

Written as it happens, one call after the other; whoever drives it awaits each call and sends its result.
"""

from collections.abc import Generator
from typing import Any, TypeAlias

from veilmesh_node.cluster.hand import PIECE_BYTES
from veilmesh_node.cluster.work import Item, Outcome
from veilmesh_node.errors import StorageFullError

Haul: TypeAlias = Generator[Any, Any, Outcome]


def hauled(handle: Any, item: Item) -> Haul:
    """Yield what is pending at an actor, a `Hand`, and be sent what comes of it; return the item's outcome.

    The output is in the item's `part` then. Where this ends before, there is no such file.

    Raises:
        StorageFullError: the output does not fit on the disk, or cannot be written.
    """
    if item.part is None:
        raise AssertionError("only long items are hauled")
    try:
        with item.source.open("rb") as file:
            yield handle.begin.remote()
            while piece := file.read(PIECE_BYTES):
                yield handle.take.remote(piece)
    except OSError as err:
        return Outcome(
            error=f"cannot read {item.source}: {err.strerror}", hint="check the name and permissions"
        )
    outcome: Outcome = yield handle.work_long.remote(item.name)
    if outcome.error:
        return outcome
    try:
        item.part.parent.mkdir(parents=True, exist_ok=True)
        with item.part.open("wb") as file:
            while piece := (yield handle.give.remote(item.name, file.tell())):
                file.write(piece)
    except BaseException as err:
        item.part.unlink(missing_ok=True)
        if isinstance(err, OSError):
            raise StorageFullError(f"cannot write {item.part}: {err.strerror}") from err
        raise
    return outcome
