"""Enrol a person, or renew an enrolled one's template: photos in, a reference on the ledger out.

    started     the idempotency key is claimed; photos are encoded, a surrogate is made and passes the gate
    planned     the surrogate's content id is known; the surrogate is stored
    sealed      template and signed receipt are in the vault, pending; from here on no photo is needed
    endorsed    the ledger's endorsers agree; the transaction may have been sent
    registered  committed; the template is active, the one that it replaces is destroyed
    anchoring   the anchoring of the receipt is endorsed
    done        anchored; the stored receipt has its inclusion proof

Before `sealed` a failure undoes everything. At `sealed` an operation waits for a ledger that is away, and is
undone after any other failure; at `endorsed` only after one that means that the ledger has not taken it. From
`registered` on, it only goes forward.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from veilmesh_chaincode.records.enrolment import (
    Reference,
    ReferenceStatus,
    RegisterReference,
    Renewal,
    UpdateReference,
)
from veilmesh_chaincode.records.merkle import MerkleTree
from veilmesh_chaincode.records.policy import Policy
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import ModelStatus
from veilmesh_chaincode.records.release import AnchorBatch

from veilmesh_node.content import content_id
from veilmesh_node.domain import receipt as receipts
from veilmesh_node.domain.commitment import commit_consent, commit_input
from veilmesh_node.domain.fusion import fuse, strangers
from veilmesh_node.domain.ids import new_reference_id
from veilmesh_node.domain.receipt import Receipt, SignedReceipt
from veilmesh_node.domain.renewal import Lineage, begin, renew
from veilmesh_node.domain.secret import Features
from veilmesh_node.environment import Environment
from veilmesh_node.errors import (
    HeldElsewhereError,
    InvalidRequestError,
    SampleRejectedError,
    UnknownReferenceError,
    UnlikeReferenceError,
    VaultIntegrityError,
)
from veilmesh_node.journal import DONE, STARTED, Kind, Operation, Transition
from veilmesh_node.operations import Traces, commit, endorse
from veilmesh_node.ports import (
    ANCHOR_BATCH,
    REGISTER_REFERENCE,
    UPDATE_REFERENCE,
    Faces,
    FoundFace,
)
from veilmesh_node.surrogate import Surrogate
from veilmesh_node.vault import NewTemplate, Recalled

MAX_PHOTOS = 16
MAX_LABEL_CHARACTERS = 128


class Step(StrEnum):
    STARTED = STARTED
    PLANNED = "planned"
    SEALED = "sealed"
    ENDORSED = "endorsed"
    REGISTERED = "registered"
    ANCHORING = "anchoring"


@dataclass(frozen=True, slots=True)
class EnrolRequest:
    """What the organisation's application asks for."""

    photos: Sequence[bytes] = field(repr=False)
    consent: bytes = field(repr=False)
    anonymizer: str  # empty: the first of the policy that this node has
    retention_s: int  # 0: the longest that the policy allows
    idempotency_key: str
    label: str = field(default="", repr=False)  # our own name for the person; an update without one keeps it

    def parts(self) -> list[bytes]:
        words = [self.anonymizer, str(self.retention_s), self.label]
        return [*self.photos, self.consent, *(word.encode() for word in words)]


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A reference as the ledger now has it."""

    reference: Reference
    receipt: bytes  # signed and anchored; empty where the template has been erased or replaced since
    tx_id: str


class Enrolment:
    """The procedure behind Enrol and Update."""

    def __init__(self, environment: Environment) -> None:
        self._env = environment

    async def enrol(self, request: EnrolRequest) -> Enrolled:
        """Create a reference.

        Raises:
            SampleRejectedError, SurrogateRefusedError: nothing fit to be enrolled or released.
            Refusal, LedgerUnavailableError, ...: as `Operations.run`.
        """
        _check(request)
        operation = self._env.journal.begin(
            Kind.ENROL,
            idempotency_key=request.idempotency_key,
            request_mac=self._env.fingerprint(*request.parts()),
            subject=new_reference_id(),
        )

        async def prepare(operation: Operation) -> Operation:
            return await self._prepare(operation, request)

        return self._enrolled(await self._env.operations.run(operation, prepare))

    async def update(self, reference_id: str, request: EnrolRequest, *, replacing: bool = False) -> Enrolled:
        """Renew a reference's template by new photos of the same person, and its surrogate.

        Args:
            reference_id: the reference.
            request: photos and all.
            replacing: set the old template aside without comparing, for a person who has changed or another
                encoder; the ledger keeps that it was done.

        Raises:
            UnlikeReferenceError: the photos do not match the old template, or cannot be compared with it.
            Refusal: NOT_FOUND, NOT_OWNER, REFERENCE_NOT_ACTIVE; and as `enrol`.
            HeldElsewhereError: another node of this organisation holds the template.
            OperationInProgressError: something else is being done with this reference.
        """
        _check(request)
        operation = self._env.journal.begin(
            Kind.UPDATE,
            idempotency_key=request.idempotency_key,
            request_mac=self._env.fingerprint(
                reference_id.encode(), str(replacing).encode(), *request.parts()
            ),
            subject=reference_id,
            alone=True,
        )

        async def prepare(operation: Operation) -> Operation:
            replaced = await self._env.ledger.reference(reference_id)
            self._check_replaceable(replaced)
            return await self._prepare(operation, request, replaced=replaced, replacing=replacing)

        return self._enrolled(await self._env.operations.run(operation, prepare))

    def can_go_on(self, operation: Operation) -> bool:
        return operation.step not in {Step.STARTED, Step.PLANNED}

    def can_undo(self, operation: Operation) -> bool:
        return operation.step in {Step.STARTED, Step.PLANNED, Step.SEALED, Step.ENDORSED}

    async def advance(self, operation: Operation) -> Transition:
        match operation.step:
            case Step.SEALED:
                return await self._endorse(operation)
            case Step.ENDORSED:
                return await commit(
                    self._env.ledger, operation, committed=self._registered(operation), again=Step.SEALED
                )
            case Step.REGISTERED:
                await self._remove_replaced(operation)
                anchor = AnchorBatch(merkle_root=self._tree(operation).root.hex(), leaf_count=1)
                return await endorse(self._env.ledger, operation, ANCHOR_BATCH, anchor, step=Step.ANCHORING)
            case Step.ANCHORING:
                return await commit(
                    self._env.ledger, operation, committed=self._anchored(operation), again=Step.REGISTERED
                )
        raise AssertionError(f"step {operation.step} does not advance")

    async def undo(self, operation: Operation) -> Traces | None:
        cid = operation.state.get("cid")
        if cid is None:
            return None
        reference_id, version = operation.subject, int(operation.state["version"])

        async def remove_rest() -> None:
            self._env.vault.scrub()
            await self._env.remove_content(cid, besides=(reference_id, version))

        return Traces(in_vault=lambda: self._env.vault.destroy(reference_id, version), outside=remove_rest)

    async def _prepare(
        self,
        operation: Operation,
        request: EnrolRequest,
        *,
        replaced: Reference | None = None,
        replacing: bool = False,
    ) -> Operation:
        """Do all that needs the photos."""
        faces, policy = self._env.require_faces(), await self._env.ledger.policy()
        anonymizers = await self._approved(faces, _allowed(request.anonymizer, policy, faces.anonymizers))
        samples = await _samples_of_one_person(faces, request.photos, policy.terms.threshold_micro)
        fresh = fuse([sample.features for sample in samples])
        old = self._recall(replaced, damaged_is_none=replacing)
        lineage = begin(fresh)
        if replaced is not None and not replacing:
            lineage = _renewed(old, replaced, fresh, faces.model_digest, policy.terms.threshold_micro)
        surrogate = await faces.release(request.photos[0], samples[0], anonymizers, policy.terms)
        new = self._env.vault.prepare(
            lineage,
            reference_id=operation.subject,
            version=1 if replaced is None else replaced.version + 1,
            model_digest=faces.model_digest,
            label=request.label or ("" if old is None else old.label),
        )
        signed = receipts.sign(self._receipt(surrogate, request.photos[0], new, policy), self._env.signer)
        registration = self._registration(request, new, surrogate, signed, policy)
        return await self._store(
            operation,
            new,
            surrogate=surrogate,
            signed=signed,
            registration=registration,
            replaced=replaced,
            renewal=Renewal.REPLACED if replacing else Renewal.COMPARED,
        )

    async def _approved(self, faces: Faces, anonymizers: Sequence[str]) -> list[str]:
        """Leave out generators whose weights the consortium did not approve.

        Raises:
            Refusal: MODEL_NOT_APPROVED, none is left.
        """
        digests = faces.generators
        approved = [
            name for name in anonymizers if name not in digests or await self._is_approved(digests[name])
        ]
        if not approved:
            named = ", ".join(f"{name} ({digests[name]})" for name in anonymizers)
            raise Refusal(
                RefusalCode.MODEL_NOT_APPROVED, f"weights that the consortium did not approve: {named}"
            )
        return approved

    async def _is_approved(self, model_digest: str) -> bool:
        try:
            return (await self._env.ledger.model(model_digest)).status is ModelStatus.APPROVED
        except Refusal as refusal:
            if refusal.code is RefusalCode.NOT_FOUND:
                return False
            raise

    def _recall(self, replaced: Reference | None, *, damaged_is_none: bool) -> Recalled | None:
        """Return the template that is replaced; a damaged one is a good reason to replace it."""
        if replaced is None:
            return None
        try:
            return self._env.vault.recall(replaced.reference_id)
        except VaultIntegrityError:
            if damaged_is_none:
                return None
            raise

    async def _store(
        self,
        operation: Operation,
        new: NewTemplate,
        *,
        surrogate: Surrogate,
        signed: SignedReceipt,
        registration: RegisterReference,
        replaced: Reference | None,
        renewal: Renewal,
    ) -> Operation:
        """Take an operation from `started` to `sealed`."""
        planned = {
            "cid": registration.surrogate_cid,
            "version": new.version,
            "replaced_version": 0 if replaced is None else replaced.version,
            "replaced_cid": "" if replaced is None else replaced.surrogate_cid,
            "renewal": renewal,
        }
        operation = self._env.journal.record(operation, Transition(Step.PLANNED, planned))
        sealed = Transition(
            Step.SEALED,
            {"registration": registration.to_bytes().decode(), "receipt": signed.to_bytes().decode()},
            effect=lambda: self._env.vault.store(
                new, surrogate_cid=registration.surrogate_cid, receipt=signed.to_bytes()
            ),
        )
        async with self._env.content_lock:
            await self._env.content.put(surrogate)
            return self._env.journal.record(operation, sealed)

    def _receipt(self, surrogate: Surrogate, photo: bytes, new: NewTemplate, policy: Policy) -> Receipt:
        return Receipt(
            input_commitment=commit_input(new.input_salt, sha256(photo).hexdigest()),
            output_sha256=sha256(surrogate.image).hexdigest(),
            methods=[surrogate.anonymizer],
            parameters_sha256=surrogate.parameters_sha256,
            model_digest=surrogate.gate_model_digest,
            gate_verdict="passed",
            policy_version=policy.version,
            issued_at_s=self._env.clock.now_s(),
            node_id=self._env.node_id,
            msp_id=self._env.msp_id,
        )

    def _registration(
        self,
        request: EnrolRequest,
        new: NewTemplate,
        surrogate: Surrogate,
        signed: SignedReceipt,
        policy: Policy,
    ) -> RegisterReference:
        retention_s = request.retention_s or policy.terms.reference_retention_s
        return RegisterReference(
            reference_id=new.reference_id,
            template_commitment=new.commitment,
            surrogate_cid=content_id(surrogate.image),
            anonymizer=surrogate.anonymizer,
            receipt_sha256=signed.receipt.sha256(),
            consent_sha256=commit_consent(new.salt, reference_id=new.reference_id, consent=request.consent),
            model_digest=new.model_digest,
            expires_at_s=self._env.clock.now_s() + retention_s,
        )

    async def _endorse(self, operation: Operation) -> Transition:
        registration = RegisterReference.from_bytes(operation.state["registration"].encode())
        ledger, replaced_version = self._env.ledger, int(operation.state["replaced_version"])
        if operation.kind is Kind.ENROL:
            return await endorse(ledger, operation, REGISTER_REFERENCE, registration, step=Step.ENDORSED)
        # An update that an earlier program began compared nothing, and wrote nothing about it.
        renewal = Renewal(operation.state.get("renewal", Renewal.REPLACED))
        update = UpdateReference(**dict(registration), version=replaced_version, renewal=renewal)
        return await endorse(ledger, operation, UPDATE_REFERENCE, update, step=Step.ENDORSED)

    def _registered(self, operation: Operation) -> Transition:
        reference_id, version = operation.subject, int(operation.state["version"])
        return Transition(
            Step.REGISTERED,
            {"reference": operation.state["ledger_result"], "registration_tx_id": operation.tx_id},
            effect=lambda: self._env.vault.activate(reference_id, version),
        )

    async def _remove_replaced(self, operation: Operation) -> None:
        """Leave nothing of what an update replaced."""
        replaced_cid = operation.state["replaced_cid"]
        if not replaced_cid:
            return
        self._env.vault.scrub()
        await self._env.remove_content(replaced_cid, besides=(operation.subject, 0))

    def _anchored(self, operation: Operation) -> Transition:
        signed = SignedReceipt.from_bytes(operation.state["receipt"].encode())
        anchored = receipts.include(signed, self._tree(operation), 0, operation.tx_id).to_bytes()
        reference_id, version = operation.subject, int(operation.state["version"])
        return Transition(
            DONE, effect=lambda: self._env.vault.attach_receipt(reference_id, version, anchored)
        )

    def _tree(self, operation: Operation) -> MerkleTree:
        return receipts.batch([SignedReceipt.from_bytes(operation.state["receipt"].encode()).receipt])

    def _enrolled(self, operation: Operation) -> Enrolled:
        return Enrolled(
            reference=Reference.from_bytes(operation.state["reference"].encode()),
            receipt=self._env.vault.receipt(operation.subject, int(operation.state["version"])),
            tx_id=operation.state["registration_tx_id"],
        )

    def _check_replaceable(self, reference: Reference) -> None:
        """Refuse early, before photos are worked on, what the ledger would refuse anyway.

        The ledger would take an update from any of the owner's nodes; but then the template that it replaces
        would live on in the vault of the one that holds it.
        """
        if reference.owner_msp_id != self._env.msp_id:
            raise Refusal(
                RefusalCode.NOT_OWNER,
                f"reference {reference.reference_id} belongs to {reference.owner_msp_id}",
            )
        if reference.status is not ReferenceStatus.ACTIVE:
            raise Refusal(
                RefusalCode.REFERENCE_NOT_ACTIVE,
                f"reference {reference.reference_id} is {reference.status}",
            )
        if reference.owner_node_id != self._env.node_id:
            raise HeldElsewhereError(reference.reference_id, reference.owner_node_id)


def _check(request: EnrolRequest) -> None:
    if not 1 <= len(request.photos) <= MAX_PHOTOS:
        raise InvalidRequestError(f"{len(request.photos)} photos; 1 to {MAX_PHOTOS} are taken")
    if request.retention_s < 0:
        raise InvalidRequestError("retention is negative")
    if len(request.label) > MAX_LABEL_CHARACTERS or not request.label.isprintable():
        raise InvalidRequestError(f"a name takes at most {MAX_LABEL_CHARACTERS} printable characters")


def _allowed(requested: str, policy: Policy, available: Sequence[str]) -> list[str]:
    """Return the anonymizers to try, in the policy's order."""
    allowed = policy.terms.anonymizers
    if requested and requested not in allowed:
        raise Refusal(
            RefusalCode.METHOD_NOT_ALLOWED,
            f"anonymizer {requested} is not in policy version {policy.version} ({', '.join(allowed)})",
        )
    names = [name for name in ([requested] if requested else allowed) if name in available]
    if not names:
        raise InvalidRequestError("this node has none of the anonymizers asked for")
    return names


