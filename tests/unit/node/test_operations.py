"""Enrol, update, revoke, erase, verify and release, on real contracts and a real vault."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from veilmesh_chaincode.records.authentication import (
    Authentication,
    AuthenticationStatus,
    OpenAuthentication,
    Outcome,
)
from veilmesh_chaincode.records.enrolment import Reference, ReferenceStatus
from veilmesh_chaincode.records.policy import ExchangeMode
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import ApproveModel, Model
from veilmesh_node.agreement import Disagreement
from veilmesh_node.catalog import describe
from veilmesh_node.deciding import SubmittedProbe
from veilmesh_node.domain import receipt as receipts
from veilmesh_node.domain.commitment import commit_input, commit_probe, new_salt
from veilmesh_node.domain.receipt import SignedReceipt
from veilmesh_node.errors import (
    ContentNotFoundError,
    HeldElsewhereError,
    IdempotencyConflictError,
    InvalidRequestError,
    LedgerConflictError,
    LedgerRejectedError,
    LedgerUnavailableError,
    ModelDiffersError,
    NoOpenAuthenticationError,
    OperationInProgressError,
    PeerUnavailableError,
    ProbeMismatchError,
    ProbeReplayedError,
    ReceiptError,
    SampleRejectedError,
    StorageFullError,
    TransactionRefusedError,
)
from veilmesh_node.journal import Kind, StepPoint
from veilmesh_node.ports import OPEN_AUTHENTICATION
from veilmesh_node.sealing import SUITE, seal
from veilmesh_node.status import GeneratorStanding
from veilmesh_node.verification import Probe, binding_of

from tests.unit.chaincode.consortium import TERMS, operator
from tests.unit.node.plugs import (
    MODEL,
    MemoryConsortium,
    MemoryFaces,
    MemoryNode,
    draft,
    enrol_request,
    forged_surrogate,
    photo,
    verify_request,
)


@pytest.fixture
def org1(consortium: MemoryConsortium) -> MemoryNode:
    return consortium.nodes["Org1MSP"]


@pytest.fixture
def org2(consortium: MemoryConsortium) -> MemoryNode:
    return consortium.nodes["Org2MSP"]


async def settled(node: MemoryNode) -> bool:
    return not node.journal.unfinished() and not await node.node.agreement.check()


async def test_enrolment_leaves_all_in_agreement(org1: MemoryNode) -> None:
    enrolled = await org1.node.enrolment.enrol(enrol_request(photo("ada", 1), photo("ada", 2)))
    reference = enrolled.reference
    assert reference.owner_node_id == org1.node_id
    assert reference.status is ReferenceStatus.ACTIVE
    assert reference.template_commitment == org1.vault.recommit(reference.reference_id, 1)
    assert await settled(org1)
    surrogate = await org1.node.inquiry.surrogate(reference.reference_id)
    assert surrogate.cid == reference.surrogate_cid
    assert surrogate.receipt == enrolled.receipt


class TestGenerators:
    """An anonymizer with trained weights is used once the consortium approved their digest."""

    WEIGHTS = "e" * 64

    @pytest.fixture(autouse=True)
    def _mask_has_a_generator(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(MemoryFaces, "generators", {"mask": self.WEIGHTS})

    async def test_without_approval_another_is_taken(
        self, org1: MemoryNode, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(MemoryFaces, "anonymizers", ("mask", "cluster"))
        enrolled = await org1.node.enrolment.enrol(enrol_request(photo("ada")))
        assert enrolled.reference.anonymizer == "cluster"

    async def test_without_approval_and_another_nobody_is_enrolled(self, org1: MemoryNode) -> None:
        with pytest.raises(Refusal, match=rf"mask \({self.WEIGHTS}\)") as refused:
            await org1.node.enrolment.enrol(enrol_request(photo("ada"), anonymizer="mask"))
        assert refused.value.code is RefusalCode.MODEL_NOT_APPROVED
        assert await settled(org1)

    async def test_a_vote_under_way_is_no_approval(
        self, consortium: MemoryConsortium, org1: MemoryNode
    ) -> None:
        request = ApproveModel(model_digest=self.WEIGHTS, name="ciagan")
        await consortium.world.call(operator("Org1MSP"), "registry:ApproveModel", request, Model)
        with pytest.raises(Refusal, match="did not approve"):
            await org1.node.enrolment.enrol(enrol_request(photo("ada"), anonymizer="mask"))

    async def test_approved_it_is_used(self, consortium: MemoryConsortium, org1: MemoryNode) -> None:
        await consortium.world.approve_model(self.WEIGHTS)
        enrolled = await org1.node.enrolment.enrol(enrol_request(photo("ada")))
        assert enrolled.reference.anonymizer == "mask"

    async def test_the_nodes_status_tells_the_digest_and_how_it_stands(
        self, consortium: MemoryConsortium, org1: MemoryNode
    ) -> None:
        assert (await org1.node.status.report()).generators == [GeneratorStanding("mask", self.WEIGHTS, "")]
        await consortium.world.approve_model(self.WEIGHTS)
        (standing,) = (await org1.node.status.report()).generators
        assert standing.status == "approved"


async def test_the_receipt_holds(org1: MemoryNode) -> None:
    enrolled = await org1.node.enrolment.enrol(enrol_request(photo("ada")))
    signed = SignedReceipt.from_bytes(enrolled.receipt)
    receipts.check(signed)
    assert signed.receipt.sha256() == enrolled.reference.receipt_sha256
    assert signed.inclusion is not None
    with pytest.raises(ReceiptError, match="not signed"):
        receipts.check(signed.replace(receipt=signed.receipt.replace(policy_version=2)))
    with pytest.raises(ReceiptError, match="not in the batch"):
        receipts.check(signed.replace(inclusion=signed.inclusion.replace(merkle_root="0" * 64)))
    with pytest.raises(ReceiptError, match="not anchored"):
        receipts.check(signed.replace(inclusion=None))
    with pytest.raises(ReceiptError, match="cannot be read"):
        receipts.check(signed.replace(certificate="no certificate"))


@pytest.mark.parametrize(
    ("photos", "reason"),
    [
        ([photo("nobody")], "photo 1: no face was found"),
        ([photo("ada"), photo("nobody")], "photo 2: no face was found"),
        ([photo("ada"), photo("bob")], "photos 1 and 2 do not show one person"),
    ],
)
async def test_unusable_photos_leave_nothing(org1: MemoryNode, photos: list[bytes], reason: str) -> None:
    with pytest.raises(SampleRejectedError) as caught:
        await org1.node.enrolment.enrol(enrol_request(*photos, key="k"))
    assert caught.value.reasons == (reason,)
    assert await settled(org1)
    assert org1.journal.find(Kind.ENROL, "k") is None


async def test_the_same_key_enrols_once(org1: MemoryNode) -> None:
    request = enrol_request(photo("ada"), key="k")
    first, second = [await org1.node.enrolment.enrol(request) for _ in range(2)]
    assert first == second
    assert len(list(org1.vault.stored())) == 1
    with pytest.raises(IdempotencyConflictError):
        await org1.node.enrolment.enrol(enrol_request(photo("bob"), key="k"))


async def test_the_same_key_at_once_enrols_once(org1: MemoryNode) -> None:
    request = enrol_request(photo("ada"), key="k")
    results = await asyncio.gather(
        *(org1.node.enrolment.enrol(request) for _ in range(3)), return_exceptions=True
    )
    assert sum(isinstance(result, OperationInProgressError) for result in results) == 2
    assert len(list(org1.vault.stored())) == 1


async def test_two_enrolments_of_one_person_at_once_are_two_references(org1: MemoryNode) -> None:
    request = enrol_request(photo("ada"))
    one, other = await asyncio.gather(*(org1.node.enrolment.enrol(request) for _ in range(2)))
    assert one.reference.reference_id != other.reference.reference_id
    assert one.reference.surrogate_cid == other.reference.surrogate_cid
    assert one.reference.template_commitment != other.reference.template_commitment
    await org1.node.erasure.erase(one.reference.reference_id, idempotency_key="")
    assert (await org1.node.inquiry.surrogate(other.reference.reference_id)).image
    assert await settled(org1)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (enrol_request(photo("ada"), anonymizer="blur"), RefusalCode.METHOD_NOT_ALLOWED),
        (enrol_request(photo("ada"), retention_s=10**9), RefusalCode.RETENTION_EXCEEDED),
    ],
)
async def test_what_the_policy_forbids_leaves_nothing(
    org1: MemoryNode, request_: object, code: RefusalCode
) -> None:
    with pytest.raises(Refusal) as caught:
        await org1.node.enrolment.enrol(request_)  # type: ignore[arg-type]  # parametrised
    assert caught.value.code is code
    assert await settled(org1)


@pytest.mark.parametrize("request_", [enrol_request(), enrol_request(photo("ada"), retention_s=-1)])
async def test_impossible_requests_are_refused(org1: MemoryNode, request_: object) -> None:
    with pytest.raises(InvalidRequestError):
        await org1.node.enrolment.enrol(request_)  # type: ignore[arg-type]  # parametrised


async def test_an_enrolment_waits_for_a_ledger_that_is_away(org1: MemoryNode) -> None:
    org1.ledger.lose_answers = True
    with pytest.raises(LedgerUnavailableError):
        await org1.node.enrolment.enrol(enrol_request(photo("ada"), key="k"))
    org1.ledger.lose_answers, org1.ledger.down = False, True
    assert await org1.operations.resume() == 1
    (waiting,) = org1.journal.unfinished()
    assert waiting.step == "endorsed"
    org1.ledger.down = False
    assert await org1.operations.resume() == 0
    assert await settled(org1)
    assert (await org1.node.enrolment.enrol(enrol_request(photo("ada"), key="k"))).reference.version == 1


async def test_without_a_ledger_nothing_is_begun(org1: MemoryNode) -> None:
    org1.ledger.down = True
    with pytest.raises(LedgerUnavailableError):
        await org1.node.enrolment.enrol(enrol_request(photo("ada")))
    assert org1.journal.unfinished() == []
    assert list(await org1.content.ids()) == []


async def test_collisions_are_tried_anew(org1: MemoryNode) -> None:
    org1.ledger.collisions = 3
    await org1.node.enrolment.enrol(enrol_request(photo("ada")))
    assert await settled(org1)


async def test_endless_collisions_wait(org1: MemoryNode) -> None:
    org1.ledger.collisions = 100
    with pytest.raises(LedgerConflictError):
        await org1.node.enrolment.enrol(enrol_request(photo("ada")))
    assert await org1.operations.resume() == 1
    org1.ledger.collisions = 0
    assert await org1.operations.resume() == 0
    assert await settled(org1)


async def test_update_replaces_everything(org1: MemoryNode, org2: MemoryNode) -> None:
    before = (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference
    after = (await org1.node.enrolment.update(before.reference_id, enrol_request(photo("ada", 2)))).reference
    assert after.version == 2
    assert after.surrogate_cid != before.surrogate_cid
    assert await settled(org1)
    assert list(await org1.content.ids()) == [after.surrogate_cid]
    verified = await org2.node.verification.verify(verify_request(photo("ada", 3), before.reference_id))
    assert verified.outcome is Outcome.MATCH
    history = await org1.node.inquiry.history(before.reference_id)
    assert [entry.reference.version for entry in history] == [1, 2]


async def test_only_the_owner_changes_a_reference(org1: MemoryNode, org2: MemoryNode) -> None:
    reference = (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference
    for attempt in (
        org2.node.enrolment.update(reference.reference_id, enrol_request(photo("eve"))),
        org2.node.revocation.revoke(reference.reference_id, "unspecified", idempotency_key=""),
        org2.node.erasure.erase(reference.reference_id, idempotency_key=""),
    ):
        with pytest.raises(Refusal) as caught:
            await attempt
        assert caught.value.code is RefusalCode.NOT_OWNER
    assert await settled(org1)
    assert await settled(org2)


async def test_only_the_node_that_holds_a_template_replaces_or_destroys_it(
    consortium: MemoryConsortium, tmp_path: Path, org1: MemoryNode
) -> None:
    reference = (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference
    second = await consortium.add_second_node(tmp_path / "second", "Org1MSP")
    assert second.database is not None
    with second.database:
        for attempt in (
            second.node.enrolment.update(reference.reference_id, enrol_request(photo("ada", 2))),
            second.node.erasure.erase(reference.reference_id, idempotency_key=""),
        ):
            with pytest.raises(HeldElsewhereError, match=f"held by node {org1.node_id}"):
                await attempt
        assert await settled(second)
        revoked = await second.node.revocation.revoke(
            reference.reference_id, "compromised", idempotency_key=""
        )
        assert revoked.reference.status is ReferenceStatus.REVOKED
    assert await settled(org1)


async def test_an_unknown_reference_is_refused(org1: MemoryNode, org2: MemoryNode) -> None:
    unknown = "0" * 32
    for attempt in (
        org1.node.enrolment.update(unknown, enrol_request(photo("ada"))),
        org1.node.revocation.revoke(unknown, "unspecified", idempotency_key=""),
        org1.node.erasure.erase(unknown, idempotency_key=""),
        org1.node.inquiry.surrogate(unknown),
        org2.node.verification.verify(verify_request(photo("ada"), unknown)),
    ):
        with pytest.raises(Refusal) as caught:
            await attempt
        assert caught.value.code is RefusalCode.NOT_FOUND
    assert await settled(org1)
    assert await settled(org2)


async def test_a_revoked_reference_verifies_nobody(org1: MemoryNode, org2: MemoryNode) -> None:
    reference = (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference
    with pytest.raises(InvalidRequestError, match="withdrawn-consent"):
        await org1.node.revocation.revoke(reference.reference_id, "boredom", idempotency_key="")
    revoked = await org1.node.revocation.revoke(
        reference.reference_id, "withdrawn-consent", idempotency_key="k"
    )
    assert revoked.reference.status is ReferenceStatus.REVOKED
    assert revoked == await org1.node.revocation.revoke(
        reference.reference_id, "withdrawn-consent", idempotency_key="k"
    )
    with pytest.raises(Refusal) as caught:
        await org2.node.verification.verify(verify_request(photo("ada"), reference.reference_id))
    assert caught.value.code is RefusalCode.REFERENCE_NOT_ACTIVE
    assert await settled(org1)


async def test_erasure_leaves_a_tombstone_alone(org1: MemoryNode) -> None:
    reference = (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference
    erased = await org1.node.erasure.erase(reference.reference_id, idempotency_key="")
    assert erased.reference.status is ReferenceStatus.ERASED
    assert list(org1.vault.stored()) == []
    assert list(await org1.content.ids()) == []
    with pytest.raises(ContentNotFoundError):
        await org1.node.inquiry.surrogate(reference.reference_id)
    with pytest.raises(Refusal) as caught:
        await org1.node.erasure.erase(reference.reference_id, idempotency_key="")
    assert caught.value.code is RefusalCode.REFERENCE_NOT_ACTIVE
    assert await settled(org1)


async def test_erasure_destroys_at_once_and_tells_the_ledger_later(org1: MemoryNode) -> None:
    reference = (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference
    org1.ledger.collisions = 100
    with pytest.raises(LedgerConflictError):
        await org1.node.erasure.erase(reference.reference_id, idempotency_key="")
    assert list(org1.vault.stored()) == []
    with pytest.raises(OperationInProgressError):
        await org1.node.enrolment.update(reference.reference_id, enrol_request(photo("ada")))
    org1.ledger.collisions = 0
    assert await org1.operations.resume() == 0
    assert await settled(org1)


async def test_verification_across_organisations(org1: MemoryNode, org2: MemoryNode) -> None:
    reference = (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference
    same = await org2.node.verification.verify(
        verify_request(photo("ada", 2), reference.reference_id, key="k")
    )
    other = await org2.node.verification.verify(verify_request(photo("bob"), reference.reference_id))
    assert (same.outcome, other.outcome) == (Outcome.MATCH, Outcome.NO_MATCH)
    assert same.authentication.decider_node_id == org1.node_id
    repeated = await org2.node.verification.verify(
        verify_request(photo("ada", 2), reference.reference_id, key="k")
    )
    assert repeated == same
    assert await settled(org1)
    assert await settled(org2)


async def test_failures_lock_out(org1: MemoryNode, org2: MemoryNode) -> None:
    reference = (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference
    for number in range(TERMS.attempt_limit):
        verified = await org2.node.verification.verify(
            verify_request(photo("eve", number), reference.reference_id)
        )
        assert verified.outcome is Outcome.NO_MATCH
    with pytest.raises(Refusal) as caught:
        await org2.node.verification.verify(verify_request(photo("ada"), reference.reference_id))
    assert caught.value.code is RefusalCode.LOCKED_OUT


async def test_an_owner_who_is_away_costs_no_attempt(org1: MemoryNode, org2: MemoryNode) -> None:
    reference = (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference
    org2.channel.down = True
    for _ in range(TERMS.attempt_limit + 1):
        with pytest.raises(PeerUnavailableError):
            await org2.node.verification.verify(verify_request(photo("ada"), reference.reference_id))
    org2.channel.down = False
    verified = await org2.node.verification.verify(verify_request(photo("ada"), reference.reference_id))
    assert verified.outcome is Outcome.MATCH


async def test_a_lost_answer_is_read_from_the_ledger(org1: MemoryNode, org2: MemoryNode) -> None:
    reference = (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference
    org2.channel.lose_answers = True
    verified = await org2.node.verification.verify(verify_request(photo("ada"), reference.reference_id))
    assert verified.outcome is Outcome.MATCH


@pytest.mark.parametrize("expired", [False, True])
async def test_an_opening_that_arrives_late_is_not_left_open(
    consortium: MemoryConsortium, org1: MemoryNode, org2: MemoryNode, *, expired: bool
) -> None:
    reference = (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference
    org2.ledger.committing_fails = LedgerUnavailableError("not committed yet")
    with pytest.raises(LedgerUnavailableError):
        await org2.node.verification.verify(verify_request(photo("ada"), reference.reference_id))
    assert await org2.operations.resume() == 1
    (waiting,) = org2.journal.unfinished()
    assert waiting.step == "endorsed"
    org2.ledger.committing_fails = None
    if expired:
        consortium.world.now_s += TERMS.authentication_expiry_s
    assert await org2.operations.resume() == 0
    org2.ledger.deliver_late(waiting.tx_id)
    authentication = await org2.ledger.authentication(waiting.tx_id)
    over = authentication.expires_at_s <= consortium.world.now_s
    assert over or authentication.status is AuthenticationStatus.CANCELLED
    verified = await org2.node.verification.verify(verify_request(photo("ada"), reference.reference_id))
    assert verified.outcome is Outcome.MATCH


async def test_a_probe_without_a_face_opens_nothing(org1: MemoryNode, org2: MemoryNode) -> None:
    reference = (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference
    with pytest.raises(SampleRejectedError):
        await org2.node.verification.verify(verify_request(photo("nobody"), reference.reference_id))
    assert org2.channel.seen == []
    assert await settled(org2)


async def test_a_probe_is_answered_once(org1: MemoryNode, org2: MemoryNode) -> None:
    reference = (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference
    await org2.node.verification.verify(verify_request(photo("ada"), reference.reference_id))
    (probe,) = org2.channel.seen
    org1.restart()
    with pytest.raises(ProbeReplayedError):
        await org1.node.deciding.decide(probe)


async def open_probe(
    relying: MemoryNode, reference: Reference, *, model_digest: str = MODEL
) -> tuple[Authentication, Probe]:
    """Open an authentication for Ada, as a relying node does, and stop before handing the probe over."""
    probe = Probe(await MemoryFaces().encode_probe(photo("ada", 2)), new_salt())
    commitment = commit_probe(
        probe.salt, reference_id=reference.reference_id, model_digest=model_digest, probe=probe.features
    )
    request = OpenAuthentication(
        reference_id=reference.reference_id,
        purpose="travel",
        mode=ExchangeMode.SEALED,
        probe_commitment=commitment,
        model_digest=model_digest,
    )
    transaction = await relying.ledger.endorse(OPEN_AUTHENTICATION, request)
    await relying.ledger.commit(transaction, in_doubt=False)
    return await relying.ledger.authentication(transaction.tx_id), probe


def sealed(
    relying: MemoryNode, owner: MemoryNode, authentication: Authentication, probe: Probe
) -> SubmittedProbe:
    return SubmittedProbe(
        authentication.authentication_id,
        SUITE,
        seal(probe.to_bytes(), owner.sealing_key.public_hex(), binding_of(authentication)),
        relying.tls_sha256,
    )


@pytest.fixture
async def reference(org1: MemoryNode) -> Reference:
    return (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference


async def test_a_probe_at_once_is_answered_once(
    org1: MemoryNode, org2: MemoryNode, reference: Reference
) -> None:
    probe = sealed(org2, org1, *await open_probe(org2, reference))
    results = await asyncio.gather(
        *(org1.node.deciding.decide(probe) for _ in range(3)), return_exceptions=True
    )
    assert sum(isinstance(result, ProbeReplayedError) for result in results) == 2
    assert await settled(org1)


async def test_another_certificate_is_not_answered(
    org1: MemoryNode, org2: MemoryNode, reference: Reference
) -> None:
    probe = sealed(org2, org1, *await open_probe(org2, reference))
    with pytest.raises(NoOpenAuthenticationError, match="not this peer's"):
        await org1.node.deciding.decide(replace(probe, peer_certificate_sha256="0" * 64))
    assert (await org1.node.deciding.decide(probe)).outcome is Outcome.MATCH


async def test_a_suspended_node_is_not_answered(
    consortium: MemoryConsortium, org1: MemoryNode, org2: MemoryNode, reference: Reference
) -> None:
    probe = sealed(org2, org1, *await open_probe(org2, reference))
    await consortium.world.suspend_node(org2.node_id, "Org2MSP")
    with pytest.raises(NoOpenAuthenticationError):
        await org1.node.deciding.decide(probe)


async def test_only_the_named_decider_answers(
    consortium: MemoryConsortium, org1: MemoryNode, org2: MemoryNode, reference: Reference
) -> None:
    probe = sealed(org2, org1, *await open_probe(org2, reference))
    with pytest.raises(NoOpenAuthenticationError, match="another node"):
        await consortium.nodes["Org3MSP"].node.deciding.decide(probe)


async def test_no_authentication_no_answer(org1: MemoryNode, org2: MemoryNode, reference: Reference) -> None:
    probe = sealed(org2, org1, *await open_probe(org2, reference))
    with pytest.raises(NoOpenAuthenticationError):
        await org1.node.deciding.decide(replace(probe, authentication_id="0" * 64))


async def test_a_probe_that_is_faster_than_its_block(
    org1: MemoryNode, org2: MemoryNode, reference: Reference
) -> None:
    """The owner's peer has not the block yet in which the authentication was opened."""
    org1.ledger.fall_behind()
    probe = sealed(org2, org1, *await open_probe(org2, reference))
    with pytest.raises(Refusal):
        await org1.ledger.authentication(probe.authentication_id)
    assert (await org1.node.deciding.decide(probe)).outcome is Outcome.MATCH


