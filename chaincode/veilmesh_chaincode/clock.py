"""How far a proposal's time may be from the endorser's clock.

Contracts take the transaction's time for the time, and a client could lie about it. A refusal writes nothing,
so it may depend on a clock.
"""

from veilmesh_chaincode.records.refusals import Refusal, RefusalCode

MAX_SKEW_S = 60.0


def require_in_time(proposed_s: float, now_s: float) -> None:
    """Refuse a proposal of another time than now.

    Args:
        proposed_s: the client's time in the proposal, Unix seconds.
        now_s: this machine's.

    Raises:
        Refusal: CLOCK_SKEW.
    """
    skew_s = proposed_s - now_s
    if abs(skew_s) <= MAX_SKEW_S:
        return
    raise Refusal(
        RefusalCode.CLOCK_SKEW,
        f"the proposal's time is {skew_s:+.0f} s off the endorser's clock, more than {MAX_SKEW_S:.0f} s",
    )
