"""The content store on a real kubo daemon: equal to the folder store, and clear about what goes wrong."""

import os
import sys
from hashlib import shake_128
from pathlib import Path

import pytest
from veilmesh_node.content import FolderContentStore, IpfsContentStore, content_id
from veilmesh_node.content.cid import CHUNK_BYTES
from veilmesh_node.content.kubo import OWN, REPLICA, KuboDaemon
from veilmesh_node.content.private_daemon import PrivateDaemon
from veilmesh_node.errors import (
    ContentNotFoundError,
    ContentUnavailableError,
    PublicDaemonError,
    StorageFullError,
)
from veilmesh_node.ports import ContentStore

from tests.integration.content.conftest import QUICK
from tests.unit.node.plugs import forged_surrogate

pytestmark = pytest.mark.ipfs

PUBLIC_PEER = "/dnsaddr/bootstrap.libp2p.io/p2p/12D3KooWK6s2szDoakcVLpVkx8iCXqZnMj4XSy5S3YQ8on5wb3he"
IMAGE = forged_surrogate(b"an image")


def picture(size_bytes: int) -> bytes:
    return shake_128(b"picture").digest(size_bytes)


@pytest.mark.parametrize("kind", ["folder", "ipfs"])
class TestContract:
    """What every `ContentStore` does."""

    @pytest.fixture
    def any_store(self, kind: str, store: IpfsContentStore, tmp_path: Path) -> ContentStore:
        return store if kind == "ipfs" else FolderContentStore(tmp_path)

    async def test_what_is_stored_comes_back(self, any_store: ContentStore) -> None:
        cid = await any_store.put(IMAGE)
        assert await any_store.put(IMAGE) == cid
        assert await any_store.get(cid) == IMAGE.image
        assert list(await any_store.ids()) == [cid]

    async def test_what_is_removed_is_gone(self, any_store: ContentStore) -> None:
        kept, cid = await any_store.put(forged_surrogate(b"another")), await any_store.put(IMAGE)
        await any_store.remove(cid)
        await any_store.remove(cid)
        with pytest.raises(ContentNotFoundError, match=cid):
            await any_store.get(cid)
        assert list(await any_store.ids()) == [kept]
        assert await any_store.get(kept) == b"another"

    @pytest.mark.parametrize("cid", ["../../etc/passwd", "", "."])
    async def test_an_id_is_not_a_path(self, any_store: ContentStore, cid: str) -> None:
        with pytest.raises(ContentNotFoundError):
            await any_store.get(cid)

    async def test_nothing_else_is_taken(self, any_store: ContentStore) -> None:
        with pytest.raises(TypeError, match="only surrogates are stored"):
            await any_store.put(b"a photo")  # type: ignore[arg-type]  # mypy refuses it, too
        assert list(await any_store.ids()) == []


@pytest.mark.parametrize(
    "size_bytes", [0, 1, 10_000, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES, 175 * CHUNK_BYTES + 7]
)
async def test_both_stores_give_the_same_id(store: IpfsContentStore, tmp_path: Path, size_bytes: int) -> None:
    surrogate = forged_surrogate(picture(size_bytes))
    cid = await store.put(surrogate)
    assert cid == await FolderContentStore(tmp_path).put(surrogate)
    assert await store.get(cid) == surrogate.image


async def test_the_id_does_not_depend_on_the_daemons_settings(repository: PrivateDaemon) -> None:
    repository.configure(
        Import={"CidVersion": 0, "UnixFSRawLeaves": False, "UnixFSChunker": "size-1048576"},
    )
    surrogate = forged_surrogate(picture(3 * CHUNK_BYTES))
    with repository.start():
        daemon = KuboDaemon(repository.address, QUICK)
        assert await daemon.add(surrogate) == content_id(surrogate.image)
        daemon.close()


async def test_what_is_stored_outlives_a_collection(store: IpfsContentStore, daemon: KuboDaemon) -> None:
    cid = await store.put(forged_surrogate(picture(2 * CHUNK_BYTES)))
    await daemon.collect()
    assert await store.get(cid) == picture(2 * CHUNK_BYTES)


