"""A daemon that lies, dawdles or talks nonsense gets nothing past the content store, and stops nobody."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest
from veilmesh_node.content import content_id
from veilmesh_node.content.checked import MAX_CONTENT_BYTES
from veilmesh_node.content.ipfs import IpfsContentStore
from veilmesh_node.content.kubo import KuboDaemon, Patience
from veilmesh_node.errors import (
    ContentError,
    ContentMismatchError,
    ContentNotFoundError,
    ContentTooLargeError,
    ContentUnavailableError,
    NodeError,
    StorageFullError,
)

from tests.integration.content.lying_daemon import ABSENT, Answer, fails, locally, lying_daemon, says, streams
from tests.unit.node.plugs import forged_surrogate

pytest.importorskip("ipfshttpclient", reason="surrogates in IPFS: install the [ipfs] extra")

IMAGE = forged_surrogate(b"an image")
CID = content_id(IMAGE.image)
SHORT = Patience(answer_s=0.8, fetch_s=0.8, index_s=0.8)
PATIENT = Patience(answer_s=20.0, fetch_s=20.0, index_s=20.0)


@contextmanager
def store_on(script: dict[str, Answer], patience: Patience = PATIENT) -> Iterator[IpfsContentStore]:
    with lying_daemon(script) as address:
        daemon = KuboDaemon(address, patience)
        yield IpfsContentStore(daemon)
        daemon.close()


def endlessly() -> Iterator[bytes]:
    while True:
        yield bytes(1 << 20)


def slowly() -> Iterator[bytes]:
    for _ in range(40):
        time.sleep(0.1)
        yield b"."


def never(_: BaseHTTPRequestHandler) -> None:
    threading.Event().wait(4.0)


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    says(b"an im", length=8)(handler)


def nonsense(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"220 mail.example ESMTP\r\n")


@pytest.mark.parametrize(
    "content",
    [b"another image", b"an imag", b"an image.", b""],
    ids=["another", "too short", "too long", "nothing"],
)
@pytest.mark.parametrize(
    "found", [says, lambda content: locally(ABSENT, says(content))], ids=["here", "there"]
)
async def test_content_that_is_not_what_its_id_says(content: bytes, found: Callable[[bytes], Answer]) -> None:
    with store_on({"cat": found(content)}) as store, pytest.raises(ContentMismatchError, match=CID):
        await store.get(CID)


@pytest.mark.parametrize(
    "answer",
    [
        streams(endlessly),
        says(bytes(MAX_CONTENT_BYTES + (1 << 24)), length=1 << 40),
        streams(lambda: iter([bytes(MAX_CONTENT_BYTES + 1)])),
    ],
    ids=["endless", "a terabyte is announced", "one chunk"],
)
async def test_reading_ends_at_the_largest_size(answer: Answer) -> None:
    with store_on({"cat": answer}) as store, pytest.raises(ContentTooLargeError, match=CID):
        await store.get(CID)


async def test_what_is_stored_under_another_id() -> None:
    other = content_id(b"another image")
    with (
        store_on({"add": says(f'{{"Name": "", "Hash": "{other}", "Size": "8"}}'.encode())}) as store,
        pytest.raises(ContentMismatchError, match=CID),
    ):
        await store.put(IMAGE)


async def test_what_it_says_to_have_and_has_not() -> None:
    said = f'{{"Cid": "{CID}", "Type": "recursive", "Name": "veilmesh"}}\n'.encode()
    with store_on({"pin/ls": says(said)}) as store:
        assert list(await store.ids()) == [CID]
        with pytest.raises(ContentNotFoundError, match=CID):
            await store.get(CID)


@pytest.mark.parametrize("answer", [never, streams(slowly)], ids=["silent", "a byte now and then"])
async def test_a_slow_daemon_is_not_waited_for(answer: Answer) -> None:
    with store_on(dict.fromkeys(["cat", "add", "pin/ls", "pin/rm"], answer), SHORT) as store:
        for call in (store.get(CID), store.put(IMAGE), store.ids(), store.remove(CID)):
            started = time.monotonic()
            with pytest.raises(ContentUnavailableError, match="did not answer in time"):
                await call
            assert time.monotonic() - started < SHORT.answer_s + 1


async def test_what_no_other_daemon_sends_in_time_is_not_found() -> None:
    with store_on({"cat": locally(ABSENT, never)}, SHORT) as store, pytest.raises(ContentNotFoundError):
        await store.get(CID)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (
            fails("write /blocks: no space left on device"),
            StorageFullError,
            "no space left for the IPFS daemon",
        ),
        (fails("write /blocks: disk quota exceeded"), StorageFullError, "no space left"),
        (fails("lock is held"), ContentError, "failed: lock is held"),
        (says(b"403 - Forbidden", status=403), ContentError, "refused: .*403"),
        (says(b"<html>It works!</html>"), ContentError, "is no IPFS daemon"),
        (says(b'["Keys", 1]'), ContentError, "is no IPFS daemon"),
        (says(b"{}"), ContentError, "is no IPFS daemon"),
        (nonsense, ContentError, "IPFS daemon"),
        (cut_off, ContentError, "IPFS daemon"),
    ],
    ids=["disk full", "quota", "error", "forbidden", "a page", "a list", "nothing", "no HTTP", "cut off"],
)
async def test_answers_that_are_none(answer: Answer, error: type[NodeError], words: str) -> None:
    with store_on({"add": answer, "pin/ls": answer}) as store:
        for call in (store.put(IMAGE), store.ids()):
            with pytest.raises(error, match=words):
                await call


async def test_content_that_is_cut_off_is_no_content() -> None:
    with store_on({"cat": cut_off}) as store, pytest.raises(ContentUnavailableError):
        await store.get(CID)
