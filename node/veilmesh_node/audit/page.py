"""The report as one HTML page that needs nothing else: no script, no font, no picture, no request.

It reads in a browser, in the dark and on paper. All text comes from the chain or the command line and is
escaped; the page's own policy forbids it to load anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f24; --dim: #57606a; --line: #d7dce1; --band: #f4f6f8;
  --good: #1a7f37; --bad: #b42318; --good-band: #e6f4ea; --bad-band: #fdecea;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181d; --ink: #e6e9ec; --dim: #9aa4ae; --line: #323a43; --band: #1c2229;
    --good: #57c777; --bad: #ff8a7a; --good-band: #16301f; --bad-band: #3a1b18;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 {
  font-size: 1.2rem; margin: 2.5rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line);
}
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { margin: .4rem 0; }
.dim { color: var(--dim); }
.verdict { padding: .9rem 1.1rem; border-radius: .5rem; margin: 1rem 0; border-left: .35rem solid; }
.verdict strong { font-size: 1.1rem; }
.good { background: var(--good-band); border-color: var(--good); }
.bad { background: var(--bad-band); border-color: var(--bad); }
.good strong { color: var(--good); }
.bad strong { color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td {
  text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line);
}
th { color: var(--dim); font-weight: 600; }
td { overflow-wrap: anywhere; }
.fixed { white-space: nowrap; overflow-wrap: normal; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tr:hover td { background: var(--band); }
code { font: .85em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem; margin: 1rem 0; }
dt { color: var(--dim); }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


class _Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def html(document: Mapping[str, Any]) -> str:
    """Return the page of a report as `report.document` makes it."""
    verified, chronicle = document["verified"], document["chronicle"]
    title = f"Audit of {verified['channel'] or 'a channel'}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="dim">{escape(verified["finished_at"])}</p>',
        _verdict(verified),
        _summary(verified),
        _peers(verified["peers"]),
        _checks(verified),
        *_told(chronicle),
        _remarks(verified),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body></html>\n"
    )


def _verdict(verified: Mapping[str, Any]) -> str:
    violation = verified["violation"]
    if violation is None:
        peers = len(verified["peers"])
        alike = f", and {peers} peers have it alike" if peers > 1 else ""
        return (
            '<div class="verdict good"><strong>The chain holds.</strong>'
            f"<p>{verified['blocks']} blocks with {verified['transactions']} transactions keep every rule"
            f"{alike}.</p></div>"
        )
    where = f"block {violation['block']}"
    if violation["transaction"]:
        where += f", transaction {violation['transaction']}"
    blamed = "".join(
        f"<p><b>{escape(name)}</b>: {escape(why)}</p>" for name, why in violation["blamed"].items()
    )
    return (
        '<div class="verdict bad"><strong>The chain does not hold.</strong>'
        f"<p>{escape(where)}: {escape(violation['message'])} [{escape(violation['rule'])}]</p>{blamed}</div>"
    )


def _summary(verified: Mapping[str, Any]) -> str:
    auditor = verified["auditor"]
    rows: list[tuple[str, Any]] = [
        ("channel", verified["channel"]),
        ("blocks verified", f"{verified['blocks']}, up to block {verified['blocks'] - 1}"),
        ("of them in earlier runs", verified["verified_before"]),
        ("first block's hash", _code(verified["genesis_hash"])),
        ("last block's hash", _code(verified["last_header_hash"])),
        ("organisations that signed", ", ".join(verified["organizations"])),
        (
            "auditor",
            "offline, from a folder" if auditor is None else f"{auditor['name']} of {auditor['msp_id']}",
        ),
        ("auditor's certificate", _code(auditor["certificate_sha256"]) if auditor else "-"),
        ("begun", verified["started_at"]),
        ("finished", f"{verified['finished_at']}, after {verified['elapsed_s']} s"),
    ]
    return (
        "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{_cell(value)}</dd>" for name, value in rows) + "</dl>"
    )


def _peers(peers: Sequence[Mapping[str, Any]]) -> str:
    rows = [[peer["organization"] or "-", peer["address"] or peer["name"], peer["height"]] for peer in peers]
    return _section("Where the blocks came from", _table(["organisation", "peer", "blocks"], rows))


def _checks(verified: Mapping[str, Any]) -> str:
    checks = _table(["rule", "applied to"], [[rule, count] for rule, count in verified["checks"].items()])
    codes = _table(["validation code", "transactions"], list(verified["codes"].items()))
    signatures = (
        f"<p>{verified['signatures']} signatures of orderers, senders and endorsers were checked.</p>"
    )
    return _section("What was checked", signatures + checks) + _section("Transactions", codes)


def _told(chronicle: Mapping[str, Any] | None) -> Iterable[str]:
    if chronicle is None:
        return
    yield _section("Authentications", _authentications(chronicle["authentications"]))
    yield _section("What each organisation did", _counts(chronicle["organizations"]))
    for msp_id, each in sorted(chronicle["organizations"].items()):
        if each["decisions"]:
            yield _section(f"Decisions of {msp_id}", _decisions(each["decisions"]))
    if chronicle["configurations"]:
        rows = [[*_place(each), each["signed_by"]] for each in chronicle["configurations"]]
        yield _section("Changes of the channel", _table([*_PLACE, "made by"], rows))
    if chronicle["invalid"]:
        rows = [
            [*_place(each), each["organization"], each["code"], each["reason"]]
            for each in chronicle["invalid"]
        ]
        yield _section("Transactions without effect", _table([*_PLACE, "sender", "code", "reason"], rows))
    if chronicle["unexplained"]:
        rows = [[*_place(each), each["organization"], each["what"]] for each in chronicle["unexplained"]]
        yield _section(
            "Valid, but none of the contracts' functions", _table([*_PLACE, "sender", "what"], rows)
        )
    if chronicle["left_out"]:
        yield f"<p>{chronicle['left_out']} more entries are counted but not listed.</p>"


def _authentications(owners: Mapping[str, Mapping[str, Mapping[str, int]]]) -> str:
    ends = ["match", "no-match", "cancelled"]
    rows = []
    for owner, others in sorted(owners.items()):
        for relying, counts in sorted(others.items()):
            opened, ended = counts.get("opened", 0), [counts.get(end, 0) for end in ends]
            rows.append([owner, relying, opened, *ended, opened - sum(ended)])
    heads = ["owner of the reference", "relying organisation", "opened", *ends, "open or lapsed"]
    note = '<p class="dim">What a contract refused was endorsed by nobody, and is in no block.</p>'
    return _table(heads, rows) + note


def _counts(organizations: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a table with a column for each organisation."""
    msp_ids = sorted(organizations)
    found = [organizations[msp_id] for msp_id in msp_ids]
    searches = [list(each["searches"].values()) for each in found]
    rows: list[list[Any]] = [
        ["valid transactions", *(each["valid"] for each in found)],
        ["transactions without effect", *(sum(each["invalid"].values()) for each in found)],
        ["decisions", *(len(each["decisions"]) for each in found)],
        *(
            [
                f"references: {function.partition(':')[2]}",
                *(each["enrolments"].get(function, 0) for each in found),
            ]
            for function in sorted({name for each in found for name in each["enrolments"]})
        ),
        ["batches of releases anchored", *(each["batches"] for each in found)],
        ["receipts in them", *(each["receipts"] for each in found)],
        *(
            [what, *(sum(purpose[field] for purpose in own) for own in searches)]
            for what, field in (
                ("searches among own references", "searches"),
                ("faces searched for", "faces"),
                ("faces found", "matches"),
            )
        ),
        ["questions of auditors on record", *(each["accesses"] for each in found)],
    ]
    return _table(["", *msp_ids], rows)