async def test_a_peer_that_is_behind_does_not_make_an_authentication(
    org1: MemoryNode, org2: MemoryNode, reference: Reference
) -> None:
    probe = sealed(org2, org1, *await open_probe(org2, reference))
    org1.ledger.fall_behind()
    with pytest.raises(NoOpenAuthenticationError, match="no such authentication"):
        await org1.node.deciding.decide(replace(probe, authentication_id="0" * 64))


async def test_an_answer_that_is_faster_than_its_block(org2: MemoryNode, reference: Reference) -> None:
    """The relying node's peer has not the block yet in which the authentication was concluded."""
    org2.channel.on_seen = org2.ledger.fall_behind
    verified = await org2.node.verification.verify(verify_request(photo("ada"), reference.reference_id))
    assert verified.outcome is Outcome.MATCH
    assert verified.authentication.status is AuthenticationStatus.CONCLUDED


async def test_an_expired_authentication_is_not_answered(
    consortium: MemoryConsortium, org1: MemoryNode, org2: MemoryNode, reference: Reference
) -> None:
    probe = sealed(org2, org1, *await open_probe(org2, reference))
    consortium.world.now_s += TERMS.authentication_expiry_s
    with pytest.raises(NoOpenAuthenticationError, match="expired"):
        await org1.node.deciding.decide(probe)


