"""Proof that a single picture is a frame of a released video, without showing any other frame.

Every frame is a leaf of a Merkle tree (RFC 9162, the same as RFC 6962's hashing), whose root stands in the
video's privacy receipt. The receipt is signed, and a leaf of the batch that is anchored on the ledger. So a
proof leads from the frame's pixels to the ledger.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from veilmesh_chaincode.records.base import Document, Sha256Hex
from veilmesh_chaincode.records.merkle import MerkleTree, leaf_hash, verify_inclusion

from veilmesh_node.domain.receipt import Frames, SignedReceipt, VideoReceipt, check
from veilmesh_node.errors import ReceiptError


class FrameLeaf(Document):
    """One frame as it is shown: its canonical bytes are hashed as a leaf."""

    number: Annotated[int, Field(ge=0)]
    time_us: int  # from the video's beginning
    width: int
    height: int
    picture_sha256: Sha256Hex  # of its samples: rows from the top, pixels from the left, R, G, B of 8 bits


class FrameProof(Document):
    """The file that is handed out with a frame."""

    frame: FrameLeaf
    proof: Annotated[list[Sha256Hex], Field(max_length=64)]  # bottom up, RFC 9162
    video: SignedReceipt


def tree_of(leaves: Sequence[FrameLeaf]) -> MerkleTree:
    """Return the tree of a video's frames, which stand in order."""
    return MerkleTree([leaf_hash(leaf.to_bytes()) for leaf in leaves])


def prove(leaves: Sequence[FrameLeaf], number: int, video: SignedReceipt) -> FrameProof:
    """Return the proof of one frame.

    Raises:
        ReceiptError: there is no such frame, or these are not the frames that the receipt is of.
    """
    frames = _frames(video)
    if not 0 <= number < len(leaves):
        raise ReceiptError(f"the video has no frame {number}, but {len(leaves)}, counted from 0")
    tree = tree_of(leaves)
    if (len(leaves), tree.root.hex()) != (frames.count, frames.merkle_root):
        raise ReceiptError("the receipt is not of these frames")
    proof = [sibling.hex() for sibling in tree.inclusion_proof(number)]
    return FrameProof(frame=leaves[number], proof=proof, video=video)


def check_frame(proof: FrameProof) -> None:
    """Check what the file alone can show: the video's receipt, and that the frame is one of it.

    Raises:
        ReceiptError: something does not hold.
    """
    check(proof.video)
    frames = _frames(proof.video)
    if not verify_inclusion(
        leaf_hash(proof.frame.to_bytes()),
        proof.frame.number,
        frames.count,
        [bytes.fromhex(sibling) for sibling in proof.proof],
        bytes.fromhex(frames.merkle_root),
    ):
        raise ReceiptError("the frame is not of the video that the receipt is of")


def _frames(video: SignedReceipt) -> Frames:
    if not isinstance(video.receipt, VideoReceipt):
        raise ReceiptError("the receipt is of a picture, not of a video")
    return video.receipt.frames
