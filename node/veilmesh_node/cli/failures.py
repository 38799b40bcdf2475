"""Every failure that a command can meet, told to a person and to a script.

One place joins an exception to an exit code and a hint. What it does not know is a defect of ours, and keeps
its traceback.
"""

import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from veilmesh_node.cli.exit import ExitCode

if TYPE_CHECKING:
    from veilmesh_chaincode.records.refusals import Refusal
    from veilmesh_fabric import GatewayError

    from veilmesh_node.errors import NodeError


@dataclass(frozen=True, slots=True)
class Failure:
    """What to say, and with which exit code to leave."""

    exit_code: ExitCode
    code: str  # for scripts: the ledger's refusal code, the node's error code, or our own word
    message: str
    hint: str = ""
    reasons: tuple[str, ...] = ()


def report(err: Exception, *, as_json: bool) -> ExitCode:
    """Say what went wrong, on stderr and, with `--json`, as a document on stdout; return the exit code."""
    from veilmesh_node.cli import output

    failure = describe(err)
    if failure is None:
        traceback.print_exception(err)
        failure = Failure(
            ExitCode.FAILED,
            "DEFECT",
            f"{type(err).__name__}: {err}",
            "this should not happen; please report it",
        )
    if as_json:
        output.print_json(
            {
                "error": {
                    "code": failure.code,
                    "message": failure.message,
                    "hint": failure.hint,
                    "reasons": list(failure.reasons),
                }
            }
        )
    sys.stderr.write(f"error: {failure.message}\n")
    for reason in failure.reasons:
        sys.stderr.write(f"  - {reason}\n")
    if failure.hint:
        sys.stderr.write(f"hint: {failure.hint}\n")
    return failure.exit_code


def describe(err: Exception) -> Failure | None:
    """Return what is to be said about `err`; None where we do not know it."""
    for describe_some in (_usage, _integrity, _channel, _ledger, _cluster, _node, _network, _faces, _files):
        failure = describe_some(err)
        if failure is not None:
            return failure
    return None


def _usage(err: Exception) -> Failure | None:
    from pydantic import ValidationError
    from typer._click.exceptions import ClickException

    from veilmesh_node.demo.pictures import PhotosError
    from veilmesh_node.errors import HomeError

    if isinstance(err, ClickException):
        return Failure(ExitCode.USAGE, "USAGE", err.format_message(), "--help shows what a command takes")
    if isinstance(err, ValidationError):
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in err.errors(include_input=False)
        )
        return Failure(ExitCode.USAGE, "USAGE", f"{err.title}: {problems}")
    if isinstance(err, HomeError):
        return Failure(ExitCode.USAGE, "HOME", str(err))
    if isinstance(err, PhotosError):
        return Failure(ExitCode.USAGE, "PHOTOS", str(err))
    return None


_AWAY = (
    "is the ledger up, and does it have the gateways, the channel and the chaincode that client.toml names? "
    "`veilmesh network status` tells of one on this machine"
)

_IN_DOUBT = (
    "the change may be committed yet: look whether it is before you repeat it, and whether the orderers "
    "answer (`veilmesh network status` tells of those on this machine)"
)


def _ledger(err: Exception) -> Failure | None:
    from veilmesh_chaincode.records.refusals import Refusal
    from veilmesh_fabric import (
        BlockFilesError,
        CheckpointError,
        CommitError,
        DeliverError,
        FabricError,
        GatewayError,
    )

    if isinstance(err, Refusal):
        return _refusal(err)
    if isinstance(err, GatewayError):
        return _gateway(err)
    if isinstance(err, DeliverError):
        refused = err.status in {"FORBIDDEN", "NOT_FOUND", "PERMISSION_DENIED"}
        exit_code = ExitCode.REFUSED if refused else ExitCode.UNAVAILABLE
        return Failure(exit_code, f"DELIVER_{err.status}", str(err))
    if isinstance(err, BlockFilesError | CheckpointError):
        code = "BLOCK_FILES" if isinstance(err, BlockFilesError) else "CHECKPOINT"
        return Failure(ExitCode.FAILED, code, str(err))
    if isinstance(err, CommitError):
        return Failure(ExitCode.FAILED, err.code_name, str(err), "the ledger is as it was; try again")
    return Failure(ExitCode.USAGE, "IDENTITY", str(err)) if isinstance(err, FabricError) else None