async def test_a_probe_of_another_reference_is_not_compared(
    org1: MemoryNode, org2: MemoryNode, reference: Reference
) -> None:
    other = (await org1.node.enrolment.enrol(enrol_request(photo("bob")))).reference
    authentication, probe = await open_probe(org2, reference)
    for_other, _ = await open_probe(org2, other)
    with pytest.raises(ProbeMismatchError, match="not the one"):
        await org1.node.deciding.decide(sealed(org2, org1, for_other, probe))
    swapped = sealed(org2, org1, authentication, probe)
    with pytest.raises(ProbeMismatchError, match="does not open"):
        await org1.node.deciding.decide(replace(swapped, authentication_id=for_other.authentication_id))


async def test_a_swapped_probe_is_not_compared(
    org1: MemoryNode, org2: MemoryNode, reference: Reference
) -> None:
    authentication, probe = await open_probe(org2, reference)
    better = Probe(await MemoryFaces().encode_probe(photo("ada", 1)), probe.salt)
    with pytest.raises(ProbeMismatchError, match="not the one"):
        await org1.node.deciding.decide(sealed(org2, org1, authentication, better))
    with pytest.raises(ProbeMismatchError, match="suite"):
        await org1.node.deciding.decide(replace(sealed(org2, org1, authentication, probe), suite="ROT13"))
    assert (
        await org1.node.deciding.decide(sealed(org2, org1, authentication, probe))
    ).outcome is Outcome.MATCH


