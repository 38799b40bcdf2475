"""`veilmesh receipt`: check what somebody claims to have released."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from veilmesh_node.cli.options import JsonOption

if TYPE_CHECKING:
    from veilmesh_node.domain.receipt import SignedReceipt

app = typer.Typer(no_args_is_help=True, help="Privacy receipts.")


@app.callback()
def receipt() -> None:
    """Keep `verify` a subcommand while it is the only one."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A receipt, JSON.")],
    image: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The released picture it should be of.")
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
    from hashlib import sha256

    from veilmesh_chaincode.records.refusals import Refusal

    from veilmesh_node.cli import output
    from veilmesh_node.domain.receipt import SignedReceipt, check
    from veilmesh_node.errors import ReceiptError

    try:
        signed = SignedReceipt.from_bytes(file.read_bytes())
    except Refusal as err:
        raise ReceiptError(f"{file} is no receipt: {err}") from err
    check(signed)
    checked = ["signature", "place in the batch"]
    if image is not None:
        if sha256(image.read_bytes()).hexdigest() != signed.receipt.output_sha256:
            raise ReceiptError(f"the receipt is not of {image}")
        checked.append("picture")
    if home is not None:
        _check_on_ledger(signed, home)
        checked.append("anchor on the ledger")
    document = signed.receipt.model_dump(mode="json")
    output.show(
        {"holds": True, "checked": checked, "receipt": document},
        lambda: output.fields(f"the receipt holds: {', '.join(checked)}", document),
        as_json=as_json,
    )


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
