"""What can go wrong in a node, and what the caller is told.

NodeError
├── HomeError                    the home folder, node.toml or a file it names cannot be used
├── VaultError                   the vault's database cannot be used
│   ├── WrongPassphraseError
│   ├── VaultInUseError          another process has it open
│   └── VaultIntegrityError      a stored value fails its authentication
├── StorageFullError             no space left; nothing was half written
├── UnknownReferenceError        this vault holds no template of that reference
├── HeldElsewhereError           another node of this organisation holds the template
├── SampleRejectedError          a photo gives no usable face; carries the reasons
├── UnlikeReferenceError         new photos that do not show the person of the reference they are to renew
├── GalleryNotReadyError         the templates are still being opened for searches after a start
├── SurrogateRefusedError        no anonymizer got an image past the release gate
├── FacesMissingError            the face library is not installed, so this node does not encode
├── InvalidRequestError          a request that says something impossible
├── OperationInProgressError     the same key, or the same reference, is being worked on
├── IdempotencyConflictError     the key was used before, for another request
├── ContentError                 the content store failed
│   ├── ContentNotFoundError
│   ├── ContentMismatchError     stored bytes that are not what their content id says
│   ├── ContentTooLargeError     more bytes than a surrogate can have
│   ├── ContentUnavailableError  the IPFS daemon is out of reach, or gave no answer in time
│   └── PublicDaemonError        the IPFS daemon takes part in the public network, where nothing may go
├── IpfsMissingError             the client of IPFS daemons is not installed
├── SealingError                 does not open: other key, other binding, or changed on the way
├── ReceiptError                 a privacy receipt that does not hold; says what is wrong
├── SealedKeyError               a sealed key that is none, or not of this picture or order
├── LedgerError
│   ├── LedgerUnavailableError   out of reach, or no answer in time
│   ├── LedgerRejectedError      it answered, and takes nothing from this node, or not this
│   │   └── TransactionRefusedError  the orderers did not take it, so it will not be committed
│   ├── LedgerConflictError      kept colliding with other transactions; a new attempt may succeed
│   └── TransactionInvalidError  committed as invalid; carries the validation code
├── PeerError
│   ├── PeerUnavailableError     the other node is out of reach, gave no answer in time, or is in trouble
│   ├── PeerCertificateError     it showed a certificate that the ledger does not name
│   └── PeerRefusedError         it answered, and said no
├── VerificationLostError        interrupted before a decision; the authentication is cancelled
├── CallerError                  who calls may not call this
│   ├── UnauthenticatedError
│   └── PermissionDeniedError
├── ProbeRefusedError            the owner's side of the exchange says no
│   ├── NoOpenAuthenticationError
│   ├── ProbeReplayedError
│   ├── ProbeMismatchError       not what was committed to, or for another reference or node
│   └── ModelDiffersError
└── RateLimitedError

The ledger's own no is `veilmesh_chaincode.records.refusals.Refusal`; it passes through a node unchanged.
Messages start lower-case, name the thing, and hold no secret.
"""

from collections.abc import Sequence
from pathlib import Path


class NodeError(Exception):
    """Base of all errors of this package.

    `operation_id` is set where the node goes on by itself once the cause is gone.
    """

    operation_id = ""


class HomeError(NodeError):
    """A home folder, configuration or certificate that cannot be used."""


class VaultError(NodeError):
    """The vault's database cannot be used."""


class WrongPassphraseError(VaultError):
    """The key file does not open with this passphrase. That is all that can be said."""

    def __init__(self) -> None:
        super().__init__("the passphrase does not open the node's key file")


class VaultInUseError(VaultError):
    def __init__(self, folder: Path) -> None:
        super().__init__(f"vault {folder} is in use by another process")


class VaultIntegrityError(VaultError):
    """A stored value was changed, or belongs elsewhere."""


class StorageFullError(NodeError):
    """There was no space left."""


class UnknownReferenceError(NodeError):
    def __init__(self, reference_id: str) -> None:
        super().__init__(f"this vault holds no template of reference {reference_id}")


class HeldElsewhereError(NodeError):
    """Only the node that holds a template can replace or destroy it."""

    def __init__(self, reference_id: str, node_id: str) -> None:
        super().__init__(f"the template of reference {reference_id} is held by node {node_id}")


