"""The tests' chaincodes on a real network: served by one process, installed, approved and committed."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from veilmesh_network.fabric.definition import Definition
from veilmesh_network.fabric.deployment import approve_for, commit_for_all, install, until_usable
from veilmesh_network.fabric.membership import Member, members_of
from veilmesh_network.fabric.package import ChaincodePackage, member_package
from veilmesh_network.fabric.steps import for_all
from veilmesh_network.loopback import HOST
from veilmesh_network.network import CHAINCODE_SERVICE, Network

from tests.conformance.chaincodes import CHAINCODES

_FIRST_PORT = 5  # of the ten that each member has (`plan.py`), the last five are not in use
_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class _Service:
    """One member's service for one chaincode."""

    chaincode: str
    member: Member
    address: str
    package: ChaincodePackage

    def to_json(self) -> dict[str, str]:
        tls = self.member.organisation.service(CHAINCODE_SERVICE)
        return {
            "chaincode": self.chaincode,
            "msp_id": self.member.msp_id,
            "package_id": self.package.id,
            "address": self.address,
            "key": str(tls.key),
            "certificate": str(tls.certificate),
            "client_roots": str(tls.root),
        }


@contextmanager
def chaincodes_deployed(network: Network) -> Iterator[None]:
    """Run the tests' chaincodes on a network that is up; outside of a running event loop."""
    command = [sys.executable, "-m", "tests.conformance.chaincode_services"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        asyncio.run(_deploy(network, process))
        yield
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


async def _deploy(network: Network, process: subprocess.Popen[str]) -> None:
    async with members_of(network) as members:
        services = [
            _service(member, chaincode, member.ports.peer + _FIRST_PORT + number)
            for number, chaincode in enumerate(CHAINCODES)
            for member in members
        ]
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([each.to_json() for each in services]) + "\n")
        process.stdin.flush()
        assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
        await for_all(_define(network, members, name, services) for name in CHAINCODES)


def _service(member: Member, chaincode: str, port: int) -> _Service:
    address = f"{HOST}:{port}"
    label = Definition(chaincode, _VERSION, 1).label
    return _Service(chaincode, member, address, member_package(member.organisation, address, label))


async def _define(network: Network, members: list[Member], name: str, services: list[_Service]) -> None:
    definition = Definition(name, _VERSION, 1)
    mine = [service for service in services if service.chaincode == name]
    await for_all(install(each.member, each.package) for each in mine)
    await for_all(approve_for(each.member, network.channel, definition, each.package) for each in mine)
    await commit_for_all(members, network.channel, definition)
    await for_all(until_usable(each, network.channel, name, "probe") for each in members)
