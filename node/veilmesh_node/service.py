"""The node as a process: opens the vault, connects to the ledger, serves, until it is told to stop.

    run(folder, passphrase)      what `veilmesh node start` calls; returns after SIGTERM or SIGINT

1. The key file is opened, the vault locked, identity and certificates read: what is wrong with them ends
   the start.
2. Both services listen: the exchange for other nodes, the API for the organisation's own.
3. The keeper registers the node and resumes what the journal holds. A ledger that is away is no reason to
   stop: calls are answered UNAVAILABLE, and the keeper tries again.
4. On a signal no call is taken any more, and those at work end.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from veilmesh_chaincode.records.registry import RegisterNode
from veilmesh_fabric.failover import Gateways
from veilmesh_fabric.gateway import Gateway
from veilmesh_fabric.tls import TlsPair

from veilmesh_node.api.service import NodeService
from veilmesh_node.certificates import NodeCertificates
from veilmesh_node.config import NodeConfig
from veilmesh_node.content import FolderContentStore, IpfsContentStore
from veilmesh_node.content.kubo import KuboDaemon
from veilmesh_node.domain.secret import Secret
from veilmesh_node.environment import Environment
from veilmesh_node.errors import FacesMissingError, HomeError, IpfsMissingError
from veilmesh_node.exchange.client import ExchangeClient
from veilmesh_node.exchange.rate_limit import RateLimit
from veilmesh_node.exchange.service import ExchangeService
from veilmesh_node.faces import MlFaces
from veilmesh_node.gateways import parsed
from veilmesh_node.health import Health
from veilmesh_node.home import SEALING_SECRET, Home
from veilmesh_node.journal import Journal, OnStep, pass_by
from veilmesh_node.keeper import Keeper
from veilmesh_node.ledger import GatewayLedger
from veilmesh_node.listeners import api_listening, exchange_listening
from veilmesh_node.metrics import Metrics, metrics_served
from veilmesh_node.node import Node
from veilmesh_node.operations import Operations
from veilmesh_node.ports import ContentStore
from veilmesh_node.rpc.revocation_lists import RevocationLists
from veilmesh_node.sealing import SUITE, SealingKey
from veilmesh_node.stopping import stop_signal
from veilmesh_node.vault import Database, TemplateVault, open_key_file
from veilmesh_node.vault.secret_store import SecretStore

PEER_CALLS_PER_MINUTE, PEER_BURST = 600, 100

_log = logging.getLogger(__name__)


class SystemClock:
    """Implements `ports.Clock`."""

    def now_s(self) -> int:
        return int(time.time())


def run(folder: Path, passphrase: Secret, *, on_step: OnStep = pass_by) -> None:
    """Serve the node whose home is `folder` until SIGTERM or SIGINT.

    Raises:
        HomeError, WrongPassphraseError, VaultError: it cannot start.
    """
    asyncio.run(_run_until_signal(folder, passphrase, on_step))


async def _run_until_signal(folder: Path, passphrase: Secret, on_step: OnStep) -> None:
    stop = stop_signal()
    async with serving(Home(folder), NodeConfig.load(folder), passphrase, on_step=on_step):
        await stop.wait()
        _log.info("stopping")


@asynccontextmanager
async def serving(
    home: Home, config: NodeConfig, passphrase: Secret, *, on_step: OnStep = pass_by
) -> AsyncIterator[Node]:
    """Serve a node for as long as the context is open.

    Args:
        home: its folder.
        config: its settings.
        passphrase: of its key file.
        on_step: told each point that an operation passes; fault tests die in it.

    Raises:
        HomeError, WrongPassphraseError, VaultError: it cannot start.
    """
    key = open_key_file(home.key_file, passphrase)
    async with AsyncExitStack() as stack:
        database = stack.enter_context(Database(home.vault))
        sealing_key = SealingKey(SecretStore(database, key).get(SEALING_SECRET))
        certificates = NodeCertificates.of(home, config)
        client = ExchangeClient(lambda: certificates.tls().pair)
        stack.push_async_callback(client.close)
        gateways = await stack.enter_async_context(
            Gateways.dial(parsed(config.gateways), lambda: certificates.tls().gateways)
        )
        environment = Environment(
            node_id=config.node_id,
            msp_id=config.msp_id,
            ledger=GatewayLedger(
                Gateway(gateways, certificates.identity),
                channel_name=config.channel,
                chaincode_name=config.chaincode,
            ),
            vault=TemplateVault(database, key),
            content=stack.enter_context(_content(home, config)),
            faces=stack.enter_context(_faces(home, config)),
            identify=certificates.identity,
            clock=SystemClock(),
            operations=Operations(Journal(database, SystemClock().now_s, on_step)),
            request_key=key.derive("requests"),
        )
        node = Node(environment, sealing_key=sealing_key, salt_key=key.derive("receipts"), channel=client)
        stack.push_async_callback(environment.operations.drain)
        metrics = Metrics()
        metrics.watch(certificates, gateways)
        health = Health()
        await health.say(serving=True)
        stack.enter_context(metrics_served(config.metrics_listen, metrics.registry))
        await stack.enter_async_context(
            _listening(node, home, config, certificates, metrics=metrics, health=health)
        )
        keeper = Keeper(
            environment,
            lambda: _publication(config, certificates.tls().pair, sealing_key),
            metrics,
            health,
        )
        await stack.enter_async_context(keeper.at_work())
        if node.identification.gallery is not None:
            await stack.enter_async_context(node.identification.gallery.kept())
        yield node


@asynccontextmanager
async def _listening(
    node: Node,
    home: Home,
    config: NodeConfig,
    certificates: NodeCertificates,
    *,
    metrics: Metrics,
    health: Health,
) -> AsyncIterator[None]:
    """Take other nodes' and the own organisation's calls while the context is open."""
    limit = RateLimit(per_minute=PEER_CALLS_PER_MINUTE, burst=PEER_BURST)
    exchange = ExchangeService(node.deciding, limit, metrics)
    api = NodeService(node, RevocationLists(home.client_crls, home.client_roots), metrics)
    async with (
        exchange_listening(config.exchange_listen, lambda: certificates.tls().exchange, exchange, health),
        api_listening(config.api_listen, lambda: certificates.tls().api, api, health),
    ):
        _log.info(
            "node %s takes other nodes' calls on %s and its organisation's on %s",
            config.node_id,
            config.exchange_listen,
            config.api_listen,
        )
        yield


@contextmanager
def _faces(home: Home, config: NodeConfig) -> Iterator[MlFaces | None]:
    try:
        encoder = None if config.encoder is None else home.folder / config.encoder
        faces = MlFaces(encoder, config.engine)
    except FacesMissingError as err:
        _log.warning("%s: photos cannot be enrolled or verified here", err)
        yield None
        return
    try:
        yield faces
    finally:
        faces.close()


@contextmanager
def _content(home: Home, config: NodeConfig) -> Iterator[ContentStore]:
    """Open the store that the settings choose; a daemon that is down is no reason not to start."""
    if config.ipfs_api is None:
        yield FolderContentStore(home.content)
        return
    try:
        daemon = KuboDaemon(config.ipfs_api)
    except IpfsMissingError as err:
        raise HomeError(f"ipfs_api is set, and {err}: pip install 'veilmesh[ipfs]'") from err
    try:
        yield IpfsContentStore(daemon)
    finally:
        daemon.close()


def _publication(config: NodeConfig, tls: TlsPair, sealing_key: SealingKey) -> RegisterNode:
    """Return what this node says about itself on the ledger."""
    return RegisterNode(
        node_id=config.node_id,
        endpoint=config.exchange_endpoint,
        tls_certificate_sha256=tls.digest.hex(),
        sealing_suite=SUITE,
        sealing_public_key=sealing_key.public_hex(),
        roles=config.roles,
    )
