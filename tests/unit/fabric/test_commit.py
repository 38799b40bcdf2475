from collections.abc import Awaitable, Callable

import grpc
import pytest
from fabric_protos.gateway import gateway_pb2
from veilmesh_fabric.commit import CommitStatus, CommitStatusRequest, ask_until_known
from veilmesh_fabric.errors import CommitError, CommitStatusError
from veilmesh_fabric.retry import RetryPolicy
from veilmesh_fabric.signing import verify

from tests.unit.fabric.identities import identity
from tests.unit.fabric.manual_clock import ManualClock

VALID = CommitStatus("tx", 0, 12)


def asked(
    clock: ManualClock, took_s: float, *codes: grpc.StatusCode
) -> Callable[[float], Awaitable[CommitStatus]]:
    """A question that fails with each code in turn, `took_s` later each time, and is then answered VALID."""
    left = list(codes)

    async def ask(within_s: float) -> CommitStatus:
        clock.pass_time(min(took_s, within_s))
        if left:
            raise CommitStatusError("not known", transaction_id="tx", code=left.pop(0))
        return VALID

    return ask


async def test_a_broken_connection_is_asked_again() -> None:
    clock = ManualClock()
    ask = asked(clock, 0.0, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN)
    assert await ask_until_known(ask, 60, RetryPolicy(), clock) == VALID
    assert len(clock.slept_s) == 3


async def test_asking_goes_on_until_the_deadline_and_no_longer() -> None:
    clock = ManualClock()
    ask = asked(clock, 0.0, *[grpc.StatusCode.UNAVAILABLE] * 10_000)
    with pytest.raises(CommitStatusError):
        await ask_until_known(ask, 60, RetryPolicy(), clock)
    assert 55 < clock.monotonic() <= 60
    assert len(clock.slept_s) > RetryPolicy().attempts  # an outage may be longer than one for an evaluation


async def test_each_question_gets_the_time_that_is_left() -> None:
    clock = ManualClock()
    given: list[float] = []

    async def ask(within_s: float) -> CommitStatus:
        given.append(within_s)
        clock.pass_time(within_s / 2)
        if len(given) < 3:
            raise CommitStatusError("lost", transaction_id="tx", code=grpc.StatusCode.UNAVAILABLE)
        return VALID

    await ask_until_known(ask, 60, RetryPolicy(), clock)
    assert given[0] == 60
    assert 29 < given[1] < 30
    assert 14 < given[2] < 15


async def test_the_gateways_refusal_to_tell_is_final() -> None:
    clock = ManualClock()
    with pytest.raises(CommitStatusError) as caught:
        await ask_until_known(asked(clock, 0.0, grpc.StatusCode.PERMISSION_DENIED), 60, RetryPolicy(), clock)
    assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED
    assert clock.slept_s == []


async def test_a_deadline_that_passed_at_the_gateway_is_the_end() -> None:
    clock = ManualClock()
    with pytest.raises(CommitStatusError):
        await ask_until_known(asked(clock, 60, grpc.StatusCode.DEADLINE_EXCEEDED), 60, RetryPolicy(), clock)
    assert clock.slept_s == []


def test_what_is_not_valid_is_a_commit_error() -> None:
    VALID.require_valid()
    with pytest.raises(CommitError) as caught:
        CommitStatus("tx", 11, 12).require_valid()
    error = caught.value
    assert (error.transaction_id, error.code, error.code_name, error.block_number) == (
        "tx",
        11,
        "MVCC_READ_CONFLICT",
        12,
    )
    assert str(error) == "transaction tx was invalidated: MVCC_READ_CONFLICT (11) in block 12"


def test_a_code_newer_than_this_client_is_not_taken_for_valid() -> None:
    status = CommitStatus("tx", 99, 12)
    assert not status.valid
    assert status.code_name == "UNKNOWN_CODE"


def test_the_question_is_signed() -> None:
    alice = identity()
    signed = CommitStatusRequest.build(alice.creator, "veil", "tx").sign(alice).to_proto()
    request = gateway_pb2.CommitStatusRequest.FromString(signed.request)
    assert (request.transaction_id, request.channel_id, request.identity) == ("tx", "veil", alice.creator)
    verify(alice.signer.public_key, signed.signature, signed.request)
