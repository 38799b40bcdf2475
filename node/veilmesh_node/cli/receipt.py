"""`veilmesh receipt`: check what somebody claims to have released, and prove single frames of a video."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from veilmesh_node.cli.options import JsonOption

if TYPE_CHECKING:
    from veilmesh_node.domain.frame import FrameLeaf, FrameProof
    from veilmesh_node.domain.receipt import SignedReceipt

app = typer.Typer(no_args_is_help=True, help="Privacy receipts.")


@app.command()
def verify(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A receipt, or the proof of a frame, JSON.")
    ],
    image: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="The released picture or video it should be of; of a frame, a picture without loss.",
        ),
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(
            envvar="VEILMESH_HOME",
            help="Ask the ledger, too: is the batch anchored, by this node?",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a receipt's signature and its place in the batch; exit code 6 where something does not hold."""
    from veilmesh_node.cli import output
    from veilmesh_node.domain.frame import FrameProof, check_frame
    from veilmesh_node.domain.receipt import check

    read = _read(file)
    checked = ["signature", "place in the batch"]
    if isinstance(read, FrameProof):
        check_frame(read)
        checked.append("place in the video")
        signed = read.video
    else:
        check(read)
        signed = read
    if image is not None:
        _check_picture(read, image)
        checked.append("picture")
    if home is not None:
        _check_on_ledger(signed, home)
        checked.append("anchor on the ledger")
    document = signed.receipt.model_dump(mode="json")
    frame = {"frame": read.frame.model_dump(mode="json")} if isinstance(read, FrameProof) else {}
    output.show(
        {"holds": True, "checked": checked, "receipt": document, **frame},
        lambda: output.fields(
            f"the receipt holds: {', '.join(checked)}", {**frame.get("frame", {}), **document}
        ),
        as_json=as_json,
    )


@app.command()
def prove(
    video: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A released video, its receipt beside it.")
    ],
    frame: Annotated[int, typer.Option("--frame", min=0, help="Which one, counted from 0.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", dir_okay=False, help="Where the frame goes, PNG; its proof beside it."),
    ],
    as_json: JsonOption = False,
) -> None:
    """Write one frame of a video, and the proof that it is of that release, as OUT.proof.json.

    `veilmesh receipt verify OUT.proof.json --image OUT` checks it, and shows nothing of the other frames.
    """
    from veilmesh_ml.errors import ParameterError
    from veilmesh_ml.image import encode_image, format_of, write_atomically
    from veilmesh_ml.video.digest import picture_sha256
    from veilmesh_ml.video.frames import picture_of

    from veilmesh_node.cli import output, receipts
    from veilmesh_node.domain.frame import prove as proof_of
    from veilmesh_node.domain.receipt import SignedReceipt
    from veilmesh_node.errors import ReceiptError

    if format_of(out) != "PNG":
        raise ParameterError(f"{out} does not hold a picture without loss", hint="name a .png")
    signed = _read(receipts.receipt_path(video))
    if not isinstance(signed, SignedReceipt):
        raise ReceiptError(f"{receipts.receipt_path(video)} is no receipt of a video")
    proof = proof_of(_leaves(video), frame, signed)
    picture = picture_of(video, frame)
    if picture_sha256(picture) != proof.frame.picture_sha256:
        raise ReceiptError(f"{video} is not what was released, or is decoded otherwise here")
    proof_file = out.with_name(f"{out.name}.proof.json")
    write_atomically(out, encode_image(picture))
    write_atomically(proof_file, proof.to_bytes())
    document = {"frame": proof.frame.model_dump(mode="json"), "picture": str(out), "proof": str(proof_file)}
    output.tell(document, f"frame {frame} is in {out}, its proof in {proof_file}", as_json=as_json)


def _read(file: Path) -> "SignedReceipt | FrameProof":
    """Read a receipt, or the proof of a frame.

    Raises:
        ReceiptError: it is neither, or is not there.
    """
    from veilmesh_chaincode.records.refusals import Refusal

    from veilmesh_node.domain.frame import FrameProof
    from veilmesh_node.domain.receipt import SignedReceipt
    from veilmesh_node.errors import ReceiptError

    try:
        content = file.read_bytes()
        try:
            return SignedReceipt.from_bytes(content)
        except Refusal:
            if b'"video":' not in content:
                raise
            return FrameProof.from_bytes(content)
    except Refusal as err:
        raise ReceiptError(f"{file} is no receipt: {err}") from err
    except FileNotFoundError as err:
        raise ReceiptError(f"there is no receipt {file}") from err


def _check_picture(read: "SignedReceipt | FrameProof", image: Path) -> None:
    """Check that a file is what was released: by its bytes, or of a frame by its samples.

    Raises:
        ReceiptError: it is not.
    """
    from hashlib import file_digest

    from veilmesh_node.domain.frame import FrameProof
    from veilmesh_node.errors import ReceiptError

    if isinstance(read, FrameProof):
        from veilmesh_ml.image import read_image
        from veilmesh_ml.video.digest import picture_sha256

        picture = read_image(image)
        same = (*picture.shape[1::-1], picture_sha256(picture)) == (
            read.frame.width,
            read.frame.height,
            read.frame.picture_sha256,
        )
    else:
        with image.open("rb") as content:
            same = file_digest(content, "sha256").hexdigest() == read.receipt.output_sha256
    if not same:
        raise ReceiptError(f"the receipt is not of {image}")


def _leaves(video: Path) -> "list[FrameLeaf]":
    """Return the leaves of a video's frames: as they were written down, or by decoding it."""
    from veilmesh_chaincode.records.refusals import Refusal

    from veilmesh_node.cli import receipts
    from veilmesh_node.domain.frame import FrameLeaf
    from veilmesh_node.errors import ReceiptError

    path = receipts.frames_path(video)
    if not path.exists():
        return receipts.leaves_of(video)
    try:
        return [FrameLeaf.from_bytes(line) for line in path.read_bytes().splitlines()]
    except Refusal as err:
        raise ReceiptError(f"{path} was changed: {err}") from err


def _check_on_ledger(signed: "SignedReceipt", home: Path) -> None:
    """Check that the receipt's batch was anchored by the node that it names, with that node's key.

    Raises:
        ReceiptError: it was not.
    """
    from hashlib import sha256

    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
    from veilmesh_chaincode.records.registry import Node, NodeId
    from veilmesh_chaincode.records.release import Anchor, MerkleRoot

    from veilmesh_node.cli import ledger
    from veilmesh_node.errors import ReceiptError

    assert signed.inclusion is not None  # noqa: S101 - `check` refused such a receipt
    try:
        request = MerkleRoot(merkle_root=signed.inclusion.merkle_root)
        anchor = ledger.evaluate(home, "release:GetAnchor", request, Anchor)
    except Refusal as refusal:
        if refusal.code is not RefusalCode.NOT_FOUND:
            raise
        raise ReceiptError("the receipt's batch is not anchored on the ledger") from refusal
    node = ledger.evaluate(home, "registry:GetNode", NodeId(node_id=signed.receipt.node_id), Node)
    key = x509.load_pem_x509_certificate(signed.certificate.encode()).public_key()
    digest = sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    if anchor.node_id != node.node_id or digest != node.identity_sha256:
        raise ReceiptError(f"the receipt was not signed and anchored by node {node.node_id}")
