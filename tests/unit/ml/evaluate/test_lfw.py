from pathlib import Path

import pytest
from veilmesh_ml.evaluate.lfw import Pair, Photo, ProtocolError, photos_of, photos_of_people_from, read_pairs

PAIRS = """2\t1
Ann\t1\t2
Ann\t1\tBob\t3
Bob\t3\t12
Bob\t12\tAnn\t2
"""
FILES = ("Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg", "Bob/Bob_0003.jpg", "Bob/Bob_0012.jpg")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "pairs.txt").write_text(PAIRS)
    return tmp_path


def test_pairs_of_two_folds(folder: Path) -> None:
    pairs = read_pairs(folder)
    assert pairs == [
        Pair(0, Photo("Ann", 1), Photo("Ann", 2)),
        Pair(0, Photo("Ann", 1), Photo("Bob", 3)),
        Pair(1, Photo("Bob", 3), Photo("Bob", 12)),
        Pair(1, Photo("Bob", 12), Photo("Ann", 2)),
    ]
    assert [pair.mated for pair in pairs] == [True, False, True, False]
    assert [photo.path(folder).relative_to(folder).as_posix() for photo in photos_of(pairs)] == list(FILES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "does not begin with two numbers"),
        ("two\t1\n", "does not begin with two numbers"),
        ("1\t1\nAnn\t1\t2\nAnn\t1\tBob\t3\n", "a threshold needs two folds"),
        (PAIRS + "Ann\t1\t2\n", "has 5 pairs, its first line says 4"),
        (PAIRS.replace("Ann\t1\t2", "Ann\t1\tBob\t3"), "line 2: not a mated pair"),
        (PAIRS.replace("Bob\t12\tAnn\t2", "Ann\t1\t2"), "line 5: not a non-mated pair"),
        (PAIRS.replace("Bob\t12\tAnn\t2", "Bob\t12\tBob\t3"), "line 5: not a non-mated pair"),
        (PAIRS.replace("Ann\t1\t2", "Ann\tone\t2"), "line 2"),
        (PAIRS.replace("Ann\t1\t2", "Ann\t1\t7"), "Ann_0007.jpg, which is not there"),
    ],
)
def test_pairs_that_cannot_be_used(folder: Path, text: str, said: str) -> None:
    (folder / "pairs.txt").write_text(text)
    with pytest.raises(ProtocolError, match=said):
        read_pairs(folder)


def test_a_folder_without_pairs(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"cannot read .*pairs\.txt"):
        read_pairs(tmp_path)


def test_pairs_that_are_no_text(folder: Path) -> None:
    (folder / "pairs.txt").write_bytes(b"\xff\xfe2\t1")
    with pytest.raises(ProtocolError, match="cannot read"):
        read_pairs(folder)


def test_photos_of_people_from_a_letter_on(folder: Path) -> None:
    (folder / "Bob" / "Bob_0001.jpg").touch()
    (folder / "Bob" / "notes.txt").touch()
    (folder / "Zoe").mkdir()
    (folder / "Zoe" / "Zoe_0001.jpg").touch()
    assert photos_of_people_from(folder, "B", 2) == [Photo("Bob", 1), Photo("Bob", 3)]
    assert len(photos_of_people_from(folder, "A", 15)) == 5
