from veilmesh.v1 import outcome_pb2 as _outcome_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("node_id", "msp_id", "version", "started_at_s", "ledger_reachable", "registration", "roles", "policy_version", "model_digest", "reference_count", "unfinished", "disagreements", "agreement_checked", "generators")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    MSP_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_S_FIELD_NUMBER: _ClassVar[int]
    LEDGER_REACHABLE_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNFINISHED_FIELD_NUMBER: _ClassVar[int]
    DISAGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_CHECKED_FIELD_NUMBER: _ClassVar[int]
    GENERATORS_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    msp_id: str
    version: str
    started_at_s: int
    ledger_reachable: bool
    registration: str
    roles: _containers.RepeatedScalarFieldContainer[str]
    policy_version: int
    model_digest: str
    reference_count: int
    unfinished: _containers.RepeatedCompositeFieldContainer[UnfinishedOperation]
    disagreements: _containers.RepeatedCompositeFieldContainer[Disagreement]
    agreement_checked: bool
    generators: _containers.RepeatedCompositeFieldContainer[Generator]
    def __init__(self, node_id: _Optional[str] = ..., msp_id: _Optional[str] = ..., version: _Optional[str] = ..., started_at_s: _Optional[int] = ..., ledger_reachable: bool = ..., registration: _Optional[str] = ..., roles: _Optional[_Iterable[str]] = ..., policy_version: _Optional[int] = ..., model_digest: _Optional[str] = ..., reference_count: _Optional[int] = ..., unfinished: _Optional[_Iterable[_Union[UnfinishedOperation, _Mapping]]] = ..., disagreements: _Optional[_Iterable[_Union[Disagreement, _Mapping]]] = ..., agreement_checked: bool = ..., generators: _Optional[_Iterable[_Union[Generator, _Mapping]]] = ...) -> None: ...

class Generator(_message.Message):
    __slots__ = ("anonymizer", "digest", "status")
    ANONYMIZER_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    anonymizer: str
    digest: str
    status: str
    def __init__(self, anonymizer: _Optional[str] = ..., digest: _Optional[str] = ..., status: _Optional[str] = ...) -> None: ...

class UnfinishedOperation(_message.Message):
    __slots__ = ("operation_id", "kind", "step", "subject", "tx_id", "started_at_s", "updated_at_s", "running")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_S_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_S_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    operation_id: str
    kind: str
    step: str
    subject: str
    tx_id: str
    started_at_s: int
    updated_at_s: int
    running: bool
    def __init__(self, operation_id: _Optional[str] = ..., kind: _Optional[str] = ..., step: _Optional[str] = ..., subject: _Optional[str] = ..., tx_id: _Optional[str] = ..., started_at_s: _Optional[int] = ..., updated_at_s: _Optional[int] = ..., running: bool = ...) -> None: ...

class Disagreement(_message.Message):
    __slots__ = ("reference_id", "what")
    REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    reference_id: str
    what: str
    def __init__(self, reference_id: _Optional[str] = ..., what: _Optional[str] = ...) -> None: ...

class EnrolRequest(_message.Message):
    __slots__ = ("photos", "idempotency_key", "consent", "anonymizer", "retention_s", "name")
    PHOTOS_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    ANONYMIZER_FIELD_NUMBER: _ClassVar[int]
    RETENTION_S_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    photos: _containers.RepeatedScalarFieldContainer[bytes]
    idempotency_key: str
    consent: bytes
    anonymizer: str
    retention_s: int
    name: str
    def __init__(self, photos: _Optional[_Iterable[bytes]] = ..., idempotency_key: _Optional[str] = ..., consent: _Optional[bytes] = ..., anonymizer: _Optional[str] = ..., retention_s: _Optional[int] = ..., name: _Optional[str] = ...) -> None: ...

class EnrolResponse(_message.Message):
    __slots__ = ("reference", "receipt", "tx_id")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    reference: Reference
    receipt: bytes
    tx_id: str
    def __init__(self, reference: _Optional[_Union[Reference, _Mapping]] = ..., receipt: _Optional[bytes] = ..., tx_id: _Optional[str] = ...) -> None: ...

