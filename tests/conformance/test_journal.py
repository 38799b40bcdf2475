"""The flow in steps, for who writes down what is sent: endorse, submit, ask, after a crash too."""

import asyncio
import secrets

import grpc
import pytest
from veilmesh_fabric import Cause, CommitStatusError, Deadlines, EndorseError, EvaluateError, Gateway
from veilmesh_fabric.commit import CommitStatusRequest

from tests.conformance.ledgers import codes_of
from tests.integration.ledger.ledger import CHAINCODE, CHANNEL, Ledger


async def test_nothing_is_there_before_it_was_submitted(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    transaction = await contract.endorse("put", fresh, "value")
    assert await contract.evaluate("get", fresh) == b""
    submitted = await transaction.commit()
    assert submitted.tx_id == transaction.tx_id
    assert await contract.evaluate("get", fresh) == b"value"


async def test_what_became_of_it_can_be_asked_later_and_by_others(ledger: Ledger, fresh: str) -> None:
    height = await ledger.height()
    valid = await ledger.contract().submit("put", fresh, "1")
    late = await ledger.contract().endorse("add", fresh)
    await ledger.contract().submit("put", fresh, "2")
    await late.submit()
    found = await late.commit_status()
    for who in ("org1", "org2", "audit"):
        contract = ledger.contract(who)
        assert (await contract.commit_status(valid.tx_id)).block_number == valid.block_number
        assert await contract.commit_status(late.tx_id) == found
    assert found.code_name == "MVCC_READ_CONFLICT"
    assert (valid.block_number, found.block_number) == (height, height + 2)


async def test_asked_before_it_is_sent_the_ledger_waits(ledger: Ledger, fresh: str) -> None:
    transaction = await ledger.contract().endorse("put", fresh, "value")
    status = asyncio.create_task(ledger.contract("org2").commit_status(transaction.tx_id))
    submitted = await transaction.commit()
    assert (await status).block_number == submitted.block_number


async def test_what_was_never_sent_is_not_known(ledger: Ledger) -> None:
    """The client gives up, or sees the gateway do so: who is first is chance."""
    brief = Deadlines(commit_status_s=0.5)
    gateway = Gateway(ledger.connection, ledger.identities["org1"], deadlines=brief)
    with pytest.raises(CommitStatusError) as unknown:
        await gateway.contract(CHANNEL, CHAINCODE).commit_status(secrets.token_hex(32))
    assert unknown.value.code in {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
    assert unknown.value.cause is Cause.AWAY


async def test_the_same_transaction_twice_takes_effect_once(ledger: Ledger, fresh: str) -> None:
    height = await ledger.height()
    endorsed = await ledger.contract().endorse("put", fresh, "value")
    await endorsed.submit()
    await endorsed.submit()
    status = await endorsed.commit_status()
    assert status.code_name == "VALID"
    await ledger.contract().submit("put", f"{fresh}last", "1")  # all before it stand in blocks now
    assert await codes_of(ledger, endorsed.tx_id, start=height) == ["VALID", "DUPLICATE_TXID"]
    assert await ledger.contract().evaluate("past", fresh) == b"value"


async def test_sent_again_when_it_stands_in_a_block(ledger: Ledger, fresh: str) -> None:
    """The first one's fate is what is told from then on, too."""
    height = await ledger.height()
    endorsed = await ledger.contract().endorse("put", fresh, "value")
    first = await endorsed.commit()
    await endorsed.submit()
    await ledger.contract().submit("put", f"{fresh}last", "1")
    assert await codes_of(ledger, endorsed.tx_id, start=height) == ["VALID", "DUPLICATE_TXID"]
    found = await ledger.contract().commit_status(endorsed.tx_id)
    assert (found.code_name, found.block_number) == ("VALID", first.block_number)


async def test_a_proposal_of_a_committed_transaction_is_refused(ledger: Ledger, fresh: str) -> None:
    identity = ledger.identities["org1"]
    gateway = Gateway(ledger.connection, identity)
    proposal = gateway.contract(CHANNEL, CHAINCODE).propose("put", fresh, "value").sign(identity)
    prepared = await gateway.calls.endorse(proposal)
    await gateway.calls.submit(prepared.sign(identity))
    await gateway.contract(CHANNEL, CHAINCODE).commit_status(prepared.tx_id)
    with pytest.raises(EndorseError) as not_endorsed:
        await gateway.calls.endorse(proposal)
    with pytest.raises(EvaluateError) as not_evaluated:
        await gateway.calls.evaluate(proposal)
    for refused in (not_endorsed.value, not_evaluated.value):
        assert "duplicate transaction found" in str(refused)
    assert not_endorsed.value.code is grpc.StatusCode.ABORTED
    assert not_evaluated.value.code is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_question_whose_signature_is_anothers(ledger: Ledger, fresh: str) -> None:
    submitted = await ledger.contract().submit("put", fresh, "value")
    stranger = ledger.identities["org2"]
    gateway = Gateway(ledger.connection, ledger.identities["org1"])
    request = CommitStatusRequest.build(ledger.identities["org1"].creator, CHANNEL, submitted.tx_id).sign(
        stranger
    )
    with pytest.raises(CommitStatusError) as refused:
        await gateway.calls.commit_status(request)
    assert refused.value.code is grpc.StatusCode.PERMISSION_DENIED
