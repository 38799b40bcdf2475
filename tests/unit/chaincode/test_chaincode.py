"""The door of the chaincode: whatever comes in, a response goes out, and nothing of the inside with it."""

import logging
from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from veilmesh_chaincode.chaincode import Chaincode, Response
from veilmesh_chaincode.contracts import FUNCTIONS
from veilmesh_chaincode.records import canonical
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode

from tests.unit.chaincode.consortium import World, complete, operator
from tests.unit.chaincode.life import STEPS, Step, live
from tests.unit.chaincode.memory_ledger import MemoryLedger, MemoryStub


def invoke(world: World, step: Step, args: Sequence[bytes]) -> Response:
    stub = MemoryStub(world.ledger, "f" * 64, step.who, world.now_s)
    return complete(Chaincode().invoke(stub, args))


def established() -> World:
    """The script's world at its fullest: nodes and a reference still active, an authentication concluded."""
    for world, step, _ in live():
        if step.function == "enrolment:Revoke":
            return world
    raise AssertionError("the script never revokes")


WORLD = established()
NEVER_THE_CALLERS_FAULT = 500

junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["0" * 32, "0" * 64, "\x00", "\U0010ffff", "Org1MSP", "x" * 70_000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(STEPS), st.lists(st.binary(max_size=200), max_size=3))
def test_arbitrary_arguments(step: Step, args: list[bytes]) -> None:
    response = invoke(WORLD, step, [step.function.encode(), *args])
    if step.request is None and not args:
        assert response.status == 200
    else:
        assert 400 <= response.status < NEVER_THE_CALLERS_FAULT


@settings(max_examples=250, deadline=None)
@given(st.sampled_from([step for step in STEPS if step.request is not None]), st.data())
def test_a_request_with_any_field_made_up(step: Step, data: st.DataObject) -> None:
    assert step.request is not None
    fields = step.request.model_dump(mode="json")
    field = data.draw(st.sampled_from(sorted(fields)))
    fields[field] = data.draw(junk)
    try:
        request = canonical.dumps(fields)
    except (canonical.NotCanonicalError, UnicodeError):
        return
    response = invoke(WORLD, step, [step.function.encode(), request])
    assert response.status < NEVER_THE_CALLERS_FAULT, response.message
    assert len(response.message) < 2000


@settings(deadline=None)
@given(st.binary(max_size=100) | st.text(max_size=40).map(str.encode))
def test_arbitrary_function_names(name: bytes) -> None:
    assume(name.decode(errors="replace") not in FUNCTIONS)  # hypothesis knows strings of our source
    response = invoke(WORLD, STEPS[0], [name])
    refusal = Refusal.from_message(response.message)
    assert refusal is not None
    assert (response.status, refusal.code) == (404, RefusalCode.UNKNOWN_FUNCTION)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.function)
def test_number_of_arguments(step: Step) -> None:
    name = step.function.encode()
    request = b"{}" if step.request is None else step.request.to_bytes()
    wrong = [[name, request, request], [name, request] if step.request is None else [name]]
    for args in wrong:
        assert invoke(WORLD, step, args).status == 400


def test_no_arguments_at_all() -> None:
    assert invoke(WORLD, STEPS[0], []).status == 400


def test_a_huge_request() -> None:
    step = next(step for step in STEPS if step.function == "audit:LogAccess")
    response = invoke(WORLD, step, [b"audit:LogAccess", b'{"question":"' + b"x" * 10_000_000 + b'"}'])
    assert response.status == 400


async def test_an_internal_error_says_nothing_but_the_transaction(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class BrokenStub(MemoryStub):
        async def get_state(self, key: str) -> bytes | None:
            raise ConnectionError(f"peer0.internal.example:7052 gone while reading {key!r}")

    stub = BrokenStub(MemoryLedger(), "e" * 64, operator("Org1MSP"), 0)
    with caplog.at_level(logging.ERROR):
        response = await Chaincode().invoke(stub, [b"registry:GetConsortium"])
    refusal = Refusal.from_message(response.message)
    assert refusal is not None
    assert (response.status, refusal.code) == (500, RefusalCode.INTERNAL)
    assert refusal.message == f"internal error in transaction {'e' * 64}"
    assert "peer0.internal.example" in caplog.text


async def test_a_spoiled_record_is_an_internal_error(world: World) -> None:
    reference = await world.enrol("Org1MSP")
    spoiling = await world.ledger.simulate(operator("Org1MSP"), "registry:GetConsortium", now_s=world.now_s)
    key = next(key for key in world.ledger.state if key.startswith("\x00reference\x00"))
    spoiling.stub.writes[key] = b'{"spoiled":true}'
    world.ledger.commit(spoiling)
    request = canonical.dumps({"reference_id": reference.reference_id})
    simulated = await world.ledger.simulate(operator("Org1MSP"), "enrolment:Get", request, now_s=world.now_s)
    assert simulated.response.status == 500
