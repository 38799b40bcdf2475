"""The ledger process: `python -m veilmesh_network.embedded --dir NET`."""

import argparse
import logging
import sys
from pathlib import Path

from veilmesh_chaincode.chaincode import Chaincode

from veilmesh_network.embedded.process import run
from veilmesh_network.network import CHAINCODE, Network


def main() -> int:
    parser = argparse.ArgumentParser(prog="veilmesh_network.embedded", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="the network's folder")
    parser.add_argument("--listen", help="host:port; the network's own when not given")
    parser.add_argument("--ready-fd", type=int, help="where to report that it serves, or why not")
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    network = Network.load(arguments.dir)
    return run(
        network,
        {CHAINCODE: Chaincode()},
        listen=arguments.listen or network.address,
        ready_fd=arguments.ready_fd,
    )


if __name__ == "__main__":
    sys.exit(main())
