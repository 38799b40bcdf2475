"""The supervisor: `python -m veilmesh_network.fabric.supervise --dir NET`.

It holds the folder's lock, brings peers, orderers and chaincode services up as its children, starts again who
ends, and takes everything down on SIGTERM. They die with it, however it dies.
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from veilmesh_fabric.errors import FabricError

from veilmesh_network.errors import NetworkError
from veilmesh_network.fabric.binaries import find_binaries
from veilmesh_network.fabric.bring_up import bring_up
from veilmesh_network.fabric.processes import Children, processes_file
from veilmesh_network.network import Network
from veilmesh_network.supervisor import hold_lock, report_to

_logger = logging.getLogger(__name__)


def main() -> int:
    parser = argparse.ArgumentParser(prog="veilmesh_network.fabric.supervise", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="the network's folder")
    parser.add_argument("--ready-fd", type=int, help="where to report steps, that it is up, or why not")
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    ready_fd: int | None = arguments.ready_fd
    try:
        network = Network.load(arguments.dir)
        with hold_lock(network.folder):
            asyncio.run(_supervise(network, lambda report: report_to(ready_fd, report)))
    except (NetworkError, FabricError, OSError) as err:
        _logger.critical("the network ends: %s", err)
        report_to(ready_fd, {"error": str(err), "kind": type(err).__name__})
        return 1
    return 0


async def _supervise(network: Network, report: Callable[[dict[str, object]], None]) -> None:
    stopping = asyncio.Event()
    for kind in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(kind, stopping.set)

    def progress(line: str) -> None:
        _logger.info("%s", line)
        report({"progress": line})

    file = processes_file(network)
    file.parent.mkdir(parents=True, exist_ok=True)
    children = Children(file)
    stopped = asyncio.create_task(stopping.wait())
    bringing_up = asyncio.create_task(bring_up(network, find_binaries(), children, progress))
    try:
        await asyncio.wait({stopped, bringing_up}, return_when=asyncio.FIRST_COMPLETED)
        if not bringing_up.done():
            report({"error": "the network was stopped before it was up", "kind": "BringUpError"})
            return
        await bringing_up
        children.keep_running()
        report({"ready": True})
        await stopped
    finally:
        bringing_up.cancel()
        await asyncio.gather(bringing_up, return_exceptions=True)
        await children.stop()
        _logger.info("stopped")


if __name__ == "__main__":
    sys.exit(main())
