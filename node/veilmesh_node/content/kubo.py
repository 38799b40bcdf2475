"""A kubo daemon's API, by `ipfshttpclient`: what a content store and its replication need of it.

This is where the daemon's answers and the client's exceptions stop. Nothing that the daemon says is believed
where it can be checked: content is compared with its id, and reading ends at the largest size of a surrogate.
Every call ends within its time, also with a daemon that sends a byte a minute: the client's own time limit is
per read, so each call runs on a thread that is left behind when its time is up.

The client is made by `Client`, not by `connect`, which refuses every daemon since 0.8; the calls that are
made here have stayed the same. Pins carry names, which tell apart what this node put there (`OWN`), what was
replicated from other members (`REPLICA`), and what is no concern of ours.
"""

import asyncio
import ipaddress
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from veilmesh_node.content.checked import MAX_CONTENT_BYTES, incoming, outgoing
from veilmesh_node.errors import (
    ContentError,
    ContentMismatchError,
    ContentNotFoundError,
    ContentUnavailableError,
    IpfsMissingError,
    NodeError,
    PublicDaemonError,
    StorageFullError,
)
from veilmesh_node.surrogate import Surrogate

OWN, REPLICA = "veilmesh", "veilmesh-replica"

READ_BYTES = 65_536  # at a time
CONNECT_WITHIN_S = 3.0

# Spelt out, since a daemon's own defaults can be configured, and have changed: they decide on the content id.
AS_CONTENT_ID = {
    "cid-version": "1",
    "raw-leaves": "true",
    "hash": "sha2-256",
    "chunker": "size-262144",
    "max-file-links": "174",
    "trickle": "false",
    "wrap-with-directory": "false",
}
_ABSENT = ("not found", "could not find", "no providers")
_FULL = ("no space left", "quota exceeded", "file too large")
_NOT_PINNED = "not pinned"
_OFFLINE = "must be run in online mode"

