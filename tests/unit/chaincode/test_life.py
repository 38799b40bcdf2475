"""What holds for every function: it succeeds, emits what it should, and simulates to equal bytes."""

from veilmesh_chaincode.contracts import FUNCTIONS
from veilmesh_chaincode.records import canonical
from veilmesh_chaincode.records.base import Document
from veilmesh_chaincode.records.release import AnchorBatch

from tests.unit.chaincode.consortium import MEMBERS, World, complete, digest, registration, sidecar
from tests.unit.chaincode.life import STEPS, live
from tests.unit.chaincode.memory_ledger import VALID

# Ids, versions and statuses: nothing that says more about a person or a face than the record's key does.
EVENT_FIELDS = {
    "authentication_id",
    "carried",
    "decider_node_id",
    "members",
    "merkle_root",
    "model_digest",
    "msp_id",
    "node_id",
    "owner_msp_id",
    "proposal_id",
    "reference_id",
    "relying_node_id",
    "status",
    "tx_id",
    "unsealing_id",
    "version",
}


def test_the_script_calls_every_function() -> None:
    assert {step.function for step in STEPS} == set(FUNCTIONS)


def test_every_function_succeeds_with_a_canonical_result() -> None:
    for _, step, transaction in live():
        assert transaction.response.status == 200, (step.function, transaction.response.message)
        canonical.loads(transaction.response.payload)


def test_every_change_emits_exactly_one_event_of_ids_and_status() -> None:
    for _, step, transaction in live():
        changes_state = FUNCTIONS[step.function].changes_state
        assert changes_state == bool(transaction.stub.writes), step.function
        if not changes_state:
            assert transaction.stub.events == [], step.function
            continue
        [(name, payload)] = transaction.stub.events
        fields = canonical.loads(payload)
        assert name == step.function
        assert isinstance(fields, dict)
        assert fields.keys() <= EVENT_FIELDS, step.function


def test_every_function_simulates_to_equal_bytes() -> None:
    for world, step, first in live():
        again = complete(
            world.ledger.simulate(
                step.who, step.function, step.request, now_s=first.stub.timestamp_s, tx_id=step.tx_id
            )
        )
        assert again.response == first.response
        assert again.stub.reads == first.stub.reads
        # In order, as they go into the read/write set of a peer that keeps it.
        assert list(again.stub.writes.items()) == list(first.stub.writes.items())
        assert again.stub.endorsers == first.stub.endorsers
        assert again.stub.events == first.stub.events


def test_every_record_written_is_canonical() -> None:
    for _, _, transaction in live():
        for value in transaction.stub.writes.values():
            if value not in (None, b"\x00"):
                canonical.loads(value)


async def test_unrelated_transactions_do_not_hinder_each_other(world: World) -> None:
    """All simulated on one state, all valid: no counter or list that everybody must touch."""
    references = [await world.enrol(msp_id) for msp_id in MEMBERS]
    calls: list[tuple[str, str, Document]] = []
    for number, msp_id in enumerate(MEMBERS):
        root = AnchorBatch(merkle_root=digest("root", number), leaf_count=1)
        calls += [
            (msp_id, "enrolment:Register", registration(100 + number)),
            (msp_id, "authentication:Open", world.opening(references[number].reference_id)),
            (msp_id, "authentication:Open", world.opening(references[number - 1].reference_id)),
            (msp_id, "release:Anchor", root),
        ]
    simulated = [
        await world.ledger.simulate(sidecar(msp_id), function, request, now_s=world.now_s)
        for msp_id, function, request in calls
    ]
    assert [world.ledger.commit(transaction) for transaction in simulated] == [VALID] * len(calls)
