"""What a gateway's error means. Fabric tells by words: status codes alone do not.

The same cause arrives under several codes: "access denied" is FAILED_PRECONDITION where the gateway's own
peer says it, UNAVAILABLE where another one does, ABORTED at an endorsement. So words come first, in the order
of `_WORDS`, and codes decide what no word does.

Sources, in Fabric 3.1: `internal/pkg/gateway`, `core/endorser`, `core/policy`, `core/handlers/auth/filter`,
`internal/peer/node/grpc_limiters.go`.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

_NOT_COLLECTED = "failed to collect enough transaction endorsements"
_CONTRACT = "chaincode response "  # status, message


class Cause(StrEnum):
    """Why a call was not answered as one hoped. `advice` says what to do about it, where that is known."""

    CONTRACT = "contract"  # the chaincode itself said no; the message carries its words
    DISAGREEMENT = "disagreement"  # peers gave different answers; mostly, one is a block behind
    EXPIRED = "expired"
    CLOCK_SKEW = "clock skew"
    UNKNOWN_ISSUER = "unknown issuer"
    TURNED_AWAY = "turned away"
    TOO_LARGE = "too large"
    BUSY = "busy"  # it was refused before anything was done with it
    AWAY = "away"  # gateway, or peers or orderers behind it, out of reach; or no answer in time
    REFUSED = "refused"  # any other answer

    @property
    def may_pass(self) -> bool:
        """Whether the same request may be answered a little later, or by another gateway."""
        return self in {Cause.DISAGREEMENT, Cause.BUSY, Cause.AWAY}

    @property
    def advice(self) -> str:
        return _ADVICE.get(self, "")


_ADVICE = {
    Cause.EXPIRED: "the identity's certificate has expired: have it renewed, and check this machine's clock",
    Cause.CLOCK_SKEW: "set this machine's clock, or the peer's",
    Cause.UNKNOWN_ISSUER: (
        "none of the channel's authorities of this MSP has issued the certificate: do `msp_id` and the MSP "
        "folder belong to the same organisation, and is it one of the channel's? (Fabric 2.5 says so "
        "of an expired certificate, too.)"
    ),
    Cause.TURNED_AWAY: ("is the certificate still valid, not revoked, and of a role that may do this?"),
    Cause.TOO_LARGE: "send less at once; the network's limit is set by its operators",
    Cause.BUSY: "the peer is at its limit (`peer.limits.concurrency`); try again later",
    Cause.DISAGREEMENT: "try again; if it stays so, the organisations run different chaincode",
}

# In lower case; the first that occurs decides.
_WORDS: Sequence[tuple[Cause, Sequence[str]]] = (
    (Cause.EXPIRED, ("client identity expired",)),
    (Cause.CLOCK_SKEW, ("due to incorrect timestamp",)),
    (Cause.UNKNOWN_ISSUER, ("creator org unknown",)),
    (Cause.TURNED_AWAY, ("access denied", "evaluating policy on signed data", "status=forbidden")),
    (Cause.TOO_LARGE, ("message larger than max", "exceeds maximum allowed")),
    (Cause.BUSY, ("too many requests",)),
    (
        Cause.AWAY,
        (
            "service_unavailable",
            "code = unavailable",
            "code = deadlineexceeded",
            "failed to execute transaction",  # the peer does not reach its chaincode, or in time
            "no combination of peers can be derived",
            "due to unavailability of peers",
            "no peers available",
            "close of commit notification",  # a gateway that is being stopped
        ),
    ),
)

# No answer, or one that a broken connection can end a call with; all others are answers.
_CODES = {
    "UNAVAILABLE": Cause.AWAY,
    "DEADLINE_EXCEEDED": Cause.AWAY,
    "CANCELLED": Cause.AWAY,
    "INTERNAL": Cause.AWAY,
    "UNKNOWN": Cause.AWAY,
    "RESOURCE_EXHAUSTED": Cause.BUSY,
}


_INCORRECT_TIME = re.compile(r"incorrect timestamp (\S+), peer time ([^\s,]+)")


def clock_offset_s(said: str) -> int | None:
    """Return by how many seconds a client's clock is ahead of a peer's, None where the peer does not say."""
    found = _INCORRECT_TIME.search(said)
    if found is None:
        return None
    try:
        ours, theirs = map(datetime.fromisoformat, found.groups())
        return round((ours - theirs).total_seconds())
    except (ValueError, TypeError):
        return None


def find_cause(code_name: str, message: str, details: Sequence[str] = ()) -> Cause:
    """Return what an error means.

    Args:
        code_name: of the gRPC status code.
        message: the gateway's words.
        details: what each peer said.
    """
    said = " ".join((message, *details))
    if "ProposalResponsePayloads do not match" in said:
        return Cause.DISAGREEMENT
    if _CONTRACT in said:
        # Where one peer's contract said yes and another's no, they have not seen the same blocks yet.
        return Cause.DISAGREEMENT if _NOT_COLLECTED in message else Cause.CONTRACT
    lowered = said.lower()
    for cause, phrases in _WORDS:
        if any(phrase in lowered for phrase in phrases):
            return cause
    return _CODES.get(code_name, Cause.REFUSED)