async def test_another_model_is_refused_by_the_ledger(
    consortium: MemoryConsortium, org2: MemoryNode, reference: Reference
) -> None:
    await consortium.world.approve_model("e" * 64)
    with pytest.raises(Refusal) as caught:
        await open_probe(org2, reference, model_digest="e" * 64)
    assert caught.value.code is RefusalCode.MODEL_MISMATCH


async def test_another_model_in_the_vault_is_not_compared(
    org1: MemoryNode, org2: MemoryNode, reference: Reference
) -> None:
    probe = sealed(org2, org1, *await open_probe(org2, reference))
    assert org1.database is not None
    org1.database.execute("UPDATE templates SET model_digest = ?", ("e" * 64,))
    with pytest.raises(ModelDiffersError):
        await org1.node.deciding.decide(probe)


async def test_a_decision_waits_for_a_ledger_that_is_away(
    org1: MemoryNode, org2: MemoryNode, reference: Reference
) -> None:
    authentication, probe = await open_probe(org2, reference)
    org1.ledger.lose_answers = True
    with pytest.raises(LedgerUnavailableError):
        await org1.node.deciding.decide(sealed(org2, org1, authentication, probe))
    org1.ledger.lose_answers = False
    org1.restart()
    assert await org1.operations.resume() == 0
    concluded = await org2.ledger.authentication(authentication.authentication_id)
    assert (concluded.status, concluded.outcome) == (AuthenticationStatus.CONCLUDED, Outcome.MATCH)


