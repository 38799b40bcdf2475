"""A frame is proved to be one of a video, and no other frame is; photos' receipts stay what they were."""

import pytest
from veilmesh_node.domain.frame import FrameLeaf, FrameProof, check_frame, prove, tree_of
from veilmesh_node.domain.receipt import Frames, Receipt, SignedReceipt, VideoReceipt, batch, include, sign
from veilmesh_node.errors import ReceiptError

from tests.unit.node.plugs import PemSigner

SHA = "a" * 64


def leaves(count: int) -> list[FrameLeaf]:
    return [
        FrameLeaf(number=n, time_us=40_000 * n, width=64, height=48, picture_sha256=f"{n:064x}")
        for n in range(count)
    ]


def receipt() -> Receipt:
    return Receipt(
        input_commitment=SHA,
        output_sha256=SHA,
        methods=["cluster"],
        parameters_sha256=SHA,
        model_digest=SHA,
        gate_verdict="passed",
        policy_version=1,
        issued_at_s=2,
        node_id="org1-node",
        msp_id="Org1MSP",
    )


def released(count: int, signer: PemSigner) -> SignedReceipt:
    """A video's receipt as the second of a batch of three."""
    frames = Frames(merkle_root=tree_of(leaves(count)).root.hex(), count=count, faces_left=0)
    receipts = [receipt(), VideoReceipt(**dict(receipt()), frames=frames), receipt()]
    return include(sign(receipts[1], signer), batch(receipts), 1, "b" * 64)


@pytest.fixture(scope="module")
def signer() -> PemSigner:
    return PemSigner()


@pytest.mark.parametrize("count", [1, 2, 5, 8, 13])
def test_every_frame_is_proved(signer: PemSigner, count: int) -> None:
    video = released(count, signer)
    for number in range(count):
        proof = FrameProof.from_bytes(prove(leaves(count), number, video).to_bytes())
        check_frame(proof)
        assert proof.frame == leaves(count)[number]
        assert len(proof.proof) <= 4


def test_no_other_frame_is(signer: PemSigner) -> None:
    proof = prove(leaves(5), 3, released(5, signer))
    for change in ({"number": 2}, {"number": 5}, {"time_us": 1}, {"width": 65}, {"picture_sha256": "c" * 64}):
        with pytest.raises(ReceiptError, match="not of the video"):
            check_frame(proof.replace(frame=proof.frame.replace(**change)))
    for siblings in (proof.proof[:-1], [*proof.proof, "c" * 64], proof.proof[::-1]):
        with pytest.raises(ReceiptError, match="not of the video"):
            check_frame(proof.replace(proof=siblings))


def test_a_changed_receipt_proves_nothing(signer: PemSigner) -> None:
    proof = prove(leaves(5), 3, released(5, signer))
    assert isinstance(proof.video.receipt, VideoReceipt)
    frames = proof.video.receipt.frames.replace(faces_left=1)
    with pytest.raises(ReceiptError, match="was changed"):
        check_frame(
            proof.replace(video=proof.video.replace(receipt=proof.video.receipt.replace(frames=frames)))
        )
    with pytest.raises(ReceiptError, match="not anchored"):
        check_frame(proof.replace(video=proof.video.replace(inclusion=None)))


def test_what_is_not_of_the_receipt_is_not_proved(signer: PemSigner) -> None:
    video = released(5, signer)
    with pytest.raises(ReceiptError, match="no frame 5"):
        prove(leaves(5), 5, video)
    with pytest.raises(ReceiptError, match="not of these frames"):
        prove(leaves(6), 0, video)
    with pytest.raises(ReceiptError, match="not of these frames"):
        prove(leaves(5)[::-1], 0, video)
    picture = include(sign(receipt(), signer), batch([receipt()]), 0, "b" * 64)
    with pytest.raises(ReceiptError, match="of a picture, not of a video"):
        prove(leaves(5), 0, picture)


def test_receipts_of_pictures_are_what_they_were(signer: PemSigner) -> None:
    signed = sign(receipt(), signer)
    assert "frames" not in signed.receipt.model_dump()
    assert type(SignedReceipt.from_bytes(signed.to_bytes()).receipt) is Receipt
