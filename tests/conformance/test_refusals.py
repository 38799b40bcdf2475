"""What the gateway says when it cannot do what it is asked: Fabric's status codes and sentences."""

import grpc
import pytest
from veilmesh_fabric import EndorseError, EvaluateError, Gateway, SubmitError

from tests.integration.ledger.ledger import Ledger


async def test_a_contract_refuses_a_query(ledger: Ledger) -> None:
    with pytest.raises(EvaluateError) as refused:
        await ledger.contract().evaluate("no-such-function")
    assert refused.value.code is grpc.StatusCode.UNKNOWN
    assert refused.value.message == (
        "evaluate call to endorser returned error: chaincode response 409, refused: no-such-function"
    )
    (detail,) = refused.value.details
    assert (detail.msp_id, detail.message) == ("Org1MSP", "chaincode response 409, refused: no-such-function")


async def test_a_contract_refuses_a_change(ledger: Ledger) -> None:
    with pytest.raises(EndorseError) as refused:
        await ledger.contract().submit("no-such-function")
    assert refused.value.code is grpc.StatusCode.ABORTED
    assert refused.value.message == "failed to endorse transaction, see attached details for more info"
    assert refused.value.details[0].message == "chaincode response 409, refused: no-such-function"


async def test_a_contract_breaks(ledger: Ledger) -> None:
    with pytest.raises(EndorseError) as refused:
        await ledger.contract().submit("keys", "a", "b", "not a number")
    assert refused.value.code is grpc.StatusCode.ABORTED
    assert "ValueError" in refused.value.details[0].message
    await ledger.contract().submit("put", "key", "the ledger lives on")


async def test_an_unknown_chaincode(ledger: Ledger) -> None:
    nothing = ledger.contract(chaincode="nothing")
    with pytest.raises(EvaluateError, match="no peers available to evaluate chaincode nothing") as refused:
        await nothing.evaluate("get", "key")
    assert refused.value.code is grpc.StatusCode.FAILED_PRECONDITION
    with pytest.raises(EndorseError) as unendorsed:
        await nothing.submit("put", "key", "value")
    assert unendorsed.value.code is grpc.StatusCode.FAILED_PRECONDITION


async def test_an_unknown_channel(ledger: Ledger) -> None:
    elsewhere = Gateway(ledger.connection, ledger.identities["org1"]).contract("elsewhere", "kv")
    with pytest.raises(EndorseError, match=r"failed to get config for channel \[elsewhere\]") as refused:
        await elsewhere._session.calls.endorse(
            elsewhere.propose("get", "key").sign(ledger.identities["org1"])
        )
    assert refused.value.code is grpc.StatusCode.UNAVAILABLE


async def test_a_transaction_larger_than_the_channel_allows(ledger: Ledger) -> None:
    endorsed = await ledger.contract().endorse("put", "key", "v" * (5 * 1024 * 1024))
    with pytest.raises(SubmitError, match="exceeds maximum allowed 10485760 bytes"):
        await endorsed.submit()


async def test_a_message_larger_than_the_gateway_takes(ledger: Ledger) -> None:
    with pytest.raises(EndorseError) as refused:
        await ledger.contract().endorse("put", "key", "v" * (12 * 1024 * 1024))
    assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
