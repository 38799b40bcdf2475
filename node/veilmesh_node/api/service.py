"""The service `veilmesh.v1.Node`: unpack, check the caller, call an operation, pack."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from veilmesh.v1 import node_pb2
from veilmesh.v1.node_pb2_grpc import NodeServicer

from veilmesh_node.access import check_api
from veilmesh_node.api import serde
from veilmesh_node.catalog import describe
from veilmesh_node.metrics import Metrics
from veilmesh_node.node import Node
from veilmesh_node.rpc.caller import caller_of
from veilmesh_node.rpc.failures import translated
from veilmesh_node.rpc.revocation_lists import RevocationLists

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]

MAX_MESSAGE_BYTES = 64 * 1024 * 1024  # photos of an enrolment; 10,000 receipts

Response = TypeVar("Response")


class NodeService(NodeServicer):
    """Method names are the protocol's."""

    def __init__(self, node: Node, revocation_lists: RevocationLists, metrics: Metrics) -> None:
        self._node = node
        self._revocation_lists = revocation_lists
        self._metrics = metrics

    async def GetStatus(  # noqa: N802
        self, _: node_pb2.GetStatusRequest, context: "Context"
    ) -> node_pb2.GetStatusResponse:
        async def work() -> node_pb2.GetStatusResponse:
            return serde.report_to_proto(await self._node.status.report())

        return await self._serve("GetStatus", context, work)

    async def Enrol(  # noqa: N802
        self, request: node_pb2.EnrolRequest, context: "Context"
    ) -> node_pb2.EnrolResponse:
        async def work() -> node_pb2.EnrolResponse:
            enrolled = await self._node.enrolment.enrol(serde.enrol_request_from_proto(request))
            return node_pb2.EnrolResponse(
                reference=serde.reference_to_proto(enrolled.reference),
                receipt=enrolled.receipt,
                tx_id=enrolled.tx_id,
            )

        return await self._serve("Enrol", context, work)

    async def Update(  # noqa: N802
        self, request: node_pb2.UpdateRequest, context: "Context"
    ) -> node_pb2.UpdateResponse:
        return await self._serve("Update", context, lambda: self._renew(request, replacing=False))

    async def Replace(  # noqa: N802
        self, request: node_pb2.UpdateRequest, context: "Context"
    ) -> node_pb2.UpdateResponse:
        return await self._serve("Replace", context, lambda: self._renew(request, replacing=True))

    async def _renew(self, request: node_pb2.UpdateRequest, *, replacing: bool) -> node_pb2.UpdateResponse:
        updated = await self._node.enrolment.update(
            serde.reference_id_from_proto(request.reference_id),
            serde.enrol_request_from_proto(request),
            replacing=replacing,
        )
        return node_pb2.UpdateResponse(
            reference=serde.reference_to_proto(updated.reference),
            receipt=updated.receipt,
            tx_id=updated.tx_id,
        )

    async def Revoke(  # noqa: N802
        self, request: node_pb2.RevokeRequest, context: "Context"
    ) -> node_pb2.RevokeResponse:
        async def work() -> node_pb2.RevokeResponse:
            revoked = await self._node.revocation.revoke(
                serde.reference_id_from_proto(request.reference_id),
                serde.reason_from_proto(request.reason),
                idempotency_key=serde.key_from_proto(request.idempotency_key),
            )
            return node_pb2.RevokeResponse(
                reference=serde.reference_to_proto(revoked.reference), tx_id=revoked.tx_id
            )

        return await self._serve("Revoke", context, work)

    async def Erase(  # noqa: N802
        self, request: node_pb2.EraseRequest, context: "Context"
    ) -> node_pb2.EraseResponse:
        async def work() -> node_pb2.EraseResponse:
            erased = await self._node.erasure.erase(
                serde.reference_id_from_proto(request.reference_id),
                idempotency_key=serde.key_from_proto(request.idempotency_key),
            )
            return node_pb2.EraseResponse(
                reference=serde.reference_to_proto(erased.reference), tx_id=erased.tx_id
            )

        return await self._serve("Erase", context, work)

    async def ListReferences(  # noqa: N802
        self, request: node_pb2.ListReferencesRequest, context: "Context"
    ) -> node_pb2.ListReferencesResponse:
        async def work() -> node_pb2.ListReferencesResponse:
            page = await self._node.inquiry.references(
                request.owner_msp_id, limit=request.limit, bookmark=request.bookmark
            )
            return node_pb2.ListReferencesResponse(
                references=map(serde.reference_to_proto, page.entries), bookmark=page.bookmark
            )

        return await self._serve("ListReferences", context, work)

    async def GetHistory(  # noqa: N802
        self, request: node_pb2.GetHistoryRequest, context: "Context"
    ) -> node_pb2.GetHistoryResponse:
        async def work() -> node_pb2.GetHistoryResponse:
            reference_id = serde.reference_id_from_proto(request.reference_id)
            entries = await self._node.inquiry.history(reference_id)
            return node_pb2.GetHistoryResponse(entries=map(serde.entry_to_proto, entries))

        return await self._serve("GetHistory", context, work)

    async def GetSurrogate(  # noqa: N802
        self, request: node_pb2.GetSurrogateRequest, context: "Context"
    ) -> node_pb2.GetSurrogateResponse:
        async def work() -> node_pb2.GetSurrogateResponse:
            reference_id = serde.reference_id_from_proto(request.reference_id)
            surrogate = await self._node.inquiry.surrogate(reference_id)
            return node_pb2.GetSurrogateResponse(
                cid=surrogate.cid, image=surrogate.image, receipt=surrogate.receipt
            )

        return await self._serve("GetSurrogate", context, work)

    async def Verify(  # noqa: N802
        self, request: node_pb2.VerifyRequest, context: "Context"
    ) -> node_pb2.VerifyResponse:
        async def work() -> node_pb2.VerifyResponse:
            verified = await self._node.verification.verify(serde.verify_request_from_proto(request))
            return serde.verified_to_proto(verified)

        return await self._serve("Verify", context, work)

    async def Identify(  # noqa: N802
        self, request: node_pb2.IdentifyRequest, context: "Context"
    ) -> node_pb2.IdentifyResponse:
        async def work() -> node_pb2.IdentifyResponse:
            return serde.identified_to_proto(await self._node.identification.identify(request.photo))

        return await self._serve("Identify", context, work)

    async def IssueReceipts(  # noqa: N802
        self, request: node_pb2.IssueReceiptsRequest, context: "Context"
    ) -> node_pb2.IssueReceiptsResponse:
        async def work() -> node_pb2.IssueReceiptsResponse:
            drafts = [serde.draft_from_proto(draft) for draft in request.drafts]
            key = serde.key_from_proto(request.idempotency_key)
            return serde.batch_to_proto(await self._node.releasing.issue(drafts, idempotency_key=key))

        return await self._serve("IssueReceipts", context, work)

    async def Unseal(  # noqa: N802
        self, request: node_pb2.UnsealRequest, context: "Context"
    ) -> node_pb2.UnsealResponse:
        async def work() -> node_pb2.UnsealResponse:
            unsealing_id = serde.unsealing_id_from_proto(request.unsealing_id)
            picture_key = await self._node.unsealings.open(unsealing_id, request.sealed_key)
            return node_pb2.UnsealResponse(key=picture_key.key.reveal(), recovery=picture_key.recovery)

        return await self._serve("Unseal", context, work)

    async def _serve(
        self, method: str, context: "Context", work: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Let the caller in or not, do the work, and tell what went wrong."""
        async with translated(context, method, describe):
            with self._metrics.call(method):
                caller = caller_of(context)
                self._revocation_lists.check(caller)
                check_api(method, caller.role)
                return await work()
