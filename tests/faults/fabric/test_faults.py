"""Processes of a real network killed and paused under load; `pytest -s` prints what each fault came to.

The supervisor starts again what died, so that "served again" includes its start. A paused process is nobody's
to restart: it stands still with its connections open, and clients have to find that out.
"""

import asyncio
import sys

import pytest

from tests.fabric_network import FabricNetwork
from tests.faults.fabric.ride import Ride, killing, pausing, ride_out

PAUSE_S = 30.0

pytestmark = [pytest.mark.fabric, pytest.mark.slow]


def _tell(ride: Ride) -> None:
    sys.stdout.write(f"\n{ride}\n")


async def _leader(network: FabricNetwork) -> str:
    leader = (await asyncio.to_thread(network.status)).leader
    assert leader is not None
    return leader


async def test_a_chaincode_service_is_killed(raft3: FabricNetwork) -> None:
    fault = killing(raft3, "chaincode.org1.example.com")
    _tell(await ride_out(raft3, "kill -9 of a chaincode service", fault))


async def test_a_peer_is_killed(raft3: FabricNetwork) -> None:
    _tell(await ride_out(raft3, "kill -9 of a peer", killing(raft3, "peer0.org2.example.com")))


async def test_the_raft_leader_is_killed(raft3: FabricNetwork) -> None:
    _tell(await ride_out(raft3, "kill -9 of the Raft leader", killing(raft3, await _leader(raft3))))


async def test_two_are_killed_at_once(raft3: FabricNetwork) -> None:
    """With a peer and another member's chaincode gone, one of three members is left: no majority endorses."""
    names = ("peer0.org2.example.com", "chaincode.org3.example.com")
    _tell(await ride_out(raft3, "kill -9 of a peer and another member's chaincode", killing(raft3, *names)))


async def test_a_peer_is_paused(raft3: FabricNetwork) -> None:
    strike = pausing(raft3, "peer0.org3.example.com", PAUSE_S)
    _tell(await ride_out(raft3, f"a peer paused for {PAUSE_S:.0f} s", strike))


async def test_one_of_four_bft_orderers_is_killed(bft: FabricNetwork) -> None:
    name = "orderer1.example.com"  # leads the first view
    _tell(await ride_out(bft, "kill -9 of one of four SmartBFT orderers", killing(bft, name)))
