"""One call of one function: what it may reach, what it returns, and how the functions are listed.

A contract function fetches records, lets a rule decide, and stores what the rule returns. A function that
changes state returns a `Change`, whose event the runtime emits; so each emits exactly one.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from veilmesh_chaincode.keys import NODE_NAMES, NODES
from veilmesh_chaincode.records.base import Document, TxId
from veilmesh_chaincode.records.canonical import Json
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Consortium, Node, NodeRole
from veilmesh_chaincode.rules import nodes
from veilmesh_chaincode.state import State
from veilmesh_chaincode.stub import Creator

Request = TypeVar("Request", bound=Document)


@dataclass(frozen=True, slots=True)
class Call:
    state: State
    creator: Creator
    tx_id: TxId
    now_s: int
    founded: Consortium | None

    @property
    def consortium(self) -> Consortium:
        """The consortium.

        Raises:
            Refusal: NOT_FOUNDED.
        """
        if self.founded is None:
            raise Refusal(RefusalCode.NOT_FOUNDED, "no consortium has been founded on this channel")
        return self.founded

    async def acting_node(self, role: NodeRole | None = None) -> Node:
        """Return the active node that the caller's identity speaks for.

        Raises:
            Refusal: NODE_NOT_ACTIVE, ROLE_MISSING.
        """
        name = await self.state.find(NODE_NAMES, self.creator.identity_sha256)
        node = None if name is None else await self.state.find(NODES, name.node_id)
        return nodes.acting(node, self.creator, role)


@dataclass(frozen=True, slots=True)
class Change:
    """What a state-changing function leaves: its result, and its event, of ids and new status only."""

    result: Document
    event: Mapping[str, Json]


class NoRequest(Document):
    """Of functions that take no argument."""


@dataclass(frozen=True, slots=True)
class Function:
    request: type[Document]
    run: Callable[[Call, Any], Awaitable[Document | Change]]
    changes_state: bool


def query(request: type[Request], run: Callable[[Call, Request], Awaitable[Document]]) -> Function:
    return Function(request, run, changes_state=False)


def update(request: type[Request], run: Callable[[Call, Request], Awaitable[Change]]) -> Function:
    return Function(request, run, changes_state=True)
