"""Killed at every step: after a restart each operation is done or undone, once, and all agree.

A real `kill -9` of real processes is in `test_killed_nodes.py`; here the process "dies" by an exception that
no code of ours handles, and the vault's file is opened anew.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from veilmesh_chaincode.records.authentication import AuthenticationStatus, Outcome
from veilmesh_chaincode.records.enrolment import Reference, ReferenceStatus, Renewal
from veilmesh_node.domain.receipt import ReceiptDraft
from veilmesh_node.enrolment import EnrolRequest
from veilmesh_node.journal import Kind, StepPoint
from veilmesh_node.verification import VerifyRequest

from tests.unit.node.plugs import MemoryConsortium, MemoryNode, draft, enrol_request, photo, verify_request


class KilledError(BaseException):
    """The process is gone."""


class Killer:
    """Dies at the `number`-th point that operations of one kind pass."""

    def __init__(self, kind: Kind, number: int) -> None:
        self._kind, self._left = kind, number

    def __call__(self, point: StepPoint) -> None:
        if point.kind is not self._kind:
            return
        if self._left == 0:
            self.died_at = str(point)
            raise KilledError
        self._left -= 1


async def dies(victim: MemoryNode, killer: Killer, operation: Callable[[], Awaitable[object]]) -> str:
    """Run an operation with a killer in the victim, restart it, and return where it died, if it did."""
    victim.restart(killer)
    try:
        await operation()
    except KilledError:
        died_at = killer.died_at
    else:
        died_at = ""
    victim.restart()
    assert await victim.operations.resume() == 0
    assert victim.journal.unfinished() == []
    assert await victim.node.agreement.check() == []
    return died_at


@pytest.fixture
async def consortium(tmp_path: Path) -> AsyncIterator[MemoryConsortium]:
    """Three members with a node each, all in this process; a policy in force."""
    founded = await MemoryConsortium.found(tmp_path)
    yield founded
    founded.close()


@pytest.fixture
def org1(consortium: MemoryConsortium) -> MemoryNode:
    return consortium.nodes["Org1MSP"]


@pytest.fixture
def org2(consortium: MemoryConsortium) -> MemoryNode:
    return consortium.nodes["Org2MSP"]


async def enrol(node: MemoryNode, person: str, key: str = "") -> Reference:
    return (await node.node.enrolment.enrol(enrol_request(photo(person), key=key))).reference


async def update(node: MemoryNode, reference_id: str, request: EnrolRequest) -> None:
    await node.node.enrolment.update(reference_id, request)


async def revoke(node: MemoryNode, reference_id: str) -> None:
    await node.node.revocation.revoke(reference_id, "compromised", idempotency_key="")


async def erase(node: MemoryNode, reference_id: str) -> None:
    await node.node.erasure.erase(reference_id, idempotency_key="")


async def verify(node: MemoryNode, request: VerifyRequest) -> None:
    await node.node.verification.verify(request)


async def release(node: MemoryNode, drafts: list[ReceiptDraft], key: str) -> None:
    await node.node.releasing.issue(drafts, idempotency_key=key)


async def owned(node: MemoryNode) -> list[Reference]:
    return (await node.ledger.references(node.msp_id, limit=1000, bookmark="")).entries


async def test_enrol_killed_at_every_step(org1: MemoryNode) -> None:
    points = []
    for number in count():
        person = f"person-{number}"
        point = await dies(org1, Killer(Kind.ENROL, number), partial(enrol, org1, person, key=person))
        retried = await enrol(org1, person, key=person)
        assert len(await owned(org1)) == number + 1, f"doubled or lost at {point}"
        assert retried.reference_id in {each.reference_id for each in await owned(org1)}
        points.append(point)
        if not point:
            break
    steps = ["planned", "sealed", "endorsed", "registered", "anchoring", "done"]
    expected = [f"enrol:{step}:{moment}" for step in steps for moment in ("before", "after")]
    assert points == ["enrol:started:after", *expected, ""]


async def found_in(node: MemoryNode, person: str) -> list[str]:
    """Whom a search for a person finds, by the names given at enrolment."""
    (face,) = (await node.node.identification.identify(photo(person))).faces
    return [] if face.match is None else [face.match.label]


async def test_update_killed_at_every_step(org1: MemoryNode) -> None:
    request = replace(enrol_request(photo("ada")), label="Ada")
    reference_id = (await org1.node.enrolment.enrol(request)).reference.reference_id
    enrolled = org1.vault.recall(reference_id)
    assert enrolled is not None
    for number in count():
        before = await org1.ledger.reference(reference_id)
        request = enrol_request(photo("ada", number + 2), key=str(number))
        point = await dies(org1, Killer(Kind.UPDATE, number), partial(update, org1, reference_id, request))
        await org1.node.enrolment.update(reference_id, request)
        after = await org1.ledger.reference(reference_id)
        assert after.version == before.version + 1, f"doubled or lost at {point}"
        assert list(await org1.content.ids()) == [after.surrogate_cid]
        assert [each.version for each in org1.vault.stored()] == [after.version]
        assert after.renewal is Renewal.COMPARED
        recalled = org1.vault.recall(reference_id)
        assert recalled is not None
        assert recalled.lineage.origin.dissimilarity(enrolled.lineage.origin) < 1e-12
        assert await found_in(org1, "ada") == ["Ada"]
        if not point:
            break
    assert number == 13


async def test_revoke_killed_at_every_step(org1: MemoryNode) -> None:
    for number in count():
        reference_id = (await enrol(org1, "ada")).reference_id
        point = await dies(
            org1,
            Killer(Kind.REVOKE, number),
            partial(revoke, org1, reference_id),
        )
        revoked = await org1.ledger.reference(reference_id)
        assert revoked.status is ReferenceStatus.REVOKED, point
        if not point:
            break
    assert number == 5


async def test_erase_killed_at_every_step(org1: MemoryNode) -> None:
    for number in count():
        reference_id = (await enrol(org1, "ada")).reference_id
        point = await dies(
            org1,
            Killer(Kind.ERASE, number),
            partial(erase, org1, reference_id),
        )
        erased = await org1.ledger.reference(reference_id)
        assert erased.status is ReferenceStatus.ERASED, point
        assert list(org1.vault.stored()) == []
        assert list(await org1.content.ids()) == []
        assert await found_in(org1, "ada") == []
        if not point:
            break
    assert number == 9


async def test_verify_killed_at_every_step_of_the_relying_node(org1: MemoryNode, org2: MemoryNode) -> None:
    reference_id = (await enrol(org1, "ada")).reference_id
    for number in count():
        known = len(org2.channel.seen)
        request = verify_request(photo("ada"), reference_id, key=str(number))
        point = await dies(org2, Killer(Kind.VERIFY, number), partial(verify, org2, request))
        for probe in org2.channel.seen[known:]:
            authentication = await org2.ledger.authentication(probe.authentication_id)
            assert authentication.status is AuthenticationStatus.CONCLUDED, point
        # Whatever was interrupted holds no attempt: the same key asks again, and is answered.
        assert (await org2.node.verification.verify(request)).outcome is Outcome.MATCH
        if not point:
            break
    assert number == 7


async def test_verify_killed_at_every_step_of_the_owner(org1: MemoryNode, org2: MemoryNode) -> None:
    reference_id = (await enrol(org1, "ada")).reference_id
    for number in count():
        known = len(org2.channel.seen)
        request = verify_request(photo("ada"), reference_id)
        point = await dies(org1, Killer(Kind.DECIDE, number), partial(verify, org2, request))
        org2.restart()
        assert await org2.operations.resume() == 0
        assert org2.journal.unfinished() == []
        (probe,) = org2.channel.seen[known:]
        authentication = await org2.ledger.authentication(probe.authentication_id)
        assert authentication.status is not AuthenticationStatus.OPEN, point
        if not point:
            break
    assert number == 7


async def test_release_killed_at_every_step(org1: MemoryNode) -> None:
    for number in count():
        drafts = [draft(number)]
        point = await dies(
            org1,
            Killer(Kind.RELEASE, number),
            partial(release, org1, drafts, str(number)),
        )
        operation = org1.journal.find(Kind.RELEASE, str(number))
        assert operation is not None
        issued = await org1.node.releasing.issue(drafts, idempotency_key=str(number))
        assert issued.tx_id == operation.state["anchor_tx_id"], point
        if not point:
            break
    assert number == 7
