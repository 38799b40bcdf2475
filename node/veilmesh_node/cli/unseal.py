"""`veilmesh unseal`: undo the anonymization of a permuted picture, on an order with two consents.

    org2$ veilmesh unseal request face.png --order order.pdf --authority "Court, 12 C 345/26" --purpose ...
    org3$ veilmesh unseal consent UNSEALING
    org1$ veilmesh unseal open UNSEALING face.png -o restored.png       # org1's node keeps the key

The picture and its `face.png.sealed.json` go from hand to hand; the ledger holds their digests.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from veilmesh_node.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from veilmesh_chaincode.records.base import Document

app = typer.Typer(
    no_args_is_help=True, help="Undo a permutation on an order: request, consent, refuse, list, open."
)

PictureArgument = Annotated[
    Path, typer.Argument(metavar="PICTURE", exists=True, dir_okay=False, help="The released picture.")
]
UnsealingArgument = Annotated[str, typer.Argument(metavar="UNSEALING")]
SealedKeyOption = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="The picture's sealed key.",
        show_default="PICTURE.sealed.json",
    ),
]


@app.command()
def request(
    picture: PictureArgument,
    order: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="The order; only its SHA-256 is recorded.")
    ],
    authority: Annotated[str, typer.Option(help="Who orders it: a court and its file number. Public.")],
    purpose: Annotated[str, typer.Option(help="What for. Public: name no person.")],
    home: HomeOption,
    sealed_key: SealedKeyOption = None,
    reference: Annotated[str | None, typer.Option(help="The reference of the person it shows.")] = None,
    days: Annotated[int, typer.Option(min=1, max=90, help="How long it may be acted on.")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Put an order on the ledger; this counts as your organisation's consent."""
    from hashlib import sha256

    from veilmesh_chaincode.records.unsealing import RequestUnsealing

    from veilmesh_node.cli import sealed_keys
    from veilmesh_node.errors import SealedKeyError
    from veilmesh_node.sealed_key import SealedKey

    content = (sealed_key or sealed_keys.path_beside(picture)).read_bytes()
    envelope = SealedKey.parse(content)
    output_sha256 = sha256(picture.read_bytes()).hexdigest()
    if envelope.output_sha256 != output_sha256:
        raise SealedKeyError(f"the sealed key is not of {picture}, or the picture was changed")
    asked = RequestUnsealing(
        output_sha256=output_sha256,
        sealed_key_sha256=sha256(content).hexdigest(),
        receipt_sha256=_receipt_sha256(picture),
        reference_id=reference,
        order_sha256=sha256(order.read_bytes()).hexdigest(),
        authority=authority,
        purpose=purpose,
        keeper_node_id=envelope.keeper_node_id,
        keeper_key_sha256=envelope.keeper_key_sha256,
        valid_for_s=days * 24 * 3600,
    )
    _submit(home, "release:Unseal", asked, as_json=as_json)


