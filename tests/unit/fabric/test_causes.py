"""What Fabric's words mean; the sentences are those of Fabric 3.1."""

import grpc
import pytest
from veilmesh_fabric import Cause, EndorseError, PeerError
from veilmesh_fabric.causes import clock_offset_s, find_cause
from veilmesh_fabric.retry import is_passing

DENIED = "error validating proposal: access denied: channel [veilmesh] creator org [Org1MSP]"
UNKNOWN_ORG = (
    "error validating proposal: access denied: channel [c] creator org unknown, creator is malformed"
)
POLICY = (
    "Failed evaluating policy on signed data during check policy on channel [veilmesh] with policy "
    "[/Channel/Application/Writers]: [implicit policy evaluation failed - 0 sub-policies were satisfied]"
)
NOT_LAUNCHED = (
    "error in simulation: failed to execute transaction 7f3a: could not launch chaincode veilmesh_1.0:ab: "
    "connection to veilmesh_1.0:ab failed: error cannot create connection"
)
SKEWED = (
    "request unauthorized due to incorrect timestamp 2026-11-21T14:01:22Z, peer time 2026-11-21T13:01:22Z, "
    "peer.authentication.timewindow 15m0s"
)
PLAN = "no combination of peers can be derived which satisfy the endorsement policy: "
EVALUATE = "evaluate call to endorser returned error: "
ENDORSE = "failed to endorse transaction, see attached details for more info"
COLLECT = "failed to collect enough transaction endorsements, see attached details for more info"
ORDERER = "received unsuccessful response from orderer: "

# Cause, code, the gateway's words, and what a peer said.
SAID = [
    (Cause.CONTRACT, "UNKNOWN", EVALUATE + 'chaincode response 409, {"code":"X"}', ""),
    (Cause.CONTRACT, "ABORTED", ENDORSE, "chaincode response 404, x"),
    (Cause.DISAGREEMENT, "ABORTED", COLLECT, "chaincode response 404, x"),
    (Cause.DISAGREEMENT, "ABORTED", COLLECT, "ProposalResponsePayloads do not match"),
    (Cause.TURNED_AWAY, "FAILED_PRECONDITION", EVALUATE + DENIED, ""),
    (Cause.TURNED_AWAY, "FAILED_PRECONDITION", EVALUATE + POLICY, ""),
    (Cause.TURNED_AWAY, "UNAVAILABLE", "see details", f"rpc error: code = Unknown desc = {DENIED}"),
    (Cause.TURNED_AWAY, "PERMISSION_DENIED", POLICY, ""),
    (Cause.TURNED_AWAY, "ABORTED", ORDERER + "status=FORBIDDEN, info=permission denied", ""),
    (Cause.UNKNOWN_ISSUER, "FAILED_PRECONDITION", EVALUATE + UNKNOWN_ORG, ""),
    (Cause.EXPIRED, "UNAVAILABLE", "see details", "proposal client identity expired"),
    (Cause.EXPIRED, "ABORTED", ENDORSE, "proposal client identity expired"),
    (
        Cause.TOO_LARGE,
        "ABORTED",
        ORDERER + "message payload is 9 bytes and exceeds maximum allowed 8 bytes",
        "",
    ),
    (Cause.TOO_LARGE, "RESOURCE_EXHAUSTED", "grpc: received message larger than max (104857640 vs. 1)", ""),
    (Cause.TOO_LARGE, "RESOURCE_EXHAUSTED", "CLIENT: Sent message larger than max (104857640 vs. 1)", ""),
    (Cause.BUSY, "UNKNOWN", "too many requests for /gateway.Gateway, exceeding concurrency limit (500)", ""),
    (Cause.BUSY, "RESOURCE_EXHAUSTED", "no more, please", ""),
    (Cause.AWAY, "FAILED_PRECONDITION", PLAN + "no metadata was found for chaincode veilmesh", ""),
    (Cause.AWAY, "FAILED_PRECONDITION", "failed to select ... due to unavailability of peers: [a:7051]", ""),
    (Cause.AWAY, "FAILED_PRECONDITION", "no peers available to evaluate chaincode x in channel y", ""),
    (Cause.AWAY, "ABORTED", ENDORSE, NOT_LAUNCHED),
    (Cause.AWAY, "ABORTED", ENDORSE, "rpc error: code = Unavailable desc = connection error"),
    (Cause.AWAY, "ABORTED", "unexpected close of commit notification channel", ""),
    (Cause.AWAY, "UNAVAILABLE", "no orderers could successfully process transaction", ""),
    (Cause.AWAY, "DEADLINE_EXCEEDED", "endorsement timeout expired while collecting endorsements", ""),
    (Cause.AWAY, "UNKNOWN", "Stream removed", ""),
    (Cause.REFUSED, "FAILED_PRECONDITION", "no endorsers found in the gateway's organization", ""),
    (Cause.REFUSED, "ABORTED", ENDORSE, "make sure the chaincode x has been successfully defined"),
    (Cause.REFUSED, "INVALID_ARGUMENT", "an evaluate request is required", ""),
]


@pytest.mark.parametrize(("cause", "code", "message", "detail"), SAID)
def test_causes(cause: Cause, code: str, message: str, detail: str) -> None:
    assert find_cause(code, message, [detail] if detail else []) is cause


@pytest.mark.parametrize(
    ("said", "offset_s"),
    [
        (SKEWED, 3600),
        ("incorrect timestamp 2026-11-21T13:01:22Z, peer time 2026-11-21T14:01:22.4+01:00, x", 0),
        ("due to incorrect timestamp 2026-11-21T13:01:22, peer time 2026-11-21T14:01:22Z, x", None),
        ("due to incorrect timestamp yesterday, peer time today, x", None),
        (DENIED, None),
    ],
)
def test_how_far_a_clock_is_off(said: str, offset_s: int | None) -> None:
    assert clock_offset_s(said) == offset_s


@pytest.mark.parametrize("cause", Cause)
def test_what_nobody_can_wait_for_comes_with_advice(cause: Cause) -> None:
    assert cause.may_pass or cause in {Cause.CONTRACT, Cause.REFUSED} or cause.advice


@pytest.mark.parametrize(
    ("code", "said", "again"),
    [
        (grpc.StatusCode.UNAVAILABLE, "rpc error: connection refused", True),
        (grpc.StatusCode.UNAVAILABLE, "proposal client identity expired", False),
        (grpc.StatusCode.FAILED_PRECONDITION, f"{PLAN}x", True),
        (grpc.StatusCode.FAILED_PRECONDITION, POLICY, False),
        (grpc.StatusCode.ABORTED, "ProposalResponsePayloads do not match", True),
        (grpc.StatusCode.ABORTED, NOT_LAUNCHED, True),
        (grpc.StatusCode.ABORTED, "chaincode response 409, no", False),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "endorsement timeout expired", False),
    ],
)
def test_what_is_worth_asking_again(code: grpc.StatusCode, said: str, again: bool) -> None:
    details = [PeerError("peer0.org1.example.com:7051", "Org1MSP", said)]
    assert is_passing(EndorseError("see details", transaction_id="tx", code=code, details=details)) == again
