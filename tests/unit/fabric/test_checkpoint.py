import os
from pathlib import Path

import pytest
from veilmesh_fabric.checkpoint import Checkpoint, Position
from veilmesh_fabric.errors import CheckpointError
from veilmesh_fabric.events import ChaincodeEvent

EVENT = ChaincodeEvent(7, "tx-1", "veilmesh", "enrolled", b"{}")


def test_a_new_checkpoint_has_no_position_and_no_file(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(tmp_path / "events.json")
    assert checkpoint.position is None
    assert list(tmp_path.iterdir()) == []


def test_after_an_event_reading_goes_on_behind_it(tmp_path: Path) -> None:
    Checkpoint.open(tmp_path / "events.json").record_event(EVENT)
    assert Checkpoint.open(tmp_path / "events.json").position == Position(7, "tx-1")


def test_after_a_block_reading_goes_on_with_the_next(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(tmp_path / "events.json")
    checkpoint.record_event(EVENT)
    checkpoint.record_block(7)
    assert checkpoint.position == Checkpoint.open(tmp_path / "events.json").position == Position(8, "")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"\xff",
        b"[]",
        b'{"block_number": 7}',
        b'{"block_number": "7", "tx_id": ""}',
        b'{"block_number": -1, "tx_id": ""}',
        b'{"block_number": 7, "tx_id": null}',
    ],
)
def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "events.json"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"events\.json is not readable"):
        Checkpoint.open(path)


def test_a_crash_before_the_rename_leaves_the_old_position(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.json"
    checkpoint = Checkpoint.open(path)
    checkpoint.record_block(3)

    def disk_full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(CheckpointError, match="No space left"):
        checkpoint.record_event(EVENT)
    assert checkpoint.position == Checkpoint.open(path).position == Position(4, "")
    assert list(tmp_path.iterdir()) == [path]  # nothing left behind


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(tmp_path / "gone" / "events.json")
    with pytest.raises(CheckpointError, match="not writable"):
        checkpoint.record_event(EVENT)
