"""An audit that stops and goes on comes to what one without a stop comes to."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from fabric_protos.peer import collection_pb2, transaction_pb2
from veilmesh_fabric.audit_checkpoint import AuditCheckpoint
from veilmesh_fabric.block import decode_block, header_hash
from veilmesh_fabric.errors import CheckpointError, VerificationError
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.standing import Standing
from veilmesh_fabric.verification import ChainVerifier, verify_blocks
from veilmesh_fabric.verification_report import VerificationReport

from tests.unit.fabric.forge import Channel, Writes, peers_of, serialized
from tests.unit.fabric.recorded import FOLDERS, recorded
from tests.unit.fabric.test_config_update import remove_member

MVCC_READ_CONFLICT, DUPLICATE_TXID = transaction_pb2.MVCC_READ_CONFLICT, transaction_pb2.DUPLICATE_TXID
BAD_CREATOR_SIGNATURE = transaction_pb2.BAD_CREATOR_SIGNATURE


def genesis_hash(blocks: Sequence[bytes]) -> bytes:
    return header_hash(decode_block(blocks[0]).header)


def verified_in_parts(blocks: Sequence[bytes], path: Path, *stops: int) -> VerificationReport:
    """Verify up to each stop, as another process would each time; then to the end."""
    for stop in (*stops, len(blocks)):
        with AuditCheckpoint.open(path) as checkpoint:
            loaded = checkpoint.load(genesis_hash(blocks))
            verifier = ChainVerifier(blocks[0], standing=loaded and loaded[0])
            for data in blocks[verifier.height : stop]:
                verifier.add(data)
            assert verifier.standing is not None
            checkpoint.save(verifier.standing)
    return verifier.report()


def standing_in(checkpoint: AuditCheckpoint, genesis_hash: bytes | None = None) -> Standing:
    loaded = checkpoint.load(genesis_hash)
    assert loaded is not None
    return loaded[0]


def outcome(report: VerificationReport) -> tuple[object, ...]:
    return (
        report.blocks,
        report.last_header_hash,
        report.transactions,
        report.checks,
        report.signatures,
        report.organizations,
        report.notes,
        report.has_commit_hashes,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.checkpoint"


@pytest.mark.parametrize("folder", FOLDERS)
def test_in_parts_as_at_once(folder: str, path: Path) -> None:
    blocks = recorded(folder).blocks
    assert outcome(verified_in_parts(blocks, path, 1, 2, 7, 7)) == outcome(verify_blocks(blocks))


def chain_with_everything() -> list[bytes]:
    """What only memory of earlier blocks can judge, each rule needed behind block 5."""
    channel = Channel()
    org3 = peers_of(1, "Org3MSP")
    collections = collection_pb2.CollectionConfigPackage()
    collections.config.add().static_collection_config.name = "own"
    collections.config[0].static_collection_config.block_to_live = 3
    collections.config[0].static_collection_config.endorsement_policy.signature_policy.CopyFrom(org3)
    channel.add(channel.definition(collections=collections))
    seen = channel.transaction(
        Writes(writes={"a": b"1", "k1": b"1"}, metadata={"a": {"VALIDATION_PARAMETER": serialized(org3)}})
    )
    channel.add(seen)
    channel.add(
        channel.transaction(Writes(collections={"own": {"private": b"v"}}), endorsers=[channel.peers[2]])
    )
    channel.add_config(channel.config_update(remove_member("Org2MSP"), channel.admins[:2]))
    both = [channel.peers[0], channel.peers[2]]
    channel.add(
        channel.transaction(Writes(reads={"k1": (1, 0)}), endorsers=both),
        seen,
        channel.transaction(Writes(writes={"b": b"1"}), creator=channel.clients[1], endorsers=both),
        channel.transaction(Writes(writes={"a": b"2"}), endorsers=[channel.peers[0]]),
        channel.transaction(Writes(ranges=[("k", "l", {"k1": (2, 0)})]), endorsers=both),
        codes=[
            MVCC_READ_CONFLICT,
            DUPLICATE_TXID,
            BAD_CREATOR_SIGNATURE,
            transaction_pb2.ENDORSEMENT_POLICY_FAILURE,
            transaction_pb2.VALID,
        ],
    )
    channel.add(channel.transaction(Writes(writes={"a": b"3"}), endorsers=[channel.peers[2]]))
    channel.add(channel.transaction(Writes(writes={"b": b"3"}), endorsers=both))
    return channel.blocks


def test_reads_ids_members_policies_and_expiry_are_remembered(path: Path) -> None:
    blocks = chain_with_everything()
    report = verify_blocks(blocks)
    assert report.violation is None
    assert outcome(verified_in_parts(blocks, path, 5, 6)) == outcome(report)


def test_state_is_the_same_after_a_stop(path: Path) -> None:
    blocks = chain_with_everything()
    whole = ChainVerifier()
    for data in blocks:
        whole.add(data)
    verified_in_parts(blocks, path, 4, 5)
    with AuditCheckpoint.open(path) as checkpoint:
        loaded = checkpoint.load(None)
    assert loaded is not None
    assert whole.standing is not None
    here, there = whole.standing, loaded[0]
    keys = set(here.state.keys())
    assert keys == set(there.state.keys())
    assert all(here.state.get(key) == there.state.get(key) for key in keys)
    assert list(here.state.expirations()) == list(there.state.expirations())
    assert (here.known_ids, here.time, here.genesis_hash) == (
        there.known_ids,
        there.time,
        there.genesis_hash,
    )


def test_a_lie_behind_the_stop_is_found(path: Path) -> None:
    blocks = recorded("raft").blocks
    verified_in_parts(blocks[:8], path)
    with AuditCheckpoint.open(path) as checkpoint:
        standing = standing_in(checkpoint, genesis_hash(blocks))
    with pytest.raises(VerificationError) as caught:
        ChainVerifier(blocks[0], standing=standing).add(recorded("smartbft").blocks[8])
    assert caught.value.rule == Rule.PREVIOUS_HASH


def test_what_was_not_saved_is_verified_again(path: Path) -> None:
    blocks = recorded("raft").blocks
    verified_in_parts(blocks[:3], path)
    with AuditCheckpoint.open(path) as checkpoint:
        verifier = ChainVerifier(standing=standing_in(checkpoint))
        verifier.add(blocks[3])
    with AuditCheckpoint.open(path) as checkpoint:
        assert standing_in(checkpoint).tally.blocks == 3


def test_save_that_fails_leaves_the_file_and_what_is_to_be_saved_as_they_were(path: Path) -> None:
    blocks = recorded("raft").blocks
    verified_in_parts(blocks[:3], path)
    with AuditCheckpoint.open(path) as checkpoint:
        verifier = ChainVerifier(standing=standing_in(checkpoint))
        for data in blocks[3:6]:
            verifier.add(data)
        assert verifier.standing is not None
        with pytest.raises(TypeError):
            checkpoint.save(verifier.standing, {"no JSON": object()})
        assert standing_in(checkpoint).tally.blocks == 3
        checkpoint.save(verifier.standing)
    assert outcome(verified_in_parts(blocks, path)) == outcome(verify_blocks(blocks))


def test_notes_come_back(path: Path) -> None:
    verifier = ChainVerifier()
    verifier.add(recorded("raft").blocks[0])
    assert verifier.standing is not None
    with AuditCheckpoint.open(path) as checkpoint:
        assert checkpoint.load(None) is None
        checkpoint.save(verifier.standing, {"kept": [1, "two"]})
        loaded = checkpoint.load(None)
    assert loaded is not None
    assert loaded[1] == {"kept": [1, "two"]}


def test_another_channels_checkpoint_is_refused(path: Path) -> None:
    verified_in_parts(recorded("raft").blocks[:2], path)
    with (
        AuditCheckpoint.open(path) as checkpoint,
        pytest.raises(CheckpointError, match="another channel"),
    ):
        checkpoint.load(genesis_hash(recorded("smartbft").blocks))


def test_one_audit_at_a_time(path: Path) -> None:
    with AuditCheckpoint.open(path), pytest.raises(CheckpointError, match="in use by another audit"):
        AuditCheckpoint.open(path)


@pytest.mark.parametrize("content", [b"garbage" * 100, b"SQLite format 3\0" + b"\0" * 200])
def test_file_that_is_no_checkpoint(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=str(path)):
        AuditCheckpoint.open(path)


def test_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        AuditCheckpoint.open(tmp_path / "nowhere" / "audit.checkpoint")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tally", "{}"),
        ("config_envelope", b"\xff"),
        ("time", "yesterday"),
        ("config_block", "x"),
        ("format", "2"),
    ],
)
def test_checkpoint_with_a_field_that_is_wrong(path: Path, name: str, value: object) -> None:
    verified_in_parts(recorded("raft").blocks[:2], path)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE about SET value = ? WHERE name = ?", (value, name))
    database.close()
    with AuditCheckpoint.open(path) as checkpoint, pytest.raises(CheckpointError, match=str(path)):
        checkpoint.load(None)
