"""The chaincode service of one organisation: `python -m veilmesh_chaincode`.

Its settings come from the environment, as `veilmesh_chaincode.shim.settings` lists them. It ends on SIGTERM
or SIGINT, once the transactions at work have been answered.
"""

import asyncio
import logging
import os
import signal
import sys

from veilmesh_chaincode.chaincode import Chaincode
from veilmesh_chaincode.shim.errors import SettingsError
from veilmesh_chaincode.shim.server import serve
from veilmesh_chaincode.shim.settings import Settings


def main() -> int:
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        asyncio.run(_serve(Settings.from_environment(os.environ)))
    except SettingsError as err:
        logging.getLogger(__name__).critical("the chaincode service cannot start: %s", err)
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    for kind in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(kind, stop.set)
    await serve(settings, Chaincode(), stop=stop)


if __name__ == "__main__":
    sys.exit(main())
