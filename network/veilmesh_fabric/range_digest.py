"""The digest that stands for a long range scan's results in a read-write set.

A peer does not record thousands of keys it scanned, but the top of a tree of hashes over them: leaves are
batches of `max_degree + 1` results, serialized and hashed; whenever a level holds more than `max_degree`
hashes they are combined into one of the level above. At the end, what is left below the highest level is
combined upwards, a single hash moving up as it is.

Source: Fabric v3.1 `core/ledger/kvledger/txmgmt/rwsetutil/query_results_helper.go`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2


class Version(NamedTuple):
    """The height at which a key was last written."""

    block: int
    transaction: int


class Read(NamedTuple):
    key: str
    version: Version | None  # None: the key did not exist


@dataclass(frozen=True, slots=True)
class RangeDigest:
    max_degree: int
    level: int  # of the hashes, leaves being 1
    hashes: tuple[bytes, ...]  # 1 to `max_degree` of them


def range_digest(reads: Sequence[Read], max_degree: int) -> RangeDigest | None:
    """Return the digest of a scan's results; None where they are so few that a peer records them as they are.

    `max_degree` is at least 2 in every digest that a peer makes; for less there is no tree.
    """
    if max_degree < 2 or len(reads) <= max_degree:
        return None
    levels: dict[int, list[bytes]] = {}
    batch = max_degree + 1
    for start in range(0, len(reads), batch):
        _add(levels, _leaf(reads[start : start + batch]), max_degree)
    top = max(levels)
    for level in range(1, top):
        hashes = levels.pop(level, [])
        if hashes:
            levels.setdefault(level + 1, []).append(hashes[0] if len(hashes) == 1 else _combined(hashes))
    hashes = levels[top]
    if len(hashes) > max_degree:
        top, hashes = top + 1, [_combined(hashes)]
    return RangeDigest(max_degree, top, tuple(hashes))


def _add(levels: dict[int, list[bytes]], leaf: bytes, max_degree: int) -> None:
    level = 1
    levels.setdefault(level, []).append(leaf)
    while len(levels[level]) > max_degree:
        combined = _combined(levels.pop(level))
        level += 1
        levels.setdefault(level, []).append(combined)


def _combined(hashes: Sequence[bytes]) -> bytes:
    return sha256(b"".join(hashes)).digest()


def _leaf(reads: Sequence[Read]) -> bytes:
    message = kv_rwset_pb2.QueryReads()
    for read in reads:
        entry = message.kv_reads.add(key=read.key)
        if read.version is not None:
            entry.version.SetInParent()
            entry.version.block_num, entry.version.tx_num = read.version
    return sha256(message.SerializeToString(deterministic=True)).digest()
