"""Content ids are kubo's; the folder store loses nothing and passes on no changed byte."""

import errno
import json
import os
from hashlib import shake_128
from pathlib import Path

import pytest
from veilmesh_node.content import FolderContentStore, content_id
from veilmesh_node.errors import ContentMismatchError, ContentNotFoundError, StorageFullError

VECTORS = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "content" / "cids.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["cids"], ids=lambda vector: f"{vector['bytes']} B")
def test_content_id_is_kubos(vector: dict[str, object]) -> None:
    size = vector["bytes"]
    assert isinstance(size, int)
    assert content_id(shake_128(b"veilmesh content %d" % size).digest(size)) == vector["cid"]


def test_stored_content_comes_back(tmp_path: Path) -> None:
    store = FolderContentStore(tmp_path)
    cid = store.put(b"an image")
    assert store.put(b"an image") == cid
    assert FolderContentStore(tmp_path).get(cid) == b"an image"
    assert list(store.ids()) == [cid]


def test_removed_content_is_gone(tmp_path: Path) -> None:
    store = FolderContentStore(tmp_path)
    cid = store.put(b"an image")
    store.remove(cid)
    store.remove(cid)
    with pytest.raises(ContentNotFoundError, match=cid):
        store.get(cid)


def test_a_changed_file_is_an_error(tmp_path: Path) -> None:
    store = FolderContentStore(tmp_path)
    cid = store.put(b"an image")
    next(tmp_path.glob(f"*/{cid}")).write_bytes(b"another image")
    with pytest.raises(ContentMismatchError, match=cid):
        store.get(cid)


@pytest.mark.parametrize("cid", ["../../etc/passwd", "", "."])
def test_an_id_is_not_a_path(tmp_path: Path, cid: str) -> None:
    with pytest.raises(ContentNotFoundError):
        FolderContentStore(tmp_path).get(cid)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = FolderContentStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(StorageFullError):
            store.put(b"an image")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_half_written_files_are_removed_at_the_start(tmp_path: Path) -> None:
    cid = FolderContentStore(tmp_path).put(b"an image")
    part = next(tmp_path.glob(f"*/{cid}")).with_suffix(".part")
    part.write_bytes(b"an im")
    assert list(FolderContentStore(tmp_path).ids()) == [cid]
    assert not part.exists()
