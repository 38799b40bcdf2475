"""A channel whose every key the tests hold: what an insider could forge, they can.

`Channel` makes organisations and block 0, builds endorsed transactions and configuration updates, and closes
them into blocks with the orderer's signature. Codes are recorded as told, so a block can also lie.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2, policies_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.msp import msp_principal_pb2
from fabric_protos.peer import (
    chaincode_pb2,
    collection_pb2,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2
from veilmesh_fabric.block import BlockHeader, data_hash, header_hash, orderer_signature_message
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.proposal import Proposal, payload_without_transient, proposal_hash
from veilmesh_fabric.signing import signer_from_pem
from veilmesh_network.certificates import CertificateAuthority, NodeRole, Validity
from veilmesh_network.genesis import ChannelProfile, Consenter, genesis_block
from veilmesh_network.organisation import Organisation

CHANNEL = "veilmesh"
CHAINCODE = "kv"
VALID = 0
ENDORSEMENT_POLICY_FAILURE = 10
MVCC_READ_CONFLICT = 11
PHANTOM_READ_CONFLICT = 12

Version = tuple[int, int]


def organisation(msp_id: str) -> Organisation:
    domain = f"{msp_id.removesuffix('MSP').lower()}.example.com"
    signing, tls = (CertificateAuthority.create(f"{name}.{domain}", domain) for name in ("ca", "tlsca"))
    return Organisation(Path("nowhere"), msp_id, domain, signing, tls)


def member(
    of: Organisation, name: str, role: NodeRole, *, validity: Validity | None = None
) -> SigningIdentity:
    pair = of.signing.issue_signing(f"{name}.{of.domain}", role=role, validity=validity)
    return SigningIdentity(of.msp_id, pair.certificate_pem, signer_from_pem(pair.key_pem))


@dataclass(slots=True)
class Writes:
    """One namespace's read-write set, in Python."""

    reads: Mapping[str, Version | None] = field(default_factory=dict)
    writes: Mapping[str, bytes | None] = field(default_factory=dict)
    metadata: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    ranges: Sequence[tuple[str, str, Mapping[str, Version]]] = ()
    collections: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        message = kv_rwset_pb2.KVRWSet()
        for key, version in self.reads.items():
            _read(message.reads.add(key=key), version)
        for start, end, seen in self.ranges:
            query = message.range_queries_info.add(start_key=start, end_key=end, itr_exhausted=True)
            query.raw_reads.SetInParent()
            for key, version in seen.items():
                _read(query.raw_reads.kv_reads.add(key=key), version)
        for key, value in self.writes.items():
            message.writes.add(key=key, value=value or b"", is_delete=value is None)
        for key, entries in self.metadata.items():
            write = message.metadata_writes.add(key=key)
            for name, value in entries.items():
                write.entries.add(name=name, value=value)
        return serialized(message)


def _read(message: Any, version: Version | None) -> None:
    if version is not None:
        message.version.SetInParent()
        message.version.block_num, message.version.tx_num = version


def serialized(message: Any) -> bytes:
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def read_write_set(parts: Mapping[str, Writes]) -> bytes:
    message = rwset_pb2.TxReadWriteSet()
    for namespace, part in sorted(parts.items()):
        entry = message.ns_rwset.add(namespace=namespace, rwset=part.to_bytes())
        for name, keys in part.collections.items():
            hashes = kv_rwset_pb2.HashedRWSet()
            for key, value in keys.items():
                hashes.hashed_writes.add(
                    key_hash=sha256(key.encode()).digest(), value_hash=sha256(value).digest()
                )
            entry.collection_hashed_rwset.add(collection_name=name, hashed_rwset=serialized(hashes))
    return serialized(message)


def peers_of(needed: int, *msp_ids: str) -> Any:
    """Return a SignaturePolicyEnvelope: peers of so many of these organisations."""
    envelope = policies_pb2.SignaturePolicyEnvelope()
    envelope.rule.n_out_of.n = needed
    for index, msp_id in enumerate(msp_ids):
        envelope.rule.n_out_of.rules.add(signed_by=index)
        role = msp_principal_pb2.MSPRole(msp_identifier=msp_id, role=msp_principal_pb2.MSPRole.PEER)
        envelope.identities.add(
            principal_classification=msp_principal_pb2.MSPPrincipal.ROLE, principal=serialized(role)
        )
    return envelope


