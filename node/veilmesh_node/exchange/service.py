"""The service `veilmesh.v1.Exchange`: what other organisations' nodes may ask of this one."""

from typing import TYPE_CHECKING, Any

from veilmesh.v1 import exchange_pb2, outcome_pb2
from veilmesh.v1.exchange_pb2_grpc import ExchangeServicer
from veilmesh_chaincode.records.authentication import Outcome

from veilmesh_node.catalog import describe_to_peer
from veilmesh_node.deciding import Decided, Deciding, SubmittedProbe
from veilmesh_node.domain.ids import is_tx_id
from veilmesh_node.errors import NoOpenAuthenticationError
from veilmesh_node.exchange.rate_limit import RateLimit
from veilmesh_node.metrics import Metrics
from veilmesh_node.rpc.caller import Caller, caller_of
from veilmesh_node.rpc.failures import translated

if TYPE_CHECKING:
    import grpc

MAX_MESSAGE_BYTES = 256 * 1024  # a sealed probe takes 2.2 kB

OUTCOMES = {
    Outcome.MATCH: outcome_pb2.OUTCOME_MATCH,
    Outcome.NO_MATCH: outcome_pb2.OUTCOME_NO_MATCH,
}


class ExchangeService(ExchangeServicer):
    def __init__(self, deciding: Deciding, rate_limit: RateLimit, metrics: Metrics) -> None:
        self._deciding = deciding
        self._rate_limit = rate_limit
        self._metrics = metrics

    async def SubmitProbe(  # noqa: N802 - the protocol's name
        self, request: exchange_pb2.SubmitProbeRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> exchange_pb2.SubmitProbeResponse:
        async with translated(context, "SubmitProbe", describe_to_peer):
            with self._metrics.call("SubmitProbe"):
                decided = await self._decide(request, caller_of(context))
        return exchange_pb2.SubmitProbeResponse(
            authentication_id=decided.authentication_id,
            outcome=OUTCOMES[decided.outcome],
            conclusion_tx_id=decided.conclusion_tx_id,
        )

    async def _decide(self, request: exchange_pb2.SubmitProbeRequest, caller: Caller) -> Decided:
        self._rate_limit.take(caller.certificate_sha256)
        if not is_tx_id(request.authentication_id):
            raise NoOpenAuthenticationError("there is no such authentication")
        return await self._deciding.decide(
            SubmittedProbe(
                authentication_id=request.authentication_id,
                suite=request.sealing_suite,
                sealed_probe=request.sealed_probe,
                peer_certificate_sha256=caller.certificate_sha256,
            )
        )
