"""A video that is not finished yet: what of it is done lies in a folder beside its place.

    .OUT.unfinished/        for its owner's eyes alone
        command.json        whose work this is: input, settings, and the key that surrogates follow from
        00000.packets       encoded frames, one after the other: anonymized, and passed by the gate
        00000.json          times and sizes of these frames
        ...
        state.json          how many segments are finished, and what was known of faces when the last one was
        joined.part         the output as it is put together

A segment counts once `state.json` says so, which replaces the one before in one step. Whoever runs the same
command again goes on after it; another command clears the folder. It goes when the output is in its place.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from veilmesh_ml.errors import ImageError, ParameterError, UnwritableVideoError
from veilmesh_ml.image import write_atomically

_OURS: Final = ("*.packets", "*.json", ".*.part", "joined.part", "*.joined.*")
_HINT: Final = "free space, or mend permissions, and run the same command again: what is done is kept"


class Encoded(NamedTuple):
    """One encoded frame; times are in ticks of the input's time base."""

    pts: int
    duration: int
    size: int  # bytes
    key: bool  # can be decoded alone


@dataclass(frozen=True, slots=True)
class Command:
    """What decides about every bit of an output.

    Attributes:
        input_sha256: hex.
        settings: digest of how, hex.
        key: of the surrogates, 32 bytes in hex.
    """

    input_sha256: str
    settings: str
    key: str


class Unfinished:
    """The folder of one output; held by one process at a time."""

    def __init__(self, target: Path, fresh: Command) -> None:
        """Take what is there of the same command, or begin anew.

        Args:
            target: where the output will be.
            fresh: the command; where its work goes on, the key is the earlier one.

        Raises:
            ParameterError: another process writes this output.
            UnwritableVideoError: the folder cannot be written.
        """
        self.folder = target.with_name(f".{target.name}.unfinished")
        self._target = target
        self.state: Any
        with self.failing():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._take(fresh)
        except BlockingIOError as err:
            os.close(self._lock)
            raise ParameterError(
                f"another process is writing {target}", hint="wait for it, or name another output"
            ) from err
        except BaseException:
            os.close(self._lock)
            raise

    def _take(self, fresh: Command) -> None:
        """Take what there is of the same command, or clear it away."""
        self.command, self.segments, self.state = fresh, 0, None
        earlier, remembered = self._read("command.json"), self._read("state.json")
        if earlier and earlier == asdict(replace(fresh, key=earlier.get("key", ""))):
            self.command = Command(**earlier)
            if remembered:
                self.segments, self.state = int(remembered["segments"]), remembered["state"]
        else:
            self._clear()
            self._write("command.json", asdict(fresh))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._lock)

    def packets_file(self, segment: int) -> Path:
        return self.folder / f"{segment:05}.packets"

    @property
    def joined(self) -> Path:
        return self.folder / "joined.part"

    def seal(self, index: list[Encoded], state: Any) -> None:
        """Say that the next segment is finished: its packets are on the disk.

        Args:
            index: of its packets.
            state: JSON, from which the rest can be done.

        Raises:
            UnwritableVideoError: it cannot be written.
        """
        self._write(f"{self.segments:05}.json", index)
        self._write("state.json", {"segments": self.segments + 1, "state": state})
        self.segments, self.state = self.segments + 1, state

    def indexes(self) -> Iterator[list[Encoded]]:
        """Yield the segments' indexes, in order.

        Raises:
            UnwritableVideoError: a segment is gone, or not what it was.
        """
        for segment in range(self.segments):
            try:
                index = [Encoded(*each) for each in self._read(f"{segment:05}.json") or []]
                whole = self.packets_file(segment).stat().st_size == sum(each.size for each in index)
            except (OSError, TypeError):
                whole = False
            if not whole:
                raise UnwritableVideoError(
                    f"{self.folder} was changed while it was worked on", hint="remove it and run again"
                )
            yield index

    def packets(self) -> Iterator[tuple[Encoded, bytes]]:
        """Yield all encoded frames, in the order they are decoded in."""
        for segment, index in enumerate(self.indexes()):
            with self.packets_file(segment).open("rb") as file:
                for each in index:
                    yield each, file.read(each.size)

    def remove(self) -> None:
        """Clear it all away: the output is in its place, or there will be none."""
        self._clear()
        with suppress(OSError):
            self.folder.rmdir()

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Turn what the disk refuses into `UnwritableVideoError`."""
        try:
            yield
        except (OSError, ImageError) as err:
            cause = err.__cause__ or err
            reason = getattr(cause, "strerror", None) or err
            raise UnwritableVideoError(f"cannot write {self._target}: {reason}", hint=_HINT) from err

    def _clear(self) -> None:
        for pattern in _OURS:
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError):
            return None

    def _write(self, name: str, document: Any) -> None:
        with self.failing():
            write_atomically(self.folder / name, json.dumps(document).encode())