def _decisions(decisions: Sequence[Mapping[str, Any]]) -> str:
    rows = [[*_place(each), _fixed(each["function"]), each["subject"], each["outcome"]] for each in decisions]
    return _table([*_PLACE, "function", "on what", "outcome"], rows)


def _remarks(verified: Mapping[str, Any]) -> str:
    lists = [("Taken on trust", verified["taken_on_trust"]), ("Odd, but no violation", verified["notes"])]
    return "".join(
        _section(title, "<ul>" + "".join(f"<li>{escape(each)}</li>" for each in found) + "</ul>")
        for title, found in lists
        if found
    )


_PLACE = ("block", "time", "transaction")


def _place(entry: Mapping[str, Any]) -> tuple[int, str, str]:
    return entry["block"], _fixed(entry["time"]), _code(entry["transaction"][:12], fixed=True)


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    if not rows:
        return '<p class="dim">none</p>'
    numbers = [all(isinstance(row[index], int) for row in rows) for index in range(len(heads))]
    head = "".join(_entry("th", text, number=number) for text, number in zip(heads, numbers, strict=True))
    body = "".join(
        "<tr>"
        + "".join(_entry("td", each, number=number) for each, number in zip(row, numbers, strict=True))
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _entry(tag: str, value: Any, *, number: bool) -> str:
    style = ' class="number"' if number else ""
    return f"<{tag}{style}>{_cell(value)}</{tag}>"


def _cell(value: Any) -> str:
    return value if isinstance(value, _Markup) else escape(str(value))


def _fixed(text: str) -> _Markup:
    return _Markup(f'<span class="fixed">{escape(text)}</span>')


def _code(text: str, *, fixed: bool = False) -> _Markup:
    style = ' class="fixed"' if fixed else ""
    return _Markup(f"<code{style}>{escape(text)}</code>")
