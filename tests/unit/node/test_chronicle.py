"""What a chronicle makes of transactions that are none of the contracts' own.

The contracts' acts are told of in `tests/integration/audit`.
"""

import pytest
from fabric_protos.peer import transaction_pb2
from veilmesh_chaincode.contracts import FUNCTIONS
from veilmesh_chaincode.records.base import Document
from veilmesh_fabric.verification import ChainVerifier
from veilmesh_node.audit import chronicle as module
from veilmesh_node.audit.acts import PROOFS, subject_and_outcome
from veilmesh_node.audit.chronicle import Chronicle

from tests.unit.fabric.forge import CHAINCODE, ENDORSEMENT_POLICY_FAILURE, Channel, Writes
from tests.unit.fabric.test_config_update import remove_member


def told(channel: Channel) -> Chronicle:
    chronicle = Chronicle(chaincode=CHAINCODE)
    verifier = ChainVerifier(observer=chronicle.note)
    for block in channel.blocks:
        verifier.add(block)
    return chronicle


@pytest.fixture
def channel() -> Channel:
    channel = Channel()
    channel.add(channel.definition())
    return channel


def test_every_function_that_changes_something_has_its_proof() -> None:
    assert set(PROOFS) == {name for name, function in FUNCTIONS.items() if function.changes_state}


def test_definition_of_a_chaincode(channel: Channel) -> None:
    (decision,) = told(channel).organizations["Org1MSP"].decisions
    assert (decision.block, decision.function) == (1, "lifecycle:Commit")
    assert (decision.subject, decision.outcome) == (
        f"chaincode {CHAINCODE}",
        "definition in force, sequence 1",
    )


def test_change_of_the_channel(channel: Channel) -> None:
    channel.add_config(channel.config_update(remove_member("Org3MSP"), channel.admins[:2]))
    (change,) = told(channel).configurations
    assert (change.block, change.signed_by) == (2, "OrdererMSP")


def test_write_without_an_event_is_unexplained(channel: Channel) -> None:
    channel.add(channel.transaction(Writes(writes={"\x00node\x00n1\x00": b"{}"}), creator=channel.clients[1]))
    (found,) = told(channel).unexplained
    assert (found.organization, found.what) == ("Org2MSP", f"calls {CHAINCODE}, and wrote node")


def test_invalid_transaction_is_counted_for_its_sender(channel: Channel) -> None:
    channel.add(
        channel.transaction(Writes(writes={"a": b"1"}), endorsers=[], creator=channel.clients[2]),
        codes=[ENDORSEMENT_POLICY_FAILURE],
    )
    chronicle = told(channel)
    (found,) = chronicle.invalid
    assert (found.organization, found.code) == ("Org3MSP", "ENDORSEMENT_POLICY_FAILURE")
    assert chronicle.organizations["Org3MSP"].invalid == {"ENDORSEMENT_POLICY_FAILURE": 1}


def test_garbage_has_no_sender(channel: Channel) -> None:
    channel.add(b"garbage", codes=[transaction_pb2.INVALID_OTHER_REASON])
    (found,) = told(channel).invalid
    assert (found.organization, found.transaction, found.time) == ("unknown", "", "")


def test_lists_are_bounded(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LISTED", 3)
    for number in range(5):
        channel.add(channel.transaction(Writes(writes={f"key{number}": b"1"})))
    chronicle = told(channel)
    assert len(chronicle.unexplained) == 3
    assert chronicle.left_out == 2
    assert chronicle.organizations["Org1MSP"].valid == 6


def test_organizations_are_bounded(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_ORGANIZATIONS", 1)
    channel.add(channel.transaction(Writes(writes={"a": b"1"}), creator=channel.clients[1]))
    chronicle = told(channel)
    assert set(chronicle.organizations) == {"Org1MSP", "unknown"}


def test_what_is_kept_comes_back(channel: Channel) -> None:
    channel.add(channel.transaction(Writes(writes={"a": b"1"})))
    chronicle = told(channel)
    assert Chronicle.model_validate(chronicle.model_dump(mode="json")) == chronicle


def test_record_that_is_no_decision() -> None:
    class Other(Document):
        """No record of the ledger's."""

    with pytest.raises(TypeError, match="no decision"):
        subject_and_outcome(Other(), "policy:Vote", "Org1MSP")
