"""What a journal forgets, and when."""

from veilmesh_node.journal import DONE, RETENTION_S, Kind

from tests.unit.node.plugs import MemoryConsortium, enrol_request, photo


async def test_finished_operations_are_forgotten_in_time(
    consortium: MemoryConsortium,
) -> None:
    org1 = consortium.nodes["Org1MSP"]
    await org1.node.enrolment.enrol(enrol_request(photo("ada"), key="k"))
    operation = org1.journal.find(Kind.ENROL, "k")
    assert operation is not None
    assert operation.step == DONE
    assert org1.journal.prune() == 0
    consortium.world.now_s += RETENTION_S + 1
    assert org1.journal.prune() == 1
    assert org1.journal.find(Kind.ENROL, "k") is None