class Channel:
    """Three members, an auditor and an orderer, and the chain they make."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.members = [organisation(f"Org{number}MSP") for number in (1, 2, 3)]
        self.auditor_organisation = organisation("AuditMSP")
        self.orderer_organisation = organisation("OrdererMSP")
        self.peers, self.clients, self.admins = (
            [member(each, role.value, role) for each in self.members]
            for role in (NodeRole.PEER, NodeRole.CLIENT, NodeRole.ADMIN)
        )
        self.auditor = member(self.auditor_organisation, "auditor", NodeRole.CLIENT)
        self.orderer = member(self.orderer_organisation, "orderer", NodeRole.ORDERER)
        self.orderer_admin = member(self.orderer_organisation, "admin", NodeRole.ADMIN)
        profile = ChannelProfile(
            CHANNEL,
            self.members,
            [self.auditor_organisation],
            self.orderer_organisation,
            [
                Consenter(
                    "orderer.example.com",
                    7050,
                    self.orderer_organisation.tls.root.certificate_pem,
                    self.orderer.certificate_pem,
                )
            ],
        )
        first = genesis_block(profile)
        self.blocks = [serialized(first)]
        self.config = config_of(first).config
        self.config_block = 0

    def transaction(
        self,
        parts: Mapping[str, Writes] | Writes,
        *,
        endorsers: Sequence[SigningIdentity] | None = None,
        creator: SigningIdentity | None = None,
        chaincode: str = CHAINCODE,
        at: datetime | None = None,
        nonce: bytes | None = None,
        channel: str = CHANNEL,
    ) -> Any:
        """Return the `Envelope` of an endorsed transaction; by the first two peers, from the first client."""
        creator = creator or self.clients[0]
        proposal = Proposal.build(
            creator.creator, channel, chaincode, ["put"], at=at or self.now, nonce=nonce
        )
        message = proposal_pb2.Proposal.FromString(proposal.proposal_bytes)
        header = common_pb2.Header.FromString(message.header)
        response = serialized(
            proposal_response_pb2.ProposalResponsePayload(
                proposal_hash=proposal_hash(header, message.payload),
                extension=serialized(
                    proposal_pb2.ChaincodeAction(
                        results=read_write_set({chaincode: parts} if isinstance(parts, Writes) else parts),
                        response=proposal_response_pb2.Response(status=200),
                        chaincode_id=chaincode_pb2.ChaincodeID(name=chaincode, version="1.0"),
                    )
                ),
            )
        )
        payload = transaction_pb2.ChaincodeActionPayload(
            chaincode_proposal_payload=payload_without_transient(message.payload),
            action=transaction_pb2.ChaincodeEndorsedAction(
                proposal_response_payload=response,
                endorsements=[
                    endorsement(endorser, response)
                    for endorser in (self.peers[:2] if endorsers is None else endorsers)
                ],
            ),
        )
        action = transaction_pb2.TransactionAction(
            header=header.signature_header, payload=serialized(payload)
        )
        data = serialized(transaction_pb2.Transaction(actions=[action]))
        return signed_envelope(common_pb2.Payload(header=header, data=data), creator)

    def definition(self, policy: bytes | None = None, collections: Any = None) -> Any:
        """Return the transaction that defines the chaincode, by default under the channel's Endorsement."""
        if policy is None:
            reference = "/Channel/Application/Endorsement"
            policy = serialized(policies_pb2.ApplicationPolicy(channel_config_policy_reference=reference))
        fields = {
            "Sequence": db_pb2.StateData(Int64=1),
            "EndorsementInfo": _wrapped(chaincode_definition_pb2.ChaincodeEndorsementInfo(version="1.0")),
            "ValidationInfo": _wrapped(
                chaincode_definition_pb2.ChaincodeValidationInfo(
                    validation_plugin="vscc", validation_parameter=policy
                )
            ),
            "Collections": _wrapped(collections or collection_pb2.CollectionConfigPackage()),
        }
        writes = {f"namespaces/fields/{CHAINCODE}/{name}": serialized(data) for name, data in fields.items()}
        metadata = db_pb2.StateMetadata(datatype="ChaincodeDefinition", fields=list(fields))
        writes[f"namespaces/metadata/{CHAINCODE}"] = serialized(metadata)
        return self.transaction(Writes(writes=writes), chaincode="_lifecycle")

    def config_update(
        self,
        change: Callable[[Any], None],
        signers: Sequence[SigningIdentity],
    ) -> Any:
        """Return the CONFIG `Envelope` of an update that `change` describes on a copy of the root group.

        `change` counts versions up itself.
        """
        root = configtx_pb2.ConfigGroup()
        root.CopyFrom(self.config.channel_group)
        change(root)
        update = configtx_pb2.ConfigUpdate(
            channel_id=CHANNEL, read_set=self.config.channel_group, write_set=root
        )
        signed = configtx_pb2.ConfigUpdateEnvelope(config_update=serialized(update))
        for signer in signers:
            header = serialized(common_pb2.SignatureHeader(creator=signer.creator, nonce=b"n" * 24))
            signed.signatures.add(
                signature_header=header, signature=signer.sign(header + signed.config_update)
            )
        request = signed_envelope(
            self._payload(common_pb2.CONFIG_UPDATE, serialized(signed), self.clients[0]), self.clients[0]
        )
        config = configtx_pb2.Config(sequence=self.config.sequence + 1, channel_group=root)
        envelope = configtx_pb2.ConfigEnvelope(config=config, last_update=request)
        return signed_envelope(
            self._payload(common_pb2.CONFIG, serialized(envelope), self.orderer), self.orderer
        )

    def _payload(self, kind: int, data: bytes, creator: SigningIdentity) -> Any:
        header = common_pb2.ChannelHeader(type=kind, channel_id=CHANNEL)
        header.timestamp.FromDatetime(self.now)
        signature_header = common_pb2.SignatureHeader(creator=creator.creator, nonce=b"n" * 24)
        return common_pb2.Payload(
            header=common_pb2.Header(
                channel_header=serialized(header), signature_header=serialized(signature_header)
            ),
            data=data,
        )

    def add(self, *envelopes: Any, codes: Sequence[int] | None = None) -> None:
        """Close transactions into the next block, all of them valid unless told otherwise."""
        self.blocks.append(serialized(self.block(*envelopes, codes=codes)))

    def add_config(self, envelope: Any) -> None:
        """Close a configuration into the next block and take it as the one in force."""
        self.config_block = len(self.blocks)
        self.add(envelope)
        self.config = config_of(common_pb2.Block.FromString(self.blocks[-1])).config

    def block(self, *envelopes: Any, codes: Sequence[int] | None = None) -> Any:
        data = [each if isinstance(each, bytes) else serialized(each) for each in envelopes]
        number = len(self.blocks)
        previous = header_of(common_pb2.Block.FromString(self.blocks[-1]))
        header = BlockHeader(number, header_hash(previous), data_hash(data))
        message = common_pb2.Block(
            header=common_pb2.BlockHeader(
                number=number, previous_hash=header.previous_hash, data_hash=header.data_hash
            ),
            data=common_pb2.BlockData(data=data),
        )
        recorded = bytes(codes if codes is not None else [VALID] * len(data))
        sign_block(message, self.orderer, last_config=self.config_block, codes=recorded)
        return message

    def later(self, **duration: float) -> datetime:
        return self.now + timedelta(**duration)