@app.command()
def consent(unsealing_id: UnsealingArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """Consent for your organisation; two consents, the requester's among them, grant it."""
    from veilmesh_chaincode.records.unsealing import UnsealingId

    _submit(home, "release:ConsentUnsealing", UnsealingId(unsealing_id=unsealing_id), as_json=as_json)


@app.command()
def refuse(unsealing_id: UnsealingArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """Refuse for good, for the organisation whose node keeps the key."""
    from veilmesh_chaincode.records.unsealing import UnsealingId

    _submit(home, "release:RefuseUnsealing", UnsealingId(unsealing_id=unsealing_id), as_json=as_json)


@app.command("list")
def list_unsealings(home: HomeOption, as_json: JsonOption = False) -> None:
    """List all orders: who asked, who consented, what became of them."""
    from veilmesh_chaincode.records.unsealing import Unsealing

    from veilmesh_node.cli import ledger, output

    unsealings = ledger.evaluate_pages(home, "release:ListUnsealings", Unsealing)
    output.show(
        [unsealing.model_dump(mode="json") for unsealing in unsealings],
        lambda: output.table(
            "",
            ["requested", "unsealing", "authority", "purpose", "keeper", "consents", "status", "expires"],
            [
                [
                    output.moment(unsealing.requested_at_s),
                    unsealing.unsealing_id,
                    unsealing.authority,
                    unsealing.purpose,
                    unsealing.keeper_node_id,
                    ", ".join(unsealing.consents),
                    unsealing.status,
                    output.moment(unsealing.expires_at_s),
                ]
                for unsealing in sorted(unsealings, key=lambda unsealing: unsealing.requested_at_s)
            ],
        ),
        as_json=as_json,
    )


@app.command("open")
def open_picture(
    unsealing_id: UnsealingArgument,
    picture: PictureArgument,
    out: Annotated[Path, typer.Option("--out", "-o", dir_okay=False, help="Where the original goes: a PNG.")],
    home: HomeOption,
    sealed_key: SealedKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore the original, bit for bit; for an operator of the keeper. The ledger records it first."""
    from veilmesh.v1.node_pb2 import UnsealRequest
    from veilmesh_ml.anonymizers.permute import restore
    from veilmesh_ml.anonymizers.recovery import Recovery
    from veilmesh_ml.image import read_image, write_image

    from veilmesh_node.cli import node_api, output, sealed_keys

    if out.suffix.lower() != ".png":
        raise typer.BadParameter(f"{out} is no PNG: another format would not keep every pixel")
    content = (sealed_key or sealed_keys.path_beside(picture)).read_bytes()
    _check_order(home, unsealing_id, picture, content)
    asked = UnsealRequest(unsealing_id=unsealing_id, sealed_key=content)
    answer = node_api.call(home, "Unseal", asked, doing="unsealing")
    recovery = Recovery.from_json(answer.recovery)
    write_image(out, restore(read_image(picture), recovery, answer.key))
    document = {"unsealing_id": unsealing_id, "output": str(out), "faces_restored": len(recovery.steps)}
    output.tell(
        document,
        f"{len(recovery.steps)} faces restored into {out}",
        as_json=as_json,
    )


def _check_order(home: Path, unsealing_id: str, picture: Path, sealed_key: bytes) -> None:
    """Check that the order is about these two files, before it is used up.

    Raises:
        SealedKeyError: it is about others, or they were changed.
    """
    from hashlib import sha256

    from veilmesh_chaincode.records.unsealing import Unsealing, UnsealingId

    from veilmesh_node.cli import ledger
    from veilmesh_node.errors import SealedKeyError

    asked = UnsealingId(unsealing_id=unsealing_id)
    unsealing = ledger.evaluate(home, "release:GetUnsealing", asked, Unsealing)
    if sha256(picture.read_bytes()).hexdigest() != unsealing.output_sha256:
        raise SealedKeyError(f"unsealing {unsealing_id} is not about {picture}, or the picture was changed")
    if sha256(sealed_key).hexdigest() != unsealing.sealed_key_sha256:
        raise SealedKeyError(f"unsealing {unsealing_id} is about another sealed key, or it was changed")


def _receipt_sha256(picture: Path) -> str | None:
    """Return the digest of the privacy receipt beside a picture, where there is one."""
    from veilmesh_node.cli.receipts import receipt_path
    from veilmesh_node.domain.receipt import SignedReceipt

    path = receipt_path(picture)
    return SignedReceipt.from_bytes(path.read_bytes()).receipt.sha256() if path.exists() else None


def _submit(home: Path, function: str, asked: "Document", *, as_json: bool) -> None:
    from veilmesh_chaincode.records.unsealing import Unsealing

    from veilmesh_node.cli import ledger, output

    unsealing = ledger.submit(home, function, asked, Unsealing)
    output.tell(
        unsealing.model_dump(mode="json"),
        f"unsealing {unsealing.unsealing_id} is {unsealing.status}; "
        f"consents: {', '.join(unsealing.consents)}; keeper: {unsealing.keeper_node_id}",
        as_json=as_json,
    )
