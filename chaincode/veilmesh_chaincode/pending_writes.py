"""What a transaction is to write, and Fabric's rules about that, for the stubs of both ledgers.

A paginated range is for queries: who read one may not write, and the reverse.
"""

from collections.abc import Sequence

from veilmesh_chaincode.key_endorsement import all_of_peers


class MisuseError(Exception):
    """The contract asked for what no transaction may do."""


class PendingWrites:
    """Writes of one transaction, seen by nobody before it is committed.

    Attributes:
        values: by key; None for one that is deleted.
        endorsers: the `SignaturePolicyEnvelope` that a key gets, by key.
    """

    def __init__(self) -> None:
        self.values: dict[str, bytes | None] = {}
        self.endorsers: dict[str, bytes] = {}
        self._paged = False

    def __bool__(self) -> bool:
        return bool(self.values or self.endorsers)

    def put(self, key: str, value: bytes) -> None:
        """Raise MisuseError for an empty value or key, or after a paginated range."""
        if not value:
            raise MisuseError(f"value of {key!r} is empty: Fabric would take it for a deletion")
        self._require_writable(key)
        self.values[key] = value

    def delete(self, key: str) -> None:
        """Raise MisuseError for an empty key, or after a paginated range."""
        self._require_writable(key)
        self.values[key] = None

    def endorse(self, key: str, msp_ids: Sequence[str]) -> None:
        """Have a peer of each organisation endorse the key's next writes; raises as `delete`."""
        self._require_writable(key)
        self.endorsers[key] = all_of_peers(msp_ids)

    def begin_page(self, limit: int) -> None:
        """Note that a paginated range is read, of `limit` keys at most.

        Raises:
            MisuseError: something was written already, or the limit is below 1.
        """
        if self:
            raise MisuseError("a paginated range belongs to queries; this transaction has written already")
        if limit < 1:
            raise MisuseError(f"limit is {limit}, it must be at least 1")
        self._paged = True

    def _require_writable(self, key: str) -> None:
        if self._paged:
            raise MisuseError("a paginated range belongs to queries; this transaction may not write")
        if not key:
            raise MisuseError("a key must not be empty")
