from datetime import UTC, datetime
from hashlib import sha256

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2
from veilmesh_fabric.errors import DecodeError
from veilmesh_fabric.proposal import Proposal, proposal_hash, transaction_id
from veilmesh_fabric.signing import verify

from tests.unit.fabric.identities import identity

CREATOR = b"\x0a\x07Org1MSP\x12\x04cert"
NONCE = bytes(range(24))
AT = datetime(2026, 11, 21, 12, 30, 15, 250_000, tzinfo=UTC)


def build(*, transient: dict[str, bytes] | None = None, nonce: bytes | None = NONCE) -> Proposal:
    return Proposal.build(
        CREATOR,
        "veil",
        "mesh",
        ("registry:GetNode", b'{"id":1}'),
        at=AT,
        transient=transient,
        tls_certificate_hash=b"\x11" * 32,
        nonce=nonce,
    )


def varint(number: int) -> bytes:
    """Protobuf's base-128 integers, least significant group first."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(groups) + bytes([number])


def integer(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number)


def chunk(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def proposal_by_hand(tx_id: str) -> bytes:
    """The same proposal, byte by byte: field numbers as in Fabric's .proto files."""
    timestamp = integer(1, 1795264215) + integer(2, 250_000_000)
    chaincode = chunk(2, b"mesh")  # ChaincodeID.name
    channel_header = (
        integer(1, 3)  # type ENDORSER_TRANSACTION
        + chunk(3, timestamp)
        + chunk(4, b"veil")
        + chunk(5, tx_id.encode())
        + chunk(7, chunk(2, chaincode))  # extension: ChaincodeHeaderExtension
        + chunk(8, b"\x11" * 32)
    )
    signature_header = chunk(1, CREATOR) + chunk(2, NONCE)
    arguments = chunk(1, b"registry:GetNode") + chunk(1, b'{"id":1}')
    specification = chunk(2, chaincode) + chunk(3, arguments)
    transient = chunk(1, b"salt") + chunk(2, b"secret")
    payload = chunk(1, chunk(1, specification)) + chunk(2, transient)
    return chunk(1, chunk(1, channel_header) + chunk(2, signature_header)) + chunk(2, payload)


def test_the_transaction_id_is_the_hash_of_nonce_and_creator() -> None:
    assert transaction_id(b"nonce", b"creator") == (
        sha256(b"noncecreator").hexdigest()  # the order matters
    )
    assert build().tx_id == sha256(NONCE + CREATOR).hexdigest()


def test_a_proposal_equals_the_one_built_by_hand() -> None:
    proposal = build(transient={"salt": b"secret"})
    assert proposal.proposal_bytes == proposal_by_hand(proposal.tx_id)


def test_every_proposal_is_another_transaction() -> None:
    proposals = [build(nonce=None) for _ in range(20)]
    assert len({proposal.tx_id for proposal in proposals}) == 20
    header = common_pb2.Header.FromString(
        proposal_pb2.Proposal.FromString(proposals[0].proposal_bytes).header
    )
    assert len(common_pb2.SignatureHeader.FromString(header.signature_header).nonce) == 24


def test_the_signature_covers_the_proposal() -> None:
    alice = identity()
    signed = build().sign(alice).to_proto()
    assert signed.proposal_bytes == build().proposal_bytes
    verify(alice.signer.public_key, signed.signature, signed.proposal_bytes)


def test_the_proposal_hash_leaves_transient_data_out() -> None:
    with_salt, without = (
        proposal_pb2.Proposal.FromString(build(transient=transient).proposal_bytes)
        for transient in ({"salt": b"secret"}, {})
    )
    header = common_pb2.Header.FromString(with_salt.header)
    by_hand = sha256(header.channel_header + header.signature_header + without.payload).digest()
    assert with_salt.payload != without.payload
    assert proposal_hash(header, with_salt.payload) == proposal_hash(header, without.payload) == by_hand


def test_the_hash_of_junk_is_refused() -> None:
    with pytest.raises(DecodeError, match="proposal payload"):
        proposal_hash(common_pb2.Header(), b"\xff")


def test_a_proposal_does_not_print_what_it_asks() -> None:
    proposal = build(transient={"salt": b"secret"})
    assert "secret" not in repr(proposal)
    assert "registry" not in repr(proposal.sign(identity()))
