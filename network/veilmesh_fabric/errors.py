"""What can go wrong between us and a Fabric network.

FabricError
├── IdentityError           a certificate, key or MSP folder that cannot be used
│   └── UnknownIssuerError      ... since nobody whom the channel knows has issued it
├── SignatureError          a signature that does not stand; says why
├── GatewayError            the gateway answered with an error; carries code, transaction id, per-peer details
│   ├── EvaluateError       a query failed
│   ├── EndorseError        nothing was sent for ordering
│   ├── SubmitError         refused for certain: it will not be committed
│   └── CommitStatusError   it was, or may have been, sent for ordering, and its fate is not known (yet)
├── CommitError             committed, but not as VALID; carries the validation code
├── ConfigUpdateError       a channel's configuration was not changed
│   ├── ConsentError            ... for want of signatures; carries what is wanted
│   └── ConfigOvertakenError    ... since another update came first
├── BroadcastError          the ordering service did not take an envelope; carries the status
├── DeliverError            block or event delivery refused or broken; carries the status
├── CheckpointError         a checkpoint file that cannot be read, written or used
├── BlockFilesError         a folder of block files that cannot be read or written
│   └── IncompleteChainError    ... whose files are no whole chain
├── DecodeError             bytes that are not the Fabric message they claim to be
└── VerificationError       a block or transaction that breaks a rule; names block, transaction and rule
    └── PeersDisagreeError      ... that peers have differently; names who says what, and who is wrong

No exception of gRPC, protobuf or `cryptography` leaves this package; the original hangs on `__cause__`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from veilmesh_fabric.causes import Cause, find_cause

if TYPE_CHECKING:
    import grpc


class FabricError(Exception):
    """Base of everything this package raises."""


class IdentityError(FabricError):
    """A certificate, key or MSP folder that cannot be used."""


class UnknownIssuerError(IdentityError):
    """A certificate of an MSP that the channel does not have, or that none of its authorities issued."""


class SignatureError(FabricError):
    """A signature that does not stand: malformed, not in low-S form, or of another message or key."""


@dataclass(frozen=True, slots=True)
class PeerError:
    """What one peer or orderer answered to the gateway (`gateway.ErrorDetail`)."""

    address: str  # host:port as the network knows it
    msp_id: str
    message: str

    def __str__(self) -> str:
        return f"{self.address} of {self.msp_id}: {self.message}"


class GatewayError(FabricError):
    """The gateway answered a call with an error, or did not answer it.

    Attributes:
        transaction_id: of the proposal or transaction in question.
        code: the gRPC status code.
        cause: what code and words mean (`causes.py`); act on this.
        message: the gateway's own words.
        details: what each peer or orderer said, where the gateway tells.
    """

    def __init__(
        self, message: str, *, transaction_id: str, code: "grpc.StatusCode", details: Sequence[PeerError] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.transaction_id = transaction_id
        self.code = code
        self.details = tuple(details)
        self.cause: Cause = find_cause(code.name, message, [detail.message for detail in self.details])

    def __str__(self) -> str:
        said = "".join(f"; {detail}" for detail in self.details)
        return f"{self.message} ({self.code.name}, transaction {self.transaction_id}{said})"


class EvaluateError(GatewayError):
    """A query failed; the ledger is as it was."""


class EndorseError(GatewayError):
    """A proposal was not endorsed; nothing was sent for ordering."""


class SubmitError(GatewayError):
    """A transaction was refused for certain; it will not be committed."""


class CommitStatusError(GatewayError):
    """A transaction was, or may have been, sent for ordering, and its fate is not known.

    Ask again with `Contract.commit_status(transaction_id)`, and send nothing anew before it has answered.
    """


class CommitError(FabricError):
    """A transaction stands in a block, but not as VALID: it changed nothing.

    Attributes:
        transaction_id: of the transaction.
        code: its `TxValidationCode`, such as 11.
        code_name: the code's name, such as "MVCC_READ_CONFLICT".
        block_number: the block it stands in.
    """

    def __init__(self, *, transaction_id: str, code: int, code_name: str, block_number: int) -> None:
        super().__init__(
            f"transaction {transaction_id} was invalidated: {code_name} ({code}) in block {block_number}"
        )
        self.transaction_id = transaction_id
        self.code = code
        self.code_name = code_name
        self.block_number = block_number


class ConfigUpdateError(FabricError):
    """A channel's configuration was not changed: the update is malformed, empty or refused."""


class ConsentError(ConfigUpdateError):
    """An update lacks signatures that a policy wants.

    Attributes:
        wanted: a line for each change that lacks them: which change, and what its policy wants.
    """

    def __init__(self, message: str, *, wanted: Sequence[str]) -> None:
        super().__init__(message)
        self.wanted = tuple(wanted)


class ConfigOvertakenError(ConfigUpdateError):
    """Another update came first, and changed what this one was based on: make it anew and sign it again."""


class BroadcastError(FabricError):
    """The ordering service did not take an envelope.

    Attributes:
        status: a name of `common.Status` ("BAD_REQUEST", "FORBIDDEN", ...) where an orderer answered so, else
            the name of the gRPC status code ("UNAVAILABLE", ...).
        info: the orderer's own words.
    """

    def __init__(self, message: str, *, status: str, info: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.info = info


class DeliverError(FabricError):
    """Blocks or events are not delivered, or no longer.

    Attributes:
        status: a name of `common.Status` where the peer answered so ("FORBIDDEN", "NOT_FOUND", ...), else the
            name of the gRPC status code ("UNAVAILABLE", "PERMISSION_DENIED", ...).
        details: what a peer said, where the gateway tells.
    """

    def __init__(self, message: str, *, status: str, details: Sequence[PeerError] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.details = tuple(details)


class CheckpointError(FabricError):
    """A checkpoint file that cannot be read, written or used."""


class BlockFilesError(FabricError):
    """A folder of block files that cannot be read or written."""


class IncompleteChainError(BlockFilesError):
    """A folder whose files are no whole chain: a block is missing, or there twice."""


class DecodeError(FabricError):
    """Bytes that are not the Fabric message they claim to be."""


class VerificationError(FabricError):
    """A block or transaction that breaks a rule.

    Attributes:
        rule: a short name of the rule, such as "data-hash".
        block_number: where, if known.
        tx_id: of the transaction, where one is to blame.
        message: what is wrong, without the place.
    """

    def __init__(
        self, message: str, *, rule: str, block_number: int | None = None, tx_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.rule = rule
        self.block_number = block_number
        self.tx_id = tx_id

    def __str__(self) -> str:
        where = "" if self.block_number is None else f"block {self.block_number}"
        if self.tx_id is not None:
            where += f"{', ' if where else ''}transaction {self.tx_id}"
        return f"{where}{': ' if where else ''}{self.message} [{self.rule}]"


class PeersDisagreeError(VerificationError):
    """Peers have a block differently, or one has it and another has not.

    Attributes:
        what: they differ in, such as "validation code".
        said: what each peer says, by its name; empty where a peer is compared with what was verified before.
        blamed: by name the peers whose copy is wrong, and why; empty where each copy holds by itself.
    """

    def __init__(
        self,
        message: str,
        *,
        block_number: int | None,
        what: str,
        said: Mapping[str, str],
        blamed: Mapping[str, str],
        tx_id: str | None = None,
    ) -> None:
        super().__init__(message, rule="peers-agree", block_number=block_number, tx_id=tx_id)
        self.what = what
        self.said = said
        self.blamed = blamed
