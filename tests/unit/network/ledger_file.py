"""A ledger's file in a test, and blocks to put into it that nobody judged."""

from collections.abc import Mapping

from veilmesh_fabric.rwset import Version
from veilmesh_fabric.world_state import StateEntry, StateKey
from veilmesh_network.embedded.store import (
    BlockCommit,
    HistoryChange,
    HistoryEntry,
    LedgerStore,
    TransactionRecord,
)

NAMESPACE = "kv"


def key(name: str) -> StateKey:
    return StateKey(NAMESPACE, "", name)


def block(
    number: int, writes: Mapping[str, bytes | None], metadata: Mapping[str, Mapping[str, bytes]] | None = None
) -> BlockCommit:
    """Return block `number` with one transaction, `tx<number>`, that writes `writes`; None deletes."""
    version = Version(number, 0)
    tx_id = f"tx{number}"
    return BlockCommit(
        number=number,
        header_hash=b"hash %d" % number,
        block=b"block %d" % number,
        transactions=[TransactionRecord(tx_id, number, 0, 0)],
        state={
            key(name): StateEntry(value, (metadata or {}).get(name, {}), version)
            for name, value in writes.items()
        },
        history=[
            HistoryChange(NAMESPACE, name, version, HistoryEntry(tx_id, 1000 + number, value))
            for name, value in writes.items()
        ],
    )


def fill(store: LedgerStore, *blocks: Mapping[str, bytes | None]) -> None:
    for number, writes in enumerate(blocks):
        store.commit(block(number, writes))
