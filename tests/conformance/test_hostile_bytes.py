"""Requests that are no requests: refused in a sentence, by a ledger that goes on."""

import random
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.peer import events_pb2_grpc, proposal_pb2

from tests.integration.ledger.ledger import Ledger

_REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAVAILABLE,
}


def _signed_proposal(data: bytes) -> Any:
    return proposal_pb2.SignedProposal(proposal_bytes=data, signature=data)


_REQUESTS: dict[str, Callable[[bytes], Any]] = {
    "Evaluate": lambda data: gateway_pb2.EvaluateRequest(proposed_transaction=_signed_proposal(data)),
    "Endorse": lambda data: gateway_pb2.EndorseRequest(proposed_transaction=_signed_proposal(data)),
    "Submit": lambda data: gateway_pb2.SubmitRequest(
        prepared_transaction=common_pb2.Envelope(payload=data, signature=b"\x30" + data)
    ),
    "CommitStatus": lambda data: gateway_pb2.SignedCommitStatusRequest(request=data, signature=data),
}


@pytest.mark.parametrize("method", list(_REQUESTS))
async def test_random_bytes_and_flipped_bits(ledger: Ledger, fresh: str, method: str) -> None:
    contract = ledger.contract()
    good = contract.propose("get", "key").proposal_bytes
    chance = random.Random(method)  # noqa: S311 - the same bytes in every run
    call = getattr(gateway_pb2_grpc.GatewayStub(ledger.connection), method)
    for _ in range(40):
        data = bytearray(good)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        for hostile in (bytes(data), chance.randbytes(chance.randrange(200)), b""):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(_REQUESTS[method](hostile))
            assert refused.value.code() in _REFUSALS, refused.value.details()
    await contract.submit("put", fresh, "the ledger lives on")


async def test_a_seek_that_is_none(ledger: Ledger) -> None:
    stub = events_pb2_grpc.DeliverStub(ledger.connection)
    for payload in (b"", b"\xff\xff", common_pb2.Payload(data=b"\xff").SerializeToString()):
        call = stub.Deliver()
        await call.write(common_pb2.Envelope(payload=payload, signature=b"x"))
        answer = await call.read()
        assert answer.status in {common_pb2.BAD_REQUEST, common_pb2.NOT_FOUND}
        call.cancel()
