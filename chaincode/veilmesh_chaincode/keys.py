"""Where each record lives: composite keys in Fabric's form, one table a kind of record.

A composite key is U+0000, the kind, U+0000, then every attribute followed by U+0000 (Fabric's
`CreateCompositeKey`). Attributes are identifiers from checked records, so none holds U+0000 or U+10FFFF; all
keys with the same leading attributes lie between that prefix and the prefix followed by U+10FFFF.

Nothing here counts globally: unrelated transactions touch unrelated keys.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from veilmesh_chaincode.records.audit import AccessLogEntry, SearchLogEntry
from veilmesh_chaincode.records.authentication import Attempts, Authentication
from veilmesh_chaincode.records.base import Document
from veilmesh_chaincode.records.enrolment import Countersign, Reference
from veilmesh_chaincode.records.policy import CurrentPolicy, Policy, PolicyProposal
from veilmesh_chaincode.records.registry import Consortium, MembershipProposal, Model, Node, NodeName
from veilmesh_chaincode.records.release import Anchor
from veilmesh_chaincode.records.unsealing import Unsealing

Record = TypeVar("Record", bound=Document)

_SEPARATOR = "\x00"
_AFTER_ALL = "\U0010ffff"


def composite_key(kind: str, *attributes: str) -> str:
    return _SEPARATOR + _SEPARATOR.join((kind, *attributes)) + _SEPARATOR


def prefix_range(prefix: str) -> tuple[str, str]:
    """Return the half-open range of all keys that begin with `prefix`, itself a composite key."""
    return prefix, prefix + _AFTER_ALL


def last_attribute(key: str) -> str:
    return key.split(_SEPARATOR)[-2]


@dataclass(frozen=True, slots=True)
class Table(Generic[Record]):
    """One kind of record.

    Attributes:
        kind: the composite key's object type; also the word for it in messages.
        record: the type stored.
        attributes_of: the key's attributes, taken from the record itself.
    """

    kind: str
    record: type[Record]
    attributes_of: Callable[[Record], tuple[str, ...]]

    def key(self, *attributes: str) -> str:
        return composite_key(self.kind, *attributes)


@dataclass(frozen=True, slots=True)
class Index:
    """A second way to a record: a key that ends in the record's own attribute, and says nothing else."""

    kind: str

    def key(self, *attributes: str) -> str:
        return composite_key(self.kind, *attributes)


def policy_number(version: int) -> str:
    return f"{version:010d}"


def _moment(at_s: int, tx_id: str) -> str:
    return f"{at_s:016d}-{tx_id}"


CONSORTIUM = Table("consortium", Consortium, lambda _: ())
MEMBERSHIP_PROPOSALS = Table("membership-proposal", MembershipProposal, lambda r: (r.msp_id,))
NODES = Table("node", Node, lambda r: (r.node_id,))
NODE_NAMES = Table("node-name", NodeName, lambda r: (r.identity_sha256,))
MODELS = Table("model", Model, lambda r: (r.model_digest,))
CURRENT_POLICY = Table("current-policy", CurrentPolicy, lambda _: ())
POLICIES = Table("policy", Policy, lambda r: (policy_number(r.version),))
POLICY_PROPOSALS = Table("policy-proposal", PolicyProposal, lambda r: (r.proposal_id,))
REFERENCES = Table("reference", Reference, lambda r: (r.reference_id,))
COUNTERSIGNS = Table("countersign", Countersign, lambda r: (r.reference_id,))
REFERENCES_BY_OWNER = Index("reference-by-owner")
AUTHENTICATIONS = Table("authentication", Authentication, lambda r: (r.authentication_id,))
AUTHENTICATIONS_BY_REFERENCE = Index("authentication-by-reference")
ATTEMPTS = Table("attempts", Attempts, lambda r: (r.reference_id, r.relying_msp_id))
ANCHORS = Table("anchor", Anchor, lambda r: (r.merkle_root,))
UNSEALINGS = Table("unsealing", Unsealing, lambda r: (r.unsealing_id,))
ACCESS_LOG = Table("access-log", AccessLogEntry, lambda r: (_moment(r.at_s, r.tx_id),))
SEARCH_LOG = Table("search-log", SearchLogEntry, lambda r: (_moment(r.at_s, r.tx_id),))
