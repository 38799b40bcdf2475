"""What an evaluation found, on paper: one JSON document and one HTML page that needs nothing else.

The page has no script and loads nothing: plots lie in it as data, so it can be mailed or archived.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from veilmesh_ml.image import write_atomically

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1c1c1c }
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
table { border-collapse: collapse; font-size: .9rem; margin: 1rem 0 }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid #ddd; vertical-align: top }
th { border-bottom-color: #888 }
figure { margin: 1.2rem 0 } figure img { max-width: 100% } figcaption { font-size: .9rem; color: #555 }
"""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, each already as text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawn picture: the bytes of an SVG or PNG file, and what it shows in a sentence."""

    caption: str
    media_type: str  # "image/svg+xml" or "image/png"
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: some sentences, then tables, then plots."""

    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """An evaluation's outcome.

    Attributes:
        name: of the files, such as "verification".
        title: of the page.
        document: every figure, for scripts; plain JSON values. Infinite numbers are not JSON: leave them out.
        sections: the page.
    """

    name: str
    title: str
    document: Mapping[str, Any]
    sections: Sequence[Section]


def write_report(report: Report, folder: Path) -> tuple[Path, Path]:
    """Write `NAME.json` and `NAME.html` into the folder, made where it is missing; return the two paths.

    Raises:
        ImageError: a file cannot be written.
    """
    as_json, page = folder / f"{report.name}.json", folder / f"{report.name}.html"
    text = json.dumps(report.document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(as_json, text.encode())
    write_atomically(page, html(report).encode())
    return as_json, page


def html(report: Report) -> str:
    """Return the page."""
    body = "".join(_section(section) for section in report.sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{escape(report.title)}</h1>{body}</body></html>\n"
    )


def _section(section: Section) -> str:
    paragraphs = "".join(f"<p>{escape(part)}</p>" for part in section.text.split("\n\n") if part)
    tables = "".join(_table(table) for table in section.tables)
    plots = "".join(_figure(plot) for plot in section.plots)
    return f"<section><h2>{escape(section.title)}</h2>{paragraphs}{tables}{plots}</section>"


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _figure(plot: Plot) -> str:
    source = f"data:{plot.media_type};base64,{base64.b64encode(plot.content).decode()}"
    caption = escape(plot.caption)
    return f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
