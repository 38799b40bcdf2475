"""What a contract may ask of the ledger while one proposal is simulated.

Both ledgers implement it: the embedded ledger in process, the Fabric shim over the peer's stream. The
semantics are Fabric's: reads see committed state only, never the transaction's own writes; paginated ranges
belong to queries; nothing written is visible before the commit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Creator:
    """Who signed the proposal, read from a certificate that the peer has already validated."""

    msp_id: str
    identity_sha256: str  # SHA-256 of the SubjectPublicKeyInfo, hex
    organizational_units: frozenset[str]  # NodeOUs among them: "admin", "client", "peer"
    attributes: Mapping[str, str]  # X.509 extension 1.2.3.4.5.6.7.8.1


@dataclass(frozen=True, slots=True)
class StatePage:
    entries: Sequence[tuple[str, bytes]]  # key, value; in order of key
    bookmark: str  # the next page's first key; empty at the end


@dataclass(frozen=True, slots=True)
class StateVersion:
    """One committed value of a key; None where the key was deleted."""

    tx_id: str
    at_s: int
    value: bytes | None


class Stub(Protocol):
    @property
    def tx_id(self) -> str: ...

    @property
    def channel(self) -> str: ...

    @property
    def creator(self) -> Creator: ...

    @property
    def timestamp_s(self) -> int:
        """The client's time in the proposal, Unix seconds; the endorser refused it if it was far off."""
        ...

    async def get_state(self, key: str) -> bytes | None: ...

    async def get_states(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return the value of each key, in order; as many reads as keys, at once where the ledger can."""
        ...

    async def put_state(self, key: str, value: bytes) -> None: ...

    async def delete_state(self, key: str) -> None: ...

    async def get_range(self, start: str, end: str, *, limit: int, bookmark: str = "") -> StatePage:
        """Return keys in [start, end), from `bookmark` on where one is given. For queries only."""
        ...

    async def get_history(self, key: str) -> Sequence[StateVersion]:
        """Return every committed value of `key`, newest first. For queries only."""
        ...

    async def set_endorsers(self, key: str, msp_ids: Sequence[str]) -> None:
        """From the next transaction on, a write to `key` needs a peer of each of these organisations."""
        ...

    def set_event(self, name: str, payload: bytes) -> None:
        """Emit the transaction's one chaincode event."""
        ...
