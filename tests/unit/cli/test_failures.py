"""Each failure comes out with its exit code, and with a message that names the thing."""

import errno

import grpc
import pytest
from veilmesh.v1.errors_pb2 import ErrorDetail
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_fabric import (
    BlockFilesError,
    BroadcastError,
    CheckpointError,
    CommitError,
    CommitStatusError,
    ConfigOvertakenError,
    ConfigUpdateError,
    ConsentError,
    DecodeError,
    DeliverError,
    EvaluateError,
    IdentityError,
    IncompleteChainError,
    VerificationError,
)
from veilmesh_network.errors import AddressInUseError
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.failures import describe, report
from veilmesh_node.cli.node_api import NodeCallError
from veilmesh_node.errors import (
    ContentMismatchError,
    ContentTooLargeError,
    ContentUnavailableError,
    HomeError,
    IpfsMissingError,
    LedgerUnavailableError,
    PublicDaemonError,
    ReceiptError,
    SealedKeyError,
    StorageFullError,
    WrongPassphraseError,
)


def _node_error(status: str, code: str = "", **detail: object) -> NodeCallError:
    return NodeCallError(status, "the transport's words", ErrorDetail(code=code, **detail))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("err", "exit_code", "code"),
    [
        (Refusal(RefusalCode.LOCKED_OUT, "locked", retry_at_s=1), ExitCode.REFUSED, "LOCKED_OUT"),
        (
            EvaluateError("no", transaction_id="ab", code=grpc.StatusCode.UNAVAILABLE),
            ExitCode.UNAVAILABLE,
            "LEDGER_UNAVAILABLE",
        ),
        (
            EvaluateError("no", transaction_id="ab", code=grpc.StatusCode.ABORTED),
            ExitCode.REFUSED,
            "LEDGER_ABORTED",
        ),
        (
            CommitError(transaction_id="ab", code=11, code_name="MVCC_READ_CONFLICT", block_number=3),
            ExitCode.FAILED,
            "MVCC_READ_CONFLICT",
        ),
        (DeliverError("no", status="FORBIDDEN"), ExitCode.REFUSED, "DELIVER_FORBIDDEN"),
        (DeliverError("no", status="UNAVAILABLE"), ExitCode.UNAVAILABLE, "DELIVER_UNAVAILABLE"),
        (ConsentError("no", wanted=["/Channel wants more"]), ExitCode.REFUSED, "CONSENT"),
        (ConfigOvertakenError("late"), ExitCode.REFUSED, "OVERTAKEN"),
        (ConfigUpdateError("empty"), ExitCode.REFUSED, "CONFIG_UPDATE"),
        (BroadcastError("no", status="FORBIDDEN"), ExitCode.REFUSED, "ORDERER_FORBIDDEN"),
        (
            BroadcastError("no", status="SERVICE_UNAVAILABLE"),
            ExitCode.UNAVAILABLE,
            "ORDERER_SERVICE_UNAVAILABLE",
        ),
        (IdentityError("expired"), ExitCode.USAGE, "IDENTITY"),
        (VerificationError("wrong", rule="data-hash"), ExitCode.INTEGRITY, "data-hash"),
        (DecodeError("wrong"), ExitCode.INTEGRITY, "DECODE"),
        (CheckpointError("of another channel"), ExitCode.FAILED, "CHECKPOINT"),
        (BlockFilesError("no space left"), ExitCode.FAILED, "BLOCK_FILES"),
        (IncompleteChainError("block 3 is missing"), ExitCode.INTEGRITY, "INCOMPLETECHAIN"),
        (ReceiptError("changed"), ExitCode.INTEGRITY, "RECEIPT"),
        (SealedKeyError("of another"), ExitCode.INTEGRITY, "SEALEDKEY"),
        (HomeError("none"), ExitCode.USAGE, "HOME"),
        (ContentUnavailableError("away"), ExitCode.UNAVAILABLE, "CONTENT_UNAVAILABLE"),
        (PublicDaemonError("127.0.0.1:5001", "AutoConf is on"), ExitCode.REFUSED, "PUBLIC_DAEMON"),
        (ContentMismatchError("bcid"), ExitCode.INTEGRITY, "CONTENTMISMATCH"),
        (ContentTooLargeError("content bcid", 9), ExitCode.INTEGRITY, "CONTENT_TOO_LARGE"),
        (IpfsMissingError(), ExitCode.FAILED, "IPFS_MISSING"),
        (StorageFullError("no space left"), ExitCode.FAILED, "STORAGE_FULL"),
        (WrongPassphraseError(), ExitCode.FAILED, "NODE"),
        (LedgerUnavailableError("away"), ExitCode.UNAVAILABLE, "UNAVAILABLE"),
        (AddressInUseError("taken"), ExitCode.FAILED, "NETWORK"),
        (_node_error("RESOURCE_EXHAUSTED"), ExitCode.FAILED, "NODE_RESOURCE_EXHAUSTED"),
        (_node_error("RESOURCE_EXHAUSTED", "RATE_LIMITED"), ExitCode.UNAVAILABLE, "RATE_LIMITED"),
        (_node_error("UNAVAILABLE"), ExitCode.UNAVAILABLE, "NODE_UNAVAILABLE"),
        (_node_error("NOT_FOUND", "NOT_FOUND"), ExitCode.REFUSED, "NOT_FOUND"),
        (_node_error("PERMISSION_DENIED", "PERMISSION_DENIED"), ExitCode.REFUSED, "PERMISSION_DENIED"),
        (_node_error("DATA_LOSS", "VAULT_INTEGRITY"), ExitCode.INTEGRITY, "VAULT_INTEGRITY"),
        (_node_error("INVALID_ARGUMENT", "SAMPLE_REJECTED"), ExitCode.FAILED, "SAMPLE_REJECTED"),
        (ModuleNotFoundError("dlib", name="dlib"), ExitCode.FAILED, "FACES_MISSING"),
        (ModuleNotFoundError("sklearn", name="sklearn"), ExitCode.FAILED, "EVALUATE_MISSING"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), ExitCode.FAILED, "FILE"),
    ],
)
def test_failure(err: Exception, exit_code: ExitCode, code: str) -> None:
    failure = describe(err)
    assert failure is not None
    assert (failure.exit_code, failure.code) == (exit_code, code)
    assert failure.message


