"""Who has to endorse: a majority of the members, and for some keys others."""

import pytest
from veilmesh_fabric import Cause, CommitError, EndorseError

from tests.conformance.chaincodes import SPLIT
from tests.integration.ledger.ledger import ONCE, Ledger


async def test_one_of_three_organisations_is_too_few(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await contract.submit("put", fresh, "value", endorsing_organizations=["Org1MSP"])
    assert await contract.evaluate("get", fresh) == b""


async def test_two_of_three_organisations_are_enough(ledger: Ledger, fresh: str) -> None:
    await ledger.contract().submit("put", fresh, "value", endorsing_organizations=["Org2MSP", "Org3MSP"])


async def test_a_key_of_its_owner_alone(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    await contract.submit("put", fresh, "1")
    await contract.submit("own", fresh, "Org1MSP")
    await contract.submit("put", fresh, "2", endorsing_organizations=["Org1MSP"])
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await contract.submit("put", fresh, "3", endorsing_organizations=["Org2MSP", "Org3MSP"])
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await contract.submit("own", fresh, "Org2MSP", endorsing_organizations=["Org2MSP", "Org3MSP"])
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await contract.submit("delete", fresh, endorsing_organizations=["Org2MSP", "Org3MSP"])
    assert await contract.evaluate("get", fresh) == b"2"


async def test_the_gateway_finds_who_must_endorse(ledger: Ledger, fresh: str) -> None:
    """Org3's key, and nobody says so: the gateway sees it in what the first endorser wrote."""
    contract = ledger.contract()
    await contract.submit("put", fresh, "1")
    await contract.submit("own", fresh, "Org3MSP")
    await contract.submit("put", fresh, "2")
    assert await contract.evaluate("get", fresh) == b"2"


async def test_a_key_of_two_owners(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    await contract.submit("put", fresh, "1")
    await contract.submit("own", fresh, "Org1MSP", "Org2MSP")
    for one in ("Org1MSP", "Org2MSP"):
        with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
            await contract.submit("put", fresh, "2", endorsing_organizations=[one])
    await contract.submit("put", fresh, "2", endorsing_organizations=["Org1MSP", "Org2MSP"])


async def test_a_key_that_was_deleted_is_its_owners_no_longer(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    await contract.submit("put", fresh, "1")
    await contract.submit("own", fresh, "Org1MSP")
    await contract.submit("delete", fresh, endorsing_organizations=["Org1MSP"])
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await contract.submit("put", fresh, "2", endorsing_organizations=["Org1MSP"])
    await contract.submit("put", fresh, "2", endorsing_organizations=["Org2MSP", "Org3MSP"])


async def test_a_key_that_does_not_exist_has_no_owner(ledger: Ledger, fresh: str) -> None:
    """A policy for a key without value is dropped."""
    contract = ledger.contract()
    await contract.submit("own", fresh, "Org1MSP")
    await contract.submit("put", fresh, "1", endorsing_organizations=["Org2MSP", "Org3MSP"])
    await contract.submit("put", fresh, "2", endorsing_organizations=["Org2MSP", "Org3MSP"])


async def test_a_new_key_and_its_owner_at_once(ledger: Ledger, fresh: str) -> None:
    """What registering a reference does."""
    contract = ledger.contract()
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await contract.submit("put_own", fresh, "1", "Org1MSP", endorsing_organizations=["Org1MSP"])
    await contract.submit("put_own", fresh, "1", "Org1MSP")
    await contract.submit("put", fresh, "2", endorsing_organizations=["Org1MSP"])


async def test_a_keys_own_policy_holds_from_the_next_block_on(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    await contract.submit("put", fresh, "1")
    owning = await contract.endorse("own", fresh, "Org1MSP")
    writing = await contract.endorse("put", fresh, "2", endorsing_organizations=["Org2MSP", "Org3MSP"])
    await owning.submit()
    await writing.submit()
    assert (await owning.commit_status()).code_name == "VALID"
    # In the same block its policy is open, in a later one it is Org1's: either way this one fails.
    assert (await writing.commit_status()).code_name == "ENDORSEMENT_POLICY_FAILURE"


@pytest.mark.parametrize("msp_id", ["AuditMSP", "OrdererMSP", "Org9MSP"])
async def test_an_organisation_without_peer_cannot_endorse(ledger: Ledger, fresh: str, msp_id: str) -> None:
    with pytest.raises(EndorseError, match=f"failed to find any endorsing peers for org\\(s\\): {msp_id}"):
        await ledger.contract(retry=ONCE).submit("put", fresh, "value", endorsing_organizations=[msp_id])


async def test_results_that_differ_are_not_endorsed(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract(retry=ONCE, chaincode=SPLIT)
    with pytest.raises(EndorseError) as refused:
        await contract.submit("put", fresh, "value", endorsing_organizations=["Org1MSP", "Org3MSP"])
    assert refused.value.cause is Cause.DISAGREEMENT
    (detail,) = refused.value.details
    assert detail.msp_id in {"Org1MSP", "Org3MSP"}  # whoever answered last: a gateway knows no liar
    assert detail.message == "ProposalResponsePayloads do not match"
    await contract.submit("put", fresh, "value", endorsing_organizations=["Org1MSP", "Org2MSP"])