async def test_a_decision_that_comes_too_late_is_forgotten(
    consortium: MemoryConsortium, org1: MemoryNode, org2: MemoryNode, reference: Reference
) -> None:
    probe = sealed(org2, org1, *await open_probe(org2, reference))
    org1.ledger.collisions = 100
    with pytest.raises(LedgerConflictError):
        await org1.node.deciding.decide(probe)
    org1.ledger.collisions = 0
    consortium.world.now_s += TERMS.authentication_expiry_s
    assert await org1.operations.resume() == 0
    assert await settled(org1)
    with pytest.raises(NoOpenAuthenticationError):
        await org1.node.deciding.decide(probe)


async def test_a_batch_of_receipts_is_anchored_once(org1: MemoryNode) -> None:
    drafts = [draft(number) for number in range(5)]
    batch = await org1.node.releasing.issue(drafts, idempotency_key="k")
    for number, issued in enumerate(batch.receipts):
        receipts.check(issued.signed)
        assert issued.signed.inclusion is not None
        assert issued.signed.inclusion.merkle_root == batch.merkle_root
        assert issued.signed.receipt.input_commitment == commit_input(
            issued.input_salt, drafts[number].input_sha256
        )
    assert len({issued.input_salt.reveal() for issued in batch.receipts}) == 5
    again = await org1.node.releasing.issue(drafts, idempotency_key="k")
    assert (again.merkle_root, again.tx_id) == (batch.merkle_root, batch.tx_id)
    assert await settled(org1)


