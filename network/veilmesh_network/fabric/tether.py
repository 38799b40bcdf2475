"""Become another program, and die when the parent dies.

`python -m veilmesh_network.fabric.tether PPID PROGRAM ARGUMENT...`: the kernel sends the signal, so a parent
that is killed leaves nothing behind. Linux only.
Source: prctl(2), PR_SET_PDEATHSIG.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, program = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent died first")
    os.execv(program[0], program)  # noqa: S606 - the supervisor's own list, no shell


if __name__ == "__main__":
    main()
