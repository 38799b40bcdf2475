import threading
from collections.abc import Callable

import pytest
from veilmesh_fabric.errors import DeliverError
from veilmesh_node.cli.block_queue import BlockQueue

MIB = 1024 * 1024
SOON_S = 5.0


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_blocks_come_out_in_order_and_then_none() -> None:
    queue = BlockQueue()
    for block in (b"0", b"1"):
        assert queue.put(block)
    queue.end()
    assert [queue.get(SOON_S) for _ in range(4)] == [b"0", b"1", None, None]


def test_what_went_wrong_comes_behind_what_came_before_it() -> None:
    queue = BlockQueue()
    queue.put(b"0")
    queue.end(DeliverError("gone", status="UNAVAILABLE"))
    assert queue.get(SOON_S) == b"0"
    with pytest.raises(DeliverError, match="gone"):
        queue.get(SOON_S)


def test_nothing_in_time() -> None:
    with pytest.raises(TimeoutError):
        BlockQueue().get(0.01)


def test_a_few_large_blocks_fill_it_and_one_always_fits() -> None:
    queue = BlockQueue()
    large = bytes(40 * MIB)
    assert queue.put(large)
    second = in_thread(lambda: queue.put(large))
    second.join(0.1)
    assert second.is_alive()
    assert queue.get(SOON_S) == large
    second.join(SOON_S)
    assert not second.is_alive()
    assert queue.get(SOON_S) == large


def test_a_writer_learns_that_nobody_reads() -> None:
    queue = BlockQueue()
    queue.put(bytes(40 * MIB))
    wanted: list[bool] = []
    writer = in_thread(lambda: wanted.append(queue.put(b"more")))
    queue.abandon()
    writer.join(SOON_S)
    assert wanted == [False]


def test_a_reader_is_woken_by_a_block() -> None:
    queue = BlockQueue()
    found: list[bytes | None] = []
    reader = in_thread(lambda: found.append(queue.get(SOON_S)))
    queue.put(b"block")
    reader.join(SOON_S)
    assert found == [b"block"]
