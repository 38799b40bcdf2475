"""Signatures checked in other processes come to the same."""

import random
from collections.abc import Iterator
from itertools import cycle

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import transaction_pb2
from veilmesh_fabric.block import decode_block
from veilmesh_fabric.errors import FabricError
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.signature_checks import InlineChecks, SignedMessage, signed_messages
from veilmesh_fabric.signing import signer_from_pem
from veilmesh_fabric.verification import verify_blocks
from veilmesh_fabric.verification_pool import PooledChecks
from veilmesh_fabric.verification_report import VerificationReport

from tests.unit.fabric.forge import ENDORSEMENT_POLICY_FAILURE, MVCC_READ_CONFLICT, VALID, Channel, Writes
from tests.unit.fabric.identities import certificate_pem, key_pem
from tests.unit.fabric.recorded import FOLDERS, recorded
from tests.unit.fabric.test_config_update import remove_member
from tests.unit.fabric.transaction_changes import flipped

BAD_CREATOR_SIGNATURE = transaction_pb2.BAD_CREATOR_SIGNATURE
CHANGED = 8
REPORTED = (
    "channel_id",
    "blocks",
    "last_header_hash",
    "transactions",
    "signatures",
    "organizations",
    "has_commit_hashes",
    "taken_on_trust",
    "notes",
)


@pytest.fixture(scope="module")
def pool() -> Iterator[PooledChecks]:
    with PooledChecks(workers=1) as checks:
        yield checks


def outcome(report: VerificationReport) -> tuple[object, ...]:
    """Everything that a report says but the time it took."""
    found = report.violation
    where = (found.rule, found.block_number, found.tx_id, found.message) if found else None
    return *(getattr(report, each) for each in REPORTED), where


def followed_changes() -> list[bytes]:
    """A chain with both kinds of refused transactions and two configurations, the second without Org3."""
    channel = Channel()
    channel.add(channel.definition())
    org3 = channel.clients[2]
    channel.add(channel.transaction(Writes(writes={"a": b"1"}), creator=org3))
    channel.add(
        channel.transaction(Writes(reads={"a": (2, 0)}, writes={"a": b"2"})),
        channel.transaction(Writes(reads={"a": (2, 0)}, writes={"a": b"3"})),
        channel.transaction(Writes(writes={"b": b"1"}), endorsers=[]),
        codes=[VALID, MVCC_READ_CONFLICT, ENDORSEMENT_POLICY_FAILURE],
    )
    channel.add_config(channel.config_update(remove_member("Org3MSP"), channel.admins[:2]))
    channel.add(channel.transaction(Writes(writes={"b": b"2"})))
    channel.add(channel.transaction(Writes(writes={"b": b"3"}), creator=org3), codes=[BAD_CREATOR_SIGNATURE])
    return channel.blocks


def test_same_report(pool: PooledChecks) -> None:
    for blocks in (recorded("raft").blocks, recorded("smartbft").blocks, followed_changes()):
        pooled = verify_blocks(blocks, checks=pool)
        assert pooled.violation is None
        assert outcome(pooled) == outcome(verify_blocks(blocks))


def test_a_key_that_still_signs_is_no_member_after_the_update(pool: PooledChecks) -> None:
    """Which signatures hold is found ahead; who may sign is decided under each block's own configuration."""
    blocks = followed_changes()
    message = common_pb2.Block.FromString(blocks[-1])
    message.metadata.metadata[common_pb2.TRANSACTIONS_FILTER] = bytes([VALID])
    blocks[-1] = message.SerializeToString(deterministic=True)
    report = verify_blocks(blocks, checks=pool)
    assert report.violation is not None
    assert report.violation.rule == Rule.CREATOR
    assert outcome(report) == outcome(verify_blocks(blocks))


@pytest.mark.parametrize("folder", FOLDERS)
def test_same_violation_wherever_a_byte_is_changed(pool: PooledChecks, folder: str) -> None:
    blocks = recorded(folder).blocks
    chooser = random.Random(20260603)  # noqa: S311 - a sample of positions, no secret
    for _ in range(CHANGED):
        number = chooser.randrange(1, len(blocks))
        block = bytearray(blocks[number])
        block[chooser.randrange(len(block))] ^= chooser.randrange(1, 256)
        changed = [*blocks[:number], bytes(block), *blocks[number + 1 :]]
        assert outcome(verify_blocks(changed, checks=pool)) == outcome(verify_blocks(changed))


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


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()],
    ids=["P-384", "Ed25519"],
)
def test_other_keys_than_p256(
    pool: PooledChecks, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
) -> None:
    signer = SigningIdentity("Org1MSP", certificate_pem(key), signer_from_pem(key_pem(key)))
    good = SignedMessage(signer.creator, signer.sign(b"m"), b"m")
    messages = [good, good._replace(message=b"another"), good._replace(signature=flipped(good.signature))]
    assert pool.start(messages)() == [True, False, False]


def test_curve_that_fabric_does_not_use_is_no_key(pool: PooledChecks) -> None:
    key = ec.generate_private_key(ec.SECP521R1())
    signer = identities_pb2.SerializedIdentity(mspid="Org1MSP", id_bytes=certificate_pem(key))
    signature = key.sign(b"m", ec.ECDSA(SHA256()))
    assert pool.start([SignedMessage(signer.SerializeToString(), signature, b"m")])() == [False]


def test_many_batches_to_several_workers_come_back_in_order() -> None:
    good = [each for data in recorded("raft").blocks for each in signed_messages(decode_block(data), {})][1:]
    chooser = random.Random(20260604)  # noqa: S311 - a sample, no secret
    expected = [chooser.random() < 0.9 for _ in range(1500)]
    messages = [
        each if holds else each._replace(message=each.message + b"\0")
        for each, holds in zip(cycle(good), expected, strict=False)
    ]
    with PooledChecks(workers=2) as checks:
        pending = [checks.start(messages[start : start + 60]) for start in range(0, len(messages), 60)]
        assert [result for results in pending for result in results()] == expected


def test_worker_that_dies_is_no_violation() -> None:
    messages = [each for data in recorded("raft").blocks for each in signed_messages(decode_block(data), {})]
    with PooledChecks(workers=1) as checks:
        pending = checks.start(messages)
        (worker,) = checks._workers
        worker._process.kill()
        worker._process.wait()
        with pytest.raises(FabricError, match="no longer"):
            pending()


def test_result_not_asked_for_before_the_end_is_lost() -> None:
    messages = [each for data in recorded("raft").blocks for each in signed_messages(decode_block(data), {})]
    with PooledChecks(workers=1) as checks:
        pending = checks.start(messages * 10)
    with pytest.raises(FabricError, match="no longer"):
        pending()


def test_pool_that_is_gone_is_no_violation() -> None:
    with PooledChecks(workers=1) as checks:
        pass
    with pytest.raises(FabricError, match="no longer"):
        verify_blocks(recorded("raft").blocks, checks=checks)
