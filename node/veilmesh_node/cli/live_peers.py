"""Peers of a live ledger, as an audit reads them: block after block, each peer by a stream of its own.

Verification is ordinary code that runs flat out; blocks arrive over asynchronous streams. For each peer a
thread pumps them through a bounded queue, so that nobody waits for another's whole work.

Whose a peer is, its TLS certificate shows: it is of the authority that the channel's configuration names for
one organisation, and the connection is then made with no other authority's certificate being accepted.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from veilmesh_fabric import DeliverError, SigningIdentity, blocks, connect
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.deliver import BlockPosition
from veilmesh_fabric.gateway_address import GatewayAddress
from veilmesh_fabric.tls import TlsClient
from veilmesh_fabric.tls_probe import probe
from veilmesh_fabric.tls_roots import tls_roots

from veilmesh_node.cli.block_queue import BlockQueue
from veilmesh_node.cli.client_home import ClientHome


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, on which channel, and how long a peer may take for a block."""

    identity: SigningIdentity
    channel: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class FoundPeer:
    """Where a peer is, and what it says of itself."""

    address: GatewayAddress
    tls: TlsClient
    organization: str | None  # MSP id; None where no organisation of the channel stands behind it
    height: int = 0  # how many blocks it says it has

    @property
    def name(self) -> str:
        return f"{self.organization or 'the peer'} at {self.address.address}"


def find_peers(
    home: ClientHome,
    reader: Reader,
    config: ChannelConfig,
    *,
    addresses: Sequence[GatewayAddress],
    roots: Path | None = None,
) -> list[FoundPeer]:
    """Ask every peer whose it is and how many blocks it has.

    Args:
        home: the reader's; its TLS roots vouch for peers of no organisation that `config` names.
        reader: who asks.
        config: of the channel, as far as it is verified.
        addresses: of the peers.
        roots: in place of the home's, a file of PEM certificates.

    Raises:
        DeliverError: one refused, is out of reach, or does not answer in time.
    """
    files = (roots or home.gateway_tls_roots, home.gateway_tls_certificate, home.gateway_tls_key)
    tls = TlsClient.in_files(*files)()
    organizations = tls_roots(config)

    async def find(address: GatewayAddress) -> FoundPeer:
        found = await _whose(FoundPeer(address, tls, None), organizations)
        return replace(found, height=await _height(found, reader))

    async def find_all() -> list[FoundPeer]:
        return await asyncio.gather(*map(find, addresses))

    return asyncio.run(find_all())


async def _whose(peer: FoundPeer, organizations: Mapping[str, bytes]) -> FoundPeer:
    """Return the peer with its organisation, and with nobody else's authority to vouch for it."""
    clients = {msp_id: replace(peer.tls, roots_pem=roots) for msp_id, roots in organizations.items()}
    obstacles = await asyncio.gather(
        *(probe(peer.address.address, peer.address.server_name, tls) for tls in clients.values())
    )
    for (msp_id, tls), obstacle in zip(clients.items(), obstacles, strict=True):
        if not obstacle:
            return replace(peer, organization=msp_id, tls=tls)
    return peer


async def _height(peer: FoundPeer, reader: Reader) -> int:
    try:
        async with asyncio.timeout(reader.wait_s):
            async with _stream(peer, reader, start="newest", stop="newest") as stream:
                async for block in stream:
                    return int(block.header.number) + 1
    except TimeoutError:
        raise _late(peer, f"does not say within {reader.wait_s:g} s how many blocks it has") from None
    except DeliverError as err:
        where = peer.address
        if err.status == "UNAVAILABLE" and (
            trouble := await probe(where.address, where.server_name, peer.tls)
        ):
            raise DeliverError(f"{peer.name}: {trouble}", status=err.status) from err
        raise _named(peer, err) from err
    return 0


@asynccontextmanager
async def _stream(
    peer: FoundPeer, reader: Reader, *, start: BlockPosition, stop: BlockPosition
) -> AsyncIterator[AsyncIterator[Any]]:
    pair = peer.tls.pair
    connection = connect(
        peer.address.address,
        peer.tls.roots_pem,
        client_certificate_pem=pair.certificate_pem if pair else None,
        client_key_pem=pair.key_pem if pair else None,
        server_name=peer.address.server_name,
    )
    async with connection as channel:
        stream = blocks(
            channel,
            reader.identity,
            reader.channel,
            start=start,
            stop=stop,
            tls_certificate_hash=pair.digest if pair else b"",
        )
        async with aclosing(stream):
            yield stream


def _late(peer: FoundPeer, what: str) -> DeliverError:
    return DeliverError(f"{peer.name} {what}", status="DEADLINE_EXCEEDED")


def _named(peer: FoundPeer, err: DeliverError) -> DeliverError:
    return DeliverError(f"{peer.name}: {err}", status=err.status, details=err.details)


class LivePeer:
    """A `veilmesh_fabric.peer_comparison.Peer`: blocks are asked for in order, from the first one on."""

    def __init__(self, found: FoundPeer, reader: Reader, *, start: int, stop: int) -> None:
        """Begin to read.

        Args:
            found: the peer.
            reader: who reads.
            start: the first block that will be asked for.
            stop: the last block that any peer has.
        """
        self._found = found
        self._reader = reader
        self._queue = BlockQueue()
        self._closing = threading.Event()
        self._pump = threading.Thread(target=self._run, args=(start, stop), daemon=True, name=found.name)
        self._pump.start()

    @property
    def name(self) -> str:
        return self._found.name

    def block(self, number: int) -> bytes | None:
        """Return the next block; None where the peer still has none after the reader's patience.

        Raises:
            DeliverError: the peer broke off, or does not deliver what it says it has.
        """
        try:
            return self._queue.get(self._reader.wait_s)
        except TimeoutError:
            if number >= self._found.height:
                return None
            what = f"did not deliver block {number}, which it says it has, within {self._reader.wait_s:g} s"
            raise _late(self._found, what) from None

    def close(self) -> None:
        """End the stream."""
        self._queue.abandon()
        self._closing.set()
        self._pump.join()

    def _run(self, start: int, stop: int) -> None:
        try:
            asyncio.run(self._copy_until_closed(start, stop))
            self._queue.end()
        except DeliverError as err:
            self._queue.end(_named(self._found, err))
        except Exception as err:  # noqa: BLE001 - handed to the reader, who raises it
            self._queue.end(err)

    async def _copy_until_closed(self, start: int, stop: int) -> None:
        """Copy the stream; a peer that has no more blocks keeps it open until we close it."""
        copying = asyncio.create_task(self._copy(start, stop))
        closing = asyncio.create_task(asyncio.to_thread(self._closing.wait))
        await asyncio.wait({copying, closing}, return_when=asyncio.FIRST_COMPLETED)
        if copying.done():
            self._closing.set()
        else:
            copying.cancel()
        await closing
        with suppress(asyncio.CancelledError):
            await copying

    async def _copy(self, start: int, stop: int) -> None:
        async with _stream(self._found, self._reader, start=start, stop=stop) as stream:
            async for block in stream:
                if not await asyncio.to_thread(self._queue.put, block.SerializeToString()):
                    return


@contextmanager
def live_peers(found: Sequence[FoundPeer], reader: Reader, *, start: int) -> Iterator[list[LivePeer]]:
    """Read the peers' blocks from `start` to the last one that any of them says it has."""
    stop = max(peer.height for peer in found) - 1
    with ExitStack() as stack:
        peers = [LivePeer(peer, reader, start=start, stop=max(start, stop)) for peer in found]
        for peer in peers:
            stack.callback(peer.close)
        yield peers
