"""The hash with which a committing peer chains what it has judged and written.

Source: Fabric `core/ledger/kvledger/kv_ledger.go`, `addBlockCommitHash`.
"""

from hashlib import sha256

from veilmesh_fabric.world_state import BlockUpdates, _varint


def commit_hash(previous: bytes, codes: bytes, updates: BlockUpdates) -> bytes:
    return sha256(_varint(len(codes)) + codes + updates.encoded() + previous).digest()
