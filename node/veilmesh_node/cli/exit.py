"""Exit codes, for scripts."""

from enum import IntEnum


class ExitCode(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    NO_MATCH = 4
    UNAVAILABLE = 5
    INTEGRITY = 6
    INTERRUPTED = 130  # 128 + SIGINT, as shells count

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "failed; the message says why",
    ExitCode.USAGE: "the command line, or a file that it names, is wrong",
    ExitCode.REFUSED: "refused by the consortium's rules or by access control",
    ExitCode.NO_MATCH: "compared, and no match",
    ExitCode.UNAVAILABLE: "ledger, node or network is out of reach; try again",
    ExitCode.INTEGRITY: "a block, receipt or stored content is not what it claims to be",
    ExitCode.INTERRUPTED: "ended by Ctrl-C before it was done",
}
