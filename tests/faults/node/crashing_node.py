"""A node that kills itself, as `kill -9` would, at the point that a file names.

    python -m tests.faults.node.crashing_node --home DIR --passphrase-file FILE --crash-file FILE

The file holds a point such as `enrol:endorsed:after`; empty or missing, the node lives.
"""

import argparse
import logging
import os
import signal
from pathlib import Path

from veilmesh_node.home import read_passphrase
from veilmesh_node.journal import StepPoint
from veilmesh_node.service import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--passphrase-file", type=Path, required=True)
    parser.add_argument("--crash-file", type=Path, required=True)
    arguments = parser.parse_args()
    crash_file: Path = arguments.crash_file

    def crash(point: StepPoint) -> None:
        if crash_file.exists() and crash_file.read_text() == str(point):
            os.kill(os.getpid(), signal.SIGKILL)

    logging.basicConfig(level=logging.INFO)
    run(arguments.home, read_passphrase(arguments.passphrase_file), on_step=crash)


if __name__ == "__main__":
    main()