def test_a_locked_reference_says_when_to_come_back() -> None:
    failure = describe(Refusal(RefusalCode.LOCKED_OUT, "locked", retry_at_s=1_800_000_000))
    assert failure is not None
    assert "2027-01-15 08:00:00 UTC" in failure.hint


def test_a_node_that_is_down_says_how_to_start_it() -> None:
    failure = describe(_node_error("UNAVAILABLE"))
    assert failure is not None
    assert "veilmesh node start" in failure.hint


def test_a_change_whose_fate_is_not_known_is_not_to_be_repeated_blindly() -> None:
    code = grpc.StatusCode.DEADLINE_EXCEEDED
    failure = describe(CommitStatusError("Deadline Exceeded", transaction_id="ab", code=code))
    assert failure is not None
    assert failure.exit_code is ExitCode.UNAVAILABLE
    assert failure.message.startswith("the change was sent")
    assert "transaction ab" in failure.message
    assert "may be committed yet" in failure.hint
    assert "orderers" in failure.hint


def test_reasons_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    err = _node_error("INVALID_ARGUMENT", "SAMPLE_REJECTED", reasons=["blurred", "too small"], message="no")
    assert report(err, as_json=False) is ExitCode.FAILED
    assert capsys.readouterr().err == "error: no\n  - blurred\n  - too small\n"


def test_what_nobody_foresaw_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(ZeroDivisionError("oops"), as_json=False) is ExitCode.FAILED
    said = capsys.readouterr().err
    assert "ZeroDivisionError: oops" in said
    assert "please report it" in said
