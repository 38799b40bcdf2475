"""Which keys a function is sure to look for, as far as its request and its caller tell.

They are read at once before the function runs: to a peer at the other end of a stream, ten keys in one
request cost what one does. A function that is not listed looks for nothing that could be told before, or for
a page. Each key here is one that the function reads whenever it succeeds, so nothing is added to what a
transaction reads.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from veilmesh_chaincode.keys import (
    ANCHORS,
    ATTEMPTS,
    AUTHENTICATIONS,
    CONSORTIUM,
    COUNTERSIGNS,
    CURRENT_POLICY,
    MODELS,
    NODE_NAMES,
    NODES,
    POLICY_PROPOSALS,
    REFERENCES,
    UNSEALINGS,
)
from veilmesh_chaincode.records.base import ReferenceId, TxId
from veilmesh_chaincode.stub import Creator


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for what."""

    creator: Creator
    tx_id: TxId
    request: Any  # the function's request document

    @property
    def own_name(self) -> str:
        return NODE_NAMES.key(self.creator.identity_sha256)


def _reference(reference_id: ReferenceId) -> list[str]:
    return [REFERENCES.key(reference_id), COUNTERSIGNS.key(reference_id)]


def _node(asked: Asked) -> list[str]:
    return [NODES.key(asked.request.node_id)]


def _own_reference(asked: Asked) -> list[str]:
    return [asked.own_name, *_reference(asked.request.reference_id)]


def _enrolment(asked: Asked) -> list[str]:
    return [*_own_reference(asked), MODELS.key(asked.request.model_digest), CURRENT_POLICY.key()]


def _opening(asked: Asked) -> list[str]:
    attempts = ATTEMPTS.key(asked.request.reference_id, asked.creator.msp_id)
    return [*_enrolment(asked), AUTHENTICATIONS.key(asked.tx_id), attempts]


def _authentication(asked: Asked) -> list[str]:
    return [AUTHENTICATIONS.key(asked.request.authentication_id)]


def _anchor(asked: Asked) -> list[str]:
    return [ANCHORS.key(asked.request.merkle_root)]


def _unsealing(asked: Asked) -> list[str]:
    return [UNSEALINGS.key(asked.request.unsealing_id)]


_KEYS: Mapping[str, Callable[[Asked], Sequence[str]]] = {
    "registry:RegisterNode": lambda asked: [asked.own_name, *_node(asked)],
    "registry:ApproveNode": _node,
    "registry:SuspendNode": _node,
    "registry:RetireNode": _node,
    "registry:GetNode": _node,
    "policy:Propose": lambda asked: [POLICY_PROPOSALS.key(asked.tx_id), CURRENT_POLICY.key()],
    "policy:Vote": lambda asked: [POLICY_PROPOSALS.key(asked.request.proposal_id), CURRENT_POLICY.key()],
    "policy:Current": lambda _: [CURRENT_POLICY.key()],
    "enrolment:Register": _enrolment,
    "enrolment:Update": _enrolment,
    "enrolment:Revoke": _own_reference,
    "enrolment:Erase": _own_reference,
    "enrolment:Share": _own_reference,
    "enrolment:Get": lambda asked: _reference(asked.request.reference_id),
    "authentication:Open": _opening,
    "authentication:Conclude": lambda asked: [
        asked.own_name,
        CURRENT_POLICY.key(),
        *_authentication(asked),
    ],
    "authentication:Cancel": lambda asked: [asked.own_name, *_authentication(asked)],
    "authentication:Get": _authentication,
    "release:Anchor": lambda asked: [asked.own_name, *_anchor(asked)],
    "release:GetAnchor": _anchor,
    "release:Verify": _anchor,
    "release:ConsentUnsealing": _unsealing,
    "release:RefuseUnsealing": _unsealing,
    "release:FulfilUnsealing": lambda asked: [asked.own_name, *_unsealing(asked)],
    "release:GetUnsealing": _unsealing,
    "audit:Trail": lambda asked: _reference(asked.request.reference_id),
    "audit:LogSearch": lambda asked: [
        asked.own_name,
        MODELS.key(asked.request.model_digest),
        CURRENT_POLICY.key(),
    ],
}


def sure_keys(function: str, asked: Asked | None) -> list[str]:
    """Return the keys to read at once; the consortium's alone where the request could not be read."""
    more = _KEYS.get(function)
    return [CONSORTIUM.key(), *(more(asked) if more is not None and asked is not None else ())]
