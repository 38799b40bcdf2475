"""What a caller is told about each error: one row an error, and a test that none is missing.

Our own organisation's callers (`describe`) get the error's own message, which names the thing, and a hint.
Another organisation's node (`describe_to_peer`) gets the row's sentence and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode

from veilmesh_node import errors

Status = grpc.StatusCode


@dataclass(frozen=True, slots=True)
class Entry:
    code: str
    status: grpc.StatusCode
    public: str  # fit for anyone who may connect
    hint: str = ""  # what now? For our own operators


@dataclass(frozen=True, slots=True)
class Description:
    """One error, ready to be sent."""

    status: grpc.StatusCode
    code: str
    message: str
    hint: str = ""
    retry_at_s: int = 0
    reasons: tuple[str, ...] = ()
    operation_id: str = ""


INTERNAL = Entry("INTERNAL", Status.INTERNAL, "internal error", "the node's log has the details")

CHECK_IDENTITY = (
    "is the certificate in the home's msp/signcerts expired or revoked? A new one needs a new start"
)

CATALOG: Mapping[type[errors.NodeError], Entry] = {
    errors.HomeError: Entry(
        "HOME", Status.FAILED_PRECONDITION, "the node is not set up", "check the node's home folder"
    ),
    errors.VaultError: Entry(
        "VAULT", Status.INTERNAL, "the vault cannot be used", "check disk and permissions of the vault"
    ),
    errors.WrongPassphraseError: Entry(
        "WRONG_PASSPHRASE", Status.FAILED_PRECONDITION, "the passphrase is wrong", "try another passphrase"
    ),
    errors.VaultInUseError: Entry(
        "VAULT_IN_USE", Status.FAILED_PRECONDITION, "the vault is in use", "stop the other node process"
    ),
    errors.VaultIntegrityError: Entry(
        "VAULT_INTEGRITY",
        Status.DATA_LOSS,
        "a stored value was changed",
        "restore the vault from a backup; somebody, or a disk, has changed it",
    ),
    errors.StorageFullError: Entry(
        "STORAGE_FULL",
        Status.RESOURCE_EXHAUSTED,
        "no space left",
        "free some space; nothing was half written",
    ),
    errors.UnknownReferenceError: Entry(
        "UNKNOWN_REFERENCE", Status.NOT_FOUND, "there is no such template", "is it another node's reference?"
    ),
    errors.HeldElsewhereError: Entry(
        "HELD_ELSEWHERE",
        Status.FAILED_PRECONDITION,
        "another node holds the template",
        "ask that node of your organisation",
    ),
    errors.SampleRejectedError: Entry(
        "SAMPLE_REJECTED",
        Status.INVALID_ARGUMENT,
        "no usable face",
        "take another photo: one face, near, sharp, looking at the camera",
    ),
    errors.UnlikeReferenceError: Entry(
        "UNLIKE_REFERENCE",
        Status.FAILED_PRECONDITION,
        "the photos do not show the person of the reference",
        "an operator can set the old template aside with `veilmesh update --replace`; the ledger records it",
    ),
    errors.GalleryNotReadyError: Entry(
        "GALLERY_NOT_READY", Status.UNAVAILABLE, "templates are still being opened", "try again in a while"
    ),
    errors.SurrogateRefusedError: Entry(
        "SURROGATE_REFUSED",
        Status.FAILED_PRECONDITION,
        "nothing passed the release gate",
        "try another photo or a stronger anonymizer",
    ),
    errors.FacesMissingError: Entry(
        "FACES_MISSING",
        Status.UNIMPLEMENTED,
        "this node does not encode faces",
        "install it with: pip install 'veilmesh[faces]'",
    ),
    errors.InvalidRequestError: Entry("INVALID_REQUEST", Status.INVALID_ARGUMENT, "the request is not valid"),
    errors.OperationInProgressError: Entry(
        "IN_PROGRESS",
        Status.ABORTED,
        "already being worked on",
        "`veilmesh node status` shows it; try again later",
    ),
    errors.IdempotencyConflictError: Entry(
        "KEY_REUSED", Status.ALREADY_EXISTS, "the key was used before", "choose a new key for a new request"
    ),
    errors.ContentError: Entry(
        "CONTENT",
        Status.INTERNAL,
        "the content store failed",
        "check disk and permissions of the content store",
    ),
    errors.ContentNotFoundError: Entry(
        "CONTENT_NOT_FOUND", Status.NOT_FOUND, "no such content", "ask the node that owns the reference"
    ),
    errors.ContentMismatchError: Entry(
        "CONTENT_MISMATCH",
        Status.DATA_LOSS,
        "stored content was changed",
        "restore the content store; somebody, or a disk, has changed it",
    ),
    errors.ContentTooLargeError: Entry(
        "CONTENT_TOO_LARGE",
        Status.OUT_OF_RANGE,
        "more than a surrogate can be",
        "crop the photo nearer to the face; what came from elsewhere is no surrogate",
    ),
    errors.ContentUnavailableError: Entry(
        "CONTENT_UNAVAILABLE",
        Status.UNAVAILABLE,
        "the content store does not answer",
        "is the IPFS daemon up, at the address that node.toml gives as ipfs_api?",
    ),
    errors.PublicDaemonError: Entry(
        "PUBLIC_DAEMON",
        Status.FAILED_PRECONDITION,
        "the content store is not private",
        "make its swarm private, as the operators' guide tells: swarm key, no bootstrap peers, AutoConf off",
    ),
    errors.IpfsMissingError: Entry(
        "IPFS_MISSING",
        Status.FAILED_PRECONDITION,
        "this node has no client of IPFS daemons",
        "install it with: pip install 'veilmesh[ipfs]'",
    ),
    errors.SealingError: Entry("SEALING", Status.INVALID_ARGUMENT, "the message does not open"),
    errors.ReceiptError: Entry("RECEIPT", Status.DATA_LOSS, "the receipt does not hold"),
    errors.SealedKeyError: Entry("SEALED_KEY", Status.DATA_LOSS, "the sealed key is not the right one"),
    errors.LedgerError: Entry("LEDGER", Status.UNAVAILABLE, "the ledger failed", "try again"),
    errors.LedgerUnavailableError: Entry(
        "LEDGER_UNAVAILABLE",
        Status.UNAVAILABLE,
        "the ledger is out of reach",
        "is the ledger up, and the network between? Try again when it is",
    ),
    errors.LedgerRejectedError: Entry(
        "LEDGER_REJECTED", Status.FAILED_PRECONDITION, "the ledger does not accept this node", CHECK_IDENTITY
    ),
    errors.TransactionRefusedError: Entry(
        "TRANSACTION_REFUSED",
        Status.FAILED_PRECONDITION,
        "the orderers did not take the transaction",
        CHECK_IDENTITY,
    ),
    errors.LedgerConflictError: Entry(
        "LEDGER_CONFLICT", Status.ABORTED, "collided with other transactions", "try again"
    ),
    errors.TransactionInvalidError: Entry(
        "TRANSACTION_INVALID",
        Status.ABORTED,
        "the transaction was not valid",
        "do the organisations' peers agree on the chaincode and its endorsement policy?",
    ),
    errors.PeerError: Entry("PEER", Status.FAILED_PRECONDITION, "the other node cannot be used"),
    errors.PeerUnavailableError: Entry(
        "PEER_UNAVAILABLE",
        Status.UNAVAILABLE,
        "the other node cannot answer now",
        "try again; the attempt was cancelled and does not count",
    ),
    errors.PeerCertificateError: Entry(
        "PEER_CERTIFICATE",
        Status.FAILED_PRECONDITION,
        "the other node is not the one that the ledger names",
        "its operator must register the new certificate, or somebody stands between",
    ),
    errors.PeerRefusedError: Entry(
        "PEER_REFUSED", Status.FAILED_PRECONDITION, "the other node refused", "its operator's log says why"
    ),
    errors.VerificationLostError: Entry(
        "VERIFICATION_LOST", Status.ABORTED, "the verification was interrupted", "verify again"
    ),
    errors.UnauthenticatedError: Entry(
        "UNAUTHENTICATED",
        Status.UNAUTHENTICATED,
        "the client certificate says too little",
        "use a certificate of this organisation with the attribute `role`",
    ),
    errors.PermissionDeniedError: Entry(
        "PERMISSION_DENIED",
        Status.PERMISSION_DENIED,
        "this role may not call this",
        "use a certificate with another role",
    ),
    errors.NoOpenAuthenticationError: Entry(
        "NO_OPEN_AUTHENTICATION",
        Status.PERMISSION_DENIED,
        "the ledger holds no open authentication between these nodes",
    ),
    errors.ProbeReplayedError: Entry(
        "PROBE_REPLAYED", Status.ALREADY_EXISTS, "the authentication had its one probe"
    ),
    errors.ProbeMismatchError: Entry(
        "PROBE_MISMATCH", Status.INVALID_ARGUMENT, "the probe is not the one that was committed to"
    ),
    errors.ModelDiffersError: Entry(
        "MODEL_DIFFERS", Status.FAILED_PRECONDITION, "the template is of another model"
    ),
    errors.RateLimitedError: Entry("RATE_LIMITED", Status.RESOURCE_EXHAUSTED, "too many calls", "slow down"),
}

_TROUBLE = frozenset(
    {Status.UNAVAILABLE, Status.RESOURCE_EXHAUSTED, Status.INTERNAL, Status.DATA_LOSS, Status.ABORTED}
)
_TROUBLE_CODES = frozenset(
    {INTERNAL.code}
    | {status.name for status in (*_TROUBLE, Status.UNKNOWN)}  # of a peer that gave no code of its own
    | {
        entry.code
        for kind, entry in CATALOG.items()
        if entry.status in _TROUBLE or issubclass(kind, errors.LedgerError)
    }
)


def is_trouble(code: str) -> bool:
    """Whether a peer's code means that it cannot answer just now, rather than that it will not."""
    return code in _TROUBLE_CODES


