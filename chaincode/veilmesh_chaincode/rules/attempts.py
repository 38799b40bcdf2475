"""Attempt limits and lock-out, counted per reference and relying organisation.

An open attempt counts until it is concluded, cancelled or expired, as a failure would, so opening many at
once gains nothing: failures in the window plus live attempts never exceed the policy's limit. At the limit
of failures the pair is locked for a while and starts afresh afterwards. A cancelled attempt can never be
concluded, so it tells its opener nothing.
"""

from veilmesh_chaincode.records.authentication import Attempts, OpenAttempt
from veilmesh_chaincode.records.base import MspId, ReferenceId, TxId
from veilmesh_chaincode.records.policy import Terms
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode


def none_yet(reference_id: ReferenceId, relying_msp_id: MspId, now_s: int) -> Attempts:
    return Attempts(
        reference_id=reference_id,
        relying_msp_id=relying_msp_id,
        failures_at_s=[],
        open=[],
        locked_until_s=0,
        updated_at_s=now_s,
    )


def current(attempts: Attempts, terms: Terms, now_s: int) -> Attempts:
    """Return what still counts: failures inside the window, attempts not expired, a lock not over."""
    return attempts.replace(
        failures_at_s=[at_s for at_s in attempts.failures_at_s if at_s + terms.attempt_window_s > now_s],
        open=[attempt for attempt in attempts.open if attempt.expires_at_s > now_s],
        locked_until_s=attempts.locked_until_s if attempts.locked_until_s > now_s else 0,
        updated_at_s=now_s,
    )


def begin(attempts: Attempts, attempt: OpenAttempt, terms: Terms, now_s: int) -> Attempts:
    """Count one more open attempt.

    Raises:
        Refusal: LOCKED_OUT, ATTEMPTS_EXHAUSTED; both say when to come back.
    """
    counted = current(attempts, terms, now_s)
    whose = f"{attempts.relying_msp_id} on reference {attempts.reference_id}"
    if counted.locked_until_s:
        raise Refusal(
            RefusalCode.LOCKED_OUT,
            f"{whose}: locked out for {counted.locked_until_s - now_s} s more after {terms.attempt_limit} "
            f"failures within {terms.attempt_window_s} s",
            retry_at_s=counted.locked_until_s,
        )
    if len(counted.failures_at_s) + len(counted.open) >= terms.attempt_limit:
        raise Refusal(
            RefusalCode.ATTEMPTS_EXHAUSTED,
            f"{whose}: {len(counted.failures_at_s)} recent failures and {len(counted.open)} open "
            f"attempts, of {terms.attempt_limit} allowed within {terms.attempt_window_s} s",
            retry_at_s=_place_free_at_s(counted, terms),
        )
    return counted.replace(open=[*counted.open, attempt])


def withdraw(attempts: Attempts, authentication_id: TxId, now_s: int) -> Attempts:
    """Stop counting an open attempt; failures and locks stay as they are."""
    still_open = [attempt for attempt in attempts.open if attempt.authentication_id != authentication_id]
    return attempts.replace(open=still_open, updated_at_s=now_s)


def succeed(attempts: Attempts, authentication_id: TxId, terms: Terms, now_s: int) -> Attempts:
    """Record a match: earlier failures are forgiven, a lock is not."""
    return withdraw(current(attempts, terms, now_s), authentication_id, now_s).replace(failures_at_s=[])


def fail(attempts: Attempts, authentication_id: TxId, terms: Terms, now_s: int) -> Attempts:
    """Record a failure; at the policy's limit, lock."""
    counted = withdraw(current(attempts, terms, now_s), authentication_id, now_s)
    failures_at_s = [*counted.failures_at_s, now_s]
    if len(failures_at_s) < terms.attempt_limit:
        return counted.replace(failures_at_s=failures_at_s)
    return counted.replace(failures_at_s=[], locked_until_s=now_s + terms.lock_out_s)


def _place_free_at_s(attempts: Attempts, terms: Terms) -> int:
    """Return when enough of a full count has lapsed for one more attempt, should nothing else happen."""
    ends_at_s = sorted(
        [at_s + terms.attempt_window_s for at_s in attempts.failures_at_s]
        + [attempt.expires_at_s for attempt in attempts.open]
    )
    return ends_at_s[len(ends_at_s) - terms.attempt_limit]
