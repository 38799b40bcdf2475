"""The embedded ledger as a whole: opened on its file, served on one address, closed in order."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2_grpc
from fabric_protos.orderer import ab_pb2_grpc
from fabric_protos.peer import events_pb2_grpc, transaction_pb2
from grpc_health.v1 import health, health_pb2_grpc
from veilmesh_chaincode.runtime import Chaincode
from veilmesh_fabric.block import decode_block, header_hash
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.identity import SigningIdentity

from veilmesh_network.embedded.broadcast import BroadcastService
from veilmesh_network.embedded.channel import Channel
from veilmesh_network.embedded.committer import Committer
from veilmesh_network.embedded.config_updates import ConfigUpdates
from veilmesh_network.embedded.deliver import DeliverService
from veilmesh_network.embedded.endorser import Endorser, Peer
from veilmesh_network.embedded.feed import BlockFeed
from veilmesh_network.embedded.gateway import GatewayService
from veilmesh_network.embedded.lifecycle import Definitions, definition_transaction
from veilmesh_network.embedded.orderer import Orderer
from veilmesh_network.embedded.peers import MembersPeers
from veilmesh_network.embedded.store import BlockCommit, LedgerStore, TransactionRecord
from veilmesh_network.embedded.validator import Validator
from veilmesh_network.errors import AddressInUseError, StorageError

CHAINCODE_VERSION = "1.0"
_STOP_GRACE_S = 0.5  # for answers that are on their way; streams have no end of their own
_LARGEST_MESSAGE = 100 * 1024 * 1024  # as Fabric's peers: what is too large for a block, orderers turn away


@dataclass(frozen=True, slots=True)
class LedgerIdentities:
    """The keys that the one process holds for everybody."""

    genesis: bytes  # the channel's block 0
    peer_of: Callable[[str], SigningIdentity | None]  # by MSP id; None where its keys are not at hand
    admin: SigningIdentity  # of a member; defines the chaincodes
    orderer: SigningIdentity
    tls_certificate: bytes  # PEM
    tls_key: bytes = field(repr=False)


class EmbeddedLedger:
    """One channel's ledger: opened when made, served by `run`."""

    def __init__(
        self,
        identities: LedgerIdentities,
        path: Path,
        chaincodes: Mapping[str, Chaincode],
        *,
        chaincodes_of: Mapping[str, Mapping[str, Chaincode]] | None = None,
    ) -> None:
        """Open the ledger's file, or found it with the channel's first block.

        Args:
            identities: whose ledger it is.
            path: the file.
            chaincodes: what every peer runs, by name.
            chaincodes_of: what an organisation's peer runs instead, by MSP id.

        Raises:
            StorageError: the file cannot be used, or holds another channel.
            DecodeError: `identities.genesis` is no config block.
        """
        self._identities = identities
        self._chaincodes = chaincodes
        self._store = LedgerStore(path)
        _found(self._store, identities.genesis)
        channel = _channel(self._store)
        self._channel = channel
        self._feed = BlockFeed(self._store)
        updates = ConfigUpdates(channel, identities.orderer, _utc_now)
        self._orderer = Orderer(channel, updates, _utc_now)
        self._committer = Committer(
            channel,
            self._store,
            self._orderer,
            Validator(channel),
            signer=identities.orderer,
            feed=self._feed,
        )

        def peer_of(msp_id: str) -> Peer | None:
            signer = identities.peer_of(msp_id)
            runs = (chaincodes_of or {}).get(msp_id, chaincodes)
            return None if signer is None else Peer(signer, f"peer.{msp_id}", runs)

        self._endorser = Endorser(channel, self._store, MembersPeers(channel, peer_of), _utc_now)
        self._gateway = GatewayService(channel, self._endorser, self._orderer, self._feed, _utc_now)
        self._broadcast = BroadcastService(self._orderer)
        self._deliver = DeliverService(channel, self._feed, _utc_now)

    async def run(self, listen: str, *, started: Callable[[int], None], stop: asyncio.Event) -> None:
        """Serve on `listen` until `stop` is set; then commit what was taken and close the file.

        Args:
            listen: host:port; port 0 for any.
            started: is told the port, once the chaincodes are defined and calls are answered.
            stop: ends it.

        Raises:
            AddressInUseError: the address is taken.
            StorageError: a block could not be written; nothing that it holds was acknowledged.
        """
        committing = asyncio.create_task(self._committer.run())
        server = self._make_server()
        try:
            port = self._bind(server, listen)
            await _unless_ended(committing, self._define_chaincodes())
            await server.start()
            started(port)
            await _unless_ended(committing, stop.wait())
        finally:
            self._orderer.close()
            await asyncio.wait([committing])
            await server.stop(_STOP_GRACE_S)
            self._store.close()
        await committing

    def _make_server(self) -> grpc.aio.Server:
        server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),  # or two ledgers would share one port
                ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
                ("grpc.max_send_message_length", -1),
                # Clients may ping a stream without events once a minute, as they may Fabric's peers.
                ("grpc.http2.min_ping_interval_without_data_ms", 60_000),
            ]
        )
        gateway_pb2_grpc.add_GatewayServicer_to_server(self._gateway, server)
        ab_pb2_grpc.add_AtomicBroadcastServicer_to_server(self._broadcast, server)
        events_pb2_grpc.add_DeliverServicer_to_server(self._deliver, server)
        health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
        return server

    def _bind(self, server: grpc.aio.Server, listen: str) -> int:
        keys = [(self._identities.tls_key, self._identities.tls_certificate)]
        try:
            return server.add_secure_port(listen, grpc.ssl_server_credentials(keys))
        except RuntimeError as err:
            raise AddressInUseError(f"{listen} cannot be served: is it in use?") from err

    async def _define_chaincodes(self) -> None:
        for name in sorted(self._chaincodes):
            with self._store.snapshot() as snapshot:
                if Definitions().find(snapshot, name) is not None:
                    continue
            envelope = definition_transaction(
                name,
                CHAINCODE_VERSION,
                channel=self._channel.config.channel_id,
                creator=self._identities.admin,
                endorsers=[peer.identity for peer in self._endorser.peers],
                at=_utc_now(),
            )
            height = self._feed.height
            self._orderer.take(envelope)
            await self._feed.block(height)


