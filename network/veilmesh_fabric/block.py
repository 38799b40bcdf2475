"""Blocks: a header that chains, transactions, and metadata that orderer and peer add.

The hashes and the bytes an orderer signs are defined here, for reading and for writing:

- header bytes: DER SEQUENCE { number INTEGER, previous_hash OCTET STRING, data_hash OCTET STRING };
- header hash: SHA-256 of them, the next block's `previous_hash`;
- data hash: SHA-256 over the concatenated entries of the block's data;
- an orderer signs `metadata value || signature or identifier header || header bytes`.

Metadata is a list by position. The orderer writes SIGNATURES, the peer TRANSACTIONS_FILTER (one validation
code a transaction) and COMMIT_HASH; LAST_CONFIG and ORDERER are empty since Fabric 1.4.1. Nothing signs what
the peer writes, which is why `verification.py` computes it anew.

Source: Fabric v3.1 `protoutil/blockutils.go`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from fabric_protos.common import common_pb2

from veilmesh_fabric.committed_transaction import CommittedTransaction, decode_transaction
from veilmesh_fabric.errors import DecodeError
from veilmesh_fabric.wire import decode, decode_canonical

_DER_INTEGER, _DER_OCTET_STRING, _DER_SEQUENCE = 0x02, 0x04, 0x30
_METADATA_ENTRIES = 5


@dataclass(frozen=True, slots=True)
class BlockHeader:
    number: int
    previous_hash: bytes
    data_hash: bytes


@dataclass(frozen=True, slots=True)
class OrdererSignature:
    """One orderer's signature over a block; either header names the signer."""

    signature_header: bytes  # SignatureHeader: the identity itself
    identifier_header: bytes  # IdentifierHeader: a SmartBFT consenter's number
    signature: bytes
    creator: bytes  # SerializedIdentity out of the signature header, or empty
    consenter_id: int | None  # out of the identifier header, which counts only without a signature header

    @property
    def header(self) -> bytes:
        """Return the header that the signature covers."""
        return self.signature_header if self.consenter_id is None else self.identifier_header


@dataclass(frozen=True, slots=True)
class BlockMetadata:
    value: bytes  # OrdererBlockMetadata, as the orderers sign it
    last_config: int  # number of the config block in force, out of `value`
    consenter_metadata: bytes  # the ordering service's own, out of `value`
    signatures: tuple[OrdererSignature, ...]
    validation_codes: bytes  # one byte a transaction; empty before a peer has validated the block
    commit_hash: bytes  # empty where the peer keeps none
    obsolete: tuple[bytes, bytes]  # LAST_CONFIG and ORDERER


@dataclass(frozen=True, slots=True)
class Block:
    header: BlockHeader
    data: tuple[bytes, ...]  # the envelopes, as hashed
    transactions: tuple[CommittedTransaction, ...]
    metadata: BlockMetadata

    @property
    def number(self) -> int:
        return self.header.number

    @property
    def is_config(self) -> bool:
        return len(self.transactions) == 1 and self.transactions[0].is_config

    def signed_by_orderer(self, signature: OrdererSignature) -> bytes:
        """Return the bytes that this block's orderer signature covers."""
        return orderer_signature_message(self.metadata.value, signature.header, self.header)


def decode_block(data: bytes) -> Block:
    """Read a serialized `common.Block`.

    Only the canonical encoding is accepted, since parts of a block are covered by no hash. A malformed
    transaction is read as a defect (`CommittedTransaction.defect`), everything else malformed is refused.

    Raises:
        DecodeError: it says what is malformed.
    """
    message = decode_canonical(common_pb2.Block, data, "block")
    if not message.data.data:
        raise DecodeError(f"block {message.header.number} holds no transaction")
    entries = tuple(message.data.data)
    return Block(
        header=BlockHeader(message.header.number, message.header.previous_hash, message.header.data_hash),
        data=entries,
        transactions=tuple(decode_transaction(entry) for entry in entries),
        metadata=decode_metadata(message.metadata.metadata),
    )


def decode_metadata(found: Iterable[bytes]) -> BlockMetadata:
    """Read the entries of a block's metadata.

    Raises:
        DecodeError: as `decode_block`.
    """
    entries = tuple(found)
    if len(entries) > _METADATA_ENTRIES:
        raise DecodeError(f"block metadata has {len(entries)} entries, only {_METADATA_ENTRIES} are known")
    signed, last_config, codes, orderer, commit_hash = entries + (b"",) * (_METADATA_ENTRIES - len(entries))
    metadata = decode_canonical(common_pb2.Metadata, signed, "orderer's block metadata")
    value = decode_canonical(
        common_pb2.OrdererBlockMetadata, metadata.value, "value of the orderer's block metadata"
    )
    commit = decode_canonical(common_pb2.Metadata, commit_hash, "commit hash")
    if commit.signatures:
        raise DecodeError("commit hash carries signatures")
    return BlockMetadata(
        value=metadata.value,
        last_config=value.last_config.index,
        consenter_metadata=value.consenter_metadata,
        signatures=tuple(
            _orderer_signature(each.signature_header, each.identifier_header, each.signature)
            for each in metadata.signatures
        ),
        validation_codes=codes,
        commit_hash=commit.value,
        obsolete=(last_config, orderer),
    )


def _orderer_signature(
    signature_header: bytes, identifier_header: bytes, signature: bytes
) -> OrdererSignature:
    creator = b""
    consenter_id = None
    if identifier_header and not signature_header:
        consenter_id = decode(common_pb2.IdentifierHeader, identifier_header, "identifier header").identifier
    else:
        if identifier_header:
            raise DecodeError("orderer signature has both a signature header and an identifier header")
        creator = decode(common_pb2.SignatureHeader, signature_header, "orderer's signature header").creator
    return OrdererSignature(signature_header, identifier_header, signature, creator, consenter_id)


def header_bytes(header: BlockHeader) -> bytes:
    number = header.number.to_bytes(header.number.bit_length() // 8 + 1, "big")
    return _der(
        _DER_SEQUENCE,
        _der(_DER_INTEGER, number)
        + _der(_DER_OCTET_STRING, header.previous_hash)
        + _der(_DER_OCTET_STRING, header.data_hash),
    )


def header_hash(header: BlockHeader) -> bytes:
    return sha256(header_bytes(header)).digest()


def data_hash(entries: Iterable[bytes]) -> bytes:
    digest = sha256()
    for entry in entries:
        digest.update(entry)
    return digest.digest()


def orderer_signature_message(metadata_value: bytes, signature_header: bytes, header: BlockHeader) -> bytes:
    return metadata_value + signature_header + header_bytes(header)


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + content
