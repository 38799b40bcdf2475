"""What a relying node makes of another node's failure, as it travels."""

import grpc
import grpc.aio
import pytest
from veilmesh.v1.errors_pb2 import ErrorDetail
from veilmesh_node import catalog, errors
from veilmesh_node.exchange.client import failure_of
from veilmesh_node.rpc.failures import DETAIL_KEY


def received(err: Exception) -> grpc.aio.AioRpcError:
    """The failure `err` of the other node, as the client gets it."""
    said = catalog.describe_to_peer(err)
    detail = ErrorDetail(code=said.code, message=said.message).SerializeToString()
    trailers = grpc.aio.Metadata((DETAIL_KEY, detail))
    return grpc.aio.AioRpcError(said.status, grpc.aio.Metadata(), trailers, details=said.message)


@pytest.mark.parametrize(
    "err",
    [
        errors.StorageFullError("no space left for the vault"),
        errors.VaultError("vault: disk I/O error"),
        errors.VaultIntegrityError("changed"),
        errors.RateLimitedError(3.0),
        errors.LedgerUnavailableError("no answer"),
        errors.LedgerRejectedError("access denied"),
        errors.LedgerConflictError("collided"),
        ZeroDivisionError("a defect"),
    ],
)
def test_trouble_at_the_other_node_is_no_refusal(err: Exception) -> None:
    failure = failure_of("org1-node", received(err))
    assert isinstance(failure, errors.PeerUnavailableError)
    assert "node org1-node cannot answer now" in str(failure)
    assert catalog.describe(failure).status is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    "err",
    [
        errors.NoOpenAuthenticationError("there is none"),
        errors.ProbeReplayedError("had its probe"),
        errors.ProbeMismatchError("another one"),
        errors.ModelDiffersError("another model"),
        errors.UnknownReferenceError("7f3a"),
    ],
)
def test_a_no_is_a_no(err: errors.NodeError) -> None:
    failure = failure_of("org1-node", received(err))
    assert isinstance(failure, errors.PeerRefusedError)
    assert failure.code == catalog.CATALOG[type(err)].code


def test_a_failure_without_a_word_goes_by_its_status() -> None:
    busy = grpc.aio.AioRpcError(grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.aio.Metadata(), grpc.aio.Metadata())
    assert isinstance(failure_of("org1-node", busy), errors.PeerUnavailableError)
