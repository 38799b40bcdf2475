"""The consortium's contracts, every function: what they answer and refuse does not depend on the ledger."""

import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from veilmesh_chaincode.creator import creator_of
from veilmesh_chaincode.records import canonical
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.stub import Creator
from veilmesh_fabric import Cause, EndorseError, EvaluateError, SigningIdentity, SubmitError
from veilmesh_network.network import Network

from tests.conformance.callers import new_caller
from tests.conformance.chaincodes import LIFE
from tests.conformance.founding import found
from tests.integration.ledger.ledger import Ledger
from tests.unit.chaincode.consortium import AUDITOR, START_S
from tests.unit.chaincode.life import STEPS, Step, live

_YEARS_S = 10**9  # an integer above it is a time, one below it a length of time


@dataclass
class _Names:
    """Which values a ledger has in the place of those in the script."""

    network: Network
    replaced: dict[str, str] = field(default_factory=dict)  # the script's by the ledger's
    identities: dict[str, SigningIdentity] = field(default_factory=dict)

    def identity(self, who: Creator) -> SigningIdentity:
        if who.identity_sha256 not in self.identities:
            identity = new_caller(self.network, who.msp_id, who.attributes["role"])
            self.identities[who.identity_sha256] = identity
            self.replaced[creator_of(identity.creator).identity_sha256] = who.identity_sha256
        return self.identities[who.identity_sha256]

    def asked(self, step: Step) -> list[bytes]:
        """Return the step's request as this ledger is asked it."""
        if step.request is None:
            return []
        document = canonical.loads(step.request.to_bytes())
        return [canonical.dumps(self._renamed(document, {b: a for a, b in self.replaced.items()}))]

    def answered(self, result: bytes) -> Any:
        """Return a result in the script's words, without times."""
        return _timeless(self._renamed(canonical.loads(result), self.replaced))

    def _renamed(self, document: Any, names: dict[str, str]) -> Any:
        match document:
            case dict():
                return {key: self._at_now(key, self._renamed(each, names)) for key, each in document.items()}
            case list():
                return [self._renamed(each, names) for each in document]
            case str():
                return names.get(document, document)
        return document

    def _at_now(self, key: str, value: Any) -> Any:
        if key == "expires_at_s" and isinstance(value, int):
            return value - START_S + int(time.time())
        return value


def _timeless(document: Any) -> Any:
    """Return a document without times, and without what follows from a transaction's id."""
    match document:
        case dict():
            return {key: _timeless(each) for key, each in document.items() if key != "challenge"}
        case list():
            return sorted((_timeless(each) for each in document), key=repr)  # pages go by ids
        case int() if document > _YEARS_S:
            return "then"
    return document


async def test_a_whole_life(ledger: Ledger, network: Network) -> None:
    """Every function once: the answers are those of the ledger in memory.

    But for one: who audits from outside is told what it would have logged, and the orderers do not take it.
    """
    names = _Names(network)
    for step in STEPS:
        names.identity(step.who)
    for _, step, expected in live():
        contract = ledger.contract_as(names.identity(step.who), chaincode=LIFE)
        answer: Any = canonical.loads(expected.response.payload)
        if not expected.stub.writes:
            result = await contract.evaluate(step.function, *names.asked(step))
        else:
            transaction = await contract.endorse(step.function, *names.asked(step))
            result, names.replaced[transaction.tx_id] = transaction.result, step.tx_id
            if step.who.msp_id == AUDITOR:
                with pytest.raises(SubmitError):
                    await transaction.submit()
            else:
                await transaction.commit()
        if step.function == "audit:ListAccess":
            answer["entries"] = []
        assert names.answered(result) == _timeless(answer), step.function


_REFUSALS = [
    ("no:Function", b"{}", RefusalCode.UNKNOWN_FUNCTION),
    ("registry:GetNode", b"no JSON", RefusalCode.MALFORMED),
    ("registry:GetNode", b"{}", RefusalCode.MALFORMED),
    ("registry:GetConsortium", b"{}", RefusalCode.MALFORMED),
    ("registry:GetNode", b'{"node_id":"nobody"}', RefusalCode.NOT_FOUND),
    ("registry:RetireNode", b'{"node_id":"nobody"}', RefusalCode.NOT_FOUND),
    ("registry:RegisterNode", b"{}", RefusalCode.ACCESS_DENIED),
    (
        "registry:FoundConsortium",
        b'{"auditors":["AuditMSP"],"members":["Org1MSP","Org2MSP","Org3MSP"]}',
        RefusalCode.ALREADY_EXISTS,
    ),
    ("registry:AdmitOrganisation", b'{"msp_id":"Org1MSP"}', RefusalCode.ALREADY_EXISTS),
    ("registry:ExpelOrganisation", b'{"msp_id":"Org9MSP"}', RefusalCode.NOT_A_MEMBER),
]


@pytest.mark.parametrize(("function", "request_bytes", "code"), _REFUSALS)
async def test_a_refusal_is_the_same_refusal(
    ledger: Ledger, function: str, request_bytes: bytes, code: RefusalCode
) -> None:
    await found(ledger)
    contract = ledger.contract(chaincode="veilmesh")
    with pytest.raises(EvaluateError) as not_evaluated:
        await contract.evaluate(function, request_bytes)
    with pytest.raises(EndorseError) as not_endorsed:
        await contract.submit(function, request_bytes)
    said = [not_evaluated.value.details[0].message, not_endorsed.value.details[0].message]
    first, second = (Refusal.from_message(message) for message in said)
    assert first is not None
    assert second is not None
    assert first.code is second.code is code
    assert first.message == second.message
    assert said[0].startswith(f"chaincode response {code.status}, ")
    assert not_evaluated.value.cause is not_endorsed.value.cause is Cause.CONTRACT
    assert not_evaluated.value.message == f"evaluate call to endorser returned error: {said[0]}"


async def test_a_request_that_is_no_text(ledger: Ledger) -> None:
    for request in (b"\xff\xfe", b"", b"\x00", b"[" * 100_000):
        with pytest.raises(EvaluateError) as refused:
            await ledger.contract(chaincode="veilmesh").evaluate("registry:GetNode", request)
        refusal = Refusal.from_message(refused.value.message)
        assert refusal is not None
        assert refusal.code in {RefusalCode.MALFORMED, RefusalCode.NOT_FOUNDED}
