"""The ledger as a node sees it, for processes beside the node's own: they need no passphrase."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from veilmesh_fabric.failover import Gateways
from veilmesh_fabric.gateway import Gateway

from veilmesh_node.certificates import NodeCertificates
from veilmesh_node.config import NodeConfig
from veilmesh_node.gateways import parsed
from veilmesh_node.ledger import GatewayLedger


@asynccontextmanager
async def node_ledger(config: NodeConfig, certificates: NodeCertificates) -> AsyncIterator[GatewayLedger]:
    """Open the gateways that `node.toml` names, as the node."""
    async with Gateways.dial(parsed(config.gateways), lambda: certificates.tls().gateways) as gateways:
        yield GatewayLedger(
            Gateway(gateways, certificates.identity),
            channel_name=config.channel,
            chaincode_name=config.chaincode,
        )
