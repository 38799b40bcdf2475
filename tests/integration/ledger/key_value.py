"""A small chaincode for tests of a ledger: its functions do what their names say."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from veilmesh_chaincode.stub import Stub


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    message: str
    payload: bytes


class KeyValue:
    """Its functions are the methods below; any other is refused with status 409."""

    async def invoke(self, stub: Stub, args: Sequence[bytes]) -> Answer:
        functions: dict[str, Callable[..., Awaitable[bytes]]] = {
            "put": self.put,
            "get": self.get,
            "delete": self.delete,
            "add": self.add,
            "keys": self.keys,
            "own": self.own,
            "put_own": self.put_own,
            "past": self.past,
            "who": self.who,
            "put_then_get": self.put_then_get,
            "put_twice": self.put_twice,
            "put_then_scan": self.put_then_scan,
            "scan_then_put": self.scan_then_put,
            "when": self.when,
        }
        name, *rest = (arg.decode() for arg in args)
        if name not in functions:
            return Answer(409, f"refused: {name}", b"")
        return Answer(200, "", await functions[name](stub, *rest))

    async def put(self, stub: Stub, key: str, value: str) -> bytes:
        await stub.put_state(key, value.encode())
        stub.set_event("put", key.encode())
        return b""

    async def get(self, stub: Stub, key: str) -> bytes:
        return await stub.get_state(key) or b""

    async def delete(self, stub: Stub, key: str) -> bytes:
        await stub.delete_state(key)
        return b""

    async def add(self, stub: Stub, key: str) -> bytes:
        """Read a count, add one, write it."""
        count = str(int(await stub.get_state(key) or b"0") + 1).encode()
        await stub.put_state(key, count)
        return count

    async def keys(self, stub: Stub, start: str, end: str, limit: str, bookmark: str = "") -> bytes:
        """Return the page's keys and its bookmark, with commas between."""
        page = await stub.get_range(start, end, limit=int(limit), bookmark=bookmark)
        return ",".join([*(key for key, _ in page.entries), page.bookmark]).encode()

    async def own(self, stub: Stub, key: str, *msp_ids: str) -> bytes:
        await stub.set_endorsers(key, msp_ids)
        return b""

    async def put_own(self, stub: Stub, key: str, value: str, *msp_ids: str) -> bytes:
        await stub.put_state(key, value.encode())
        await stub.set_endorsers(key, msp_ids)
        return b""

    async def past(self, stub: Stub, key: str) -> bytes:
        versions = await stub.get_history(key)
        return b",".join(version.value or b"deleted" for version in versions)

    async def who(self, stub: Stub) -> bytes:
        return f"{stub.creator.msp_id} {stub.creator.attributes.get('role', '')}".encode()

    async def put_then_get(self, stub: Stub, key: str, value: str) -> bytes:
        await stub.put_state(key, value.encode())
        return await stub.get_state(key) or b""

    async def put_twice(self, stub: Stub, key: str, first: str, second: str) -> bytes:
        await stub.put_state(key, first.encode())
        await stub.put_state(key, second.encode())
        return b""

    async def put_then_scan(self, stub: Stub, key: str) -> bytes:
        await stub.put_state(key, b"1")
        await stub.get_range(key, f"{key}z", limit=1)
        return b""

    async def scan_then_put(self, stub: Stub, key: str) -> bytes:
        await stub.get_range(key, f"{key}z", limit=1)
        await stub.put_state(key, b"1")
        return b""

    async def when(self, stub: Stub) -> bytes:
        return f"{stub.channel} {stub.tx_id} {stub.timestamp_s}".encode()


class LyingKeyValue(KeyValue):
    """Answers everything with a lie: what a peer does whose organisation has changed its contract."""

    async def invoke(self, stub: Stub, args: Sequence[bytes]) -> Answer:
        answer = await super().invoke(stub, args)
        return Answer(answer.status, answer.message, b"a lie")
