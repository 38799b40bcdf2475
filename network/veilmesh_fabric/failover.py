"""Several gateways to one ledger: call one that works, and come back to the first.

    addresses = [GatewayAddress.parse("peer0.org1.example.com:7051"), GatewayAddress.parse("10.0.0.2:7051")]
    async with Gateways.dial(addresses, TlsClient.in_files(roots)) as gateways:
        contract = Gateway(gateways, identity).contract("veilmesh", "veilmesh")

The order is the operator's: the own peer first. A call goes to the first gateway that does not rest. One that
is out of reach, or does not answer in time, rests, each time in a row for twice as long; then a TLS handshake
is tried in the background, and when it succeeds the gateway is called again. So no call waits for a gateway
that is known to be away.

What may be asked of a second gateway is for callers to know: `calls.py` asks again what changes nothing, and
never sends a transaction twice. Answers are only as good as who gives them: whoever lists another
organisation's gateway believes it as its own.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Self, TypeVar

import grpc
import grpc.aio
from fabric_protos.gateway import gateway_pb2_grpc

from veilmesh_fabric.connection import connect
from veilmesh_fabric.errors import DeliverError
from veilmesh_fabric.gateway_address import GatewayAddress
from veilmesh_fabric.retry import Clock, SystemClock
from veilmesh_fabric.rpc_errors import never_reached
from veilmesh_fabric.tls import TlsClient
from veilmesh_fabric.tls_probe import probe

CONNECT_WITHIN_S = 3.0  # before the next gateway is tried
FIRST_REST_S, LONGEST_REST_S = 5.0, 120.0
STANDS_S = 5.0  # a stream that broke after as long was there, items or not

# How a stream ends that another gateway may go on with; all else is an answer.
_BROKEN = frozenset(
    {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "INTERNAL", "UNKNOWN", "SERVICE_UNAVAILABLE"}
)

_CONNECTED, _NOT_CONNECTED = grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE

_logger = logging.getLogger(__name__)

Item = TypeVar("Item")


class Link:
    """One gateway, over a channel that somebody else opened and will close."""

    def __init__(self, name: str, channel: grpc.aio.Channel) -> None:
        self.name = name
        self.channel = channel
        self.stub = gateway_pb2_grpc.GatewayStub(channel)
        self.rests_since: float | None = None  # by a monotonic clock
        self.failures = 0  # in a row

    @property
    def rests(self) -> bool:
        return self.rests_since is not None

    @property
    def tls_certificate_hash(self) -> bytes:
        """The digest of the certificate that is shown on the channel; empty where none is."""
        return b""

    async def refresh(self) -> None:
        """See that the channel is of the certificates that are valid now."""

    async def dial(self) -> None:
        """Make a new channel. What was begun on the old one may end there."""

    async def trouble(self) -> str:
        """Return why no connection comes about, as the end of a sentence; "" where one does."""
        return ""

    async def close(self) -> None:
        """Close what was opened here."""

    async def connects(self) -> bool:
        """Return whether there is a connection, after waiting a little for it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_WITHIN_S):
                while (state := self.channel.get_state(try_to_connect=True)) is not _CONNECTED:
                    if state is _NOT_CONNECTED:
                        return False
                    await self.channel.wait_for_state_change(state)
                return True
        return False


class _DialledLink(Link):
    """One gateway, dialled again when TLS files change."""

    def __init__(self, where: GatewayAddress, tls: Callable[[], TlsClient]) -> None:
        self._where = where
        self._tls = tls
        self._used = tls()
        self._retired: grpc.aio.Channel | None = None  # while what was begun on it ends
        super().__init__(where.address, self._open())

    async def refresh(self) -> None:
        if self._tls() != self._used:
            _logger.info("gateway %s: new connections use the new TLS files", self.name)
            await self.dial()

    @property
    def tls_certificate_hash(self) -> bytes:
        return b"" if self._used.pair is None else self._used.pair.digest

    async def dial(self) -> None:
        to_close, self._retired = self._retired, self.channel
        self._used = self._tls()
        self.channel = self._open()
        self.stub = gateway_pb2_grpc.GatewayStub(self.channel)
        if to_close is not None:
            await to_close.close()

    async def trouble(self) -> str:
        return await probe(self._where.address, self._where.server_name, self._used)

    async def close(self) -> None:
        for channel in (self.channel, self._retired):
            if channel is not None:
                await channel.close()

    def _open(self) -> grpc.aio.Channel:
        pair = self._used.pair
        return connect(
            self._where.address,
            self._used.roots_pem,
            client_certificate_pem=None if pair is None else pair.certificate_pem,
            client_key_pem=None if pair is None else pair.key_pem,
            server_name=self._where.server_name,
        )


