"""Who may work, by the ledger's record, and who does: rules without clock, network or Ray.

Times are seconds of one steady clock, which the caller reads.
"""

import secrets
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from veilmesh_chaincode.records.registry import Node, NodeRole, NodeStatus

from veilmesh_node.cluster.errors import AdmissionRefusedError

ATTEND_EVERY_S = 1.0
SILENT_AFTER_S = 8.0  # without a word a machine gets no more work
CONFIRM_EVERY_S = 2.0
UNCONFIRMED_AFTER_S = 30.0  # as long may the ledger be away before nobody gets any more work
ENDED_REMEMBERED = 1000  # admissions, so that a machine is told why its own is over
REMEMBERED = 20  # machines that were sent away, for `status`


@dataclass(frozen=True, slots=True)
class Shown:
    """What a machine has proved: the keys that it holds, as SHA-256, hex."""

    identity_sha256: str
    certificate_sha256: str


def require_worker(node: Node, shown: Shown, msp_ids: Collection[str]) -> None:
    """Return if the node that the ledger describes may work, and is who showed these keys.

    Raises:
        AdmissionRefusedError: it may not; says why.
    """
    if node.msp_id not in msp_ids:
        raise AdmissionRefusedError(
            f"node {node.node_id} is of {node.msp_id}; this cluster takes workers of {', '.join(msp_ids)}"
        )
    if node.status is not NodeStatus.ACTIVE:
        raise AdmissionRefusedError(f"node {node.node_id} is {node.status} on the ledger")
    if NodeRole.WORKER not in node.roles:
        raise AdmissionRefusedError(f"node {node.node_id} has no role `worker` on the ledger")
    if node.identity_sha256 != shown.identity_sha256:
        raise AdmissionRefusedError(f"the ledger names another key for node {node.node_id}")
    if node.tls_certificate_sha256 != shown.certificate_sha256:
        raise AdmissionRefusedError(f"the ledger names another TLS certificate for node {node.node_id}")


class State(StrEnum):
    JOINING = "joining"  # Ray starts there
    WORKING = "working"
    SILENT = "silent"  # not heard of lately
    UNCONFIRMED = "unconfirmed"  # the ledger could not be asked lately


@dataclass(slots=True)
class Member:
    """A machine that was admitted."""

    admission_id: str
    node_id: str
    msp_id: str
    shown: Shown
    admitted_s: float
    heard_s: float
    confirmed_s: float
    ray_node_id: str = ""

    def state(self, now_s: float) -> State:
        if now_s - self.confirmed_s > UNCONFIRMED_AFTER_S:
            return State.UNCONFIRMED
        if now_s - self.heard_s > SILENT_AFTER_S:
            return State.SILENT
        return State.WORKING if self.ray_node_id else State.JOINING


@dataclass(frozen=True, slots=True)
class SentAway:
    node_id: str
    reason: str
    at_s: float


@dataclass(slots=True)
class Roster:
    """The machines of one cluster."""

    _members: dict[str, Member] = field(default_factory=dict)  # by admission
    _reasons: dict[str, str] = field(default_factory=dict)  # why an admission ended
    sent_away: deque[SentAway] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    @property
    def members(self) -> tuple[Member, ...]:
        return tuple(self._members.values())

    def admit(self, node: Node, shown: Shown, now_s: float) -> Member:
        """Take a machine in; an earlier one of the same node is out, for a node is one machine."""
        for earlier in [each for each in self.members if each.node_id == node.node_id]:
            self._end(earlier, "the node joined anew")
        member = Member(secrets.token_hex(16), node.node_id, node.msp_id, shown, now_s, now_s, now_s)
        self._members[member.admission_id] = member
        return member

    def attend(self, admission_id: str, certificate_sha256: str, ray_node_id: str, now_s: float) -> Member:
        """Hear of a machine.

        Raises:
            AdmissionRefusedError: it was sent away, was never admitted, or says that it is what another is.
        """
        member = self._members.get(admission_id)
        if member is None or member.shown.certificate_sha256 != certificate_sha256:
            raise AdmissionRefusedError(self._reasons.get(admission_id, "there is no such admission"))
        others = {each.ray_node_id for each in self.members if each is not member}
        if ray_node_id and ray_node_id in others:
            raise AdmissionRefusedError("that machine is another node's")
        member.ray_node_id, member.heard_s = ray_node_id, now_s
        return member

    def leave(self, member: Member) -> None:
        """Let a machine go that wants to."""
        self._end(member, "the node left")

    def send_away(self, member: Member, reason: str, now_s: float) -> None:
        self._end(member, reason)
        self.sent_away.append(SentAway(member.node_id, reason, now_s))

    def working(self, now_s: float) -> tuple[Member, ...]:
        """Return those who may be given work now."""
        return tuple(each for each in self.members if each.state(now_s) is State.WORKING)

    def _end(self, member: Member, reason: str) -> None:
        if self._members.pop(member.admission_id, None) is not None:
            self._reasons[member.admission_id] = reason
        while len(self._reasons) > ENDED_REMEMBERED:
            del self._reasons[next(iter(self._reasons))]
