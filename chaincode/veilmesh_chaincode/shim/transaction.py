"""One transaction, from the peer's TRANSACTION to the COMPLETED that answers it.

1. the proposal is taken apart; 2. its time must be within a minute of ours; 3. the contract runs; 4. unless
it refused, what it wrote goes to the peer. Whatever goes wrong, the peer gets an answer: a refusal with the
rule's status, or 500 with nothing of the inside.
"""

import logging
from time import time
from typing import Any

from fabric_protos.peer.chaincode_event_pb2 import ChaincodeEvent
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage
from fabric_protos.peer.proposal_response_pb2 import Response as ResponseMessage

from veilmesh_chaincode.chaincode import Response
from veilmesh_chaincode.clock import require_in_time
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.runtime import Chaincode, ChaincodeResponse
from veilmesh_chaincode.shim.capabilities import Capabilities
from veilmesh_chaincode.shim.exchange import Exchange, require_sendable
from veilmesh_chaincode.shim.ledger import PeerLedger
from veilmesh_chaincode.shim.proposal import OpenedProposal
from veilmesh_chaincode.shim.stub import TransactionStub

_log = logging.getLogger(__name__)

_REFUSED = 400  # from here on an endorser signs nothing


async def run_transaction(
    chaincode: Chaincode, message: Any, exchange: Exchange, capabilities: Capabilities
) -> tuple[ChaincodeResponse, Any]:
    """Run the TRANSACTION `message`; return the response and the COMPLETED message that carries it."""
    try:
        response, event = await _run(chaincode, message, exchange, capabilities)
        completed = _completed(message, response, event)
        require_sendable(completed.ByteSize(), "an answer")
    except Refusal as refusal:
        response = _refused(refusal)
    except Exception:  # noqa: BLE001 - a peer waits for an answer, whatever went wrong
        _log.exception("transaction %s failed", message.txid)
        response = _refused(Refusal(RefusalCode.INTERNAL, f"internal error in transaction {message.txid}"))
    else:
        return response, completed
    return response, _completed(message, response, None)


async def _run(
    chaincode: Chaincode, message: Any, exchange: Exchange, capabilities: Capabilities
) -> tuple[ChaincodeResponse, tuple[str, bytes] | None]:
    """Return the response and the event; none of a refusal."""
    proposal = OpenedProposal.from_message(message)
    require_in_time(proposal.at_s, time())
    stub = TransactionStub(proposal, PeerLedger(exchange, capabilities))
    response = await chaincode.invoke(stub, proposal.arguments)
    if response.status >= _REFUSED:
        return response, None
    await stub.send_writes()
    return response, stub.event


def _refused(refusal: Refusal) -> Response:
    return Response(refusal.code.status, refusal.to_message(), b"")


def _completed(message: Any, response: ChaincodeResponse, event: tuple[str, bytes] | None) -> Any:
    payload = ResponseMessage(status=response.status, message=response.message, payload=response.payload)
    completed = ChaincodeMessage(
        type=ChaincodeMessage.COMPLETED,
        payload=payload.SerializeToString(),
        txid=message.txid,
        channel_id=message.channel_id,
    )
    if event is not None:
        name, content = event
        completed.chaincode_event.CopyFrom(ChaincodeEvent(event_name=name, payload=content))
    return completed