class SampleRejectedError(NodeError):
    """No usable face; `reasons` says why, photo by photo."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


class UnlikeReferenceError(NodeError):
    """New photos were not, or could not be, found to show the person of a reference."""


class GalleryNotReadyError(NodeError):
    """Searches wait until all templates are opened after a start."""

    def __init__(self, opened: int) -> None:
        super().__init__(f"{opened:,} templates are opened for searches; there are more")


class SurrogateRefusedError(NodeError):
    """The release gate let nothing out."""


class FacesMissingError(NodeError):
    def __init__(self) -> None:
        super().__init__("the face library is not installed in this node")


class InvalidRequestError(NodeError):
    """A request that no state of the ledger could make right."""


class OperationInProgressError(NodeError):
    """`operation_id` is at work on the same key or reference."""

    def __init__(self, operation_id: str, what: str) -> None:
        super().__init__(f"operation {operation_id} on {what} is not finished")
        self.operation_id = operation_id


class IdempotencyConflictError(NodeError):
    def __init__(self) -> None:
        super().__init__("the idempotency key was used before, for another request")


class ContentError(NodeError):
    """The content store failed."""


class ContentNotFoundError(ContentError):
    def __init__(self, cid: str) -> None:
        super().__init__(f"content {cid} is not in the store")


class ContentMismatchError(ContentError):
    def __init__(self, cid: str) -> None:
        super().__init__(f"stored content is not what its id {cid} says")


class ContentTooLargeError(ContentError):
    def __init__(self, what: str, limit_bytes: int) -> None:
        super().__init__(f"{what} is larger than {limit_bytes:,} bytes")


class ContentUnavailableError(ContentError):
    """The content store is away, or too slow; it may be back later."""


class PublicDaemonError(ContentError):
    """What the public network has once got hold of cannot be taken back."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"the IPFS daemon at {address} is not private: {reason}")


class IpfsMissingError(NodeError):
    def __init__(self) -> None:
        super().__init__("the client of IPFS daemons is not installed")


class SealingError(NodeError):
    """A sealed message that does not open. It never says which part was wrong."""

    def __init__(self) -> None:
        super().__init__("the sealed message does not open")


class ReceiptError(NodeError):
    """A privacy receipt that does not hold."""


class SealedKeyError(NodeError):
    """A file that should hold a picture's sealed key, and holds something else or that of another."""


class LedgerError(NodeError):
    """The ledger, other than by a refusal."""


class LedgerUnavailableError(LedgerError):
    """Out of reach, or no answer in time."""


class LedgerRejectedError(LedgerError):
    """It does not accept this node's identity, or its request; no rule of the chaincode spoke."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the ledger does not accept this node's identity or request: {reason}")


class TransactionRefusedError(LedgerRejectedError):
    """The orderers did not take the transaction, so it will not be committed."""


class LedgerConflictError(LedgerError):
    """Another transaction changed meanwhile what ours had read; a new proposal may succeed."""


class TransactionInvalidError(LedgerError):
    def __init__(self, tx_id: str, validation_code: str) -> None:
        super().__init__(f"transaction {tx_id} was committed as invalid ({validation_code})")
        self.tx_id = tx_id
        self.validation_code = validation_code


class PeerError(NodeError):
    """The other node of an exchange."""


class PeerUnavailableError(PeerError):
    """Out of reach, no answer in time, or in trouble of its own: it cannot answer now."""


class PeerCertificateError(PeerError):
    """It showed a certificate that the ledger does not name."""


class PeerRefusedError(PeerError):
    """It answered, and said no; `code` is its word for it."""

    def __init__(self, node_id: str, code: str, message: str) -> None:
        super().__init__(f"node {node_id} refused: {message}")
        self.code = code


class VerificationLostError(NodeError):
    """The probe of an interrupted verification is gone, so nothing will be decided."""

    def __init__(self, reference_id: str) -> None:
        super().__init__(
            f"the verification against reference {reference_id} was interrupted before its decision"
        )


class CallerError(NodeError):
    """Who calls may not call this."""


class UnauthenticatedError(CallerError):
    """The client certificate says too little."""


class PermissionDeniedError(CallerError):
    """The client certificate names a role that may not call this."""


class ProbeRefusedError(NodeError):
    """This node, as the owner's, does not answer a probe."""


class NoOpenAuthenticationError(ProbeRefusedError):
    """The ledger holds no open authentication between these two nodes."""


class ProbeReplayedError(ProbeRefusedError):
    """The authentication had its one probe."""


class ProbeMismatchError(ProbeRefusedError):
    """The probe is not the one committed to."""


class ModelDiffersError(ProbeRefusedError):
    """Features of two models cannot be compared."""


class RateLimitedError(NodeError):
    """Too many calls from one peer; `retry_after_s` says when there is room again."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"too many calls; try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s
