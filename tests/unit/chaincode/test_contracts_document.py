"""The table in docs/contracts.md says what the code does."""

import re
from pathlib import Path

from veilmesh_chaincode import access
from veilmesh_chaincode.access import ACCESS
from veilmesh_chaincode.contracts import FUNCTIONS
from veilmesh_chaincode.contracts.call import NoRequest
from veilmesh_chaincode.records import canonical
from veilmesh_chaincode.records.refusals import RefusalCode

from tests.unit.chaincode.life import live

DOCUMENT = Path(__file__).parents[3] / "docs" / "contracts.md"
ROW = re.compile(r"^\| `(\w+:\w+)` \| (\w+) \| (\S+) \| (\S+) \| ([^|]+) \| ?([^|]*) ?\|$", re.MULTILINE)
WHO = {
    "operators": access.OPERATORS,
    "nodes": access.NODES,
    "auditors": access.AUDITORS,
    "readers": access.READERS,
    "founders": access.FOUNDERS,
    "anyone": access.ANYONE,
}

ROWS = {row[0]: row[1:] for row in ROW.findall(DOCUMENT.read_text())}


def test_it_lists_every_function_once() -> None:
    assert list(ROWS) == list(ACCESS)
    assert len(ROW.findall(DOCUMENT.read_text())) == len(ROWS)


def test_who_may_call() -> None:
    assert {function: WHO[row[0]] for function, row in ROWS.items()} == dict(ACCESS)


def test_requests() -> None:
    for function, row in ROWS.items():
        request = FUNCTIONS[function].request
        assert row[1] == ("none" if request is NoRequest else f"`{request.__name__}`"), function


def test_events() -> None:
    emitted: dict[str, str] = {}
    for _, step, transaction in live():
        emitted[step.function] = "-"
        if transaction.event is not None:
            fields = canonical.loads(transaction.event[1])
            assert isinstance(fields, dict)
            emitted[step.function] = ", ".join(sorted(fields))
    listed = {function: ", ".join(sorted(row[3].strip().split(", "))) for function, row in ROWS.items()}
    assert listed == emitted


def test_refusals_are_codes() -> None:
    for function, row in ROWS.items():
        for code in re.findall(r"[A-Z_]{5,}", row[4]):
            assert code in RefusalCode.__members__, (function, code)