async def _samples_of_one_person(
    faces: Faces, photos: Sequence[bytes], threshold_micro: int
) -> Sequence[FoundFace]:
    """Return the face in each of the photos.

    Raises:
        SampleRejectedError: a photo is not usable, or shows somebody else at the policy's threshold.
    """
    found, reasons = [], []
    for number, photo in enumerate(photos, start=1):
        try:
            found.append(await faces.find_sample(photo))
        except SampleRejectedError as err:
            reasons += [f"photo {number}: {reason}" for reason in err.reasons]
    if not reasons:
        reasons = _strangers([sample.features for sample in found], threshold_micro)
    if reasons:
        raise SampleRejectedError(reasons)
    return found


def _strangers(samples: Sequence[Features], threshold_micro: int) -> list[str]:
    """Return what is wrong with photos that are not all of one person, naming those to be left out."""
    places = strangers(samples, threshold_micro)
    if places and len(samples) == 2:
        return ["photos 1 and 2 do not show one person"]
    return [f"photo {place + 1} does not show the person of the other photos" for place in places]


def _renewed(
    old: Recalled | None, replaced: Reference, fresh: Features, model_digest: str, threshold_micro: int
) -> Lineage:
    """Return what becomes of the old template.

    Raises:
        UnknownReferenceError: it is not in the vault.
        UnlikeReferenceError: it is of another model, or not of the person in the photos.
    """
    reference_id = replaced.reference_id
    if old is None or old.version != replaced.version:
        raise UnknownReferenceError(reference_id)
    if old.model_digest != model_digest:
        raise UnlikeReferenceError(
            f"reference {reference_id} is of another model, so new photos cannot be compared with it"
        )
    lineage = renew(old.lineage, fresh, threshold_micro)
    if lineage is None:
        raise UnlikeReferenceError(f"the photos do not show the person of reference {reference_id}")
    return lineage
