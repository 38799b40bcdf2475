"""Whole nodes in memory: the real contracts on the ledger in memory, photos that name their person.

    consortium = await MemoryConsortium.found(tmp_path)
    org1, org2 = consortium.nodes["Org1MSP"], consortium.nodes["Org2MSP"]
    enrolled = await org1.node.enrolment.enrol(enrol_request(photo("ada")))
    verified = await org2.node.verification.verify(...)

A photo is bytes such as `b"ada/3"`: the third picture of Ada. Two pictures of one person are 0.1 apart, two
persons about 0.8. `b"nobody"` shows no face, `b"ada/3+bob/1"` two.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256, shake_128
from pathlib import Path
from types import MappingProxyType
from typing import Self, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from veilmesh_chaincode.records.authentication import Authentication, AuthenticationId
from veilmesh_chaincode.records.base import Document
from veilmesh_chaincode.records.enrolment import (
    GetHistory,
    HistoryEntry,
    ListReferences,
    Reference,
    ReferenceKey,
)
from veilmesh_chaincode.records.pages import Page
from veilmesh_chaincode.records.policy import Policy, Terms
from veilmesh_chaincode.records.refusals import Refusal
from veilmesh_chaincode.records.registry import Model, ModelDigest, NodeId, NodeRole, RegisterNode
from veilmesh_chaincode.records.registry import Node as NodeRecord
from veilmesh_chaincode.records.unsealing import Unsealing, UnsealingId
from veilmesh_chaincode.stub import Creator
from veilmesh_node.content import FolderContentStore
from veilmesh_node.deciding import SubmittedProbe
from veilmesh_node.domain.receipt import ReceiptDraft
from veilmesh_node.domain.secret import Features, Secret
from veilmesh_node.enrolment import EnrolRequest
from veilmesh_node.environment import Environment
from veilmesh_node.errors import (
    LedgerConflictError,
    LedgerUnavailableError,
    PeerUnavailableError,
    SampleRejectedError,
    TransactionInvalidError,
)
from veilmesh_node.journal import Journal, OnStep
from veilmesh_node.node import Node
from veilmesh_node.operations import Operations
from veilmesh_node.ports import Change, EndorsedTransaction, FaceBox, FoundFace, Request
from veilmesh_node.sealing import SUITE, SealingKey
from veilmesh_node.surrogate import Surrogate
from veilmesh_node.vault import Database, NodeKey, TemplateVault
from veilmesh_node.verification import VerifyRequest

from tests.unit.chaincode.consortium import MEMBERS, TERMS, World, node_name, sidecar
from tests.unit.chaincode.memory_ledger import MVCC_READ_CONFLICT, VALID, MemoryLedger, Transaction

MODEL = "d" * 64
_DAY = datetime(2026, 1, 1, tzinfo=UTC)
Record = TypeVar("Record", bound=Document)


def photo(person: str, number: int = 1) -> bytes:
    return f"{person}/{number}".encode()


def enrol_request(*photos: bytes, key: str = "", anonymizer: str = "", retention_s: int = 0) -> EnrolRequest:
    return EnrolRequest(
        photos=photos, consent=b"I agree", anonymizer=anonymizer, retention_s=retention_s, idempotency_key=key
    )


def verify_request(
    picture: bytes, reference_id: str, *, purpose: str = "travel", key: str = ""
) -> VerifyRequest:
    return VerifyRequest(photo=picture, reference_id=reference_id, purpose=purpose, idempotency_key=key)


def draft(number: int, method: str = "mask") -> ReceiptDraft:
    digest = f"{number:064x}"
    return ReceiptDraft(
        input_sha256=digest,
        output_sha256=digest,
        methods=[method],
        parameters_sha256=digest,
        model_digest=MODEL,
        gate_verdict="passed",
    )


def forged_surrogate(image: bytes, anonymizer: str = "mask") -> Surrogate:
    """Return a surrogate that no gate has seen: no release has pixels such as a test needs.

    This goes round the constructor, which makes surrogates from releases alone; nothing but a test may.
    """
    forged = object.__new__(Surrogate)
    digest = sha256(anonymizer.encode()).hexdigest()
    for name, value in zip(Surrogate.__slots__, (image, anonymizer, digest, MODEL), strict=True):
        object.__setattr__(forged, name, value)
    return forged


class MemoryFaces:
    """Implements `ports.Faces` on photos that name their person."""

    model_digest = MODEL
    anonymizers: Sequence[str] = ("mask", "blur")
    generators: Mapping[str, str] = MappingProxyType({})  # digests of weights, by anonymizer

    async def find_sample(self, photo: bytes) -> FoundFace:
        features = await self.encode_probe(photo)
        return FoundFace(FaceBox(0, 0, 9, 9), [(0, 0)] * 68, 0.5, features)

    async def encode_probe(self, photo: bytes, marked: FaceBox | None = None) -> Features:
        assert marked is None
        person, _, number = photo.decode().partition("/")
        if person == "nobody":
            raise SampleRejectedError(["no face was found"])
        direction = shake_128(person.encode()).digest(128)
        values = [(byte - 127.5) / 127.5 for byte in direction]
        length = math.dist(values, [0.0] * 128) / 0.57
        values = [value / length for value in values]
        values[int(number) % 128] += 0.07
        return Features(tuple(values))

    async def find_faces(self, photo: bytes, *, limit: int) -> Sequence[FoundFace]:
        people = [person for person in photo.split(b"+") if person != b"nobody"]
        if len(people) > limit:
            raise SampleRejectedError([f"{len(people)} faces"])
        return [await self.find_sample(person) for person in people]

    async def release(
        self, photo: bytes, face: FoundFace, anonymizers: Sequence[str], terms: Terms
    ) -> Surrogate:
        assert face == await self.find_sample(photo)
        assert terms.gate_level
        method = anonymizers[0]
        image = sha256(method.encode() + photo).digest() * 100
        return forged_surrogate(image, method)


class MemoryPort:
    """Implements `ports.Ledger` for one identity."""

    def __init__(self, ledger: MemoryLedger, creator: Creator, now_s: Callable[[], int]) -> None:
        self._ledger = ledger
        self._peer = ledger  # as far as the blocks have come that this port's own peer has
        self._creator = creator
        self._now_s = now_s
        self._endorsed: dict[str, Transaction] = {}
        self._codes: dict[str, str] = {}
        self.down = False
        self.lose_answers = False  # transactions are committed, but the node does not hear of it
        self.endorsing_fails: Exception | None = None
        self.committing_fails: Exception | None = None  # before anything is sent
        self.collisions = 0  # that many commits from now on collide

    async def policy(self) -> Policy:
        return await self._evaluate("policy:Current", None, Policy)

    async def node(self, node_id: str) -> NodeRecord:
        return await self._evaluate("registry:GetNode", NodeId(node_id=node_id), NodeRecord)

    async def model(self, model_digest: str) -> Model:
        return await self._evaluate("registry:GetModel", ModelDigest(model_digest=model_digest), Model)

    async def reference(self, reference_id: str) -> Reference:
        return await self._evaluate("enrolment:Get", ReferenceKey(reference_id=reference_id), Reference)

    async def references(self, owner_msp_id: str, *, limit: int, bookmark: str) -> Page[Reference]:
        request = ListReferences(owner_msp_id=owner_msp_id, limit=limit, bookmark=bookmark)
        return await self._evaluate("enrolment:List", request, Page[Reference])

    async def history(self, reference_id: str) -> list[HistoryEntry]:
        request = GetHistory(reference_id=reference_id)
        return (await self._evaluate("enrolment:History", request, Page[HistoryEntry])).entries

    async def authentication(self, authentication_id: str) -> Authentication:
        request = AuthenticationId(authentication_id=authentication_id)
        return await self._evaluate("authentication:Get", request, Authentication)

    async def unsealing(self, unsealing_id: str) -> Unsealing:
        return await self._evaluate("release:GetUnsealing", UnsealingId(unsealing_id=unsealing_id), Unsealing)

    async def caught_up(self, tx_id: str) -> bool:
        self._require_up()
        if tx_id in self._ledger.tx_ids:
            self._peer = self._ledger
        return tx_id in self._peer.tx_ids

    def fall_behind(self) -> None:
        """Let this port's peer get no more blocks until one of them is waited for."""
        self._peer = deepcopy(self._ledger)

    async def endorse(self, change: Change[Request], request: Request) -> EndorsedTransaction:
        if self.endorsing_fails is not None:
            raise self.endorsing_fails
        transaction = await self._simulate(change.function, request)
        self._endorsed[transaction.stub.tx_id] = transaction
        return EndorsedTransaction(transaction.stub.tx_id, b"envelope", transaction.response.payload)

    async def commit(self, transaction: EndorsedTransaction, *, in_doubt: bool) -> None:
        self._require_up()
        if self.committing_fails is not None:
            raise self.committing_fails
        code = self._codes.get(transaction.tx_id) if in_doubt else None
        if code is None:
            code = (
                self._ledger.commit(self._endorsed[transaction.tx_id])
                if not self.collisions
                else MVCC_READ_CONFLICT
            )
            self.collisions = max(0, self.collisions - 1)
            self._codes[transaction.tx_id] = code
        if self.lose_answers:
            raise LedgerUnavailableError("no answer")
        if code == MVCC_READ_CONFLICT:
            raise LedgerConflictError(code)
        if code != VALID:
            raise TransactionInvalidError(transaction.tx_id, code)

    def deliver_late(self, tx_id: str) -> None:
        """Commit a transaction that nobody is waiting for any more."""
        self._ledger.commit(self._endorsed[tx_id])

    async def _evaluate(self, function: str, request: Document | None, record: type[Record]) -> Record:
        return record.from_bytes((await self._simulate(function, request)).response.payload)

    async def _simulate(self, function: str, request: Document | None) -> Transaction:
        self._require_up()
        transaction = await self._peer.simulate(
            self._creator, function, request, now_s=self._now_s(), tx_id=self._ledger.next_tx_id()
        )
        if transaction.response.status >= 400:
            refusal = Refusal.from_message(transaction.response.message)
            assert refusal is not None
            raise refusal
        return transaction

    def _require_up(self) -> None:
        if self.down:
            raise LedgerUnavailableError("the ledger does not answer")


