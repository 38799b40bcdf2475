"""What a peer that keeps its state in CouchDB refuses to write.

Such a transaction is INVALID_WRITESET there, and VALID on a peer with LevelDB; blocks do not tell which kind
of peer recorded the code. They do tell whether it can be true at all.

Source: Fabric v3.1 `core/ledger/kvledger/txmgmt/statedb/statecouchdb`, `ValidateKeyValue`.
"""

import json

from veilmesh_fabric.rwset import ReadWriteSet

_VERSION_FIELD = "~version"


def refused_by_couchdb(results: ReadWriteSet) -> bool:
    """Whether one of a transaction's public writes breaks CouchDB's rules for keys and values."""
    return any(
        _bad_key(write.key) or (write.value is not None and _bad_value(write.value))
        for namespace in results.namespaces
        for write in namespace.writes
    )


def _bad_key(key: str) -> bool:
    return not key or key.startswith("_")


def _bad_value(value: bytes) -> bool:
    """Whether a JSON object has a field that CouchDB, or the peer in it, keeps for itself."""
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return False  # stored as an attachment
    return isinstance(document, dict) and any(
        name == _VERSION_FIELD or name.startswith("_") for name in document
    )