async def test_receipts_are_for_allowed_methods_and_not_for_nothing(org1: MemoryNode) -> None:
    with pytest.raises(Refusal) as caught:
        await org1.node.releasing.issue([draft(1, method="sunglasses")], idempotency_key="")
    assert caught.value.code is RefusalCode.METHOD_NOT_ALLOWED
    with pytest.raises(InvalidRequestError):
        await org1.node.releasing.issue([], idempotency_key="")


async def test_a_full_disk_leaves_nothing_half_done(org1: MemoryNode, reference: Reference) -> None:
    assert org1.database is not None
    (pages,) = org1.database.rows("PRAGMA page_count")
    (free,) = org1.database.rows("PRAGMA freelist_count")
    org1.database.rows(f"PRAGMA max_page_count = {pages[0] + 1 - free[0]}")

    async def enrol_many() -> None:
        for number in range(100):
            await org1.node.enrolment.enrol(enrol_request(photo(f"person-{number}")))

    with pytest.raises(StorageFullError):
        await enrol_many()
    org1.database.rows("PRAGMA max_page_count = 1000000")
    assert await org1.operations.resume() == 0
    assert await settled(org1)
    assert reference.surrogate_cid in set(await org1.content.ids())


def full_disk_at(*points: str) -> Callable[[StepPoint], None]:
    """Fail once at each of these points of the journal, in their order."""
    left = list(points)

    def fail(point: StepPoint) -> None:
        if left and str(point) == left[0]:
            del left[0]
            raise StorageFullError("no space left for the vault")

    return fail


