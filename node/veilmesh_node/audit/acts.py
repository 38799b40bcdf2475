"""One act in words: what was decided on, and how."""

from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Any

from fabric_protos.peer.lifecycle import db_pb2, lifecycle_pb2
from veilmesh_chaincode import keys
from veilmesh_chaincode.records.audit import AccessLogEntry
from veilmesh_chaincode.records.policy import PolicyProposal
from veilmesh_chaincode.records.registry import Consortium, MembershipProposal, Model, Node
from veilmesh_chaincode.records.unsealing import Unsealing
from veilmesh_fabric.committed_transaction import ChaincodeAction, CommittedTransaction
from veilmesh_fabric.errors import DecodeError
from veilmesh_fabric.lifecycle import IMPLICIT_COLLECTION, LIFECYCLE
from veilmesh_fabric.wire import decode

PROOFS: Mapping[str, keys.Table[Any]] = {
    "registry:FoundConsortium": keys.CONSORTIUM,
    **dict.fromkeys(["registry:AdmitOrganisation", "registry:ExpelOrganisation"], keys.MEMBERSHIP_PROPOSALS),
    **dict.fromkeys(
        ["registry:RegisterNode", "registry:ApproveNode", "registry:SuspendNode", "registry:RetireNode"],
        keys.NODES,
    ),
    **dict.fromkeys(["registry:ApproveModel", "registry:RetireModel"], keys.MODELS),
    **dict.fromkeys(["policy:Propose", "policy:Vote"], keys.POLICY_PROPOSALS),
    **dict.fromkeys(
        [
            "enrolment:Register",
            "enrolment:Update",
            "enrolment:Revoke",
            "enrolment:Erase",
            "enrolment:Share",
        ],
        keys.COUNTERSIGNS,
    ),
    **dict.fromkeys(
        ["authentication:Open", "authentication:Conclude", "authentication:Cancel"], keys.AUTHENTICATIONS
    ),
    "release:Anchor": keys.ANCHORS,
    **dict.fromkeys(
        [
            "release:Unseal",
            "release:ConsentUnsealing",
            "release:RefuseUnsealing",
            "release:FulfilUnsealing",
        ],
        keys.UNSEALINGS,
    ),
    "audit:LogAccess": keys.ACCESS_LOG,
    "audit:LogSearch": keys.SEARCH_LOG,
}
"""By function, the kind of record that it cannot do without writing."""


@singledispatch
def subject_and_outcome(record: Any, function: str, sender: str) -> tuple[str, str]:
    """Say what an organisation decided on, and how.

    Args:
        record: as the decision left it.
        function: of the contract.
        sender: MSP id of the organisation.
    """
    raise TypeError(f"{function} by {sender} left a {type(record).__name__}, which is no decision")


@subject_and_outcome.register
def _consortium(record: Consortium, _function: str, _sender: str) -> tuple[str, str]:
    auditors = ", ".join(record.auditors) or "none"
    return "the consortium", f"founded: members {', '.join(record.members)}; auditors {auditors}"


@subject_and_outcome.register
def _membership(record: MembershipProposal, _function: str, _sender: str) -> tuple[str, str]:
    what = "admission" if record.admit else "expulsion"
    return record.msp_id, f"{_votes(what, record.approvals)}{'; carried' if record.carried else ''}"


@subject_and_outcome.register
def _node(record: Node, function: str, _sender: str) -> tuple[str, str]:
    votes = record.suspension_votes if function == "registry:SuspendNode" else record.approvals
    subject = f"node {record.node_id} of {record.msp_id} ({', '.join(record.roles)})"
    return subject, _votes(record.status, votes)


@subject_and_outcome.register
def _model(record: Model, function: str, _sender: str) -> tuple[str, str]:
    votes = record.retirement_votes if function == "registry:RetireModel" else record.approvals
    return f"model {record.name}, {record.model_digest}", _votes(record.status, votes)


@subject_and_outcome.register
def _policy(record: PolicyProposal, _function: str, sender: str) -> tuple[str, str]:
    terms = record.terms
    subject = (
        f"policy {record.proposal_id}: threshold {terms.threshold_micro / 1e6:g}, "
        f"purposes {', '.join(terms.purposes)}, {terms.attempt_limit} attempts in "
        f"{terms.attempt_window_s} s, gate {terms.gate_level}, anonymizers {', '.join(terms.anonymizers)}"
    )
    vote = "against" if sender in record.rejections else "for"
    tally = f"{len(record.approvals)} for, {len(record.rejections)} against"
    return subject, f"{vote}; {record.status} ({tally})"


@subject_and_outcome.register
def _unsealing(record: Unsealing, _function: str, _sender: str) -> tuple[str, str]:
    return (
        f"unsealing {record.unsealing_id} by order of {record.authority}, for {record.purpose}",
        f"{record.status}; consents {', '.join(record.consents)}",
    )


@subject_and_outcome.register
def _access(record: AccessLogEntry, _function: str, _sender: str) -> tuple[str, str]:
    return record.question, "put on record"


def _votes(status: str, votes: Sequence[str]) -> str:
    return f"{status}; votes {', '.join(votes)}" if votes else status


def written(action: ChaincodeAction, chaincode: str) -> dict[str, bytes]:
    """Return by kind what a transaction wrote among the contracts' records; deletions do not count."""
    return {
        write.key.split("\x00")[1]: write.value
        for part in action.results.namespaces
        if part.namespace == chaincode
        for write in part.writes
        if write.value is not None and write.key.startswith("\x00")
    }


def lifecycle_act(transaction: CommittedTransaction, action: ChaincodeAction) -> tuple[str, str, str]:
    """Return function, subject and outcome of a change of chaincode definitions."""
    for part in action.results.namespaces:
        fields = {write.key: write.value for write in part.writes if part.namespace == LIFECYCLE}
        for key in fields:
            name = key.removeprefix("namespaces/metadata/")
            if name != key:
                sequence = fields.get(f"namespaces/fields/{name}/Sequence")
                said = "" if sequence is None else f", sequence {_number(sequence)}"
                return "lifecycle:Commit", f"chaincode {name}", f"definition in force{said}"
    approvers = [
        collection.name.removeprefix(IMPLICIT_COLLECTION)
        for part in action.results.namespaces
        for collection in part.collections
        if collection.writes
    ]
    return (
        "lifecycle:Approve",
        _requested_definition(transaction),
        f"approved for {', '.join(approvers)}",
    )


def _requested_definition(transaction: CommittedTransaction) -> str:
    """Say which definition was asked to be approved; its text is private, so this is the request's word."""
    try:
        _, request = transaction.arguments()
        asked = decode(lifecycle_pb2.ApproveChaincodeDefinitionForMyOrgArgs, request, "approval")
    except (DecodeError, ValueError):
        return "a chaincode definition"
    return f"chaincode {asked.name} {asked.version}, sequence {asked.sequence}"


def _number(state: bytes) -> int | str:
    try:
        return int(decode(db_pb2.StateData, state, "sequence").Int64)
    except DecodeError:
        return "unknown"
