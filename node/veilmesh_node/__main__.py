"""`python -m veilmesh_node --home DIR --passphrase-file FILE`: a node, without the command line around it."""

import argparse
import logging
import sys
from pathlib import Path

from veilmesh_node.errors import NodeError
from veilmesh_node.home import read_passphrase
from veilmesh_node.service import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m veilmesh_node", description="Serve a veilmesh node.")
    parser.add_argument("--home", type=Path, required=True, help="its folder")
    parser.add_argument(
        "--passphrase-file", type=Path, required=True, help="its first line is the passphrase"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        run(arguments.home, read_passphrase(arguments.passphrase_file))
    except NodeError as err:
        sys.exit(f"error: {err}")


if __name__ == "__main__":
    main()
