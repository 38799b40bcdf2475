"""A folder of block files is a whole chain, or says what it lacks."""

from pathlib import Path

import pytest
from veilmesh_fabric.block_files import BlockFolder
from veilmesh_fabric.errors import BlockFilesError, IncompleteChainError


def folder_of(path: Path, *names: str) -> BlockFolder:
    for name in names:
        (path / name).write_bytes(name.encode())
    return BlockFolder(path)


def test_written_blocks_come_back_in_order(tmp_path: Path) -> None:
    folder = BlockFolder(tmp_path / "new")
    for number in (1, 0, 2):
        folder.write(number, str(number).encode())
    assert list(folder) == [b"0", b"1", b"2"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "0000.block",
        "0001.block",
        "0002.block",
    ]


def test_block_is_replaced(tmp_path: Path) -> None:
    folder = BlockFolder(tmp_path)
    folder.write(0, b"old")
    folder.write(0, b"new")
    assert list(folder) == [b"new"]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "0000.block", "README", "0001.unfinished", "x0001.block", "1.block")
    assert folder.count() == 1


def test_five_digits(tmp_path: Path) -> None:
    names = [f"{number:04}.block" for number in range(10_001)]
    assert folder_of(tmp_path, *names).count() == 10_001


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["0001.block"], "block 0 is missing"),
        (["0000.block", "0002.block"], "block 1 is missing"),
        (["0000.block", "00000.block"], "block 0 is there twice"),
    ],
)
def test_gap(tmp_path: Path, names: list[str], missing: str) -> None:
    with pytest.raises(IncompleteChainError, match=missing):
        list(folder_of(tmp_path, *names))


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BlockFilesError, match="is not readable"):
        BlockFolder(tmp_path / "nowhere").count()


def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BlockFilesError):
        BlockFolder(tmp_path / "file").write(0, b"x")


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "0000.block").mkdir()
    with pytest.raises(BlockFilesError, match="block 0"):
        list(BlockFolder(tmp_path))
