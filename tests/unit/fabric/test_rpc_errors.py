import grpc
import grpc.aio
import pytest
from fabric_protos.gateway import gateway_pb2
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from veilmesh_fabric.errors import EndorseError, PeerError
from veilmesh_fabric.rpc_errors import DETAILS_TRAILER, deliver_error, gateway_error, peer_errors


def rpc_error(
    code: grpc.StatusCode, message: str | None, *trailers: tuple[str, str | bytes]
) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), message)


def status(*details: object) -> bytes:
    packed = []
    for detail in details:
        message = any_pb2.Any()
        message.Pack(detail)
        packed.append(message)
    encoded: bytes = status_pb2.Status(code=10, message="aborted", details=packed).SerializeToString()
    return encoded


PEER1 = gateway_pb2.ErrorDetail(
    address="peer0.org1:7051", msp_id="Org1MSP", message="chaincode response 500, no"
)
PEER2 = gateway_pb2.ErrorDetail(address="peer0.org2:9051", msp_id="Org2MSP", message="timeout")


def test_each_peers_answer_is_told() -> None:
    cause = rpc_error(
        grpc.StatusCode.ABORTED, "failed to endorse", ("other", "x"), (DETAILS_TRAILER, status(PEER1, PEER2))
    )
    error = gateway_error(EndorseError, cause, "7f3a")

    assert (error.transaction_id, error.code, error.message) == (
        "7f3a",
        grpc.StatusCode.ABORTED,
        "failed to endorse",
    )
    assert error.details == (
        PeerError("peer0.org1:7051", "Org1MSP", "chaincode response 500, no"),
        PeerError("peer0.org2:9051", "Org2MSP", "timeout"),
    )
    assert str(error) == (
        "failed to endorse (ABORTED, transaction 7f3a"
        "; peer0.org1:7051 of Org1MSP: chaincode response 500, no"
        "; peer0.org2:9051 of Org2MSP: timeout)"
    )


def test_details_of_other_kinds_are_skipped() -> None:
    cause = rpc_error(
        grpc.StatusCode.ABORTED, "no", (DETAILS_TRAILER, status(error_details_pb2.RetryInfo(), PEER2))
    )
    assert [detail.msp_id for detail in peer_errors(cause)] == ["Org2MSP"]


def broken_detail() -> bytes:
    detail = any_pb2.Any(type_url="type.googleapis.com/gateway.ErrorDetail", value=b"\xff\xff")
    encoded: bytes = status_pb2.Status(details=[detail]).SerializeToString()
    return encoded


@pytest.mark.parametrize(
    "trailer", [b"\xff\xff", b"", status(), broken_detail()], ids=["junk", "empty", "none", "broken"]
)
def test_a_trailer_without_readable_details_costs_the_details_alone(trailer: bytes) -> None:
    error = gateway_error(
        EndorseError, rpc_error(grpc.StatusCode.ABORTED, "no", (DETAILS_TRAILER, trailer)), "tx"
    )
    assert error.details == ()
    assert str(error) == "no (ABORTED, transaction tx)"


def test_an_error_without_a_word_still_says_something() -> None:
    assert "gave no reason" in str(
        gateway_error(EndorseError, rpc_error(grpc.StatusCode.UNKNOWN, None), "tx")
    )
    assert "no reason given" in str(deliver_error("blocks", rpc_error(grpc.StatusCode.UNKNOWN, None)))


def test_a_streams_end_names_stream_and_status() -> None:
    error = deliver_error("chaincode events", rpc_error(grpc.StatusCode.UNAVAILABLE, "connection refused"))
    assert error.status == "UNAVAILABLE"
    assert str(error) == "chaincode events: connection refused (UNAVAILABLE)"