class PemSigner:
    """Implements `ports.Signer` with a self-signed certificate."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(_DAY)
            .not_valid_after(_DAY)
            .sign(self._key, SHA256())
        )
        self.certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message, ec.ECDSA(SHA256()))


class WorldClock:
    def __init__(self, world: World) -> None:
        self._world = world

    def now_s(self) -> int:
        return self._world.now_s


@dataclass
class MemoryChannel:
    """Implements `verification.ProbeChannel` by calling the other node."""

    nodes: "dict[str, MemoryNode]"
    certificate_sha256: str
    down: bool = False  # the other node is not reached
    lose_answers: bool = False  # it is reached, but not heard
    on_seen: Callable[[], None] = lambda: None
    seen: list[SubmittedProbe] = field(default_factory=list)

    async def submit_probe(
        self, node: NodeRecord, *, authentication_id: str, suite: str, sealed_probe: bytes
    ) -> str:
        if self.down:
            raise PeerUnavailableError(f"node {node.node_id} does not answer")
        probe = SubmittedProbe(authentication_id, suite, sealed_probe, self.certificate_sha256)
        self.seen.append(probe)
        self.on_seen()
        decided = await self.nodes[node.node_id].node.deciding.decide(probe)
        if self.lose_answers:
            raise PeerUnavailableError(f"node {node.node_id} does not answer")
        return decided.conclusion_tx_id


class MemoryNode:
    """A node with a real vault, journal and content store. `restart` is a `kill -9` and a new start."""

    def __init__(
        self, world: World, nodes: "dict[str, MemoryNode]", folder: Path, msp_id: str, number: int = 1
    ) -> None:
        self.node_id, self.msp_id = node_name(msp_id, number), msp_id
        self.tls_sha256 = sha256(self.node_id.encode()).hexdigest()
        self.sealing_key = SealingKey.generate()
        self.ledger = MemoryPort(world.ledger, sidecar(msp_id, number), lambda: world.now_s)
        self.channel = MemoryChannel(nodes, self.tls_sha256)
        self.signer = PemSigner()
        self._world, self._folder = world, folder
        self.database: Database | None = None
        self.node = self.restart()

    def restart(self, on_step: OnStep | None = None) -> Node:
        if self.database is not None:
            self.database.close()
        self.database = Database(self._folder / "vault")
        key = NodeKey(Secret(sha256(self.msp_id.encode()).digest()))
        clock = WorldClock(self._world)
        hooks = {} if on_step is None else {"on_step": on_step}
        self.vault = TemplateVault(self.database, key)
        self.content = FolderContentStore(self._folder / "content")
        self.journal = Journal(self.database, clock.now_s, **hooks)
        self.operations = Operations(self.journal)
        environment = Environment(
            node_id=self.node_id,
            msp_id=self.msp_id,
            ledger=self.ledger,
            vault=self.vault,
            content=self.content,
            faces=MemoryFaces(),
            identify=lambda: self.signer,
            clock=clock,
            operations=self.operations,
            request_key=key.derive("requests"),
        )
        self.node = Node(
            environment, sealing_key=self.sealing_key, salt_key=key.derive("receipts"), channel=self.channel
        )
        return self.node

    def registration(self) -> RegisterNode:
        return RegisterNode(
            node_id=self.node_id,
            endpoint="127.0.0.1:7443",
            tls_certificate_sha256=self.tls_sha256,
            sealing_suite=SUITE,
            sealing_public_key=self.sealing_key.public_hex(),
            roles=list(NodeRole),
        )


class MemoryConsortium:
    def __init__(self, folder: Path) -> None:
        self.world = World()
        self._by_id: dict[str, MemoryNode] = {}
        self.nodes = {
            msp_id: MemoryNode(self.world, self._by_id, folder / msp_id, msp_id) for msp_id in MEMBERS
        }
        self._by_id.update({node.node_id: node for node in self.nodes.values()})

    @classmethod
    async def found(cls, folder: Path, terms: Terms = TERMS) -> Self:
        """Founded, nodes active, model approved, policy in force."""
        consortium = cls(folder)
        world = consortium.world
        await world.found()
        for msp_id, node in consortium.nodes.items():
            await consortium._register(node, sidecar(msp_id))
        await world.approve_model(MODEL)
        await world.adopt(terms)
        return consortium

    async def add_second_node(self, folder: Path, msp_id: str) -> MemoryNode:
        """Return another node of an organisation, active; its database is the caller's to close."""
        node = MemoryNode(self.world, self._by_id, folder, msp_id, 2)
        self._by_id[node.node_id] = node
        await self._register(node, sidecar(msp_id, 2))
        return node

    async def _register(self, node: MemoryNode, identity: Creator) -> None:
        await self.world.call(identity, "registry:RegisterNode", node.registration(), NodeRecord)
        for voter in await self.world.majority():
            await self.world.approve_node(node.node_id, voter)

    def close(self) -> None:
        for node in self.nodes.values():
            assert node.database is not None
            node.database.close()
