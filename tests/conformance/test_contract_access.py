"""The contracts' access table: every function and every kind of caller, let in or refused alike."""

import asyncio

import pytest
from veilmesh_chaincode.contracts import FUNCTIONS
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_fabric import EvaluateError, SigningIdentity
from veilmesh_network.certificates import NodeRole
from veilmesh_network.network import Network

from tests.conformance.callers import new_caller
from tests.conformance.founding import found
from tests.integration.ledger.ledger import Ledger
from tests.unit.chaincode.test_access import MAY_CALL, READ

_CALLERS = {
    "operator": ("Org1MSP", "operator", NodeRole.CLIENT),
    "node": ("Org2MSP", "node", NodeRole.CLIENT),
    "auditor": ("Org3MSP", "auditor", NodeRole.CLIENT),
    "outside auditor": ("AuditMSP", "auditor", NodeRole.CLIENT),
    "nobody in particular": ("Org1MSP", "", NodeRole.CLIENT),
    "of a role that is none": ("Org1MSP", "admin", NodeRole.CLIENT),
    "operator and node": ("Org1MSP", "operator,node", NodeRole.CLIENT),
    "administrator": ("Org1MSP", "operator", NodeRole.ADMIN),
    "peer": ("Org1MSP", "operator", NodeRole.PEER),
    "outside operator": ("AuditMSP", "operator", NodeRole.CLIENT),
    "outside node": ("AuditMSP", "node", NodeRole.CLIENT),
}

_BEFORE_THERE_IS_A_CONSORTIUM = {
    "registry:FoundConsortium": {"outside operator"},
    "registry:GetConsortium": {"outside operator", "outside node"},
}


@pytest.mark.parametrize("who", _CALLERS)
async def test_who_is_let_in(ledger: Ledger, network: Network, who: str) -> None:
    await found(ledger)
    msp_id, role, node_ou = _CALLERS[who]
    identity = new_caller(network, msp_id, role, node_ou=node_ou)
    answers = await asyncio.gather(*(_is_let_in(ledger, identity, function) for function in FUNCTIONS))
    let_in = {function for function, answer in zip(FUNCTIONS, answers, strict=True) if answer}
    assert let_in == {function for function in FUNCTIONS if who in _allowed(function)}


def _allowed(function: str) -> set[str]:
    return MAY_CALL.get(function, READ) | _BEFORE_THERE_IS_A_CONSORTIUM.get(function, set())


async def _is_let_in(ledger: Ledger, identity: SigningIdentity, function: str) -> bool:
    """Whether the caller gets past the door: what is asked there is no request."""
    with pytest.raises(EvaluateError) as refused:
        await ledger.contract_as(identity, chaincode="veilmesh").evaluate(function, b"no request")
    refusal = Refusal.from_message(refused.value.message)
    assert refusal is not None, refused.value
    assert refusal.code in {RefusalCode.MALFORMED, RefusalCode.ACCESS_DENIED}, refusal.message
    return refusal.code is not RefusalCode.ACCESS_DENIED
