"""What a job is made of: items, what a worker does with one, and what comes of it."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Item:
    """One file to work on.

    Attributes:
        name: of its result; no two of a job have the same.
        source: where it is read.
        part: of an item that is long, a file beside the place of its output, where that gathers.
    """

    name: str
    source: Path
    part: Path | None = None

    @property
    def long(self) -> bool:
        """Whether it may be larger than memory and take hours: it travels in pieces, from disk to disk."""
        return self.part is not None


@dataclass(frozen=True, slots=True)
class Loaded:
    """An item with its file's bytes, on its way to a worker; without them where it is long."""

    item: Item
    content: bytes = field(default=b"", repr=False)

    @property
    def sha256(self) -> str:
        """Of the content, hex: an item is done when a result for this name and this digest is on disk."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a worker made of one file.

    Attributes:
        document: the result, fit for JSON.
        output: the file that came of it, where one did; of a long item that is in its `part`.
        error, hint: why there is no result, and what to do; empty where there is one.
    """

    document: Mapping[str, Any] = field(default_factory=dict, repr=False)
    output: bytes = field(default=b"", repr=False)
    error: str = ""
    hint: str = ""


Work = Callable[
    [str, bytes], Outcome
]  # of an item's name and content; raises nothing for what is wrong with it

LongWork = Callable[
    [str, Path, Path], Outcome
]  # of an item's name, a file with its content, and one to write the output to


class Task(Protocol):
    """What is done with every item. It travels to workers, so it pickles."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over all that decides what comes out of a content."""
        ...

    def prepare(self) -> Work:
        """Load what it takes, once a worker."""
        ...


@runtime_checkable
class LongTask(Task, Protocol):
    """A task that takes long items, too."""

    def prepare_long(self) -> LongWork:
        """Load what long items take beside what `prepare` loads, once a worker."""
        ...


class Job(Protocol):
    """A task, and where its items are and its results go, on the machine that submits."""

    @property
    def task(self) -> Task: ...

    def divide(self) -> tuple[list[Item], list["Settled"]]:
        """Return what is to do, and what needs no work: done before, or refused at once."""
        ...

    def keep(self, loaded: Loaded, outcome: Outcome) -> None:
        """Put a result on disk: wholly, or not at all."""
        ...


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an item; with an error it failed, else it is done, `kept` from before or not."""

    name: str
    worker: str = ""
    kept: bool = False
    error: str = ""
    hint: str = ""
