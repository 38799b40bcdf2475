"""How a command speaks: one result on stdout, notes and progress on stderr."""

import base64
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table
from rich.text import Text

notes = Console(stderr=True, highlight=False, soft_wrap=True)
results = Console(highlight=False, soft_wrap=True)
_WIDE = 1000  # columns; a pipe has no edge


def print_json(document: Any) -> None:
    """Print the command's one JSON document."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def show(document: Any, human: Callable[[], None], *, as_json: bool) -> None:
    """Print `document` as JSON, or call `human` to print it for people."""
    if as_json:
        print_json(document)
    else:
        human()


def tell(document: Any, sentence: str, *, as_json: bool) -> None:
    """Print `document` as JSON, or a sentence of it for people."""
    show(document, lambda: results.print(sentence, markup=False), as_json=as_json)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows for people; in a pipe nothing is wrapped or cut."""
    drawn = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        drawn.add_column(column, no_wrap=not results.is_terminal)
    for row in rows:
        drawn.add_row(*map(Text, row))
    console = results if results.is_terminal else Console(highlight=False, width=_WIDE)
    console.print(drawn)


def fields(title: str, values: Mapping[str, Any]) -> None:
    """Print one record for people, a field a line."""
    results.print(f"[bold]{title}[/bold]")
    width = max(len(name) for name in values)
    for name, value in values.items():
        results.print(f"  {name:<{width}}  {value}", markup=False)


def note(text: str) -> None:
    """Say something on stderr."""
    notes.print(text, markup=False)


@contextmanager
def step(what: str, *, quiet: bool = False) -> Iterator[None]:
    """Say what is under way on stderr, with a spinner where stderr is a terminal."""
    if quiet or not notes.is_terminal:
        yield
        return
    with notes.status(what):
        yield


def message(protobuf_message: Message) -> dict[str, Any]:
    """Return a protobuf message as a JSON document with every field; bytes in base64, enums by name.

    Unlike protobuf's own JSON, 64-bit integers stay numbers: ours are counts and times below 2**53.
    """
    return {
        field.name: [_plain(field, item) for item in value] if _repeated(field) else _plain(field, value)
        for field in protobuf_message.DESCRIPTOR.fields
        for value in [getattr(protobuf_message, field.name)]
    }


def moment(unix_s: int) -> str:
    """Return Unix seconds as a date and time in UTC."""
    return datetime.fromtimestamp(unix_s, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if unix_s else "-"


def _repeated(field: FieldDescriptor) -> bool:
    return bool(field.label == FieldDescriptor.LABEL_REPEATED)


def _plain(field: FieldDescriptor, value: Any) -> Any:
    match field.type:
        case FieldDescriptor.TYPE_MESSAGE:
            return message(value)
        case FieldDescriptor.TYPE_BYTES:
            return base64.b64encode(value).decode()
        case FieldDescriptor.TYPE_ENUM:
            return field.enum_type.values_by_number[value].name
        case _:
            return value
