"""Privacy receipts: what was released, by whom, under which policy, and that it withstood the gate.

A receipt names its input only by a salted commitment. It is canonical JSON, signed by the node's ledger
identity (the label in front keeps the signature from passing for one on a ledger message), and a leaf of a
Merkle tree whose root is anchored on the ledger. Who holds the receipt file can check all of it; who was
released wrongly can prove it.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import Field
from veilmesh_chaincode.records.base import Document, MspId, Name, Sha256Hex, TxId
from veilmesh_chaincode.records.merkle import MerkleTree, leaf_hash, verify_inclusion

from veilmesh_node.errors import ReceiptError
from veilmesh_node.ports import Signer

_LABEL = b"veilmesh/v1/receipt\x00"

Methods = Annotated[list[Name], Field(min_length=1, max_length=8)]  # one, unless faces needed different ones


class Frames(Document):
    """What a video's receipt says of its frames; `frame.FrameProof` shows one of them."""

    merkle_root: Sha256Hex  # of `frame.FrameLeaf`s, in order
    count: Annotated[int, Field(ge=1, le=2**40)]
    faces_left: Annotated[int, Field(ge=0)]  # that were left as they are on demand, counted in every frame


class ReceiptDraft(Document):
    """What the releasing application knows about one picture or video."""

    input_sha256: Sha256Hex
    output_sha256: Sha256Hex
    methods: Methods
    parameters_sha256: Sha256Hex
    model_digest: Sha256Hex
    gate_verdict: Literal["passed"]
    frames: Frames | None = None  # None where it is a picture


class Receipt(Document):
    """One released picture."""

    input_commitment: Sha256Hex  # HMAC-SHA-256 of the input's SHA-256, under a salt its holder keeps
    output_sha256: Sha256Hex
    methods: Methods
    parameters_sha256: Sha256Hex
    model_digest: Sha256Hex  # of the encoder that the release gate attacked with
    gate_verdict: Literal["passed"]  # what did not pass is not released, so it has no receipt
    policy_version: int
    issued_at_s: int
    node_id: Name
    msp_id: MspId

    def sha256(self) -> str:
        """The receipt's digest, as a reference on the ledger names it."""
        return sha256(self.to_bytes()).hexdigest()


class VideoReceipt(Receipt):
    """One released video."""

    frames: Frames


class Inclusion(Document):
    """Where a receipt stands in an anchored batch."""

    merkle_root: Sha256Hex
    leaf_index: int
    leaf_count: int
    proof: list[Sha256Hex]  # bottom up, RFC 9162
    tx_id: TxId  # that anchored the root


class SignedReceipt(Document):
    """The file that is handed out. `inclusion` is None until its batch is anchored."""

    receipt: VideoReceipt | Receipt
    signature: str  # ECDSA P-256 over SHA-256, DER, hex
    certificate: str  # PEM, of the node's ledger identity
    inclusion: Inclusion | None


def sign(receipt: Receipt, signer: Signer) -> SignedReceipt:
    return SignedReceipt(
        receipt=receipt,
        signature=signer.sign(_LABEL + receipt.to_bytes()).hex(),
        certificate=signer.certificate_pem.decode(),
        inclusion=None,
    )


def batch(receipts: Sequence[Receipt]) -> MerkleTree:
    """Return the tree whose leaves are these receipts' canonical bytes, in order."""
    return MerkleTree([leaf_hash(receipt.to_bytes()) for receipt in receipts])


def include(signed: SignedReceipt, tree: MerkleTree, index: int, tx_id: str) -> SignedReceipt:
    """Return the receipt with its place in an anchored batch."""
    inclusion = Inclusion(
        merkle_root=tree.root.hex(),
        leaf_index=index,
        leaf_count=len(tree),
        proof=[sibling.hex() for sibling in tree.inclusion_proof(index)],
        tx_id=tx_id,
    )
    return signed.replace(inclusion=inclusion)


def check(signed: SignedReceipt) -> None:
    """Check what the file alone can show: signature and place in the batch.

    That the certificate is the named node's, and the root anchored by it, the ledger must say.

    Raises:
        ReceiptError: something does not hold.
    """
    try:
        key = x509.load_pem_x509_certificate(signed.certificate.encode()).public_key()
        signature = bytes.fromhex(signed.signature)
    except ValueError as err:
        raise ReceiptError("the receipt's certificate or signature cannot be read") from err
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ReceiptError("the receipt's certificate has no elliptic-curve key")
    try:
        key.verify(signature, _LABEL + signed.receipt.to_bytes(), ec.ECDSA(SHA256()))
    except InvalidSignature as err:
        raise ReceiptError("the receipt was not signed by the certificate in it, or was changed") from err
    if signed.inclusion is None:
        raise ReceiptError("the receipt is not anchored")
    if not _included(signed.receipt, signed.inclusion):
        raise ReceiptError("the receipt is not in the batch that it names")


def _included(receipt: Receipt, inclusion: Inclusion) -> bool:
    return verify_inclusion(
        leaf_hash(receipt.to_bytes()),
        inclusion.leaf_index,
        inclusion.leaf_count,
        [bytes.fromhex(sibling) for sibling in inclusion.proof],
        bytes.fromhex(inclusion.merkle_root),
    )
