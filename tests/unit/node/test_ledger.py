"""What a gateway's errors mean to a node."""

import grpc
import pytest
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_fabric.errors import CommitStatusError, EndorseError, EvaluateError, GatewayError, PeerError
from veilmesh_node.errors import LedgerRejectedError, LedgerUnavailableError
from veilmesh_node.ledger import failure_in

DENIED = "error validating proposal: access denied: channel [veilmesh] creator org [Org1MSP]"


def failed(
    kind: type[GatewayError], code: grpc.StatusCode, message: str, *peers: str
) -> Refusal | LedgerRejectedError | LedgerUnavailableError:
    details = [PeerError("peer0.org1.example.com:7051", "Org1MSP", said) for said in peers]
    failure = failure_in(kind(message, transaction_id="7f3a", code=code, details=details))
    assert isinstance(failure, Refusal | LedgerRejectedError | LedgerUnavailableError)
    return failure


@pytest.mark.parametrize(
    ("kind", "code", "message", "peers"),
    [
        (EvaluateError, grpc.StatusCode.UNKNOWN, f"evaluate call to endorser returned error: {DENIED}", []),
        (EndorseError, grpc.StatusCode.ABORTED, "failed to endorse transaction, see details", [DENIED]),
        (EndorseError, grpc.StatusCode.FAILED_PRECONDITION, "transient data needs an organization", []),
        (EvaluateError, grpc.StatusCode.UNAVAILABLE, "failed to evaluate transaction", [DENIED]),
        (EvaluateError, grpc.StatusCode.UNAVAILABLE, "see details", ["proposal client identity expired"]),
        (CommitStatusError, grpc.StatusCode.PERMISSION_DENIED, "the certificate expired", []),
    ],
)
def test_a_no_of_the_network(
    kind: type[GatewayError], code: grpc.StatusCode, message: str, peers: list[str]
) -> None:
    failure = failed(kind, code, message, *peers)
    assert isinstance(failure, LedgerRejectedError)
    assert "does not accept this node's identity or request" in str(failure)
    assert (peers or [message])[0] in str(failure)


@pytest.mark.parametrize(
    ("kind", "code", "message", "peers"),
    [
        (EvaluateError, grpc.StatusCode.UNAVAILABLE, "connection refused", []),
        (EndorseError, grpc.StatusCode.DEADLINE_EXCEEDED, "deadline exceeded", []),
        (EvaluateError, grpc.StatusCode.UNKNOWN, "stream removed", []),
        (EndorseError, grpc.StatusCode.RESOURCE_EXHAUSTED, "too many requests", []),
        (EndorseError, grpc.StatusCode.ABORTED, "see details", ["rpc error: code = Unavailable desc = x"]),
        (EndorseError, grpc.StatusCode.FAILED_PRECONDITION, "no combination of peers can be derived", []),
        (EndorseError, grpc.StatusCode.ABORTED, "see", ["ProposalResponsePayloads do not match"]),
    ],
)
def test_no_answer(kind: type[GatewayError], code: grpc.StatusCode, message: str, peers: list[str]) -> None:
    assert isinstance(failed(kind, code, message, *peers), LedgerUnavailableError)


def test_the_chaincodes_no_comes_first() -> None:
    refusal = Refusal(RefusalCode.LOCKED_OUT, "locked until then", retry_at_s=17)
    failure = failed(EndorseError, grpc.StatusCode.ABORTED, "see details", refusal.to_message())
    assert isinstance(failure, Refusal)
    assert (failure.code, failure.retry_at_s) == (RefusalCode.LOCKED_OUT, 17)
