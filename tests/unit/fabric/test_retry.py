from collections.abc import Awaitable, Callable

import grpc
import pytest
from fabric_protos.peer import transaction_pb2
from hypothesis import given
from hypothesis import strategies as st
from veilmesh_fabric.errors import CommitError, EvaluateError, PeerError, SubmitError
from veilmesh_fabric.retry import RetryPolicy, is_conflict, is_passing, is_uncertain, retry

from tests.unit.fabric.manual_clock import ManualClock

CODES = list(grpc.StatusCode)


def failing(*codes: grpc.StatusCode) -> tuple[Callable[[], Awaitable[str]], list[grpc.StatusCode]]:
    """A call that fails with each code in turn and then answers, and the codes it has not failed with yet."""
    left = list(codes)

    async def call() -> str:
        if left:
            raise EvaluateError("no", transaction_id="tx", code=left.pop(0))
        return "answer"

    return call, left


async def test_an_unavailable_gateway_is_asked_again() -> None:
    clock = ManualClock()
    call, _ = failing(*[grpc.StatusCode.UNAVAILABLE] * 4)
    assert await retry(call, is_passing, RetryPolicy(), clock) == "answer"
    assert len(clock.slept_s) == 4


async def test_the_last_attempts_error_is_told() -> None:
    clock = ManualClock()
    call, left = failing(*[grpc.StatusCode.UNAVAILABLE] * 10)
    with pytest.raises(EvaluateError):
        await retry(call, is_passing, RetryPolicy(attempts=3), clock)
    assert len(left) == 7
    assert len(clock.slept_s) == 2  # no waiting behind the last attempt


PASSING = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}


@pytest.mark.parametrize("code", [code for code in CODES if code not in PASSING])
async def test_any_other_answer_is_an_answer(code: grpc.StatusCode) -> None:
    clock = ManualClock()
    call, _ = failing(code)
    with pytest.raises(EvaluateError):
        await retry(call, is_passing, RetryPolicy(), clock)
    assert clock.slept_s == []


async def test_one_attempt_means_one() -> None:
    call, _ = failing(grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(EvaluateError):
        await retry(call, is_passing, RetryPolicy(attempts=1), ManualClock())


@given(st.integers(1, 10_000), st.floats(0.001, 1), st.floats(1, 60))
def test_delays_double_up_to_a_bound_and_are_scattered(failures: int, first: float, longest: float) -> None:
    delay = RetryPolicy(first_delay_s=first, longest_delay_s=longest).delay_s(failures)
    bound = min(longest, first * 2.0 ** min(failures - 1, 100))
    assert bound / 2 <= delay <= bound


def test_clients_that_failed_together_do_not_return_together() -> None:
    policy = RetryPolicy()
    assert len({policy.delay_s(3) for _ in range(20)}) > 1


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"conflict_attempts": 0}])
def test_a_policy_without_an_attempt_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least one attempt"):
        RetryPolicy(**wrong)


@pytest.mark.parametrize("code", CODES)
def test_which_answers_leave_a_submission_open(code: grpc.StatusCode) -> None:
    open_codes = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "INTERNAL", "UNKNOWN"}
    assert is_uncertain(SubmitError("no", transaction_id="tx", code=code)) == (code.name in open_codes)


@pytest.mark.parametrize(
    ("orderers", "open_"),
    [
        (["status=FORBIDDEN, info=permission denied", "status=FORBIDDEN, info=permission denied"], False),
        (["status=FORBIDDEN, info=permission denied", "connection refused"], True),  # one may lie
        (["status=FORBIDDEN, info=permission denied"], True),
        (["status=SERVICE_UNAVAILABLE", "status=SERVICE_UNAVAILABLE"], True),
        ([], True),
    ],
)
def test_what_smartbft_orderers_say_of_a_submission(orderers: list[str], open_: bool) -> None:
    details = [PeerError(f"orderer{number}:7050", "OrdererMSP", said) for number, said in enumerate(orderers)]
    error = SubmitError(
        "insufficient orderers", transaction_id="tx", code=grpc.StatusCode.UNAVAILABLE, details=details
    )
    assert is_uncertain(error) is open_


@pytest.mark.parametrize("name", transaction_pb2.TxValidationCode.keys())
def test_only_read_conflicts_are_worth_a_new_proposal(name: str) -> None:
    code = transaction_pb2.TxValidationCode.Value(name)
    error = CommitError(transaction_id="tx", code=code, code_name=name, block_number=7)
    assert is_conflict(error) == (name in {"MVCC_READ_CONFLICT", "PHANTOM_READ_CONFLICT"})
