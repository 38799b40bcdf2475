"""The chaincode `veilmesh`: one invocation in, one response out, on either ledger.

    arguments -> which function -> what is asked -> who calls -> the contract -> result and event

Whatever the arguments, the answer is a `Response`: 200 with the result's canonical JSON, the refusal's status
with its JSON as the message, or 500 with nothing but the transaction id. A response of 400 or more means that
nothing the invocation wrote may be endorsed; the ledger's runtime sees to that, as it sees to the proposal's
clock skew before it calls here.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from veilmesh_chaincode import access
from veilmesh_chaincode.contracts import FUNCTIONS
from veilmesh_chaincode.contracts.call import Call, Change, Function, NoRequest
from veilmesh_chaincode.contracts.lookahead import Asked, sure_keys
from veilmesh_chaincode.keys import CONSORTIUM
from veilmesh_chaincode.records import canonical
from veilmesh_chaincode.records.base import Document
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.state import State
from veilmesh_chaincode.stub import Stub

_log = logging.getLogger(__name__)

OK = 200


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    message: str  # empty, or `Refusal.to_message()`
    payload: bytes  # canonical JSON, or empty


class Chaincode:
    """All contracts behind one door. Keeps nothing between invocations, so any number may run at once."""

    async def invoke(self, stub: Stub, args: Sequence[bytes]) -> Response:
        """Run one function; `args` are its name, `contract:Function`, and the request's canonical JSON."""
        try:
            return Response(OK, "", await _invoke(stub, args))
        except Refusal as refusal:
            return _refused(refusal)
        except Exception:  # noqa: BLE001 - a peer waits for an answer, whatever went wrong
            _log.exception("transaction %s failed", stub.tx_id)
            return _refused(Refusal(RefusalCode.INTERNAL, f"internal error in transaction {stub.tx_id}"))


def _refused(refusal: Refusal) -> Response:
    return Response(refusal.code.status, refusal.to_message(), b"")


async def _invoke(stub: Stub, args: Sequence[bytes]) -> bytes:
    name, function = _function(args)
    request = _request(name, function, args[1:])
    asked = None if isinstance(request, Refusal) else Asked(stub.creator, stub.tx_id, request)
    state = State(stub)
    await state.look_ahead(sure_keys(name, asked))
    consortium = await state.find(CONSORTIUM)
    access.check(name, stub.creator, consortium)
    if isinstance(request, Refusal):
        raise request
    call = Call(state, stub.creator, stub.tx_id, stub.timestamp_s, consortium)
    outcome = await function.run(call, request)
    if isinstance(outcome, Change):
        stub.set_event(name, canonical.dumps(dict(outcome.event)))
        return outcome.result.to_bytes()
    return outcome.to_bytes()


def _function(args: Sequence[bytes]) -> tuple[str, Function]:
    if not args:
        raise Refusal(RefusalCode.MALFORMED, "the first argument names the function")
    name = args[0][:64].decode("ascii", errors="replace")
    function = FUNCTIONS.get(name)
    if function is None:
        raise Refusal(RefusalCode.UNKNOWN_FUNCTION, f"there is no function {name!r}")
    return name, function


def _request(name: str, function: Function, args: Sequence[bytes]) -> Document | Refusal:
    """Return what is asked, or why it cannot be read: only who may ask at all is told."""
    if function.request is NoRequest:
        return Refusal(RefusalCode.MALFORMED, f"{name} takes no request") if args else NoRequest()
    if len(args) != 1:
        return Refusal(RefusalCode.MALFORMED, f"{name} takes one {function.request.__name__}")
    try:
        return function.request.from_bytes(args[0])
    except Refusal as refusal:
        return refusal
