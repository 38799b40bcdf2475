"""What the gateway says when it cannot do what it is asked: Fabric's status codes and sentences."""

from dataclasses import replace

import grpc
import pytest
from veilmesh_fabric import (
    Cause,
    CommitStatusError,
    Deadlines,
    DeliverError,
    EndorseError,
    EvaluateError,
    Gateway,
    SubmitError,
)
from veilmesh_network.fabric.binaries import Release
from veilmesh_network.network import Network

from tests.conformance.releases import release_of
from tests.integration.ledger.ledger import CHANNEL, ONCE, Ledger


async def test_a_contract_refuses_a_query(ledger: Ledger) -> None:
    with pytest.raises(EvaluateError) as refused:
        await ledger.contract().evaluate("no-such-function")
    assert refused.value.code is grpc.StatusCode.UNKNOWN
    assert refused.value.cause is Cause.CONTRACT
    assert refused.value.message == (
        "evaluate call to endorser returned error: chaincode response 409, refused: no-such-function"
    )
    (detail,) = refused.value.details
    assert (detail.msp_id, detail.message) == ("Org1MSP", "chaincode response 409, refused: no-such-function")


async def test_a_contract_refuses_a_change(ledger: Ledger) -> None:
    with pytest.raises(EndorseError) as refused:
        await ledger.contract().submit("no-such-function")
    assert refused.value.code is grpc.StatusCode.ABORTED
    assert refused.value.cause is Cause.CONTRACT
    assert refused.value.message == "failed to endorse transaction, see attached details for more info"
    (detail,) = refused.value.details
    assert (detail.msp_id, detail.message) == ("Org1MSP", "chaincode response 409, refused: no-such-function")


async def test_a_contract_breaks(ledger: Ledger, fresh: str) -> None:
    with pytest.raises(EndorseError) as refused:
        await ledger.contract().submit("keys", "a", "b", "not a number")
    assert refused.value.code is grpc.StatusCode.ABORTED
    assert "chaincode response 500, " in refused.value.details[0].message
    assert "ValueError" not in str(refused.value)
    with pytest.raises(EvaluateError) as not_evaluated:
        await ledger.contract().evaluate("keys", "a", "b", "not a number")
    assert not_evaluated.value.code is grpc.StatusCode.UNKNOWN
    assert not_evaluated.value.cause is refused.value.cause is Cause.CONTRACT
    await ledger.contract().submit("put", fresh, "the ledger lives on")


async def test_an_unknown_chaincode(ledger: Ledger) -> None:
    nothing = ledger.contract(chaincode="nothing", retry=ONCE)
    with pytest.raises(EvaluateError, match="no peers available to evaluate chaincode nothing") as refused:
        await nothing.evaluate("get", "key")
    assert refused.value.code is grpc.StatusCode.FAILED_PRECONDITION
    with pytest.raises(EndorseError, match="no combination of peers can be derived") as unendorsed:
        await nothing.submit("put", "key", "value")
    assert unendorsed.value.code is grpc.StatusCode.FAILED_PRECONDITION


async def test_an_unknown_channel(ledger: Ledger, fresh: str) -> None:
    identity = ledger.identities["org1"]
    gateway = Gateway(ledger.connection, identity, retry=ONCE)
    contract = gateway.contract("elsewhere", "kv")
    no_config = (
        r"failed to get config for channel \[elsewhere\]: could not get last config for channel elsewhere"
    )
    with pytest.raises(EvaluateError, match=no_config) as not_evaluated:
        await contract.evaluate("get", fresh)
    with pytest.raises(
        EndorseError, match="No metadata was found for chaincode kv in channel elsewhere"
    ) as err:
        await contract.endorse("put", fresh, "value")
    with pytest.raises(EndorseError, match="failed to find any endorsing peers") as named:
        await contract.endorse("put", fresh, "value", endorsing_organizations=["Org1MSP"])
    transaction = (await ledger.contract().endorse("put", fresh, "value")).sign()
    with pytest.raises(SubmitError, match=no_config) as not_submitted:
        await gateway.calls.submit(replace(transaction, channel_name="elsewhere"))
    with pytest.raises(CommitStatusError, match="Failed to get policy manager") as not_told:
        await contract.commit_status(transaction.tx_id)
    with pytest.raises(DeliverError, match="Failed to get policy manager") as no_events:
        await anext(contract.chaincode_events())
    codes = [each.value.code.name for each in (not_evaluated, err, named, not_submitted, not_told)]
    assert codes == [
        "UNAVAILABLE",
        "FAILED_PRECONDITION",
        "UNAVAILABLE",
        "FAILED_PRECONDITION",
        "PERMISSION_DENIED",
    ]
    assert no_events.value.status == "PERMISSION_DENIED"


async def test_requests_without_what_they_need(ledger: Ledger, network: Network, fresh: str) -> None:
    """Fabric 2.5's gateways wait for the transaction without a name, as for any other."""
    brief = Deadlines(commit_status_s=0.5)
    gateway = Gateway(ledger.connection, ledger.identities["org1"], deadlines=brief, retry=ONCE)
    with pytest.raises(CommitStatusError) as nameless:
        await gateway.contract(CHANNEL, "kv").commit_status("")
    if release_of(network) is Release.V2_5:
        assert nameless.value.cause is Cause.AWAY
    else:
        assert nameless.value.code is grpc.StatusCode.INVALID_ARGUMENT
        assert "transaction ID should not be empty" in str(nameless.value)
    transaction = (await ledger.contract().endorse("put", fresh, "value")).sign()
    with pytest.raises(SubmitError, match="prepared transaction must be signed") as unsigned:
        await gateway.calls.submit(replace(transaction, signature=b""))
    assert unsigned.value.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_query_of_named_organisations(ledger: Ledger) -> None:
    contract = ledger.contract(retry=ONCE)
    for msp_id in ("Org1MSP", "Org2MSP", "Org3MSP"):
        assert await contract.evaluate("who", endorsing_organizations=[msp_id]) == b"Org1MSP operator"
    with pytest.raises(
        EvaluateError, match="no peers available to evaluate chaincode kv in channel veilmesh"
    ):
        await contract.evaluate("who", endorsing_organizations=["AuditMSP"])


@pytest.mark.parametrize("size_mib", [5, 11])
async def test_a_transaction_larger_than_the_channel_allows(
    ledger: Ledger, fresh: str, size_mib: int
) -> None:
    """It has the value twice. Peers endorse it, however large; the orderers turn it away."""
    endorsed = await ledger.contract().endorse("put", fresh, "v" * (size_mib * 1024 * 1024))
    with pytest.raises(SubmitError, match="exceeds maximum allowed 10485760 bytes") as refused:
        await endorsed.submit()
    assert refused.value.code is grpc.StatusCode.ABORTED
    assert refused.value.cause is Cause.TOO_LARGE


async def test_a_large_transaction(ledger: Ledger, fresh: str) -> None:
    await ledger.contract().submit("put", fresh, "v" * (3 * 1024 * 1024))
    assert len(await ledger.contract().evaluate("get", fresh)) == 3 * 1024 * 1024
