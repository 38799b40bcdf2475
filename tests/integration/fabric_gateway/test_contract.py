"""The client's flow against a peer that answers by script, over real gRPC and TLS."""

from typing import Any

import grpc
import grpc.aio
import pytest
from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2
from veilmesh_fabric import (
    CommitError,
    CommitStatusError,
    CommitStatusRequest,
    Contract,
    Deadlines,
    EndorsedTransaction,
    EndorseError,
    EvaluateError,
    Gateway,
    PeerError,
    RetryPolicy,
    SignedProposal,
    SignedTransaction,
    SigningIdentity,
    SubmitError,
    VerificationError,
)
from veilmesh_fabric.commit import SignedCommitStatusRequest

from tests.integration.fabric_gateway.scripted_peer import Behave, Exchange, Invalidate, Refusal, ScriptedPeer
from tests.unit.fabric.manual_clock import ManualClock

UNAVAILABLE = Refusal(grpc.StatusCode.UNAVAILABLE)
ABORTED = Refusal(
    grpc.StatusCode.ABORTED,
    "failed to endorse transaction",
    (("peer0.org1:7051", "Org1MSP", "chaincode response 409, no"), ("peer0.org2:9051", "Org2MSP", "timeout")),
)
LOST = grpc.StatusCode.UNAVAILABLE


def proposal_of(request: Any) -> Any:
    return proposal_pb2.Proposal.FromString(request.proposed_transaction.proposal_bytes)


async def test_evaluate_returns_the_result(contract: Contract, peer: ScriptedPeer) -> None:
    assert await contract.evaluate("Get", b"\x00\xff", "zwölf") == b"Get \x00\xff " + "zwölf".encode()
    assert peer.calls == ["Evaluate"]


async def test_submit_returns_result_and_block(contract: Contract, peer: ScriptedPeer) -> None:
    submitted = await contract.submit("Set", "a")
    assert (submitted.result, submitted.block_number) == (b"Set a", 7)
    assert peer.committed == {submitted.tx_id}
    assert peer.calls == ["Endorse", "Submit", "CommitStatus"]


async def test_organisations_and_transient_data_reach_the_gateway(
    contract: Contract, peer: ScriptedPeer, clock: ManualClock
) -> None:
    await contract.evaluate("Get", transient={"salt": b"s"}, endorsing_organizations=["Org2MSP"])
    await contract.submit("Set", transient={"salt": b"s"}, endorsing_organizations=["Org1MSP", "Org2MSP"])
    evaluated, endorsed = peer.requests["Evaluate"][0], peer.requests["Endorse"][0]
    assert list(evaluated.target_organizations) == ["Org2MSP"]
    assert list(endorsed.endorsing_organizations) == ["Org1MSP", "Org2MSP"]
    payload = proposal_pb2.ChaincodeProposalPayload.FromString(proposal_of(endorsed).payload)
    assert dict(payload.TransientMap) == {"salt": b"s"}
    header = common_pb2.Header.FromString(proposal_of(endorsed).header)
    timestamp = common_pb2.ChannelHeader.FromString(header.channel_header).timestamp
    assert timestamp.seconds == int(clock.now().timestamp())


async def test_each_failed_call_has_its_error_with_what_each_peer_said(
    contract: Contract, peer: ScriptedPeer
) -> None:
    peer.script = {name: [ABORTED] for name in ("Evaluate", "Endorse", "Submit")}
    with pytest.raises(EvaluateError):
        await contract.evaluate("Get")
    with pytest.raises(EndorseError) as caught:
        await contract.submit("Set")
    assert caught.value.code is grpc.StatusCode.ABORTED
    assert caught.value.message == "failed to endorse transaction"
    assert caught.value.transaction_id == peer.requests["Endorse"][0].transaction_id
    assert caught.value.details == (
        PeerError("peer0.org1:7051", "Org1MSP", "chaincode response 409, no"),
        PeerError("peer0.org2:9051", "Org2MSP", "timeout"),
    )
    assert isinstance(caught.value.__cause__, grpc.aio.AioRpcError)
    with pytest.raises(SubmitError):
        await contract.submit("Set")
    assert "CommitStatus" not in peer.calls  # what was refused for certain is not asked for


async def test_evaluate_and_endorse_are_repeated_while_the_gateway_is_unavailable(
    contract: Contract, peer: ScriptedPeer, clock: ManualClock
) -> None:
    peer.script = {"Evaluate": [UNAVAILABLE] * 4, "Endorse": [UNAVAILABLE] * 4}
    await contract.evaluate("Get")
    submitted = await contract.submit("Set")
    assert len(clock.slept_s) == 8
    assert {request.transaction_id for request in peer.requests["Endorse"]} == {submitted.tx_id}


async def test_persistence_has_an_end(contract: Contract, peer: ScriptedPeer) -> None:
    peer.script = {"Evaluate": [UNAVAILABLE] * 5}
    with pytest.raises(EvaluateError) as caught:
        await contract.evaluate("Get")
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert peer.calls == ["Evaluate"] * 5


