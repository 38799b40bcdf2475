"""`veilmesh registry`: who belongs to the consortium, which nodes act, which face models are agreed on."""

from pathlib import Path
from typing import Annotated

import typer

from veilmesh_node.cli.options import HomeOption, JsonOption

app = typer.Typer(no_args_is_help=True, help="Organisations, nodes and models of the consortium.")

MspIdArgument = Annotated[str, typer.Argument(metavar="MSP_ID", help="Which organisation, as Org4MSP.")]
NodeIdArgument = Annotated[str, typer.Argument(metavar="NODE", help="A node's id, as `nodes` lists it.")]


@app.command()
def found(
    home: HomeOption,
    member: Annotated[list[str], typer.Option(help="MSP id of a founding member; repeat.")],
    auditor: Annotated[list[str] | None, typer.Option(help="MSP id of an auditor; repeat.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Found the consortium, once, with its members and auditors."""
    from veilmesh_chaincode.records.registry import Consortium, FoundConsortium

    from veilmesh_node.cli import ledger, output

    request = FoundConsortium(members=sorted(member), auditors=sorted(auditor or []))
    consortium = ledger.submit(home, "registry:FoundConsortium", request, Consortium)
    output.tell(
        consortium.model_dump(mode="json"),
        f"founded with {', '.join(consortium.members)}",
        as_json=as_json,
    )


@app.command()
def organisations(home: HomeOption, as_json: JsonOption = False) -> None:
    """Show members and auditors."""
    from veilmesh_chaincode.records.registry import Consortium

    from veilmesh_node.cli import ledger, output

    consortium = ledger.evaluate(home, "registry:GetConsortium", None, Consortium)
    rows = [[msp_id, "member"] for msp_id in consortium.members]
    rows += [[msp_id, "auditor"] for msp_id in consortium.auditors]
    output.show(
        consortium.model_dump(mode="json"),
        lambda: output.table("", ["organisation", "part"], rows),
        as_json=as_json,
    )


@app.command()
def admit(msp_id: MspIdArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """Vote for an organisation of the channel to become a member, who votes and runs nodes, too."""
    _vote("registry:AdmitOrganisation", msp_id, home, as_json=as_json)


@app.command()
def expel(msp_id: MspIdArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """Vote for a member to be one no longer."""
    _vote("registry:ExpelOrganisation", msp_id, home, as_json=as_json)


@app.command()
def nodes(home: HomeOption, as_json: JsonOption = False) -> None:
    """List every node with its status and approvals."""
    from veilmesh_chaincode.records.registry import Node

    from veilmesh_node.cli import ledger, output

    found = ledger.evaluate_pages(home, "registry:ListNodes", Node)
    output.show(
        [node.model_dump(mode="json") for node in found],
        lambda: output.table(
            "",
            ["node", "organisation", "status", "roles", "endpoint", "approved by"],
            [
                [n.node_id, n.msp_id, n.status, " ".join(n.roles), n.endpoint, " ".join(n.approvals)]
                for n in found
            ],
        ),
        as_json=as_json,
    )


@app.command()
def approve(node_id: NodeIdArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """Vote for a node; it becomes active when a majority of the members approved it."""
    _change("registry:ApproveNode", node_id, home, as_json=as_json)


@app.command()
def suspend(node_id: NodeIdArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """Suspend a node of your own organisation at once, or vote to suspend another's."""
    _change("registry:SuspendNode", node_id, home, as_json=as_json)


@app.command()
def models(
    home: HomeOption,
    approve_digest: Annotated[
        str | None, typer.Option("--approve", metavar="DIGEST", help="Vote for the model with this SHA-256.")
    ] = None,
    name: Annotated[
        str, typer.Option(help="What to call a model that nobody voted for yet.")
    ] = "face encoder",
    as_json: JsonOption = False,
) -> None:
    """List the face encoders and generators that the consortium agreed on, or vote for one."""
    from veilmesh_chaincode.records.registry import ApproveModel, Model

    from veilmesh_node.cli import ledger, output

    if approve_digest is not None:
        request = ApproveModel(model_digest=approve_digest, name=name)
        found = [ledger.submit(home, "registry:ApproveModel", request, Model)]
    else:
        found = ledger.evaluate_pages(home, "registry:ListModels", Model)
    output.show(
        [model.model_dump(mode="json") for model in found],
        lambda: output.table(
            "",
            ["model", "name", "status", "approved by"],
            [[m.model_digest, m.name, m.status, " ".join(m.approvals)] for m in found],
        ),
        as_json=as_json,
    )


def _vote(function: str, msp_id: str, home: Path, *, as_json: bool) -> None:
    from veilmesh_chaincode.records.registry import ChangeMembership, MembershipProposal

    from veilmesh_node.cli import ledger, output

    proposal = ledger.submit(home, function, ChangeMembership(msp_id=msp_id), MembershipProposal)
    what = f"{'admitting' if proposal.admit else 'expelling'} {msp_id}"
    state = "carried" if proposal.carried else "open"
    output.tell(
        proposal.model_dump(mode="json"),
        f"{what} is {state}: {', '.join(proposal.approvals)} voted for it",
        as_json=as_json,
    )


def _change(function: str, node_id: str, home: Path, *, as_json: bool) -> None:
    from veilmesh_chaincode.records.registry import Node, NodeId

    from veilmesh_node.cli import ledger, output

    node = ledger.submit(home, function, NodeId(node_id=node_id), Node)
    output.tell(
        node.model_dump(mode="json"),
        f"{node.node_id} is {node.status}; approved by {', '.join(node.approvals) or 'nobody'}",
        as_json=as_json,
    )