class Gateways:
    """The gateways of one ledger, in the order in which they are to be called. Made by `dial` or `over`."""

    def __init__(self, links: Sequence[Link], clock: Clock) -> None:
        self._links = links
        self.clock = clock
        self._recoveries: set[asyncio.Task[None]] = set()

    @classmethod
    def over(cls, channel: grpc.aio.Channel) -> Self:
        """Return the one gateway behind an open channel, which its owner closes."""
        return cls([Link("the gateway", channel)], SystemClock())

    @classmethod
    @asynccontextmanager
    async def dial(
        cls, addresses: Sequence[GatewayAddress], tls: Callable[[], TlsClient], *, clock: Clock | None = None
    ) -> AsyncIterator[Self]:
        """Open gateways; each is dialled when first called.

        Args:
            addresses: at least one.
            tls: says at each moment whom to trust and what to show: `TlsClient.in_files`.
            clock: for rests; the machine's when not given.
        """
        gateways = cls([_DialledLink(address, tls) for address in addresses], clock or SystemClock())
        try:
            yield gateways
        finally:
            await gateways._close()

    def __len__(self) -> int:
        return len(self._links)

    @property
    def away(self) -> Sequence[str]:
        """The gateways that rest, for operators."""
        return [link.name for link in self._links if link.rests]

    @property
    def tls_certificate_hash(self) -> bytes:
        """The digest of the client's TLS certificate; empty where none is shown."""
        return self._links[0].tls_certificate_hash

    async def pick(self, besides: Collection[Link] = ()) -> Link:
        """Return the gateway to call: the first that is connected; where none is, the most hopeful one.

        Args:
            besides: those that were called in vain; not all.
        """
        # Those that rest are a last resort, and of them the one that has rested longest.
        candidates = [link for link in self._links if link not in besides]
        candidates.sort(key=lambda link: (link.rests, link.rests_since or 0.0))
        for link in candidates:
            await link.refresh()
            if len(self._links) == 1 or await link.connects():
                return link
            self.failed(link)
        return candidates[0]

    def failed(self, link: Link, why: str = "no connection") -> None:
        """Let a gateway rest that is out of reach or does not answer, where there is another."""
        if len(self._links) == 1 or link.rests:
            return
        link.failures += 1
        link.rests_since = self.clock.monotonic()
        task = asyncio.create_task(self._recover(link, why), name=f"recovery of {link.name}")
        self._recoveries.add(task)
        task.add_done_callback(self._recoveries.discard)

    async def _recover(self, link: Link, why: str) -> None:
        """Wait until a gateway is back."""
        _logger.warning("gateway %s is away: %s", link.name, await link.trouble() or why)
        while True:
            await self.clock.sleep(min(LONGEST_REST_S, FIRST_REST_S * 2.0 ** (link.failures - 1)))
            await link.refresh()
            trouble = await link.trouble()
            if not trouble:
                break
            link.failures += 1
            _logger.info("gateway %s is still away: %s", link.name, trouble)
        await link.dial()
        link.rests_since = None
        _logger.info("gateway %s is back", link.name)

    async def _close(self) -> None:
        for task in self._recoveries:
            task.cancel()
        await asyncio.gather(*self._recoveries, return_exceptions=True)
        for link in self._links:
            await link.close()


async def unbroken(
    gateways: Gateways, opened: Callable[[Link, Item | None], AsyncGenerator[Item, None]]
) -> AsyncGenerator[Item, None]:
    """Yield a stream's items, going on at another gateway where one breaks off.

    Args:
        gateways: each is tried once from the same position, and once more after the stream has stood.
        opened: opens the stream at a gateway, behind the item that is its second argument; from where it
            shall begin if that is None.

    Raises:
        DeliverError: the stream was refused, or broke at every gateway.
    """
    last: Item | None = None
    tried: list[Link] = []
    while True:
        link = await gateways.pick(besides=tried)
        since = gateways.clock.monotonic()
        try:
            async with aclosing(opened(link, last)) as stream:
                async for item in stream:
                    last, link.failures = item, 0
                    tried.clear()
                    yield item
                return
        except DeliverError as err:
            if err.status not in _BROKEN:
                raise
            if gateways.clock.monotonic() - since >= STANDS_S:
                tried.clear()
            tried.append(link)
            gateways.failed(link, str(err))
            if len(tried) == len(gateways):
                await _explain(err, link)
                raise


async def _explain(error: DeliverError, link: Link) -> None:
    """Raise a better told error where there was no connection, and it can be found out why."""
    cause = error.__cause__
    if isinstance(cause, grpc.aio.AioRpcError) and never_reached(cause) and (trouble := await link.trouble()):
        raise DeliverError(f"gateway {link.name}: {trouble}", status=error.status) from cause
