"""The two ledgers that the tests of this folder compare, both as `Ledger` shows them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from veilmesh_fabric import connect, verify_blocks
from veilmesh_fabric.block import decode_block
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.committed_transaction import TxValidationCode
from veilmesh_fabric.ordering import orderer_endpoints
from veilmesh_network.network import CHAINCODE, Network

from tests.conformance.chaincodes import CHAINCODES, LIAR, chaincode_of
from tests.integration.ledger.ledger import Ledger, clients, embedded_with


@asynccontextmanager
async def embedded_ledger(network: Network, file: Path) -> AsyncIterator[Ledger]:
    """Run the embedded ledger with all chaincodes, and verify its chain in the end."""
    names = (CHAINCODE, *CHAINCODES)
    honest = {name: chaincode_of(name, "") for name in names}
    liars = {**honest, **{name: chaincode_of(name, LIAR) for name in ("split",)}}
    async with embedded_with(network, file, honest, {LIAR: liars}) as ledger:
        yield ledger
        require_verified(await ledger.chain(), ledger.genesis)


@asynccontextmanager
async def fabric_ledger(network: Network) -> AsyncIterator[Ledger]:
    """Reach a real network through one peer, whoever asks: what it has committed, it knows at once."""
    address = network.gateways("Org1MSP")[0]
    tls_roots, genesis = network.tls_roots.read_bytes(), network.channel_block.read_bytes()
    orderers = orderer_endpoints(ChannelConfig.from_block(genesis))
    async with connect(address, tls_roots) as connection:
        yield Ledger(address, tls_roots, genesis, clients(network), connection, orderers)


def require_verified(chain: Sequence[bytes], genesis: bytes) -> None:
    report = verify_blocks(chain, anchor=genesis)
    if report.violation is not None:
        raise report.violation
    assert report.blocks == len(chain)


async def codes_of(ledger: Ledger, tx_id: str, *, start: int) -> list[str]:
    """Return the validation codes under which a transaction's id stands in the blocks from `start` on."""
    blocks = [decode_block(block) for block in await ledger.chain(start)]
    return [
        TxValidationCode.Name(code)
        for block in blocks
        for transaction, code in zip(block.transactions, block.metadata.validation_codes, strict=True)
        if transaction.tx_id == tx_id
    ]
