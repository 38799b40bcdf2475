"""Reasons found in logs. The lines are those of Fabric 3.1, Go and our chaincode service."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from veilmesh_network.fabric.process_log import last_words, log_tail, mark_start

_EARLIER = "2026-01-01 10:00:00.000 UTC FATAL [orderer.common.server] Failed to listen: of another life\n"
_PANIC = (
    "2026-01-01 10:00:01.000 UTC WARN [localconfig] a warning\n"
    "2026-01-01 10:00:01.200 UTC PANIC [orderer.common.server] failed to start admin server: listen tcp "
    "127.0.0.1:7051: bind: address already in use\n"
    "panic: failed to start admin server: listen tcp 127.0.0.1:7051: bind: address already in use\n"
    "\n"
    "goroutine 1 gp=0x1b2 m=0 mp=0x2f5 [running]:\n"
    "go.uber.org/zap/zapcore.(*CheckedEntry).Write(0x3e8f5a996a80, {0x0?, 0x3e8f5a99ac60?, 0x56?})\n"
    "\t/vendor/go.uber.org/zap/zapcore/entry.go:290 +0x44a\n"
    "main.main()\n"
    "\t/cmd/orderer/main.go:15 +0xf\n"
)
_PEER = (
    '2026-01-01 10:00:02.000 UTC WARN [container] failed to stop chaincode error="not started" '
    'errorVerbose="not \\"started\\"\\nexternalbuilder.(*Instance).Stop\\n\\t/core/instance.go:160"\n'
    "2026-01-01 10:00:03.000 UTC FATAL [nodeCmd] Failed to create peer server (no space left on device)\n"
)
_TAKEN = "another process has taken the port meanwhile: end that one"
_FULL = "make room on the disk"
_ERROR = "2026-01-01 10:00:01.000 UTC ERROR [main] Cannot run peer\n"
_SERVICE = "2026-01-01 10:00:01,000 CRITICAL __main__: the chaincode service cannot start: no key\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "process.log"


def _write(log: Path, said: str) -> None:
    log.write_text(_EARLIER)
    with log.open("ab") as file:
        mark_start(file, datetime(2026, 1, 1, 10, 0, tzinfo=UTC))
        file.write(said.encode())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            _PANIC,
            "failed to start admin server: listen tcp 127.0.0.1:7051: bind: address already in use; "
            + _TAKEN,
        ),
        (
            _PEER,
            "Failed to create peer server (no space left on device); " + _FULL,
        ),
        (_SERVICE, "the chaincode service cannot start: no key"),
        ("Error: failed to initialize operations subsystem\n", "failed to initialize operations subsystem"),
        (_ERROR, "Cannot run peer"),
        (f"{_ERROR}it went on\n", ""),
        ("nothing that we know\n", ""),
        ("", ""),
    ],
)
def test_why_it_ended(log: Path, said: str, reason: str) -> None:
    _write(log, said)
    assert last_words(log) == reason


def test_the_end_has_no_stack_and_nothing_of_an_earlier_life(log: Path) -> None:
    _write(log, _PANIC)
    assert [line.strip()[:30] for line in log_tail(log).splitlines()] == [
        "",
        "2026-01-01 10:00:01.000 UTC WA",
        "2026-01-01 10:00:01.200 UTC PA",
        "panic: failed to start admin s",
    ]
    _write(log, _PEER)
    assert "errorVerbose" not in log_tail(log)
    assert "instance.go" not in log_tail(log)


def test_an_end_is_short(log: Path) -> None:
    _write(log, "".join(f"line {number}\n" for number in range(100_000)))
    assert log_tail(log).splitlines()[1:] == [f"    line {number}" for number in range(99_988, 100_000)]


def test_no_log(tmp_path: Path) -> None:
    assert log_tail(tmp_path / "none") == last_words(tmp_path / "none") == ""
