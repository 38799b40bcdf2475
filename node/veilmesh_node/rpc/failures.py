"""How an error travels: a gRPC status, its message, and an `ErrorDetail` in the trailing metadata."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from veilmesh.v1.errors_pb2 import ErrorDetail
from veilmesh_chaincode.records.refusals import Refusal

from veilmesh_node.catalog import Description
from veilmesh_node.errors import NodeError

DETAIL_KEY = "veilmesh-error-bin"

_log = logging.getLogger(__name__)


@asynccontextmanager
async def translated(
    context: "grpc.aio.ServicerContext[Any, Any]", method: str, describe: Callable[[Exception], Description]
) -> AsyncIterator[None]:
    """End the call with a status where what happens inside raises.

    Args:
        context: the call's.
        method: its name, for the log.
        describe: what this kind of caller is told.
    """
    try:
        yield
    except Exception as err:  # noqa: BLE001 - whatever it is, the caller gets a status and we get the log
        if isinstance(err, NodeError | Refusal):
            _log.info("%s refused: %s: %s", method, type(err).__name__, err)
        else:
            _log.exception("%s failed", method)
        description = describe(err)
        detail = ErrorDetail(
            code=description.code,
            message=description.message,
            hint=description.hint,
            retry_at_s=description.retry_at_s,
            reasons=description.reasons,
            operation_id=description.operation_id,
        )
        trailers = ((DETAIL_KEY, detail.SerializeToString()),)
        await context.abort(description.status, description.message, trailing_metadata=trailers)


def detail_of(err: grpc.aio.AioRpcError) -> ErrorDetail:
    """Return what the other side said about an error; empty fields where it said nothing."""
    for key, value in err.trailing_metadata() or ():
        if key == DETAIL_KEY and isinstance(value, bytes):
            try:
                return ErrorDetail.FromString(value)
            except DecodeError:
                break
    return ErrorDetail()
