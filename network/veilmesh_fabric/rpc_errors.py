"""gRPC's errors, told in this package's words.

The gateway puts what each peer said into the trailer `grpc-status-details-bin`: a `google.rpc.Status` whose
details are `gateway.ErrorDetail` messages. A missing or malformed trailer costs the details, never the
error.
"""

from typing import TypeVar

import grpc.aio
from fabric_protos.gateway import gateway_pb2
from google.protobuf.message import DecodeError as ProtobufDecodeError
from google.rpc import status_pb2

from veilmesh_fabric.errors import DeliverError, GatewayError, PeerError

DETAILS_TRAILER = "grpc-status-details-bin"

# gRPC's own words, where no address of a channel can be connected to.
_NEVER_REACHED = "failed to connect to all addresses"

Failure = TypeVar("Failure", bound=GatewayError)


def gateway_error(kind: type[Failure], error: grpc.aio.AioRpcError, tx_id: str, trouble: str = "") -> Failure:
    """Return `error` as a `kind`; `trouble` says why there was no connection, where that was found out."""
    return kind(
        trouble or error.details() or "the gateway gave no reason",
        transaction_id=tx_id,
        code=error.code(),
        details=peer_errors(error),
    )


def never_reached(error: grpc.aio.AioRpcError) -> bool:
    """Whether a call failed since no connection came about: no server has seen it."""
    return error.code() is grpc.StatusCode.UNAVAILABLE and (error.details() or "").startswith(_NEVER_REACHED)


def deliver_error(what: str, error: grpc.aio.AioRpcError) -> DeliverError:
    """Return `error` as the end of the stream that `what` names."""
    return DeliverError(
        f"{what}: {error.details() or 'no reason given'} ({error.code().name})",
        status=error.code().name,
        details=peer_errors(error),
    )


def peer_errors(error: grpc.aio.AioRpcError) -> tuple[PeerError, ...]:
    """Return what the peers behind the gateway said."""
    trailers = error.trailing_metadata() or ()
    encoded = [value for key, value in trailers if key == DETAILS_TRAILER]
    return tuple(detail for value in encoded for detail in _details(value))


def _details(encoded: str | bytes) -> list[PeerError]:
    found = []
    try:
        for packed in status_pb2.Status.FromString(encoded).details:
            detail = gateway_pb2.ErrorDetail()
            if packed.Unpack(detail):
                found.append(PeerError(detail.address, detail.msp_id, detail.message))
    except (ProtobufDecodeError, TypeError, ValueError):
        return []
    return found