async def test_what_the_ledger_has_committed_is_not_undone(org1: MemoryNode) -> None:
    org1.restart(full_disk_at("enrol:registered:before", "update:registered:before", "revoke:done:before"))
    for change in (
        lambda: org1.node.enrolment.enrol(enrol_request(photo("ada"))),
        lambda: org1.node.enrolment.update(
            next(org1.vault.stored()).reference_id, enrol_request(photo("ada", 2))
        ),
        lambda: org1.node.revocation.revoke(
            next(org1.vault.stored()).reference_id, "compromised", idempotency_key=""
        ),
    ):
        with pytest.raises(StorageFullError) as caught:
            await change()
        (waiting,) = org1.journal.unfinished()
        assert (waiting.step, caught.value.operation_id) == ("endorsed", waiting.operation_id)
        assert await org1.operations.resume() == 0
        assert await settled(org1)
    (template,) = org1.vault.stored()
    recorded = await org1.ledger.reference(template.reference_id)
    assert (template.active, template.version, recorded.status) == (True, 2, ReferenceStatus.REVOKED)


@pytest.mark.parametrize("point", ["before", "after"])
async def test_a_failed_undo_does_not_go_on_without_its_content(org1: MemoryNode, point: str) -> None:
    org1.restart(full_disk_at("enrol:endorsed:before", f"enrol:undoing:{point}"))
    with pytest.raises(StorageFullError):
        await org1.node.enrolment.enrol(enrol_request(photo("ada"), key="k"))
    assert len(org1.journal.unfinished()) == 1
    assert len(list(await org1.content.ids())) == 1
    org1.restart()
    assert await org1.operations.resume() == 0
    assert await settled(org1)


