"""What a node's operations need from the world, as protocols: anything with these methods fits.

`ledger.py`, `vault`, `content` and `faces.py` are what a running node plugs in; the unit tests plug in
memory.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from veilmesh_chaincode.records.audit import LogSearch
from veilmesh_chaincode.records.authentication import (
    Authentication,
    AuthenticationId,
    ConcludeAuthentication,
    OpenAuthentication,
)
from veilmesh_chaincode.records.base import Document
from veilmesh_chaincode.records.enrolment import (
    HistoryEntry,
    Reference,
    ReferenceKey,
    RegisterReference,
    RevokeReference,
    UpdateReference,
)
from veilmesh_chaincode.records.pages import Page
from veilmesh_chaincode.records.policy import Policy, Terms
from veilmesh_chaincode.records.registry import Model, Node, RegisterNode
from veilmesh_chaincode.records.release import AnchorBatch
from veilmesh_chaincode.records.unsealing import Unsealing, UnsealingId

from veilmesh_node.domain.secret import Features
from veilmesh_node.surrogate import Surrogate

Request = TypeVar("Request", bound=Document)


@dataclass(frozen=True, slots=True)
class Change(Generic[Request]):
    """A ledger function that changes state, and the request it takes."""

    function: str


REGISTER_NODE: Change[RegisterNode] = Change("registry:RegisterNode")
REGISTER_REFERENCE: Change[RegisterReference] = Change("enrolment:Register")
UPDATE_REFERENCE: Change[UpdateReference] = Change("enrolment:Update")
REVOKE_REFERENCE: Change[RevokeReference] = Change("enrolment:Revoke")
ERASE_REFERENCE: Change[ReferenceKey] = Change("enrolment:Erase")
OPEN_AUTHENTICATION: Change[OpenAuthentication] = Change("authentication:Open")
CONCLUDE_AUTHENTICATION: Change[ConcludeAuthentication] = Change("authentication:Conclude")
CANCEL_AUTHENTICATION: Change[AuthenticationId] = Change("authentication:Cancel")
LOG_SEARCH: Change[LogSearch] = Change("audit:LogSearch")
ANCHOR_BATCH: Change[AnchorBatch] = Change("release:Anchor")
FULFIL_UNSEALING: Change[UnsealingId] = Change("release:FulfilUnsealing")


@dataclass(frozen=True, slots=True)
class EndorsedTransaction:
    """A signed transaction on its way. The same one, sent twice, is committed once."""

    tx_id: str
    envelope: bytes = field(repr=False)
    result: bytes = field(repr=False)  # canonical JSON of the changed record


class Ledger(Protocol):
    """The ledger as this node's identity sees it.

    Every method raises `Refusal` where the chaincode says no, `LedgerRejectedError` where the network does
    not let this node, or this request, get as far, and `LedgerUnavailableError` where nobody says anything.
    """

    async def policy(self) -> Policy: ...

    async def node(self, node_id: str) -> Node: ...

    async def model(self, model_digest: str) -> Model: ...

    async def reference(self, reference_id: str) -> Reference: ...

    async def references(self, owner_msp_id: str, *, limit: int, bookmark: str) -> Page[Reference]: ...

    async def history(self, reference_id: str) -> list[HistoryEntry]:
        """Return all states of a reference, newest first."""
        ...

    async def authentication(self, authentication_id: str) -> Authentication: ...

    async def unsealing(self, unsealing_id: str) -> Unsealing: ...

    async def caught_up(self, tx_id: str) -> bool:
        """Wait, not for long, until this node's peer has a transaction of another's; return whether it has.

        Peers take a block at different times. What is read after this is at least as new as that
        transaction, which need not be VALID.
        """
        ...

    async def endorse(self, change: Change[Request], request: Request) -> EndorsedTransaction:
        """Have a change simulated and endorsed. Nothing is sent yet, so its id can be written down first."""
        ...

    async def commit(self, transaction: EndorsedTransaction, *, in_doubt: bool) -> None:
        """Send a transaction and wait for its commit.

        Args:
            transaction: what `endorse` gave.
            in_doubt: it may have been sent before, so its fate is asked for first; only when nothing is known
                of it, the very same envelope is sent (again).

        Raises:
            LedgerConflictError: it collided and changed nothing; a new one may succeed.
            TransactionInvalidError: it was committed as invalid for another reason.
            TransactionRefusedError: the orderers did not take it.
            LedgerUnavailableError: its fate is not known; call again later, in doubt.
        """
        ...


class ContentStore(Protocol):
    """This node's surrogates by content id. Nothing else can be put into one.

    Every method raises `ContentUnavailableError` where the store does not answer, and `ContentError` where it
    fails.
    """

    async def put(self, surrogate: Surrogate) -> str:
        """Store a surrogate's image, for good, and return its content id.

        Raises:
            StorageFullError: no space left; nothing was stored.
            ContentTooLargeError: nobody could read it.
        """
        ...

    async def get(self, cid: str) -> bytes:
        """Return the content of `cid`, checked against it.

        Raises:
            ContentNotFoundError: it is not to be had.
            ContentMismatchError: what the store holds is something else.
            ContentTooLargeError: it is more than a surrogate can be.
        """
        ...

    async def remove(self, cid: str) -> None:
        """Remove `cid` and what it occupied; it need not be here."""
        ...

    async def ids(self) -> Collection[str]:
        """Return the ids of all that was put here and not removed."""
        ...


@dataclass(frozen=True, slots=True)
class FaceBox:
    """Where somebody says that a face is, in pixels of the upright picture."""

    left: int
    top: int
    right: int  # the first column outside
    bottom: int  # the first row outside


@dataclass(frozen=True, slots=True)
class FoundFace:
    """One of the faces in a picture."""

    box: FaceBox
    landmarks: Sequence[tuple[int, int]]  # 68 points x, y, pixels of the upright picture
    clarity: float  # 0 (hopeless) to 1: the score of its weakest quality check
    features: Features


class Faces(Protocol):
    """Photos in, features and surrogates out."""

    @property
    def model_digest(self) -> str:
        """SHA-256 of the encoder's weights, hex."""
        ...

    @property
    def anonymizers(self) -> Sequence[str]: ...

    @property
    def generators(self) -> Mapping[str, str]:
        """SHA-256 of the weights, hex, of each anonymizer that runs with a generator."""
        ...

    async def find_sample(self, photo: bytes) -> FoundFace:
        """Return the one face in a photo that is good enough to enrol a person from.

        Raises:
            SampleRejectedError: not an image, no face, several, or not good enough; with all reasons.
        """
        ...

    async def encode_probe(self, photo: bytes, marked: FaceBox | None = None) -> Features:
        """Return the features of the one face in a photo, or of the face that was marked in it.

        Raises:
            SampleRejectedError: not an image, no face, several, or a mark that lies outside.
        """
        ...

    async def find_faces(self, photo: bytes, *, limit: int) -> Sequence[FoundFace]:
        """Return all faces that are found in a picture, surest first; there may be none.

        Raises:
            SampleRejectedError: not an image, or more than `limit` faces.
        """
        ...

    async def release(
        self, photo: bytes, face: FoundFace, anonymizers: Sequence[str], terms: Terms
    ) -> Surrogate:
        """Return the first surrogate that the release gate lets out, trying `anonymizers` in order.

        Args:
            photo: of which the face and its surroundings are shown.
            face: as `find_sample` found it in there.
            anonymizers: names.
            terms: the policy's.

        Raises:
            SampleRejectedError: not an image.
            SurrogateRefusedError: the gate refused them all.
        """
        ...


class Signer(Protocol):
    """The node's signing identity."""

    @property
    def certificate_pem(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes:
        """Return an ECDSA P-256 signature of the message's SHA-256, DER, low s."""
        ...


class Clock(Protocol):
    def now_s(self) -> int:
        """Unix seconds."""
        ...
