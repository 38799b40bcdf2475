"""Who has to endorse: a majority of the members, and for some keys others."""

from pathlib import Path

import pytest
from veilmesh_fabric import CommitError, EndorseError
from veilmesh_network.network import Network

from tests.integration.ledger.key_value import KeyValue, LyingKeyValue
from tests.integration.ledger.ledger import CHAINCODE, Ledger, embedded


async def test_one_of_three_organisations_is_too_few(ledger: Ledger) -> None:
    contract = ledger.contract()
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await contract.submit("put", "key", "value", endorsing_organizations=["Org1MSP"])
    assert await contract.evaluate("get", "key") == b""


async def test_two_of_three_organisations_are_enough(ledger: Ledger) -> None:
    await ledger.contract().submit("put", "key", "value", endorsing_organizations=["Org2MSP", "Org3MSP"])


async def test_a_key_of_its_owner_alone(ledger: Ledger) -> None:
    contract = ledger.contract()
    await contract.submit("put", "key", "1")
    await contract.submit("own", "key", "Org1MSP")
    await contract.submit("put", "key", "2", endorsing_organizations=["Org1MSP"])
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await contract.submit("put", "key", "3", endorsing_organizations=["Org2MSP", "Org3MSP"])
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await contract.submit("own", "key", "Org2MSP", endorsing_organizations=["Org2MSP", "Org3MSP"])
    assert await contract.evaluate("get", "key") == b"2"


async def test_a_keys_own_policy_holds_from_the_next_block_on(ledger: Ledger) -> None:
    contract = ledger.contract()
    await contract.submit("put", "key", "1")
    owning = await contract.endorse("own", "key", "Org1MSP")
    writing = await contract.endorse("put", "key", "2", endorsing_organizations=["Org2MSP", "Org3MSP"])
    await owning.submit()
    await writing.submit()
    assert (await owning.commit_status()).code_name == "VALID"
    # In the same block its policy is open, in a later one it is Org1's: either way this one fails.
    assert (await writing.commit_status()).code_name == "ENDORSEMENT_POLICY_FAILURE"


async def test_an_organisation_without_peer_cannot_endorse(ledger: Ledger) -> None:
    with pytest.raises(EndorseError, match="failed to find any endorsing peers for org\\(s\\): AuditMSP"):
        await ledger.contract().submit("put", "key", "value", endorsing_organizations=["AuditMSP"])


async def test_results_that_differ_are_not_endorsed(network: Network, tmp_path: Path) -> None:
    liar = {"Org3MSP": {CHAINCODE: LyingKeyValue()}}
    async with embedded(network, tmp_path / "ledger.db", KeyValue(), liar) as ledger:
        with pytest.raises(EndorseError) as refused:
            await ledger.contract().submit("put", "key", "value")
        assert [(detail.msp_id, detail.message) for detail in refused.value.details] == [
            ("Org3MSP", "ProposalResponsePayloads do not match")
        ]
        await ledger.contract().submit("put", "key", "value", endorsing_organizations=["Org1MSP", "Org2MSP"])
        await ledger.verify()