def _gateway(err: "GatewayError") -> Failure:
    from veilmesh_fabric import Cause, CommitStatusError

    code, away = f"LEDGER_{err.code.name}", err.cause is Cause.AWAY
    if away and isinstance(err, CommitStatusError):
        message = f"the change was sent, and is in no block yet as far as gateways say: {err}"
        return Failure(ExitCode.UNAVAILABLE, code, message, _IN_DOUBT)
    return Failure(
        ExitCode.UNAVAILABLE if err.cause.may_pass else ExitCode.REFUSED,
        code,
        f"the ledger {'does not answer' if away else 'answered'}: {err}",
        _AWAY if away else err.cause.advice,
    )


def _channel(err: Exception) -> Failure | None:
    from veilmesh_fabric import BroadcastError, ConfigOvertakenError, ConfigUpdateError, ConsentError

    if isinstance(err, ConsentError):
        message = "the update lacks signatures that the channel's policies want"
        hint = "an admin adds one with `veilmesh channel sign FILE`"
        return Failure(ExitCode.REFUSED, "CONSENT", message, hint, err.wanted)
    if isinstance(err, ConfigOvertakenError):
        hint = "make the update anew, and have it signed again"
        return Failure(ExitCode.REFUSED, "OVERTAKEN", str(err), hint)
    if isinstance(err, ConfigUpdateError):
        return Failure(ExitCode.REFUSED, "CONFIG_UPDATE", str(err))
    if isinstance(err, BroadcastError):
        refused = err.status in {"BAD_REQUEST", "FORBIDDEN", "NOT_FOUND"}
        exit_code = ExitCode.REFUSED if refused else ExitCode.UNAVAILABLE
        return Failure(exit_code, f"ORDERER_{err.status}", str(err))
    return None


def _integrity(err: Exception) -> Failure | None:
    from veilmesh_fabric import DecodeError, IncompleteChainError, VerificationError

    from veilmesh_node.errors import ContentMismatchError, ReceiptError, SealedKeyError

    if isinstance(err, VerificationError):
        return Failure(ExitCode.INTEGRITY, err.rule, str(err))
    if isinstance(
        err, DecodeError | IncompleteChainError | ReceiptError | SealedKeyError | ContentMismatchError
    ):
        code = type(err).__name__.removesuffix("Error").upper()
        return Failure(ExitCode.INTEGRITY, code, str(err))
    return None


def _refusal(refusal: "Refusal") -> Failure:
    from veilmesh_node.catalog import REFUSAL_HINTS

    hint = REFUSAL_HINTS.get(refusal.code, "")
    if refusal.retry_at_s is not None:
        from veilmesh_node.cli.output import moment

        hint = f"the same request may succeed from {moment(refusal.retry_at_s)} on"
    return Failure(ExitCode.REFUSED, refusal.code.value, refusal.message, hint)


_EXIT_CODE_OF_STATUS = {
    "UNAVAILABLE": ExitCode.UNAVAILABLE,
    "DEADLINE_EXCEEDED": ExitCode.UNAVAILABLE,
    "RESOURCE_EXHAUSTED": ExitCode.UNAVAILABLE,
    "FAILED_PRECONDITION": ExitCode.REFUSED,
    "PERMISSION_DENIED": ExitCode.REFUSED,
    "UNAUTHENTICATED": ExitCode.REFUSED,
    "DATA_LOSS": ExitCode.INTEGRITY,
}


