"""Transactions that build on the same state: one takes effect, and the others learn why they did not."""

import asyncio
from collections import Counter

import pytest
from veilmesh_fabric import CommitError, EndorsedTransaction, EndorseError, RetryPolicy

from tests.integration.ledger.ledger import Ledger


async def test_of_twenty_that_read_and_write_one_key_one_is_valid(ledger: Ledger) -> None:
    contract = ledger.contract()
    endorsed = [await contract.endorse("add", "counter") for _ in range(20)]
    await asyncio.gather(*(transaction.submit() for transaction in endorsed))
    codes = Counter(
        status.code_name
        for status in await asyncio.gather(*(transaction.commit_status() for transaction in endorsed))
    )
    assert codes == {"VALID": 1, "MVCC_READ_CONFLICT": 19}
    assert await contract.evaluate("get", "counter") == b"1"


async def test_a_client_that_tries_anew_gets_through(ledger: Ledger) -> None:
    contract = ledger.contract(retry=RetryPolicy(conflict_attempts=20))
    await asyncio.gather(*(contract.submit("add", "counter") for _ in range(5)))
    assert await contract.evaluate("get", "counter") == b"5"


async def test_a_read_of_what_did_not_exist_conflicts_with_its_creation(ledger: Ledger) -> None:
    contract = ledger.contract()
    late = await contract.endorse("add", "new")
    await contract.submit("put", "new", "1")
    with pytest.raises(CommitError, match="MVCC_READ_CONFLICT"):
        await late.commit()


async def test_writes_without_reads_do_not_conflict(ledger: Ledger) -> None:
    contract = ledger.contract()
    endorsed = [await contract.endorse("put", "key", str(number)) for number in range(3)]
    assert {(await transaction.commit()).result for transaction in endorsed} == {b""}
    assert await contract.evaluate("past", "key") == b"2,1,0"


@pytest.mark.parametrize(
    "change", [("put", "b", "2"), ("delete", "a"), ("put", "a", "2")], ids=["added", "removed", "changed"]
)
async def test_a_range_that_changes_after_its_scan_is_a_phantom(
    ledger: Ledger, change: tuple[str, ...]
) -> None:
    contract = ledger.contract()
    await contract.submit("put", "a", "1")
    scan = await contract.endorse("keys", "a", "z", "10")
    assert scan.result == b"a,"
    await contract.submit(*change)
    with pytest.raises(CommitError, match="PHANTOM_READ_CONFLICT"):
        await scan.commit()


async def test_a_page_is_no_phantom_of_what_lies_behind_it(ledger: Ledger) -> None:
    contract = ledger.contract()
    for key in ("a", "b", "c"):
        await contract.submit("put", key, "1")
    scan = await contract.endorse("keys", "a", "z", "2")
    assert scan.result == b"a,b,c"  # and c is where the next page begins
    await contract.submit("put", "d", "1")
    await scan.commit()


@pytest.mark.parametrize("count", [50, 51, 120])
async def test_a_long_range_is_guarded_by_a_digest(ledger: Ledger, count: int) -> None:
    contract = ledger.contract()
    await asyncio.gather(*(contract.submit("put", f"k{number:03}", "1") for number in range(count)))
    held, broken = [await contract.endorse("keys", "k", "l", "200") for _ in range(2)]
    await held.commit()
    await contract.submit("put", "k020", "2")
    with pytest.raises(CommitError, match="PHANTOM_READ_CONFLICT"):
        await broken.commit()


async def test_the_same_transaction_twice_takes_effect_once(ledger: Ledger) -> None:
    endorsed = await ledger.contract().endorse("put", "key", "value")
    await endorsed.submit()
    await endorsed.submit()
    status = await endorsed.commit_status()
    assert status.code_name == "VALID"
    await _after_all_is_committed(ledger)
    report = await ledger.verify()
    assert report.transactions["ENDORSER_TRANSACTION", "DUPLICATE_TXID"] == 1


async def test_a_proposal_of_a_committed_transaction_is_refused(ledger: Ledger) -> None:
    contract = ledger.contract()
    proposal = contract.propose("put", "key", "value").sign(ledger.identities["org1"])
    calls = contract._session.calls
    first = EndorsedTransaction(contract._session, await calls.endorse(proposal), ledger.identities["org1"])
    await first.commit()
    with pytest.raises(EndorseError) as refused:
        await calls.endorse(proposal)
    assert "duplicate transaction found" in str(refused.value)


async def _after_all_is_committed(ledger: Ledger) -> None:
    """Return when everything that was submitted before stands in a block."""
    await ledger.contract().submit("put", "last", "1")
