"""How far a reader of events has come, in a file that survives a crash.

After an event it holds (block, transaction id), after a whole block (block + 1, ""): the convention of
Fabric's official clients. Record an event when it has been dealt with: one that was not recorded comes again.
"""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from veilmesh_fabric.errors import CheckpointError
from veilmesh_fabric.events import ChaincodeEvent


@dataclass(frozen=True, slots=True)
class Position:
    """Where reading goes on: in `block_number`, behind transaction `tx_id` if that is not empty."""

    block_number: int
    tx_id: str


class Checkpoint:
    """A position in a file. One reader at a time."""

    def __init__(self, path: Path, position: Position | None) -> None:
        self._path = path
        self._position = position

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return the checkpoint in `path`, which need not exist yet.

        Raises:
            CheckpointError: the file cannot be read, or is no checkpoint.
        """
        try:
            return cls(path, _position_from_json(json.loads(path.read_bytes())))
        except FileNotFoundError:
            return cls(path, None)
        except (OSError, ValueError) as err:
            raise CheckpointError(f"checkpoint {path} is not readable: {err}") from err

    @property
    def position(self) -> Position | None:
        """None before anything was recorded."""
        return self._position

    def record_event(self, event: ChaincodeEvent) -> None:
        """Remember that `event` has been dealt with.

        Raises:
            CheckpointError: the file cannot be written; the old position stands.
        """
        self._record(Position(event.block_number, event.tx_id))

    def record_block(self, block_number: int) -> None:
        """Remember that all of the block has been dealt with.

        Raises:
            CheckpointError: as `record_event`.
        """
        self._record(Position(block_number + 1, ""))

    def _record(self, position: Position) -> None:
        document = {"block_number": position.block_number, "tx_id": position.tx_id}
        try:
            _replace(self._path, json.dumps(document).encode())
        except OSError as err:
            raise CheckpointError(f"checkpoint {self._path} is not writable: {err}") from err
        self._position = position


def _position_from_json(document: Any) -> Position:
    match document:
        case {"block_number": int(number), "tx_id": str(tx_id)} if number >= 0:
            return Position(number, tx_id)
        case _:
            raise ValueError("it does not hold a block_number and a tx_id")


def _replace(path: Path, content: bytes) -> None:
    """Put `content` in the place of `path`, wholly or not at all, whatever happens meanwhile."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
