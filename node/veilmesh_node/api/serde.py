"""Messages of `veilmesh.v1.Node` to our values and back, so that `_pb2` names stop here."""

from veilmesh.v1 import node_pb2, outcome_pb2
from veilmesh_chaincode.records import canonical
from veilmesh_chaincode.records.authentication import Outcome
from veilmesh_chaincode.records.enrolment import HistoryEntry, Reference, RevocationReason
from veilmesh_chaincode.records.refusals import Refusal

from veilmesh_node.domain.ids import is_name, is_reference_id, is_tx_id
from veilmesh_node.domain.receipt import ReceiptDraft
from veilmesh_node.enrolment import EnrolRequest
from veilmesh_node.errors import InvalidRequestError
from veilmesh_node.identification import Identified, Match
from veilmesh_node.ports import FaceBox
from veilmesh_node.releasing import IssuedBatch
from veilmesh_node.status import NodeReport
from veilmesh_node.verification import Verified, VerifyRequest

MAX_KEY_CHARACTERS = 128


def reference_id_from_proto(text: str) -> str:
    if not is_reference_id(text):
        raise InvalidRequestError(f"{text[:40]!r} is no reference id: it takes 32 hex digits")
    return text


def unsealing_id_from_proto(text: str) -> str:
    if not is_tx_id(text):
        raise InvalidRequestError(f"{text[:40]!r} is no unsealing's id: it takes 64 hex digits")
    return text


def key_from_proto(text: str) -> str:
    if len(text) > MAX_KEY_CHARACTERS:
        raise InvalidRequestError(f"an idempotency key takes at most {MAX_KEY_CHARACTERS} characters")
    return text


def enrol_request_from_proto(message: node_pb2.EnrolRequest | node_pb2.UpdateRequest) -> EnrolRequest:
    return EnrolRequest(
        photos=tuple(message.photos),
        consent=message.consent,
        anonymizer=message.anonymizer,
        retention_s=message.retention_s,
        idempotency_key=key_from_proto(message.idempotency_key),
        label=message.name,
    )


def verify_request_from_proto(message: node_pb2.VerifyRequest) -> VerifyRequest:
    if not is_name(message.purpose):
        raise InvalidRequestError(f"{message.purpose[:40]!r} is no purpose: small letters, digits, hyphens")
    return VerifyRequest(
        photo=message.photo,
        reference_id=reference_id_from_proto(message.reference_id),
        purpose=message.purpose,
        idempotency_key=key_from_proto(message.idempotency_key),
        face=face_box_from_proto(message.face) if message.HasField("face") else None,
    )


def face_box_from_proto(message: node_pb2.FaceBox) -> FaceBox:
    return FaceBox(message.left, message.top, message.right, message.bottom)


def reason_from_proto(text: str) -> str:
    return text or RevocationReason.UNSPECIFIED.value


def draft_from_proto(message: node_pb2.ReceiptDraft) -> ReceiptDraft:
    fields = {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields}
    fields["methods"] = list(message.methods)
    fields["frames"] = None
    if message.HasField("frames"):
        named = message.frames.DESCRIPTOR.fields
        fields["frames"] = {field.name: getattr(message.frames, field.name) for field in named}
    try:
        return ReceiptDraft.from_bytes(canonical.dumps(fields))
    except Refusal as refusal:
        raise InvalidRequestError(refusal.message) from refusal


def reference_to_proto(reference: Reference) -> node_pb2.Reference:
    return node_pb2.Reference(
        reference_id=reference.reference_id,
        owner_msp_id=reference.owner_msp_id,
        owner_node_id=reference.owner_node_id,
        version=reference.version,
        status=reference.status,
        template_commitment=reference.template_commitment,
        surrogate_cid=reference.surrogate_cid,
        anonymizer=reference.anonymizer,
        receipt_sha256=reference.receipt_sha256,
        consent_sha256=reference.consent_sha256,
        model_digest=reference.model_digest,
        policy_version=reference.policy_version,
        shared_with=reference.shared_with,
        revocation_reason=reference.revocation_reason or "",
        expires_at_s=reference.expires_at_s,
        created_at_s=reference.created_at_s,
        updated_at_s=reference.updated_at_s,
        renewal=reference.renewal or "",
    )