REFUSAL_STATUS: Mapping[RefusalCode, grpc.StatusCode] = {
    **dict.fromkeys(RefusalCode, Status.FAILED_PRECONDITION),
    RefusalCode.MALFORMED: Status.INVALID_ARGUMENT,
    RefusalCode.UNKNOWN_FUNCTION: Status.UNIMPLEMENTED,
    RefusalCode.INTERNAL: Status.INTERNAL,
    RefusalCode.NOT_FOUND: Status.NOT_FOUND,
    RefusalCode.ALREADY_EXISTS: Status.ALREADY_EXISTS,
    RefusalCode.ACCESS_DENIED: Status.PERMISSION_DENIED,
    RefusalCode.NOT_OWNER: Status.PERMISSION_DENIED,
    RefusalCode.NOT_DECIDER: Status.PERMISSION_DENIED,
    RefusalCode.NOT_KEEPER: Status.PERMISSION_DENIED,
    RefusalCode.ROLE_MISSING: Status.PERMISSION_DENIED,
}

REFUSAL_HINTS: Mapping[RefusalCode, str] = {
    RefusalCode.CLOCK_SKEW: "set this machine's clock; it is too far off the ledger's",
    RefusalCode.NODE_NOT_ACTIVE: "`veilmesh registry nodes` shows who has yet to approve it",
    RefusalCode.MODEL_NOT_APPROVED: "`veilmesh registry models` shows what the consortium agreed on",
    RefusalCode.NO_POLICY: "`veilmesh policy propose` begins one",
    RefusalCode.METHOD_NOT_ALLOWED: "`veilmesh policy show` lists what is allowed",
    RefusalCode.PURPOSE_NOT_ALLOWED: "`veilmesh policy show` lists what is allowed",
    RefusalCode.NOT_GRANTED: "`veilmesh unseal list` shows who consented; `veilmesh unseal consent` adds one",
    RefusalCode.RETENTION_EXCEEDED: "`veilmesh policy show` tells the longest retention",
}

