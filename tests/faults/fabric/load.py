"""Members' clients at work while something fails, and what they saw and were told.

Each client does as a node does: it goes through its own peer's gateway and, where that is away, another
member's; what is in doubt it asks after and sends again as it was (`GatewayLedger`). Each change writes a
record that no other writes.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from veilmesh_chaincode.records.refusals import Refusal
from veilmesh_chaincode.records.registry import ApproveModel
from veilmesh_fabric import Gateway
from veilmesh_fabric.failover import Gateways
from veilmesh_fabric.gateway_address import GatewayAddress
from veilmesh_fabric.tls import TlsClient
from veilmesh_node.errors import (
    LedgerConflictError,
    LedgerError,
    TransactionInvalidError,
    TransactionRefusedError,
)
from veilmesh_node.ledger import GatewayLedger
from veilmesh_node.ports import Change, EndorsedTransaction

from tests.fabric_network import FabricNetwork

CLIENTS_A_MEMBER = 4
_APPROVE_MODEL: Change[ApproveModel] = Change("registry:ApproveModel")
_PAUSE_S = 0.1  # after an error; a client that hammers a ledger that is away helps nobody


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One change that a client was told is committed."""

    msp_id: str
    tx_id: str
    began_s: float  # by time.monotonic
    ended_s: float


@dataclass(slots=True)
class Record:
    """What all clients know."""

    sent: dict[str, str] = field(default_factory=dict)  # digests of models by transaction id
    acknowledged: list[Acknowledged] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)  # by kind
    unresolved: list[str] = field(default_factory=list)  # transactions whose fate nobody could tell

    def back_s(self, since_s: float, msp_id: str | None = None) -> float | None:
        """Return how long after `since_s` a change that was begun later was acknowledged, if one was."""
        ends = (
            each.ended_s
            for each in self.acknowledged
            if each.began_s >= since_s and msp_id in {None, each.msp_id}
        )
        return min((end - since_s for end in ends), default=None)


@asynccontextmanager
async def load(network: FabricNetwork, record: Record) -> AsyncIterator[None]:
    """Keep all members' clients busy inside the context; what is in doubt at its end is seen through."""
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        tasks = []
        for msp_id in network.members:
            addresses = [GatewayAddress.parse(each) for each in network.network.gateways(msp_id)]
            tls = TlsClient.in_files(network.network.tls_roots)
            gateways = await stack.enter_async_context(Gateways.dial(addresses, tls))
            ledger = GatewayLedger(
                Gateway(gateways, network.identity(msp_id)),
                channel_name=network.network.channel,
                chaincode_name=network.network.chaincode,
            )
            tasks += [
                asyncio.create_task(_client(ledger, msp_id, record, stop)) for _ in range(CLIENTS_A_MEMBER)
            ]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*tasks)


async def _client(ledger: GatewayLedger, msp_id: str, record: Record, stop: asyncio.Event) -> None:
    while not stop.is_set():
        digest, began_s = secrets.token_hex(32), time.monotonic()
        try:
            request = ApproveModel(model_digest=digest, name="a model")
            transaction = await ledger.endorse(_APPROVE_MODEL, request)
        except (LedgerError, Refusal) as err:
            record.errors[f"endorse: {type(err).__name__}"] += 1
            await asyncio.sleep(_PAUSE_S)
            continue
        record.sent[transaction.tx_id] = digest
        if await _commit(ledger, transaction, record, stop):
            record.acknowledged.append(Acknowledged(msp_id, transaction.tx_id, began_s, time.monotonic()))


async def _commit(
    ledger: GatewayLedger, transaction: EndorsedTransaction, record: Record, stop: asyncio.Event
) -> bool:
    """Have a transaction committed as a node does; return whether it took effect."""
    in_doubt, tries_after_stop = False, 5
    while tries_after_stop:
        try:
            await ledger.commit(transaction, in_doubt=in_doubt)
        except (LedgerConflictError, TransactionInvalidError, TransactionRefusedError) as err:
            record.errors[f"commit: {type(err).__name__}"] += 1
            return False  # for certain
        except LedgerError as err:
            record.errors[f"commit: {type(err).__name__}"] += 1
            in_doubt = True
            tries_after_stop -= stop.is_set()
            await asyncio.sleep(_PAUSE_S)
        else:
            return True
    record.unresolved.append(transaction.tx_id)
    return False
