"""Content ids are kubo's; the folder store loses nothing and passes on no changed byte."""

import errno
import json
import os
from hashlib import shake_128
from pathlib import Path

import pytest
from veilmesh_node.content import FolderContentStore, content_id
from veilmesh_node.content.checked import MAX_CONTENT_BYTES
from veilmesh_node.errors import (
    ContentMismatchError,
    ContentNotFoundError,
    ContentTooLargeError,
    StorageFullError,
)

from tests.unit.node.plugs import forged_surrogate

VECTORS = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "content" / "cids.json").read_text())


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def stored_file(folder: Path, cid: str) -> Path:
    (path,) = folder.glob(f"*/{cid}")
    return path


IMAGE = forged_surrogate(b"an image")


@pytest.mark.parametrize("vector", VECTORS["cids"], ids=lambda vector: f"{vector['bytes']} B")
def test_content_id_is_kubos(vector: dict[str, object]) -> None:
    size = vector["bytes"]
    assert isinstance(size, int)
    assert content_id(shake_128(b"veilmesh content %d" % size).digest(size)) == vector["cid"]


async def test_stored_content_comes_back(tmp_path: Path) -> None:
    store = FolderContentStore(tmp_path)
    cid = await store.put(IMAGE)
    assert await store.put(IMAGE) == cid
    assert await FolderContentStore(tmp_path).get(cid) == b"an image"
    assert list(await store.ids()) == [cid]


async def test_removed_content_is_gone(tmp_path: Path) -> None:
    store = FolderContentStore(tmp_path)
    cid = await store.put(IMAGE)
    await store.remove(cid)
    await store.remove(cid)
    with pytest.raises(ContentNotFoundError, match=cid):
        await store.get(cid)


async def test_a_changed_file_is_an_error(tmp_path: Path) -> None:
    store = FolderContentStore(tmp_path)
    cid = await store.put(IMAGE)
    stored_file(tmp_path, cid).write_bytes(b"another image")
    with pytest.raises(ContentMismatchError, match=cid):
        await store.get(cid)


async def test_neither_more_nor_less_than_the_largest_surrogate(tmp_path: Path) -> None:
    store = FolderContentStore(tmp_path)
    largest = bytes(MAX_CONTENT_BYTES)
    cid = await store.put(forged_surrogate(largest))
    assert await store.get(cid) == largest
    with pytest.raises(ContentTooLargeError, match=f"larger than {MAX_CONTENT_BYTES:,} bytes"):
        await store.put(forged_surrogate(largest + b"."))
    with stored_file(tmp_path, cid).open("ab") as file:
        file.write(b".")
    with pytest.raises(ContentTooLargeError, match=cid):
        await store.get(cid)


@pytest.mark.parametrize("cid", ["../../etc/passwd", "", "."])
async def test_an_id_is_not_a_path(tmp_path: Path, cid: str) -> None:
    with pytest.raises(ContentNotFoundError):
        await FolderContentStore(tmp_path).get(cid)


async def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = FolderContentStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(StorageFullError):
            await store.put(IMAGE)
    assert files_in(tmp_path) == []


async def test_half_written_files_are_removed_at_the_start(tmp_path: Path) -> None:
    cid = await FolderContentStore(tmp_path).put(IMAGE)
    part = stored_file(tmp_path, cid).with_suffix(".part")
    part.write_bytes(b"an im")
    assert list(await FolderContentStore(tmp_path).ids()) == [cid]
    assert not part.exists()
