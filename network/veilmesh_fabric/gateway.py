"""A client of one Fabric Gateway: the way to contracts.

    async with connect(address, tls_roots_pem) as channel:
        gateway = Gateway(channel, SigningIdentity.from_msp_folder(folder, "Org1MSP"))
        contract = gateway.contract("veilmesh", "veilmesh")
        print(await contract.evaluate("policy:Current"))

The channel belongs to the caller; several gateways (several identities) may share it.
"""

import grpc.aio

from veilmesh_fabric.calls import Deadlines, GatewayCalls
from veilmesh_fabric.contract import Contract
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.retry import Clock, RetryPolicy, SystemClock
from veilmesh_fabric.session import Session


class Gateway:
    """A gateway, used as one identity."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        identity: SigningIdentity,
        *,
        deadlines: Deadlines | None = None,
        retry: RetryPolicy | None = None,
        clock: Clock | None = None,
        tls_certificate_hash: bytes = b"",
    ) -> None:
        """Use `channel` as `identity`.

        Args:
            channel: from `connect`, or any other; never closed here.
            identity: signs everything that is sent.
            deadlines: of the calls; the official samples' when not given.
            retry: how persistent to be; five attempts when not given.
            clock: the machine's when not given.
            tls_certificate_hash: `certificate_hash` of the client's TLS certificate, for mutual TLS.
        """
        deadlines = deadlines or Deadlines()
        self._session = Session(
            channel=channel,
            calls=GatewayCalls(channel, deadlines),
            identity=identity,
            deadlines=deadlines,
            retry=retry or RetryPolicy(),
            clock=clock or SystemClock(),
            tls_certificate_hash=tls_certificate_hash,
        )

    @property
    def identity(self) -> SigningIdentity:
        return self._session.identity

    @property
    def calls(self) -> GatewayCalls:
        """The service's calls one by one, for signing offline."""
        return self._session.calls

    def contract(self, channel_name: str, chaincode_name: str) -> Contract:
        return Contract(self._session, channel_name, chaincode_name)
