"""Whatever bytes come, decoding and verification answer in their own words, or that all is well."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from veilmesh_fabric.block import Block, decode_block
from veilmesh_fabric.certificates import read_certificate, read_revocation_list
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.committed_transaction import decode_transaction
from veilmesh_fabric.errors import DecodeError, IdentityError
from veilmesh_fabric.policy import SignaturePolicy
from veilmesh_fabric.rwset import ReadWriteSet
from veilmesh_fabric.verification import verify_blocks

from tests.unit.fabric.recorded import FOLDERS, recorded

RAFT, SMARTBFT = (recorded(folder).blocks for folder in FOLDERS)
FLIPS = 100


@given(st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    for decode in (
        decode_block,
        ChannelConfig.from_block,
        SignaturePolicy.from_bytes,
        ReadWriteSet.from_bytes,
    ):
        try:
            decode(data)
        except DecodeError:
            continue
    for read in (read_certificate, read_revocation_list):
        with pytest.raises(IdentityError):
            read(data)
    assert decode_transaction(data).defect
    report = verify_blocks([data])
    assert report.violation
    assert report.blocks == 0


changes = st.lists(st.tuples(st.integers(0, 2**20), st.integers(1, 255)), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*RAFT[:6], *SMARTBFT[:6]]), changes)
def test_changed_bytes_in_a_block(block: bytes, changed: list[tuple[int, int]]) -> None:
    data = bytearray(block)
    for position, mask in changed:
        data[position % len(data)] ^= mask
    for decode in (decode_block, ChannelConfig.from_block):
        try:
            decode(bytes(data))
        except DecodeError:
            continue


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*RAFT, *SMARTBFT]), st.data())
def test_changed_bytes_in_a_transaction_are_a_defect_or_nothing(block: bytes, data: st.DataObject) -> None:
    entry = bytearray(decode_block(block).data[0])
    position = data.draw(st.integers(0, len(entry) - 1))
    entry[position] ^= data.draw(st.integers(1, 255))
    transaction = decode_transaction(bytes(entry))
    assert transaction.header or transaction.defect
    assert transaction.config or transaction.action or transaction.defect


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 5), st.lists(st.tuples(st.integers(0, 2**20), st.integers(1, 255)), max_size=3), st.data()
)
def test_a_chain_with_random_changes_never_holds_by_accident(
    number: int, changed: list[tuple[int, int]], data: st.DataObject
) -> None:
    chain = list(data.draw(st.sampled_from([RAFT, SMARTBFT]))[:7])
    block = bytearray(chain[number])
    for position, mask in changed:
        block[position % len(block)] ^= mask
    was_changed = bytes(block) != chain[number]
    chain[number] = bytes(block)
    report = verify_blocks(chain, anchor=recorded("raft").blocks[0] if chain[1] == RAFT[1] else SMARTBFT[0])
    assert report.holds is not was_changed, report.violation


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_single_bit_can_be_flipped(folder: str) -> None:
    """A sample over all of two chains, each byte as likely; seeded, so that a failure comes back."""
    chain = recorded(folder).blocks
    chooser = random.Random(20260601)  # noqa: S311 - a sample of positions, no secret
    sizes = [len(block) for block in chain]
    for _ in range(FLIPS):
        (number,) = chooser.choices(range(len(chain)), sizes)
        block = bytearray(chain[number])
        block[chooser.randrange(len(block))] ^= 1 << chooser.randrange(8)
        changed = [*chain[:number], bytes(block), *chain[number + 1 :]]
        violation = verify_blocks(changed, anchor=chain[0]).violation
        assert violation is not None
        assert violation.block_number == number


def test_block_is_read_whole() -> None:
    block: Block = decode_block(RAFT[7])
    (transaction,) = block.transactions
    assert transaction.action is not None
    assert transaction.action.event is not None
    assert (transaction.action.event.name, transaction.action.event.payload) == ("myevent", b"pl")
    assert transaction.arguments() == (b"event",)
    assert transaction.header is not None
    assert transaction.tx_id == transaction.header.computed_tx_id
    with pytest.raises(DecodeError, match="only an endorser transaction"):
        decode_block(RAFT[0]).transactions[0].arguments()
