"""`veilmesh policy`: what the consortium agreed on, and how it changes."""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from veilmesh_node.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from veilmesh_chaincode.records.policy import PolicyProposal, Terms

app = typer.Typer(no_args_is_help=True, help="The consortium's policy: show, propose, vote.")


@app.command("show")
def show_policy(home: HomeOption, as_json: JsonOption = False) -> None:
    """Show the policy in force."""
    from veilmesh_chaincode.records.policy import Policy

    from veilmesh_node.cli import ledger, output

    policy = ledger.evaluate(home, "policy:Current", None, Policy)
    document = policy.model_dump(mode="json")
    output.show(
        document,
        lambda: output.fields(f"policy {policy.version}", document["terms"]),
        as_json=as_json,
    )


@app.command()
def propose(
    file: Annotated[
        Path,
        typer.Argument(help="The terms, as TOML or JSON with the fields that `policy show --json` gives."),
    ],
    home: HomeOption,
    as_json: JsonOption = False,
) -> None:
    """Propose new terms; this counts as your organisation's vote."""
    from veilmesh_chaincode.records.policy import Policy, PolicyProposal, ProposePolicy
    from veilmesh_chaincode.records.refusals import Refusal, RefusalCode

    from veilmesh_node.cli import ledger

    terms = _read_terms(file)
    try:
        base_version = ledger.evaluate(home, "policy:Current", None, Policy).version
    except Refusal as refusal:
        if refusal.code is not RefusalCode.NO_POLICY:
            raise
        base_version = 0
    request = ProposePolicy(base_version=base_version, terms=terms)
    _show_proposal(ledger.submit(home, "policy:Propose", request, PolicyProposal), as_json=as_json)


@app.command()
def vote(
    proposal_id: Annotated[str, typer.Argument(metavar="PROPOSAL")],
    home: HomeOption,
    reject: Annotated[bool, typer.Option("--reject", help="Vote against it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Vote on a proposal; a majority of the members puts it in force."""
    from veilmesh_chaincode.records.policy import PolicyProposal, VotePolicy

    from veilmesh_node.cli import ledger

    request = VotePolicy(proposal_id=proposal_id, approve=not reject)
    _show_proposal(ledger.submit(home, "policy:Vote", request, PolicyProposal), as_json=as_json)


def _read_terms(file: Path) -> "Terms":
    """Read terms from TOML or JSON.

    Raises:
        typer.BadParameter: the file is neither, or its fields are not those of `Terms`.
    """
    import json

    from pydantic import ValidationError
    from veilmesh_chaincode.records.policy import Terms

    try:
        text = file.read_text()
        values = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
        return Terms.model_validate_json(json.dumps(values))
    except (OSError, ValueError) as err:
        detail = (
            "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in err.errors())
            if isinstance(err, ValidationError)
            else str(err)
        )
        raise typer.BadParameter(f"{file}: {detail}") from err


def _show_proposal(proposal: "PolicyProposal", *, as_json: bool) -> None:
    from veilmesh_node.cli import output

    output.tell(
        proposal.model_dump(mode="json"),
        f"proposal {proposal.proposal_id} is {proposal.status}; "
        f"for: {', '.join(proposal.approvals)}; against: {', '.join(proposal.rejections) or 'nobody'}",
        as_json=as_json,
    )
