"""The tests' chaincodes as services in one process: `python -m tests.conformance.chaincode_services`.

One line of JSON on standard input says what to serve, a list of

    {"chaincode": "kv", "msp_id": "Org1MSP", "package_id": "...", "address": "127.0.0.1:20045",
     "key": FILE, "certificate": FILE, "client_roots": FILE}

One line comes back when all are served. The process ends with its standard input.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from veilmesh_chaincode.shim.server import serve
from veilmesh_chaincode.shim.settings import Address, Settings, Tls

from tests.conformance.chaincodes import chaincode_of


def main() -> None:
    asyncio.run(_serve_all(json.loads(sys.stdin.readline())))


async def _serve_all(services: list[dict[str, Any]]) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for service in services:
            contracts = chaincode_of(service["chaincode"], service["msp_id"])
            port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            group.create_task(serve(_settings(service), contracts, stop=stop, started=port.set_result))
            await port
        print("ready", flush=True)  # noqa: T201 - to who started it
        await asyncio.to_thread(sys.stdin.read)
        stop.set()


def _settings(service: dict[str, Any]) -> Settings:
    tls = Tls(
        certificate=Path(service["certificate"]).read_bytes(),
        client_roots=Path(service["client_roots"]).read_bytes(),
        key=Path(service["key"]).read_bytes(),
    )
    listen = Address.parse("address", service["address"])
    return Settings(service["package_id"], listen, lambda: tls, metrics=None)


if __name__ == "__main__":
    main()
