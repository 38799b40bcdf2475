"""Waiting for what takes its time: asked again soon, and never longer than it takes.

Between two questions passes a twentieth of a second at first and half a second at most.
"""

import asyncio
import urllib.request
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc.aio
from fabric_protos.discovery import protocol_pb2, protocol_pb2_grpc
from fabric_protos.peer import proposal_response_pb2
from veilmesh_fabric.identity import SigningIdentity

from veilmesh_network.errors import BringUpError, NetworkError
from veilmesh_network.fabric.peer_admin import PeerAdmin, PeerRefusedError, PeerUnreachableError
from veilmesh_network.loopback import HOST

STEP_S = 90.0
"""How long one step may take: longer than any has taken on two busy cores."""

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.5
_DEADLINE_S = 5.0
_CHAINCODE_DOWN = 500  # what the peer says for a chaincode that it cannot reach; ours refuses with 4xx
_LEADER_METRICS = ("consensus_etcdraft_is_leader", "consensus_BFT_is_leader")

Result = TypeVar("Result")


class NotYetError(NetworkError):
    """What is waited for is not there yet; says what was found instead."""


async def until(ready: Callable[[], Awaitable[Result]], *, within_s: float) -> Result:
    """Return what `ready` returns, once it no longer raises `NotYetError`.

    Raises:
        BringUpError: the time is over; says what was found last.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return await ready()
        except NotYetError as err:
            if loop.time() + pause_s >= deadline:
                raise BringUpError(f"not within {within_s:.0f} s: {err}") from err
        await asyncio.sleep(pause_s)
        pause_s = min(1.5 * pause_s, _LONGEST_PAUSE_S)


def leads(operations_port: int, channel_name: str) -> bool:
    """Return whether the orderer whose operations service this is leads the consensus. Blocks.

    Raises:
        OSError: it does not listen.
    """
    url = f"http://{HOST}:{operations_port}/metrics"
    with urllib.request.urlopen(url, timeout=_DEADLINE_S) as answer:
        lines = answer.read().decode().splitlines()
    wanted = tuple(f'{metric}{{channel="{channel_name}"}}' for metric in _LEADER_METRICS)
    return any(line.startswith(wanted) and float(line.split()[-1]) == 1 for line in lines)


async def chaincode_answers(peer: PeerAdmin, channel_name: str, chaincode: str, function: str) -> None:
    """Return if the chaincode of a peer answers, be it with a refusal.

    Raises:
        NotYetError: the peer says that it does not.
    """
    try:
        await peer.ask(channel_name, chaincode, function)
    except PeerRefusedError as err:
        if err.status >= _CHAINCODE_DOWN:
            raise NotYetError(str(err)) from err
    except PeerUnreachableError as err:
        raise NotYetError(str(err)) from err


async def endorsers_known(
    channel: grpc.aio.Channel, identity: SigningIdentity, channel_name: str, chaincode: str
) -> None:
    """Return if a peer knows enough peers of other organisations to endorse under the chaincode's policy.

    Raises:
        NotYetError: it does not know them yet.
    """
    interest = proposal_response_pb2.ChaincodeInterest(
        chaincodes=[proposal_response_pb2.ChaincodeCall(name=chaincode)]
    )
    query = protocol_pb2.Query(
        channel=channel_name, cc_query=protocol_pb2.ChaincodeQuery(interests=[interest])
    )
    authentication = protocol_pb2.AuthInfo(client_identity=identity.creator)
    payload = protocol_pb2.Request(authentication=authentication, queries=[query]).SerializeToString()
    request = protocol_pb2.SignedRequest(payload=payload, signature=identity.sign(payload))
    try:
        answer = await protocol_pb2_grpc.DiscoveryStub(channel).Discover(request, timeout=_DEADLINE_S)
    except grpc.aio.AioRpcError as err:
        raise NotYetError(f"discovery: {err.details()} ({err.code().name})") from err
    (result,) = answer.results
    if result.WhichOneof("result") == "error":
        raise NotYetError(f"discovery: {result.error.content}")
