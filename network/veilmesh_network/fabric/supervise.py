"""The supervisor: `python -m veilmesh_network.fabric.supervise --dir NET`.

It holds the folder's lock, brings peers, orderers and chaincode services up as its children, starts again who
ends, and takes everything down on SIGTERM. They die with it, however it dies. On SIGHUP it looks into the
folder again, and brings up what is new there.
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

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
    stopping, changing = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for kind in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(kind, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, changing.set)

    def progress(line: str) -> None:
        _logger.info("%s", line)
        report({"progress": line})

    file = processes_file(network)
    file.parent.mkdir(parents=True, exist_ok=True)
    children = Children(file)
    try:
        if await _unless(stopping, bring_up(network, find_binaries(), children, progress)):
            children.keep_running()
            report({"ready": True})
        else:
            report({"error": "the network was stopped before it was up", "kind": "BringUpError"})
        while not stopping.is_set() and await _unless(stopping, changing.wait()):
            changing.clear()
            await _unless(stopping, _change(network.folder, children))
    finally:
        await children.stop()
        _logger.info("stopped")


async def _change(folder: Path, children: Children) -> None:
    """Bring the network up as its folder is now; where that fails, what ran goes on."""
    before = children.names
    children.begin()
    failure = None
    try:
        await bring_up(Network.load(folder), find_binaries(), children, lambda line: _logger.info("%s", line))
    except (NetworkError, FabricError) as err:
        _logger.exception("the network stays as it was")
        failure = str(err)
        await children.retain(before)
    children.keep_running(failure=failure)


async def _unless(stopping: asyncio.Event, work: Coroutine[Any, Any, object]) -> bool:
    """Do `work` unless the network is to stop first; return whether it was done."""
    stop, doing = asyncio.create_task(stopping.wait()), asyncio.create_task(work)
    try:
        await asyncio.wait({stop, doing}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            await doing
        return doing.done()
    finally:
        for task in (stop, doing):
            task.cancel()
        await asyncio.gather(stop, doing, return_exceptions=True)


if __name__ == "__main__":
    sys.exit(main())