def entry_to_proto(entry: HistoryEntry) -> node_pb2.HistoryEntry:
    return node_pb2.HistoryEntry(
        tx_id=entry.tx_id, at_s=entry.at_s, reference=reference_to_proto(entry.reference)
    )


def outcome_to_proto(outcome: Outcome) -> outcome_pb2.Outcome:
    match outcome:
        case Outcome.MATCH:
            return outcome_pb2.OUTCOME_MATCH
        case Outcome.NO_MATCH:
            return outcome_pb2.OUTCOME_NO_MATCH


def verified_to_proto(verified: Verified) -> node_pb2.VerifyResponse:
    return node_pb2.VerifyResponse(
        outcome=outcome_to_proto(verified.outcome),
        authentication_id=verified.authentication.authentication_id,
        conclusion_tx_id=verified.conclusion_tx_id,
        policy_version=verified.authentication.policy_version,
        decider_node_id=verified.authentication.decider_node_id,
    )


def identified_to_proto(identified: Identified) -> node_pb2.IdentifyResponse:
    return node_pb2.IdentifyResponse(
        faces=[
            node_pb2.IdentifiedFace(
                box=face_box_to_proto(face.found.box),
                landmarks=[node_pb2.Point(x=x, y=y) for x, y in face.found.landmarks],
                clarity=face.found.clarity,
                reference=None if face.match is None else match_to_proto(face.match),
            )
            for face in identified.faces
        ],
        search_tx_id=identified.search_tx_id,
        picture_salt=identified.picture_salt.reveal(),
        searched=identified.searched,
        left_out=identified.left_out,
        policy_version=identified.policy_version,
    )


def match_to_proto(match: Match) -> node_pb2.IdentifiedReference:
    return node_pb2.IdentifiedReference(
        reference_id=match.reference_id, name=match.label, similarity=match.similarity
    )


def face_box_to_proto(box: FaceBox) -> node_pb2.FaceBox:
    return node_pb2.FaceBox(left=box.left, top=box.top, right=box.right, bottom=box.bottom)


def batch_to_proto(batch: IssuedBatch) -> node_pb2.IssueReceiptsResponse:
    return node_pb2.IssueReceiptsResponse(
        receipts=[
            node_pb2.IssuedReceipt(receipt=issued.signed.to_bytes(), input_salt=issued.input_salt.reveal())
            for issued in batch.receipts
        ],
        merkle_root=batch.merkle_root,
        tx_id=batch.tx_id,
    )


def report_to_proto(report: NodeReport) -> node_pb2.GetStatusResponse:
    return node_pb2.GetStatusResponse(
        node_id=report.node_id,
        msp_id=report.msp_id,
        version=report.version,
        started_at_s=report.started_at_s,
        ledger_reachable=report.ledger_reachable,
        registration=report.registration,
        roles=report.roles,
        policy_version=report.policy_version,
        model_digest=report.model_digest,
        generators=[
            node_pb2.Generator(anonymizer=each.anonymizer, digest=each.digest, status=each.status)
            for each in report.generators
        ],
        reference_count=report.reference_count,
        unfinished=[
            node_pb2.UnfinishedOperation(
                operation_id=operation.operation_id,
                kind=operation.kind,
                step=operation.step,
                subject=operation.subject,
                tx_id=operation.tx_id,
                started_at_s=operation.started_at_s,
                updated_at_s=operation.updated_at_s,
                running=running,
            )
            for operation, running in report.unfinished
        ],
        disagreements=[
            node_pb2.Disagreement(reference_id=each.reference_id, what=each.what)
            for each in report.disagreements or ()
        ],
        agreement_checked=report.disagreements is not None,
    )
