"""Chaincode definitions, kept in the ledger's own state as on Fabric.

A definition says which version of a chaincode the channel runs and which policy its transactions must
satisfy. It stands in the namespace `_lifecycle`, one key a field, written by an ordinary transaction that
peers of the members endorsed: so a verifier learns the endorsement policy from the chain. On Fabric the
members first approve in private collections of their own; here, where one process holds every peer, their
endorsements are the approval.

Source: Fabric `core/chaincode/lifecycle/serializer.go`, `lifecycle.go`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fabric_protos.common import policies_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import collection_pb2, proposal_pb2, proposal_response_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2, lifecycle_pb2
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.lifecycle import LIFECYCLE, ChaincodeDefinition, chaincode_definition
from veilmesh_fabric.policy import ENDORSEMENT_POLICY
from veilmesh_fabric.proposal import Proposal
from veilmesh_fabric.proposal_response import assemble_transaction, endorse, response_payload
from veilmesh_fabric.rwset import Read
from veilmesh_fabric.wire import decode
from veilmesh_fabric.world_state import StateKey

from veilmesh_network.embedded.store import Snapshot

_SYSTEM_CHAINCODE_VERSION = "syscc"
_FIELDS = ("Sequence", "EndorsementInfo", "ValidationInfo", "Collections")  # in the order of Fabric's struct


@dataclass(frozen=True, slots=True)
class Definition:
    """One chaincode as the channel has agreed on it, and the read that every transaction under it records."""

    chaincode: ChaincodeDefinition
    sequence: Read


class Definitions:
    """The committed definitions, parsed once for each time they change."""

    def __init__(self) -> None:
        self._known: dict[str, Definition] = {}

    def find(self, snapshot: Snapshot, name: str) -> Definition | None:
        """Return the definition of the chaincode `name`, None where the channel has none.

        Raises:
            DecodeError: what stands in the state is none.
        """
        key = _field_key(name, "Sequence")
        entry = snapshot.get(StateKey(LIFECYCLE, "", key))
        if entry is None:
            return None
        known = self._known.get(name)
        if known is None or known.sequence.version != entry.version:
            chaincode = chaincode_definition(snapshot, name)
            if chaincode is None:
                return None
            known = self._known[name] = Definition(chaincode, Read(key, entry.version))
        return known


def definition_transaction(
    name: str,
    version: str,
    *,
    channel: str,
    creator: SigningIdentity,
    endorsers: Sequence[SigningIdentity],
    at: datetime,
) -> Any:
    """Return the signed `Envelope` that defines a chaincode for the first time.

    Args:
        name: of the chaincode.
        version: of the chaincode.
        channel: where it is to run.
        creator: a member's admin, who must satisfy the channel's Writers.
        endorsers: peers that satisfy the channel's LifecycleEndorsement.
        at: the transaction's time.
    """
    arguments = lifecycle_pb2.CommitChaincodeDefinitionArgs(sequence=1, name=name, version=version)
    proposal = Proposal.build(
        creator.creator,
        channel,
        LIFECYCLE,
        ["CommitChaincodeDefinition", arguments.SerializeToString()],
        at=at,
    )
    message = decode(proposal_pb2.Proposal, proposal.proposal_bytes, "proposal")
    response = proposal_response_pb2.Response(status=200)
    payload = response_payload(
        message,
        response,
        results=_definition_writes(name, version),
        chaincode_name=LIFECYCLE,
        chaincode_version=_SYSTEM_CHAINCODE_VERSION,
    )
    envelope = assemble_transaction(message, [endorse(peer, payload, response) for peer in endorsers])
    envelope.signature = creator.sign(envelope.payload)
    return envelope


def _definition_writes(name: str, version: str) -> bytes:
    policy = policies_pb2.ApplicationPolicy(channel_config_policy_reference=ENDORSEMENT_POLICY)
    info = chaincode_definition_pb2.ChaincodeEndorsementInfo(version=version, endorsement_plugin="escc")
    rule = chaincode_definition_pb2.ChaincodeValidationInfo(
        validation_plugin="vscc", validation_parameter=policy.SerializeToString()
    )
    fields: Mapping[str, Any] = {
        "Sequence": db_pb2.StateData(Int64=1),
        "EndorsementInfo": db_pb2.StateData(Bytes=info.SerializeToString()),
        "ValidationInfo": db_pb2.StateData(Bytes=rule.SerializeToString()),
        "Collections": db_pb2.StateData(Bytes=collection_pb2.CollectionConfigPackage().SerializeToString()),
    }
    writes = {_field_key(name, field): value.SerializeToString() for field, value in fields.items()}
    metadata = db_pb2.StateMetadata(datatype="ChaincodeDefinition", fields=_FIELDS)
    writes[_metadata_key(name)] = metadata.SerializeToString()
    absent = (_field_key(name, "Sequence"), _metadata_key(name))
    reads_and_writes = kv_rwset_pb2.KVRWSet(
        reads=[kv_rwset_pb2.KVRead(key=key) for key in sorted(absent)],
        writes=[kv_rwset_pb2.KVWrite(key=key, value=value) for key, value in sorted(writes.items())],
    )
    results = rwset_pb2.TxReadWriteSet(data_model=rwset_pb2.TxReadWriteSet.KV)
    results.ns_rwset.add(namespace=LIFECYCLE, rwset=reads_and_writes.SerializeToString())
    return bytes(results.SerializeToString())


def _field_key(name: str, field: str) -> str:
    return f"namespaces/fields/{name}/{field}"


def _metadata_key(name: str) -> str:
    return f"namespaces/metadata/{name}"