async def test_an_undone_enrolment_leaves_no_byte_of_its_template(org1: MemoryNode, tmp_path: Path) -> None:
    rows: list[Any] = []

    def refuse_after_sealing(point: StepPoint) -> None:
        if str(point) == "enrol:endorsed:before":
            assert org1.database is not None
            rows.extend(org1.database.rows("SELECT wrapped_key, sealed FROM templates"))
            raise Refusal(RefusalCode.NODE_NOT_ACTIVE, "not today")

    org1.restart(refuse_after_sealing)
    with pytest.raises(Refusal):
        await org1.node.enrolment.enrol(enrol_request(photo("ada")))
    files = b"".join(path.read_bytes() for path in (tmp_path / "Org1MSP" / "vault").iterdir())
    (row,) = rows
    assert row["wrapped_key"] not in files
    assert row["sealed"][:32] not in files


async def test_a_node_that_the_network_turns_away_keeps_no_template(org1: MemoryNode) -> None:
    org1.ledger.endorsing_fails = LedgerRejectedError("access denied")
    with pytest.raises(LedgerRejectedError, match="access denied"):
        await org1.node.enrolment.enrol(enrol_request(photo("ada")))
    assert await settled(org1)
    org1.ledger.endorsing_fails = None
    org1.ledger.committing_fails = TransactionRefusedError("FORBIDDEN")
    with pytest.raises(TransactionRefusedError):
        await org1.node.enrolment.enrol(enrol_request(photo("ada")))
    assert await settled(org1)
    assert list(await org1.content.ids()) == []


async def test_a_transaction_whose_fate_is_not_told_is_waited_for(org1: MemoryNode) -> None:
    org1.ledger.committing_fails = LedgerRejectedError("access denied")
    with pytest.raises(LedgerRejectedError) as caught:
        await org1.node.enrolment.enrol(enrol_request(photo("ada")))
    (waiting,) = org1.journal.unfinished()
    assert (waiting.step, caught.value.operation_id) == ("endorsed", waiting.operation_id)
    assert "signcerts" in describe(caught.value).hint
    org1.ledger.committing_fails = None
    assert await org1.operations.resume() == 0
    assert await settled(org1)


async def test_erasure_destroys_even_while_the_ledger_is_away(org1: MemoryNode, reference: Reference) -> None:
    org1.ledger.down = True
    with pytest.raises(LedgerUnavailableError) as caught:
        await org1.node.erasure.erase(reference.reference_id, idempotency_key="")
    assert list(org1.vault.stored()) == []
    (waiting,) = org1.journal.unfinished()
    assert caught.value.operation_id == waiting.operation_id
    org1.ledger.down = False
    assert await org1.operations.resume() == 0
    assert await settled(org1)


async def test_status_tells_how_it_is(org1: MemoryNode, reference: Reference) -> None:
    report = await org1.node.status.report()
    assert (report.registration, report.policy_version, report.reference_count) == ("active", 1, 1)
    assert report.disagreements == []
    org1.ledger.down = True
    with pytest.raises(LedgerUnavailableError):
        await org1.node.revocation.revoke(reference.reference_id, "compromised", idempotency_key="")
    report = await org1.node.status.report()
    assert not report.ledger_reachable
    assert report.disagreements is None
    assert [(operation.kind, running) for operation, running in report.unfinished] == [(Kind.REVOKE, False)]


async def test_what_is_seen_once_is_no_disagreement(
    org1: MemoryNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    passing, lasting = Disagreement("a", "was under way"), Disagreement("b", "is so")
    looks = iter([[passing, lasting], [lasting], []])

    async def look() -> list[Disagreement]:
        return next(looks)

    monkeypatch.setattr(org1.node.agreement, "_look", look)
    assert await org1.node.agreement.check() == [lasting]
    assert await org1.node.agreement.check() == []


async def test_a_template_that_does_not_open_is_a_disagreement(
    org1: MemoryNode, reference: Reference
) -> None:
    assert org1.database is not None
    org1.database.execute("UPDATE templates SET sealed = zeroblob(length(sealed))")
    (found,) = await org1.node.agreement.check()
    assert (found.reference_id, found.what) == (
        reference.reference_id,
        f"the vault's template does not open: template of reference {reference.reference_id} was changed",
    )


async def test_disagreement_is_found(org1: MemoryNode, reference: Reference) -> None:
    assert org1.database is not None
    stray = await org1.content.put(forged_surrogate(b"stray"))
    org1.database.execute("UPDATE templates SET commitment = ?", ("0" * 64,))
    found = await org1.node.agreement.check()
    assert {(each.reference_id, each.what) for each in found} == {
        (reference.reference_id, "the ledger's commitment is not that of the vault's template"),
        ("", f"content {stray} belongs to no reference"),
    }
    org1.vault.destroy(reference.reference_id)
    await org1.content.remove(reference.surrogate_cid)
    await org1.content.remove(stray)
    (lost,) = await org1.node.agreement.check()
    assert lost.what == "the ledger holds a reference (active), the vault no template"