class UpdateRequest(_message.Message):
    __slots__ = ("reference_id", "photos", "idempotency_key", "consent", "anonymizer", "retention_s", "name")
    REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    PHOTOS_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    ANONYMIZER_FIELD_NUMBER: _ClassVar[int]
    RETENTION_S_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    reference_id: str
    photos: _containers.RepeatedScalarFieldContainer[bytes]
    idempotency_key: str
    consent: bytes
    anonymizer: str
    retention_s: int
    name: str
    def __init__(self, reference_id: _Optional[str] = ..., photos: _Optional[_Iterable[bytes]] = ..., idempotency_key: _Optional[str] = ..., consent: _Optional[bytes] = ..., anonymizer: _Optional[str] = ..., retention_s: _Optional[int] = ..., name: _Optional[str] = ...) -> None: ...

class UpdateResponse(_message.Message):
    __slots__ = ("reference", "receipt", "tx_id")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    reference: Reference
    receipt: bytes
    tx_id: str
    def __init__(self, reference: _Optional[_Union[Reference, _Mapping]] = ..., receipt: _Optional[bytes] = ..., tx_id: _Optional[str] = ...) -> None: ...

class RevokeRequest(_message.Message):
    __slots__ = ("reference_id", "reason", "idempotency_key")
    REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    reference_id: str
    reason: str
    idempotency_key: str
    def __init__(self, reference_id: _Optional[str] = ..., reason: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class RevokeResponse(_message.Message):
    __slots__ = ("reference", "tx_id")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    reference: Reference
    tx_id: str
    def __init__(self, reference: _Optional[_Union[Reference, _Mapping]] = ..., tx_id: _Optional[str] = ...) -> None: ...

class EraseRequest(_message.Message):
    __slots__ = ("reference_id", "idempotency_key")
    REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    reference_id: str
    idempotency_key: str
    def __init__(self, reference_id: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class EraseResponse(_message.Message):
    __slots__ = ("reference", "tx_id")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    reference: Reference
    tx_id: str
    def __init__(self, reference: _Optional[_Union[Reference, _Mapping]] = ..., tx_id: _Optional[str] = ...) -> None: ...

class Reference(_message.Message):
    __slots__ = ("reference_id", "owner_msp_id", "owner_node_id", "version", "status", "template_commitment", "surrogate_cid", "anonymizer", "receipt_sha256", "consent_sha256", "model_digest", "policy_version", "shared_with", "revocation_reason", "expires_at_s", "created_at_s", "updated_at_s", "renewal")
    REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_NODE_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    SURROGATE_CID_FIELD_NUMBER: _ClassVar[int]
    ANONYMIZER_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_SHA256_FIELD_NUMBER: _ClassVar[int]
    CONSENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    SHARED_WITH_FIELD_NUMBER: _ClassVar[int]
    REVOCATION_REASON_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_S_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_S_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_S_FIELD_NUMBER: _ClassVar[int]
    RENEWAL_FIELD_NUMBER: _ClassVar[int]
    reference_id: str
    owner_msp_id: str
    owner_node_id: str
    version: int
    status: str
    template_commitment: str
    surrogate_cid: str
    anonymizer: str
    receipt_sha256: str
    consent_sha256: str
    model_digest: str
    policy_version: int
    shared_with: _containers.RepeatedScalarFieldContainer[str]
    revocation_reason: str
    expires_at_s: int
    created_at_s: int
    updated_at_s: int
    renewal: str
    def __init__(self, reference_id: _Optional[str] = ..., owner_msp_id: _Optional[str] = ..., owner_node_id: _Optional[str] = ..., version: _Optional[int] = ..., status: _Optional[str] = ..., template_commitment: _Optional[str] = ..., surrogate_cid: _Optional[str] = ..., anonymizer: _Optional[str] = ..., receipt_sha256: _Optional[str] = ..., consent_sha256: _Optional[str] = ..., model_digest: _Optional[str] = ..., policy_version: _Optional[int] = ..., shared_with: _Optional[_Iterable[str]] = ..., revocation_reason: _Optional[str] = ..., expires_at_s: _Optional[int] = ..., created_at_s: _Optional[int] = ..., updated_at_s: _Optional[int] = ..., renewal: _Optional[str] = ...) -> None: ...

class ListReferencesRequest(_message.Message):
    __slots__ = ("owner_msp_id", "limit", "bookmark")
    OWNER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    BOOKMARK_FIELD_NUMBER: _ClassVar[int]
    owner_msp_id: str
    limit: int
    bookmark: str
    def __init__(self, owner_msp_id: _Optional[str] = ..., limit: _Optional[int] = ..., bookmark: _Optional[str] = ...) -> None: ...

class ListReferencesResponse(_message.Message):
    __slots__ = ("references", "bookmark")
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    BOOKMARK_FIELD_NUMBER: _ClassVar[int]
    references: _containers.RepeatedCompositeFieldContainer[Reference]
    bookmark: str
    def __init__(self, references: _Optional[_Iterable[_Union[Reference, _Mapping]]] = ..., bookmark: _Optional[str] = ...) -> None: ...

class GetHistoryRequest(_message.Message):
    __slots__ = ("reference_id",)
    REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    reference_id: str
    def __init__(self, reference_id: _Optional[str] = ...) -> None: ...

class HistoryEntry(_message.Message):
    __slots__ = ("tx_id", "at_s", "reference")
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    AT_S_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    tx_id: str
    at_s: int
    reference: Reference
    def __init__(self, tx_id: _Optional[str] = ..., at_s: _Optional[int] = ..., reference: _Optional[_Union[Reference, _Mapping]] = ...) -> None: ...

class GetHistoryResponse(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[HistoryEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[HistoryEntry, _Mapping]]] = ...) -> None: ...

class GetSurrogateRequest(_message.Message):
    __slots__ = ("reference_id",)
    REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    reference_id: str
    def __init__(self, reference_id: _Optional[str] = ...) -> None: ...

class GetSurrogateResponse(_message.Message):
    __slots__ = ("cid", "image", "receipt")
    CID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    cid: str
    image: bytes
    receipt: bytes
    def __init__(self, cid: _Optional[str] = ..., image: _Optional[bytes] = ..., receipt: _Optional[bytes] = ...) -> None: ...

class VerifyRequest(_message.Message):
    __slots__ = ("photo", "reference_id", "purpose", "idempotency_key", "face")
    PHOTO_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    FACE_FIELD_NUMBER: _ClassVar[int]
    photo: bytes
    reference_id: str
    purpose: str
    idempotency_key: str
    face: FaceBox
    def __init__(self, photo: _Optional[bytes] = ..., reference_id: _Optional[str] = ..., purpose: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., face: _Optional[_Union[FaceBox, _Mapping]] = ...) -> None: ...

class FaceBox(_message.Message):
    __slots__ = ("left", "top", "right", "bottom")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    BOTTOM_FIELD_NUMBER: _ClassVar[int]
    left: int
    top: int
    right: int
    bottom: int
    def __init__(self, left: _Optional[int] = ..., top: _Optional[int] = ..., right: _Optional[int] = ..., bottom: _Optional[int] = ...) -> None: ...

class VerifyResponse(_message.Message):
    __slots__ = ("outcome", "authentication_id", "conclusion_tx_id", "policy_version", "decider_node_id")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATION_ID_FIELD_NUMBER: _ClassVar[int]
    CONCLUSION_TX_ID_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    DECIDER_NODE_ID_FIELD_NUMBER: _ClassVar[int]
    outcome: _outcome_pb2.Outcome
    authentication_id: str
    conclusion_tx_id: str
    policy_version: int
    decider_node_id: str
    def __init__(self, outcome: _Optional[_Union[_outcome_pb2.Outcome, str]] = ..., authentication_id: _Optional[str] = ..., conclusion_tx_id: _Optional[str] = ..., policy_version: _Optional[int] = ..., decider_node_id: _Optional[str] = ...) -> None: ...

class IdentifyRequest(_message.Message):
    __slots__ = ("photo",)
    PHOTO_FIELD_NUMBER: _ClassVar[int]
    photo: bytes
    def __init__(self, photo: _Optional[bytes] = ...) -> None: ...

class IdentifyResponse(_message.Message):
    __slots__ = ("faces", "search_tx_id", "picture_salt", "searched", "left_out", "policy_version")
    FACES_FIELD_NUMBER: _ClassVar[int]
    SEARCH_TX_ID_FIELD_NUMBER: _ClassVar[int]
    PICTURE_SALT_FIELD_NUMBER: _ClassVar[int]
    SEARCHED_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    faces: _containers.RepeatedCompositeFieldContainer[IdentifiedFace]
    search_tx_id: str
    picture_salt: bytes
    searched: int
    left_out: int
    policy_version: int
    def __init__(self, faces: _Optional[_Iterable[_Union[IdentifiedFace, _Mapping]]] = ..., search_tx_id: _Optional[str] = ..., picture_salt: _Optional[bytes] = ..., searched: _Optional[int] = ..., left_out: _Optional[int] = ..., policy_version: _Optional[int] = ...) -> None: ...

class IdentifiedFace(_message.Message):
    __slots__ = ("box", "landmarks", "clarity", "reference")
    BOX_FIELD_NUMBER: _ClassVar[int]
    LANDMARKS_FIELD_NUMBER: _ClassVar[int]
    CLARITY_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    box: FaceBox
    landmarks: _containers.RepeatedCompositeFieldContainer[Point]
    clarity: float
    reference: IdentifiedReference
    def __init__(self, box: _Optional[_Union[FaceBox, _Mapping]] = ..., landmarks: _Optional[_Iterable[_Union[Point, _Mapping]]] = ..., clarity: _Optional[float] = ..., reference: _Optional[_Union[IdentifiedReference, _Mapping]] = ...) -> None: ...

class IdentifiedReference(_message.Message):
    __slots__ = ("reference_id", "name", "similarity")
    REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    reference_id: str
    name: str
    similarity: float
    def __init__(self, reference_id: _Optional[str] = ..., name: _Optional[str] = ..., similarity: _Optional[float] = ...) -> None: ...

class Point(_message.Message):
    __slots__ = ("x", "y")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    x: int
    y: int
    def __init__(self, x: _Optional[int] = ..., y: _Optional[int] = ...) -> None: ...

class ReceiptDraft(_message.Message):
    __slots__ = ("input_sha256", "output_sha256", "methods", "parameters_sha256", "model_digest", "gate_verdict", "frames")
    INPUT_SHA256_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_SHA256_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_SHA256_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    GATE_VERDICT_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    input_sha256: str
    output_sha256: str
    methods: _containers.RepeatedScalarFieldContainer[str]
    parameters_sha256: str
    model_digest: str
    gate_verdict: str
    frames: ReleasedFrames
    def __init__(self, input_sha256: _Optional[str] = ..., output_sha256: _Optional[str] = ..., methods: _Optional[_Iterable[str]] = ..., parameters_sha256: _Optional[str] = ..., model_digest: _Optional[str] = ..., gate_verdict: _Optional[str] = ..., frames: _Optional[_Union[ReleasedFrames, _Mapping]] = ...) -> None: ...

class ReleasedFrames(_message.Message):
    __slots__ = ("merkle_root", "count", "faces_left")
    MERKLE_ROOT_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    FACES_LEFT_FIELD_NUMBER: _ClassVar[int]
    merkle_root: str
    count: int
    faces_left: int
    def __init__(self, merkle_root: _Optional[str] = ..., count: _Optional[int] = ..., faces_left: _Optional[int] = ...) -> None: ...

class IssueReceiptsRequest(_message.Message):
    __slots__ = ("drafts", "idempotency_key")
    DRAFTS_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    drafts: _containers.RepeatedCompositeFieldContainer[ReceiptDraft]
    idempotency_key: str
    def __init__(self, drafts: _Optional[_Iterable[_Union[ReceiptDraft, _Mapping]]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class IssuedReceipt(_message.Message):
    __slots__ = ("receipt", "input_salt")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    INPUT_SALT_FIELD_NUMBER: _ClassVar[int]
    receipt: bytes
    input_salt: bytes
    def __init__(self, receipt: _Optional[bytes] = ..., input_salt: _Optional[bytes] = ...) -> None: ...

class IssueReceiptsResponse(_message.Message):
    __slots__ = ("receipts", "merkle_root", "tx_id")
    RECEIPTS_FIELD_NUMBER: _ClassVar[int]
    MERKLE_ROOT_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    receipts: _containers.RepeatedCompositeFieldContainer[IssuedReceipt]
    merkle_root: str
    tx_id: str
    def __init__(self, receipts: _Optional[_Iterable[_Union[IssuedReceipt, _Mapping]]] = ..., merkle_root: _Optional[str] = ..., tx_id: _Optional[str] = ...) -> None: ...

class UnsealRequest(_message.Message):
    __slots__ = ("unsealing_id", "sealed_key")
    UNSEALING_ID_FIELD_NUMBER: _ClassVar[int]
    SEALED_KEY_FIELD_NUMBER: _ClassVar[int]
    unsealing_id: str
    sealed_key: bytes
    def __init__(self, unsealing_id: _Optional[str] = ..., sealed_key: _Optional[bytes] = ...) -> None: ...

class UnsealResponse(_message.Message):
    __slots__ = ("key", "recovery")
    KEY_FIELD_NUMBER: _ClassVar[int]
    RECOVERY_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    recovery: str
    def __init__(self, key: _Optional[bytes] = ..., recovery: _Optional[str] = ...) -> None: ...
