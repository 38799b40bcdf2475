"""Signatures checked in other processes come to the same."""

from collections.abc import Iterator

import pytest
from veilmesh_fabric.block import decode_block
from veilmesh_fabric.errors import FabricError
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.signature_checks import InlineChecks, SignedMessage, signed_messages
from veilmesh_fabric.verification import verify_blocks
from veilmesh_fabric.verification_pool import PooledChecks

from tests.unit.fabric.forge import VALID, Channel, Writes
from tests.unit.fabric.recorded import recorded
from tests.unit.fabric.transaction_changes import flipped


@pytest.fixture(scope="module")
def pool() -> Iterator[PooledChecks]:
    with PooledChecks(workers=1) as checks:
        yield checks


def test_same_report(pool: PooledChecks) -> None:
    blocks = recorded("raft").blocks
    inline, pooled = verify_blocks(blocks), verify_blocks(blocks, checks=pool)
    assert pooled.violation is None
    assert (pooled.signatures, pooled.transactions) == (inline.signatures, inline.transactions)


def test_same_results_for_good_and_bad_signatures(pool: PooledChecks) -> None:
    messages = [each for data in recorded("raft").blocks for each in signed_messages(decode_block(data), {})]
    bad = [each._replace(signature=flipped(each.signature)) for each in messages if each.signature]
    nobody = [SignedMessage(b"\xff", b"s", b"m"), SignedMessage(b"", b"", b"")]
    for some in (messages, bad, nobody, messages[:3] + bad[:3] + nobody, []):
        assert pool.start(some)() == InlineChecks().start(some)()


def test_small_parts_share_a_batch_and_come_back_apart(pool: PooledChecks) -> None:
    messages = [
        each for data in recorded("raft").blocks[1:] for each in signed_messages(decode_block(data), {})
    ]
    pending = [pool.start(messages[start : start + 7]) for start in range(0, len(messages), 7)]
    assert [len(results()) for results in reversed(pending)] == [
        len(messages[start : start + 7]) for start in reversed(range(0, len(messages), 7))
    ]
    assert all(result for results in pending for result in results())


def test_first_violation_is_the_earliest_although_later_blocks_are_read_before_it(pool: PooledChecks) -> None:
    channel = Channel()
    channel.add(channel.definition())
    channel.add(channel.transaction(Writes(writes={"a": b"1"}), endorsers=[]), codes=[VALID])
    report = verify_blocks([*channel.blocks, b"garbage"], checks=pool)
    assert report.violation is not None
    assert (report.violation.rule, report.violation.block_number) == (Rule.ENDORSEMENT, 2)


def test_configuration_is_followed(pool: PooledChecks) -> None:
    blocks = recorded("smartbft").blocks
    assert verify_blocks(blocks, checks=pool).holds


def test_pool_that_is_gone_is_no_violation() -> None:
    with PooledChecks(workers=1) as checks:
        pass
    with pytest.raises(FabricError, match="no longer"):
        verify_blocks(recorded("raft").blocks, checks=checks)
