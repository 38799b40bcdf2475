"""Why the ledger refuses: one code per rule, carried whole from a contract to the person who asked.

A contract raises `Refusal`; the chaincode runtime answers with the refusal's status and its JSON as the
response message; the client turns that message back into the same `Refusal`.
"""

import json
from enum import StrEnum
from typing import Self

from veilmesh_chaincode.records import canonical


class RefusalCode(StrEnum):
    """Each value names the rule that said no."""

    MALFORMED = "MALFORMED"
    UNKNOWN_FUNCTION = "UNKNOWN_FUNCTION"
    ACCESS_DENIED = "ACCESS_DENIED"
    CLOCK_SKEW = "CLOCK_SKEW"
    TIME_RUNS_BACKWARDS = "TIME_RUNS_BACKWARDS"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    NOT_FOUNDED = "NOT_FOUNDED"
    NOT_A_MEMBER = "NOT_A_MEMBER"
    MEMBERSHIP_LIMIT = "MEMBERSHIP_LIMIT"
    ALREADY_VOTED = "ALREADY_VOTED"
    STALE_PROPOSAL = "STALE_PROPOSAL"
    NODE_NOT_ACTIVE = "NODE_NOT_ACTIVE"
    ROLE_MISSING = "ROLE_MISSING"
    MODEL_NOT_APPROVED = "MODEL_NOT_APPROVED"
    NO_POLICY = "NO_POLICY"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    PURPOSE_NOT_ALLOWED = "PURPOSE_NOT_ALLOWED"
    RETENTION_EXCEEDED = "RETENTION_EXCEEDED"
    NOT_OWNER = "NOT_OWNER"
    NOT_COUNTERSIGNED = "NOT_COUNTERSIGNED"
    REFERENCE_NOT_ACTIVE = "REFERENCE_NOT_ACTIVE"
    REFERENCE_EXPIRED = "REFERENCE_EXPIRED"
    VERSION_CONFLICT = "VERSION_CONFLICT"
    MODEL_MISMATCH = "MODEL_MISMATCH"
    ATTEMPTS_EXHAUSTED = "ATTEMPTS_EXHAUSTED"
    LOCKED_OUT = "LOCKED_OUT"
    NOT_DECIDER = "NOT_DECIDER"
    ALREADY_CONCLUDED = "ALREADY_CONCLUDED"
    AUTHENTICATION_EXPIRED = "AUTHENTICATION_EXPIRED"
    KEY_MISMATCH = "KEY_MISMATCH"
    NOT_KEEPER = "NOT_KEEPER"
    NOT_GRANTED = "NOT_GRANTED"
    UNSEALING_EXPIRED = "UNSEALING_EXPIRED"
    INTERNAL = "INTERNAL"

    @property
    def status(self) -> int:
        """The chaincode response status: 4xx is the caller's doing, 500 ours."""
        match self:
            case RefusalCode.MALFORMED:
                return 400
            case (
                RefusalCode.ACCESS_DENIED
                | RefusalCode.NOT_OWNER
                | RefusalCode.NOT_DECIDER
                | RefusalCode.NOT_KEEPER
            ):
                return 403
            case RefusalCode.NOT_FOUND | RefusalCode.UNKNOWN_FUNCTION:
                return 404
            case RefusalCode.INTERNAL:
                return 500
            case _:
                return 409


class Refusal(Exception):  # noqa: N818 - a refusal is an expected answer, not a fault
    """The ledger said no.

    Attributes:
        code: the rule.
        message: for people; starts lower-case, names the thing.
        retry_at_s: Unix time from which the same request may succeed, where that is known.
    """

    def __init__(self, code: RefusalCode, message: str, *, retry_at_s: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_at_s = retry_at_s

    def to_message(self) -> str:
        return canonical.dumps(
            {"code": self.code.value, "message": self.message, "retry_at_s": self.retry_at_s}
        ).decode()

    @classmethod
    def from_message(cls, message: str) -> Self | None:
        """Return the refusal that `message` carries, or None if it is some other text.

        Gateways wrap the chaincode's message in a sentence of their own, so the JSON is looked for inside.
        """
        start = message.find('{"code":')
        if start < 0:
            return None
        try:
            fields, _ = json.JSONDecoder().raw_decode(message, start)
            return cls(RefusalCode(fields["code"]), fields["message"], retry_at_s=fields["retry_at_s"])
        except (KeyError, TypeError, ValueError, RecursionError):
            return None
