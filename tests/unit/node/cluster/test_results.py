"""Results are lines that are whole or not there, and say what need not be done again."""

import json
import os
import resource
import signal
from pathlib import Path

import pytest
from veilmesh_node.cluster.errors import WorkError
from veilmesh_node.cluster.results import RESULTS_NAME, ResultsFile, read_results
from veilmesh_node.errors import StorageFullError


def test_what_was_added_is_there_for_the_next(tmp_path: Path) -> None:
    ResultsFile(tmp_path / "out").add("a.jpg", "11" * 32, "t1", {"faces": []})
    again = ResultsFile(tmp_path / "out")
    assert again.has("a.jpg", "11" * 32, "t1")
    assert not again.has("a.jpg", "22" * 32, "t1")  # another content
    assert not again.has("a.jpg", "11" * 32, "t2")  # another task
    assert not again.has("b.jpg", "11" * 32, "t1")
    assert again.names() == {"a.jpg"}
    assert again.path.stat().st_mode & 0o777 == 0o600


def test_a_line_cut_short_is_done_again(tmp_path: Path) -> None:
    file = ResultsFile(tmp_path)
    file.add("a.jpg", "11" * 32, "t1", {})
    file.add("b.jpg", "22" * 32, "t1", {})
    content = file.path.read_bytes()
    file.path.write_bytes(content[:-20])
    again = ResultsFile(tmp_path)
    assert again.names() == {"a.jpg"}
    again.add("b.jpg", "22" * 32, "t1", {})
    assert [line["name"] for line in read_results(file.path)] == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("line", ["[]", "{}", '"name"', "\x00\x01", '{"name": "c.jpg"}'])
def test_lines_that_are_no_results(tmp_path: Path, line: str) -> None:
    (tmp_path / RESULTS_NAME).write_text(f"{line}\n")
    assert ResultsFile(tmp_path).names() == set()


def test_the_last_line_of_a_name_counts(tmp_path: Path) -> None:
    file = ResultsFile(tmp_path)
    file.add("a.jpg", "11" * 32, "t1", {})
    file.add("a.jpg", "22" * 32, "t1", {})
    assert ResultsFile(tmp_path).has("a.jpg", "22" * 32, "t1")


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: a write is cut short, and the next one fails."""
    file = ResultsFile(tmp_path)
    file.add("a.jpg", "11" * 32, "t1", {})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    earlier = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.path.stat().st_size + 10, hard))
    try:
        with pytest.raises(StorageFullError):
            file.add("b.jpg", "22" * 32, "t1", {"much": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, earlier)
    assert file.path.read_bytes().endswith(b"}\n")
    file.add("b.jpg", "22" * 32, "t1", {})
    assert [json.loads(line)["name"] for line in file.path.read_text().splitlines()] == ["a.jpg", "b.jpg"]


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkError, match="file"):
        ResultsFile(tmp_path / "file" / "out")


def test_a_results_file_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkdir(tmp_path / RESULTS_NAME)  # noqa: PTH102 - a folder in its place
    with pytest.raises(WorkError, match=RESULTS_NAME):
        ResultsFile(tmp_path)
