"""`veilmesh enrol`, `update`, `revoke`, `erase`, `history`, `list`: the life of a biometric reference.

They ask the organisation's own node (`[node]` in the home's `client.toml`), which alone holds templates.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veilmesh_node.cli.options import HomeOption, JsonOption, KeyOption, PhotosArgument, ReferenceArgument

if TYPE_CHECKING:
    from veilmesh.v1.node_pb2 import EnrolResponse, Reference, UpdateResponse

ConsentOption = Annotated[
    Path | None,
    typer.Option(help="The consent document, any format; only a commitment to it leaves the vault."),
]
AnonymizerOption = Annotated[
    str, typer.Option(help="How the surrogate is made; by default the first method that the policy allows.")
]
RetentionOption = Annotated[
    int, typer.Option("--retention-days", min=0, help="0: as long as the policy allows.", show_default=False)
]
ReceiptOption = Annotated[
    Path | None, typer.Option("--receipt", help="Where to write the surrogate's privacy receipt.")
]
SurrogateOption = Annotated[
    Path | None, typer.Option("--surrogate", help="Where to write the surrogate picture, PNG.")
]

NameOption = Annotated[
    str,
    typer.Option(
        "--name", help="Your own name for the person, for `identify`; it stays encrypted in the vault."
    ),
]

SECONDS_PER_DAY = 24 * 3600


def enrol(
    photos: PhotosArgument,
    home: HomeOption,
    consent: ConsentOption = None,
    anonymizer: AnonymizerOption = "",
    retention_days: RetentionOption = 0,
    receipt: ReceiptOption = None,
    surrogate: SurrogateOption = None,
    name: NameOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Enrol the one person in PHOTOS, fused into one template; prints the new reference."""
    from veilmesh.v1.node_pb2 import EnrolRequest

    from veilmesh_node.cli import node_api

    request = EnrolRequest(**_sample(photos, consent, anonymizer, retention_days, key), name=name)
    response = node_api.call(home, "Enrol", request, doing="enrolling")
    _keep(home, response, receipt, surrogate)
    _show_reference(response.reference, response.tx_id, as_json=as_json)


def update(
    reference_id: ReferenceArgument,
    photos: PhotosArgument,
    home: HomeOption,
    consent: ConsentOption = None,
    anonymizer: AnonymizerOption = "",
    retention_days: RetentionOption = 0,
    receipt: ReceiptOption = None,
    surrogate: SurrogateOption = None,
    name: NameOption = "",
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Set the old template aside without comparing; for operators, and the ledger records it.",
        ),
    ] = False,
    key: KeyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Renew a reference's template and surrogate by new PHOTOS, which must match the old template."""
    from veilmesh.v1.node_pb2 import UpdateRequest

    from veilmesh_node.cli import node_api

    request = UpdateRequest(
        reference_id=reference_id,
        **_sample(photos, consent, anonymizer, retention_days, key),
        name=name,
    )
    response = node_api.call(home, "Replace" if replace else "Update", request, doing="updating")
    _keep(home, response, receipt, surrogate)
    _show_reference(response.reference, response.tx_id, as_json=as_json)


def revoke(
    reference_id: ReferenceArgument,
    home: HomeOption,
    reason: Annotated[
        str, typer.Option(help="withdrawn-consent, compromised, superseded or unspecified.")
    ] = "unspecified",
    key: KeyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Revoke a reference: from now on nobody is verified against it."""
    from veilmesh.v1.node_pb2 import RevokeRequest

    from veilmesh_node.cli import node_api

    request = RevokeRequest(reference_id=reference_id, reason=reason, idempotency_key=key)
    response = node_api.call(home, "Revoke", request, doing="revoking")
    _show_reference(response.reference, response.tx_id, as_json=as_json)


def erase(
    reference_id: ReferenceArgument,
    home: HomeOption,
    key: KeyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Destroy a reference's template, keys and surrogate for good; the ledger keeps that it existed."""
    from veilmesh.v1.node_pb2 import EraseRequest

    from veilmesh_node.cli import node_api

    request = EraseRequest(reference_id=reference_id, idempotency_key=key)
    response = node_api.call(home, "Erase", request, doing="erasing")
    _show_reference(response.reference, response.tx_id, as_json=as_json)


def history(reference_id: ReferenceArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """Show every version of a reference that the ledger holds."""
    from veilmesh.v1.node_pb2 import GetHistoryRequest

    from veilmesh_node.cli import node_api, output

    response = node_api.call(home, "GetHistory", GetHistoryRequest(reference_id=reference_id))
    output.show(
        output.message(response)["entries"],
        lambda: output.table(
            "",
            ["time", "version", "status", "renewal", "template commitment", "transaction"],
            [
                [
                    output.moment(entry.at_s),
                    str(entry.reference.version),
                    entry.reference.status,
                    entry.reference.renewal or "-",
                    entry.reference.template_commitment[:16],
                    entry.tx_id[:16],
                ]
                for entry in response.entries
            ],
        ),
        as_json=as_json,
    )


def list_references(
    home: HomeOption,
    owner: Annotated[str, typer.Option(help="MSP id; your own organisation by default.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List an organisation's references."""
    from veilmesh.v1.node_pb2 import ListReferencesRequest

    from veilmesh_node.cli import node_api, output

    found: list[Reference] = []
    bookmark = ""
    while True:
        request = ListReferencesRequest(owner_msp_id=owner, bookmark=bookmark)
        page = node_api.call(home, "ListReferences", request)
        found += page.references
        bookmark = page.bookmark
        if not bookmark:
            break
    output.show(
        [output.message(reference) for reference in found],
        lambda: output.table(
            "",
            ["reference", "owner", "version", "status", "anonymizer", "expires"],
            [
                [
                    reference.reference_id,
                    reference.owner_msp_id,
                    str(reference.version),
                    reference.status,
                    reference.anonymizer,
                    output.moment(reference.expires_at_s),
                ]
                for reference in found
            ],
        ),
        as_json=as_json,
    )


def _sample(
    photos: list[Path], consent: Path | None, anonymizer: str, retention_days: int, key: str
) -> dict[str, Any]:
    """Return what an enrolment and an update have in common."""
    return {
        "photos": [path.read_bytes() for path in photos],
        "consent": consent.read_bytes() if consent else b"",
        "anonymizer": anonymizer,
        "retention_s": retention_days * SECONDS_PER_DAY,
        "idempotency_key": key,
    }


def _keep(
    home: Path, response: "EnrolResponse | UpdateResponse", receipt: Path | None, surrogate: Path | None
) -> None:
    from veilmesh.v1.node_pb2 import GetSurrogateRequest

    from veilmesh_node.cli import node_api

    if receipt is not None:
        receipt.write_bytes(response.receipt)
    if surrogate is not None:
        request = GetSurrogateRequest(reference_id=response.reference.reference_id)
        surrogate.write_bytes(node_api.call(home, "GetSurrogate", request).image)


def _show_reference(reference: "Reference", tx_id: str, *, as_json: bool) -> None:
    from veilmesh_node.cli import output

    output.show(
        {**output.message(reference), "tx_id": tx_id},
        lambda: output.fields(
            f"reference {reference.reference_id}",
            {
                "status": reference.status,
                "version": reference.version,
                "anonymizer": reference.anonymizer,
                "surrogate": reference.surrogate_cid,
                "expires": output.moment(reference.expires_at_s),
                "transaction": tx_id,
            },
        ),
        as_json=as_json,
    )