async def _unless_ended(committing: asyncio.Task[None], work: Coroutine[Any, Any, object]) -> None:
    """Wait for `work`; if committing ends before, which it does by an error alone, raise that error."""
    task = asyncio.create_task(work)
    await asyncio.wait((committing, task), return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await committing
    await task


def _found(store: LedgerStore, genesis: bytes) -> None:
    """Make `genesis` the first block of an empty store; of another, require that it is.

    Raises:
        StorageError: the store begins with another block.
    """
    block = decode_block(genesis)
    own_hash = header_hash(block.header)
    if store.height > 0:
        if store.header_hash(0) != own_hash:
            raise StorageError("the ledger file belongs to another channel: its first block is another")
        return
    message = common_pb2.Block.FromString(genesis)
    # What a committing peer adds: the validation code of its one transaction.
    message.metadata.metadata[common_pb2.TRANSACTIONS_FILTER] = bytes([transaction_pb2.VALID])
    tx_id = block.transactions[0].tx_id
    record = TransactionRecord(tx_id, 0, 0, int(transaction_pb2.VALID))
    encoded = message.SerializeToString(deterministic=True)
    store.commit(BlockCommit(0, own_hash, encoded, [record], {}, []))


def _channel(store: LedgerStore) -> Channel:
    """Return the channel with the configuration that the last block of a store names."""
    newest = decode_block(store.block(store.height - 1))
    config_block = newest.metadata.last_config
    return Channel(ChannelConfig.from_block(store.block(config_block)), config_block)


def _utc_now() -> datetime:
    return datetime.now(UTC)
