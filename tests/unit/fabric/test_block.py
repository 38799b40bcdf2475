"""Hashes and encodings of blocks, against those that a real network made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from veilmesh_fabric.block import (
    BlockHeader,
    data_hash,
    decode_block,
    header_bytes,
    header_hash,
    orderer_signature_message,
)
from veilmesh_fabric.committed_transaction import TxValidationCode

from tests.unit.fabric.recorded import FOLDERS, recorded


@pytest.mark.parametrize("folder", FOLDERS)
def test_recorded_blocks(folder: str) -> None:
    chain = recorded(folder)
    previous = b""
    for data, expected in zip(chain.blocks, chain.expected, strict=True):
        block = decode_block(data)
        assert block.number == expected["number"]
        assert block.header.previous_hash == previous == bytes.fromhex(expected["previous_hash"])
        assert block.header.data_hash == data_hash(block.data) == bytes.fromhex(expected["data_hash"])
        assert len(block.metadata.signatures) == expected["orderer_signatures"]
        names = [TxValidationCode.Name(code) for code in block.metadata.validation_codes]
        assert names == [each["code"] for each in expected["transactions"]]
        assert [each.tx_id for each in block.transactions] == [
            each["tx_id"] for each in expected["transactions"]
        ]
        assert not any(each.defect for each in block.transactions)
        assert block.is_config is (block.number == 0)
        previous = header_hash(block.header)


@pytest.mark.parametrize(
    ("number", "integer"),
    [
        (0, "020100"),
        (127, "02017f"),
        (128, "02020080"),
        (255, "020200ff"),
        (256, "02020100"),
        (2**63, "0209008000000000000000"),
        (2**64 - 1, "020900ffffffffffffffff"),
    ],
)
def test_header_bytes(number: int, integer: str) -> None:
    content = bytes.fromhex(integer) + b"\x04\x01p" + b"\x04\x00"
    assert header_bytes(BlockHeader(number, b"p", b"")) == b"\x30" + bytes([len(content)]) + content


@given(st.binary(min_size=128, max_size=400))
def test_long_header_fields(previous: bytes) -> None:
    encoded = header_bytes(BlockHeader(1, previous, b""))
    size = bytes([0x81, len(previous)]) if len(previous) < 256 else b"\x82" + len(previous).to_bytes(2, "big")
    assert b"\x04" + size + previous + b"\x04\x00" in encoded


def test_orderer_signs_value_header_and_block() -> None:
    header = BlockHeader(1, b"p", b"d")
    assert orderer_signature_message(b"value", b"header", header) == b"valueheader" + header_bytes(header)