@pytest.mark.parametrize("code_name", ["MVCC_READ_CONFLICT", "PHANTOM_READ_CONFLICT"])
async def test_a_read_conflict_is_proposed_anew(
    contract: Contract, peer: ScriptedPeer, code_name: str
) -> None:
    peer.script = {"CommitStatus": [Invalidate(code_name), Invalidate(code_name), Behave()]}
    submitted = await contract.submit("Set")
    proposed = [request.transaction_id for request in peer.requests["Endorse"]]
    assert len(set(proposed)) == 3
    assert proposed[-1] == submitted.tx_id


async def test_conflicts_without_end_are_told(contract: Contract, peer: ScriptedPeer) -> None:
    peer.script = {"CommitStatus": [Invalidate("MVCC_READ_CONFLICT") for _ in range(5)]}
    with pytest.raises(CommitError) as caught:
        await contract.submit("Set")
    assert (caught.value.code_name, caught.value.code, caught.value.block_number) == (
        "MVCC_READ_CONFLICT",
        11,
        7,
    )
    assert peer.calls.count("Endorse") == 5


async def test_other_invalid_transactions_are_not_repeated(contract: Contract, peer: ScriptedPeer) -> None:
    peer.script = {"CommitStatus": [Invalidate("ENDORSEMENT_POLICY_FAILURE")]}
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await contract.submit("Set")
    assert peer.calls.count("Endorse") == 1


@pytest.mark.parametrize(
    "code_name", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "INTERNAL", "UNKNOWN"]
)
async def test_a_lost_answer_to_a_submission_is_looked_up_and_never_sent_again(
    contract: Contract, peer: ScriptedPeer, code_name: str
) -> None:
    peer.script = {
        "Submit": [Refusal(grpc.StatusCode[code_name], after=True)],
        "CommitStatus": [UNAVAILABLE, UNAVAILABLE, Behave()],
    }
    submitted = await contract.submit("Set")
    assert submitted.block_number == 7
    assert peer.calls == ["Endorse", "Submit", "CommitStatus", "CommitStatus", "CommitStatus"]


async def test_a_fate_that_stays_unknown_is_told_and_can_be_asked_for_later(
    contract: Contract, peer: ScriptedPeer, clock: ManualClock
) -> None:
    peer.script = {"Submit": [Refusal(LOST)]}  # it never arrived
    with pytest.raises(CommitStatusError) as caught:
        await contract.submit("Set")
    assert peer.calls.count("Submit") == 1
    assert clock.monotonic() > 55  # seconds: it did not give up early

    tx_id = caught.value.transaction_id
    peer.committed.add(tx_id)  # it did arrive, late
    status = await contract.commit_status(tx_id)
    assert status.valid
    assert status.block_number == 7


async def test_a_journal_learns_the_id_before_anything_is_sent(
    contract: Contract, peer: ScriptedPeer
) -> None:
    journal: list[str] = []

    async def remember(transaction: EndorsedTransaction) -> None:
        assert transaction.tx_id not in peer.committed
        journal.append(transaction.tx_id)

    peer.script = {"CommitStatus": [Invalidate("MVCC_READ_CONFLICT"), Behave()]}
    submitted = await contract.submit("Set", on_endorsed=remember)
    assert journal == [request.transaction_id for request in peer.requests["Endorse"]]
    assert journal[-1] == submitted.tx_id


async def test_a_journal_that_fails_stops_the_submission(contract: Contract, peer: ScriptedPeer) -> None:
    async def disk_full(_: EndorsedTransaction) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        await contract.submit("Set", on_endorsed=disk_full)
    assert peer.calls == ["Endorse"]


async def test_the_flow_can_be_taken_step_by_step(contract: Contract, peer: ScriptedPeer) -> None:
    transaction = await contract.endorse("Set", "a")
    assert transaction.result == b"Set a"
    assert peer.calls == ["Endorse"]
    await transaction.submit()
    assert peer.calls == ["Endorse", "Submit"]
    status = await transaction.commit_status()
    assert status.valid
    assert status.tx_id == transaction.tx_id


async def test_a_gateway_cannot_have_another_transaction_signed(
    contract: Contract, peer: ScriptedPeer
) -> None:
    peer.script = {"Endorse": [Exchange()]}
    with pytest.raises(VerificationError, match="another input than the proposal"):
        await contract.submit("Set")
    assert peer.calls == ["Endorse"]


async def test_signing_may_happen_elsewhere(
    channel: grpc.aio.Channel, contract: Contract, alice: SigningIdentity
) -> None:
    calls = Gateway(channel, alice).calls
    proposal = contract.propose("Set", "a")
    prepared = await calls.endorse(SignedProposal(proposal, alice.signer.sign(proposal.proposal_bytes)))
    signature = alice.signer.sign(prepared.payload)
    await calls.submit(SignedTransaction("veil", prepared.tx_id, prepared.payload, signature))
    question = CommitStatusRequest.build(alice.creator, "veil", prepared.tx_id)
    status = await calls.commit_status(
        SignedCommitStatusRequest(question, alice.signer.sign(question.request_bytes))
    )
    assert status.valid


async def test_a_call_ends_at_its_deadline(channel: grpc.aio.Channel, alice: SigningIdentity) -> None:
    impatient = Gateway(channel, alice, deadlines=Deadlines(evaluate_s=0.0), retry=RetryPolicy(attempts=1))
    with pytest.raises(EvaluateError) as caught:
        await impatient.contract("veil", "mesh").evaluate("Get")
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
