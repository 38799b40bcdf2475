"""A client of Fabric's Gateway service: the way to contracts.

    async with connect(address, tls_roots_pem) as channel:
        gateway = Gateway(channel, SigningIdentity.from_msp_folder(folder, "Org1MSP"))
        contract = gateway.contract("veilmesh", "veilmesh")
        print(await contract.evaluate("policy:Current"))

In production a ledger has several gateways, and certificates are renewed while a client runs:

    async with Gateways.dial(addresses, TlsClient.in_files(tls_roots)) as gateways:
        gateway = Gateway(gateways, SigningIdentity.in_msp_folder(folder, "Org1MSP"))

The channel, or the gateways, belong to the caller; several identities may share them.
"""

from collections.abc import AsyncGenerator, Callable
from typing import Any

import grpc.aio

from veilmesh_fabric.calls import Deadlines, GatewayCalls
from veilmesh_fabric.contract import Contract
from veilmesh_fabric.deliver import gateway_blocks, gateway_height
from veilmesh_fabric.failover import Gateways
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.retry import Clock, RetryPolicy, SystemClock
from veilmesh_fabric.session import Session


class Gateway:
    """A ledger's gateways, used as one identity."""

    def __init__(
        self,
        way: grpc.aio.Channel | Gateways,
        identity: SigningIdentity | Callable[[], SigningIdentity],
        *,
        deadlines: Deadlines | None = None,
        retry: RetryPolicy | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Use `way` as `identity`.

        Args:
            way: a channel to one gateway, from `connect` or any other, or several; never closed here.
            identity: signs everything that is sent; or says at each moment who does.
            deadlines: of the calls; the official samples' when not given.
            retry: how persistent to be; five attempts when not given.
            clock: the machine's when not given.
        """
        gateways = way if isinstance(way, Gateways) else Gateways.over(way)
        deadlines = deadlines or Deadlines()
        self._session = Session(
            gateways=gateways,
            calls=GatewayCalls(gateways, deadlines),
            identify=(lambda: identity) if isinstance(identity, SigningIdentity) else identity,
            deadlines=deadlines,
            retry=retry or RetryPolicy(),
            clock=clock or SystemClock(),
        )

    @property
    def identity(self) -> SigningIdentity:
        """Who signs at this moment."""
        return self._session.identify()

    @property
    def calls(self) -> GatewayCalls:
        """The service's calls one by one, for signing offline."""
        return self._session.calls

    def contract(self, channel_name: str, chaincode_name: str) -> Contract:
        return Contract(self._session, channel_name, chaincode_name)

    def blocks(
        self, channel_name: str, *, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[Any, None]:
        """Yield the channel's blocks, `common.Block`, from `start` to `stop`, or as they come for ever.

        Raises:
            DeliverError: as `deliver.blocks`; where one gateway breaks off, the next goes on.
        """
        session = self._session
        return gateway_blocks(session.gateways, session.identify, channel_name, start=start, stop=stop)

    async def height(self, channel_name: str) -> int:
        """Return how many blocks the channel has.

        Raises:
            DeliverError: as `blocks`.
        """
        return await gateway_height(self._session.gateways, self._session.identify, channel_name)