GOES_ON = "it goes on by itself when the ledger is back; `veilmesh node status` shows it"
THEN_GOES_ON = "then it goes on by itself; `veilmesh node status` shows it"


def describe(err: Exception) -> Description:
    """Return what our own organisation's caller is told; an error of no row is internal, and says no more."""
    if isinstance(err, Refusal):
        return Description(
            REFUSAL_STATUS[err.code],
            err.code.value,
            err.message,
            REFUSAL_HINTS.get(err.code, ""),
            retry_at_s=err.retry_at_s or 0,
        )
    if not isinstance(err, errors.NodeError):
        return Description(INTERNAL.status, INTERNAL.code, INTERNAL.public, INTERNAL.hint)
    entry = CATALOG[type(err)]
    reasons = err.reasons if isinstance(err, errors.SampleRejectedError) else ()
    hint = _going_on(err, entry) if err.operation_id else entry.hint
    return Description(
        entry.status, entry.code, str(err), hint, reasons=reasons, operation_id=err.operation_id
    )


def _going_on(err: errors.NodeError, entry: Entry) -> str:
    """Return the hint where an operation waits until the cause of `err` is gone."""
    if isinstance(err, errors.LedgerUnavailableError | errors.LedgerConflictError):
        return GOES_ON
    return f"{entry.hint}; {THEN_GOES_ON}"


def describe_to_peer(err: Exception) -> Description:
    """Return what another organisation's node is told."""
    if isinstance(err, Refusal):
        return Description(REFUSAL_STATUS[err.code], err.code.value, "the ledger refused")
    entry = CATALOG.get(type(err), INTERNAL) if isinstance(err, errors.NodeError) else INTERNAL
    return Description(entry.status, entry.code, entry.public)