def sign_block(message: Any, orderer: SigningIdentity, *, last_config: int, codes: bytes) -> None:
    """Write a block's metadata as this orderer and a peer would."""
    value = serialized(common_pb2.OrdererBlockMetadata(last_config=common_pb2.LastConfig(index=last_config)))
    header = serialized(common_pb2.SignatureHeader(creator=orderer.creator, nonce=b"o" * 24))
    signature = orderer.sign(orderer_signature_message(value, header, header_of(message)))
    metadata = common_pb2.Metadata(value=value)
    metadata.signatures.add(signature_header=header, signature=signature)
    del message.metadata.metadata[:]
    message.metadata.metadata.extend([serialized(metadata), b"", codes, b"", b""])


def header_of(message: Any) -> BlockHeader:
    return BlockHeader(message.header.number, message.header.previous_hash, message.header.data_hash)


def config_of(message: Any) -> Any:
    envelope = common_pb2.Envelope.FromString(message.data.data[0])
    return configtx_pb2.ConfigEnvelope.FromString(common_pb2.Payload.FromString(envelope.payload).data)


def endorsement(endorser: SigningIdentity, response: bytes) -> Any:
    return proposal_response_pb2.Endorsement(
        endorser=endorser.creator, signature=endorser.sign(response + endorser.creator)
    )


def signed_envelope(payload: Any, signer: SigningIdentity) -> Any:
    data = serialized(payload)
    return common_pb2.Envelope(payload=data, signature=signer.sign(data))


def _wrapped(message: Any) -> Any:
    return db_pb2.StateData(Bytes=serialized(message))