def _cluster(err: Exception) -> Failure | None:
    if "veilmesh_node.cluster" not in sys.modules:
        return None
    from veilmesh_node.cluster.errors import ClusterError, WorkError

    if not isinstance(err, ClusterError):
        return None
    exit_code = _EXIT_CODE_OF_STATUS.get(err.status.name, ExitCode.FAILED)
    if err.status.name == "FAILED_PRECONDITION":
        exit_code = ExitCode.FAILED  # of this machine; nobody refused
    elif isinstance(err, WorkError):
        exit_code = ExitCode.USAGE
    return Failure(exit_code, err.code, str(err), err.hint)


def _node(err: Exception) -> Failure | None:
    from veilmesh_chaincode.records.refusals import RefusalCode

    from veilmesh_node import errors
    from veilmesh_node.cli.node_api import NodeCallError

    if isinstance(err, NodeCallError):
        exit_code = _EXIT_CODE_OF_STATUS.get(err.status, ExitCode.FAILED)
        if err.detail.code in {code.value for code in RefusalCode}:
            exit_code = ExitCode.REFUSED  # by the ledger, whose word the node passes on
        hint = err.detail.hint
        if err.status == "RESOURCE_EXHAUSTED" and not err.detail.code:
            exit_code, hint = ExitCode.FAILED, "send fewer or smaller photos: a node takes 64 MiB at once"
        elif not err.detail.code and exit_code is ExitCode.UNAVAILABLE:
            hint = "is the node up? `veilmesh node start` starts it"
        return Failure(
            exit_code,
            err.detail.code or f"NODE_{err.status}",
            str(err),
            hint,
            tuple(err.detail.reasons) if len(err.detail.reasons) > 1 else (),
        )
    if isinstance(err, errors.ContentError | errors.IpfsMissingError | errors.StorageFullError):
        return _content(err)
    if isinstance(err, errors.LedgerUnavailableError | errors.PeerUnavailableError):
        return Failure(ExitCode.UNAVAILABLE, "UNAVAILABLE", str(err))
    return Failure(ExitCode.FAILED, "NODE", str(err)) if isinstance(err, errors.NodeError) else None


def _content(err: "NodeError") -> Failure:
    from veilmesh_node.catalog import CATALOG
    from veilmesh_node.errors import ContentTooLargeError, ContentUnavailableError, PublicDaemonError

    exit_code = ExitCode.FAILED
    if isinstance(err, ContentUnavailableError):
        exit_code = ExitCode.UNAVAILABLE
    elif isinstance(err, PublicDaemonError):
        exit_code = ExitCode.REFUSED
    elif isinstance(err, ContentTooLargeError):
        exit_code = ExitCode.INTEGRITY
    return Failure(exit_code, CATALOG[type(err)].code, str(err), CATALOG[type(err)].hint)


def _network(err: Exception) -> Failure | None:
    from veilmesh_network.errors import NetworkError

    return Failure(ExitCode.FAILED, "NETWORK", str(err)) if isinstance(err, NetworkError) else None


def _faces(err: Exception) -> Failure | None:
    if isinstance(err, ModuleNotFoundError) and err.name in {"sklearn", "matplotlib"}:
        return Failure(
            ExitCode.FAILED,
            "EVALUATE_MISSING",
            f"what evaluations need is not installed ({err.name} is missing)",
            "install it with: pip install 'veilmesh[evaluate]'",
        )
    if isinstance(err, ModuleNotFoundError) and err.name in {"numpy", "cv2", "dlib", "PIL", "skimage"}:
        return Failure(
            ExitCode.FAILED,
            "FACES_MISSING",
            f"the face library is not installed ({err.name} is missing)",
            "install it with: pip install 'veilmesh[faces]'",
        )
    if "veilmesh_ml" not in sys.modules:
        return None  # nothing of it was used, and a base install could not even import it
    from veilmesh_ml.errors import MlError

    if isinstance(err, MlError):
        return Failure(ExitCode.FAILED, type(err).__name__.removesuffix("Error").upper(), str(err), err.hint)
    return None


def _files(err: Exception) -> Failure | None:
    if isinstance(err, OSError) and err.filename is not None:
        return Failure(ExitCode.FAILED, "FILE", f"{err.filename}: {err.strerror}")
    return None