async def test_erasing_frees_the_daemons_disk(store: IpfsContentStore, process: PrivateDaemon) -> None:
    content = picture(2 * CHUNK_BYTES)
    leaves = {content_id(content[:CHUNK_BYTES]), content_id(content[CHUNK_BYTES:])}
    cid = await store.put(forged_surrogate(content))
    assert leaves <= set(process.run("refs", "local").split())
    await store.remove(cid)
    assert not leaves & set(process.run("refs", "local").split())


async def test_only_this_nodes_own_pins_are_its_content(store: IpfsContentStore, daemon: KuboDaemon) -> None:
    cid = await store.put(IMAGE)
    await daemon.pin(cid, REPLICA)
    assert list(await store.ids()) == []
    await store.put(IMAGE)
    assert await daemon.pins() == {cid: OWN}


async def test_what_another_daemon_has_is_read_there(
    store: IpfsContentStore, other: KuboDaemon, daemon: KuboDaemon
) -> None:
    cid = await store.put(forged_surrogate(picture(2 * CHUNK_BYTES)))
    assert await other.read(cid) == picture(2 * CHUNK_BYTES)
    assert await other.pins() == {}
    assert (await daemon.report()).peers == (await other.report()).peers == 1


async def test_no_proxy_sees_what_goes_to_the_daemon(
    process: PrivateDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    daemon = KuboDaemon(process.address, QUICK)
    assert await daemon.add(IMAGE)
    daemon.close()


async def test_a_stranger_without_the_swarm_key_gets_nothing(
    store: IpfsContentStore, process: PrivateDaemon, repository: PrivateDaemon
) -> None:
    cid = await store.put(IMAGE)
    with repository.start(online=True):
        with pytest.raises(ContentUnavailableError, match="swarm"):
            repository.connect(process)
        stranger = KuboDaemon(repository.address, QUICK)
        with pytest.raises(ContentNotFoundError):
            await stranger.read(cid)
        stranger.close()


async def test_a_daemon_that_is_down_and_comes_back(repository: PrivateDaemon) -> None:
    repository.start()
    store = IpfsContentStore(daemon := KuboDaemon(repository.address, QUICK))
    cid = await store.put(IMAGE)
    repository.keep_address()
    repository.stop()
    for call in (store.get(cid), store.ids(), store.put(IMAGE), store.remove(cid)):
        with pytest.raises(ContentUnavailableError, match="does not answer"):
            await call
    with repository.start():
        assert await store.get(cid) == IMAGE.image
    daemon.close()


WITH_SMALL_FILES = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
os.execvp(sys.argv[1], sys.argv[1:])
"""


async def test_a_daemon_whose_disk_is_full(repository: PrivateDaemon) -> None:
    """A limit on the size of files stands for a full disk: the daemon meets both when it writes a block."""
    with repository.start(command=(sys.executable, "-c", WITH_SMALL_FILES)):
        store = IpfsContentStore(daemon := KuboDaemon(repository.address, QUICK))
        cid = await store.put(IMAGE)
        with pytest.raises(StorageFullError, match="no space left for the IPFS daemon"):
            await store.put(forged_surrogate(os.urandom(200_000)))
        assert list(await store.ids()) == [cid]
        assert await store.get(cid) == IMAGE.image
        daemon.close()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"Bootstrap": ["auto"]}, "bootstrap peers are public"),
        ({"Bootstrap": [PUBLIC_PEER]}, "bootstrap peers are public"),
        ({"AutoConf": {}}, "AutoConf is on"),
    ],
)
async def test_nothing_goes_to_a_daemon_of_the_public_network(
    repository: PrivateDaemon, settings: dict[str, object], reason: str
) -> None:
    repository.start()  # offline; what counts is what it would do
    repository.configure(**settings)
    daemon = KuboDaemon(repository.address, QUICK)
    with repository, pytest.raises(PublicDaemonError, match=reason):
        await daemon.add(IMAGE)
    daemon.close()