_Timeout: TypeAlias = tuple[float, float]  # to connect, and for each read; seconds
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in seconds."""

    answer_s: float = 10.0  # for what the daemon has, or does, by itself
    fetch_s: float = 20.0  # for content that other daemons may have
    index_s: float = 600.0  # for what has it read all of its index: its pins, a garbage collection


@dataclass(frozen=True, slots=True)
class DaemonReport:
    """A daemon, as it describes itself."""

    address: str
    version: str
    peer_id: str
    peers: int  # other daemons that it is connected to


class KuboDaemon:
    """One daemon. Close it at the end."""

    def __init__(self, address: str, patience: Patience | None = None) -> None:
        """Take charge; nothing is asked of the daemon yet.

        Args:
            address: host:port of its API, a loopback address: whoever reaches it may do anything.
            patience: for tests.

        Raises:
            IpfsMissingError: the client library is not installed.
        """
        try:
            import ipfshttpclient  # noqa: PLC0415 - a node may lack the library
        except ImportError as err:
            raise IpfsMissingError from err
        # The client hands urllib3 an argument that has meant nothing since Python 3.
        warnings.filterwarnings("ignore", "The 'strict' parameter is no longer needed", FutureWarning)
        self.address = address
        self._patience = patience or Patience()
        self._failures = ipfshttpclient.exceptions
        self._client: Any = ipfshttpclient.Client(_multiaddr(address), session=True)
        self._http: Any = self._client._client  # noqa: SLF001 - for the two things that it does not offer
        self._http._session.trust_env = False  # noqa: SLF001 - no proxy is to see what goes to loopback
        self._known_private = False

    def close(self) -> None:
        self._client.close()

    async def add(self, surrogate: Surrogate) -> str:
        """Store and pin a surrogate as this node's own; return its content id.

        Raises:
            StorageFullError: the daemon's disk is full.
            ContentMismatchError: the daemon took it for something else.
            PublicDaemonError: it is a daemon to which nothing may be given.
        """
        cid, content = outgoing(surrogate)
        await self.require_private()
        options = {**AS_CONTENT_ID, "pin": "true", "pin-name": OWN}
        given = await self._ask(
            lambda timeout: self._client.add_bytes(content, opts=options, timeout=timeout),
            self._patience.answer_s,
        )
        if given != cid:
            raise ContentMismatchError(cid)
        return cid

    async def read(self, cid: str) -> bytes:
        """Return the content of `cid`, from other daemons where this one does not have it.

        Raises:
            ContentNotFoundError: neither this daemon has it, nor did another one send it in time.
            ContentMismatchError, ContentTooLargeError: what came is something else.
        """
        try:
            content = await self._cat(cid, self._patience.answer_s, offline=True)
        except ContentNotFoundError:
            try:
                content = await self._cat(cid, self._patience.fetch_s, offline=False)
            except ContentUnavailableError as err:
                # It just answered that it does not have it, so it is the others that did not send it.
                raise ContentNotFoundError(cid) from err
        return incoming(cid, content)

    async def pin(self, cid: str, name: str) -> None:
        """Keep content that the daemon has, under a name; one that it had is forgotten."""
        await self._ask(
            lambda timeout: self._client.pin.add(cid, opts={"name": name}, timeout=timeout),
            self._patience.answer_s,
            cid,
        )

    async def unpin(self, cid: str) -> None:
        """Keep content no more; it need not be pinned."""

        def unpin(timeout: _Timeout) -> None:
            try:
                self._client.pin.rm(cid, timeout=timeout)
            except self._failures.ErrorResponse as err:
                if _NOT_PINNED not in str(err):
                    raise

        await self._ask(unpin, self._patience.answer_s)

    async def pins(self) -> Mapping[str, str]:
        """Return the name of every pin, by content id; "" where it has none."""

        def list_pins(timeout: _Timeout) -> dict[str, str]:
            with self._client.pin.ls(
                type="recursive", opts={"names": "true", "stream": "true"}, stream=True, timeout=timeout
            ) as pins:
                return {str(pin["Cid"]): str(pin.get("Name", "")) for pin in pins}

        return await self._ask(list_pins, self._patience.index_s, silence_s=self._patience.fetch_s)

    async def collect(self) -> int:
        """Remove every block that nothing pins; return how many were removed."""
        return len(
            await self._ask(lambda timeout: self._client.repo.gc(timeout=timeout), self._patience.index_s)
        )

    async def report(self) -> DaemonReport:
        """Ask who it is, and how many others it is connected to; none where it is offline."""

        def describe(timeout: _Timeout) -> DaemonReport:
            version = self._client.version(timeout=timeout)["Version"]
            peer_id = self._client.id(timeout=timeout)["ID"]
            try:
                peers = self._client.swarm.peers(timeout=timeout)["Peers"] or []
            except self._failures.ErrorResponse as err:
                if _OFFLINE not in str(err):
                    raise
                peers = []
            return DaemonReport(self.address, version, peer_id, len(peers))

        return await self._ask(describe, self._patience.answer_s)

    async def require_private(self) -> None:
        """Return if the daemon is not configured to meet the public network.

        Raises:
            PublicDaemonError: it is. A surrogate that got there cannot be erased.
        """
        if self._known_private:
            return
        reason = await self._ask(
            lambda timeout: _public(self._client.config.get(timeout=timeout)), self._patience.answer_s
        )
        if reason:
            raise PublicDaemonError(self.address, reason)
        self._known_private = True

    async def _cat(self, cid: str, within_s: float, *, offline: bool) -> bytes:
        """Return content unchecked, and cut off past the largest size that is taken."""
        if not cid.isalnum():
            raise ContentNotFoundError(cid)
        arguments = [("arg", cid), ("length", str(MAX_CONTENT_BYTES + 1)), ("offline", str(offline).lower())]

        def read(timeout: _Timeout) -> bytes:
            # `Client.cat` would read all of an answer before it hands out the first byte.
            closables, chunks = self._http._request(  # noqa: SLF001 - see above
                "POST",
                "/cat",
                arguments,
                auth=None,
                data=None,
                headers=None,
                timeout=timeout,
                chunk_size=READ_BYTES,
            )
            content = bytearray()
            try:
                for chunk in chunks:
                    content += chunk
                    if len(content) > MAX_CONTENT_BYTES:
                        break
            finally:
                for closable in closables:
                    closable.close()
            return bytes(content)

        return await self._ask(read, within_s, cid)

    async def _ask(
        self,
        work: Callable[[_Timeout], Result],
        within_s: float,
        cid: str = "",
        *,
        silence_s: float | None = None,
    ) -> Result:
        """Do blocking work on a thread of its own, and leave it behind when its time is up.

        Args:
            work: calls the client with the timeout that it is given.
            within_s: until when all of it has to be done.
            cid: of what content, if any, the daemon may say that it does not have it.
            silence_s: how long the daemon may send nothing; `within_s`, where it is not given.
        """
        answer: Future[Result] = Future()
        answer.set_running_or_notify_cancel()  # what is left behind answers nobody, and may

        def run() -> None:
            try:
                with self._translated(cid):
                    result = work((min(CONNECT_WITHIN_S, within_s), silence_s or within_s))
            except NodeError as err:
                answer.set_exception(err)
            else:
                answer.set_result(result)

        threading.Thread(target=run, name="ipfs", daemon=True).start()
        try:
            async with asyncio.timeout(within_s):
                return await asyncio.wrap_future(answer)
        except TimeoutError as err:
            raise self._too_slow() from err

    @contextmanager
    def _translated(self, cid: str) -> Iterator[None]:
        failures = self._failures
        try:
            yield
        except failures.TimeoutError as err:
            raise self._too_slow() from err
        except failures.ErrorResponse as err:
            raise self._refused(str(err), cid) from err
        except failures.StatusError as err:
            raise ContentError(f"the IPFS daemon at {self.address} refused: {err}") from err
        except (failures.ConnectionError, failures.ProtocolError, OSError) as err:
            raise ContentUnavailableError(f"the IPFS daemon at {self.address} does not answer") from err
        except Exception as err:  # whatever the client makes of an answer that no daemon gives
            raise ContentError(
                f"what answers at {self.address} is no IPFS daemon ({type(err).__name__})"
            ) from err

    def _too_slow(self) -> ContentUnavailableError:
        return ContentUnavailableError(f"the IPFS daemon at {self.address} did not answer in time")

    def _refused(self, message: str, cid: str) -> NodeError:
        """Return the error for a daemon's message: its API has no codes."""
        lower = message.lower()
        if any(words in lower for words in _FULL):
            return StorageFullError(f"no space left for the IPFS daemon at {self.address}")
        if cid and any(words in lower for words in _ABSENT):
            return ContentNotFoundError(cid)
        return ContentError(f"the IPFS daemon at {self.address} failed: {message}")


def _multiaddr(address: str) -> str:
    host, _, port = address.rpartition(":")
    parsed = ipaddress.ip_address(host.strip("[]"))
    return f"/ip{parsed.version}/{parsed}/tcp/{port}/http"


def _public(config: Mapping[str, Any]) -> str:
    """Return why a daemon of this configuration would meet the public network; "" if it would not."""
    strangers = [
        peer for peer in config.get("Bootstrap") or [] if peer == "auto" or "bootstrap.libp2p.io" in peer
    ]
    if strangers:
        return f"its bootstrap peers are public ({strangers[0]})"
    if "AutoConf" in config and config["AutoConf"].get("Enabled") is not False:
        return "AutoConf is on"
    return ""
