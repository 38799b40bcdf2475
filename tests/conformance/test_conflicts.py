"""Transactions that build on the same state: one takes effect, and the others learn why they did not."""

import asyncio
from collections import Counter

import pytest
from veilmesh_fabric import CommitError, RetryPolicy

from tests.integration.ledger.ledger import Ledger


async def test_of_twenty_that_read_and_write_one_key_one_is_valid(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    endorsed = [await contract.endorse("add", fresh) for _ in range(20)]
    await asyncio.gather(*(transaction.submit() for transaction in endorsed))
    codes = Counter(
        status.code_name
        for status in await asyncio.gather(*(transaction.commit_status() for transaction in endorsed))
    )
    assert codes == {"VALID": 1, "MVCC_READ_CONFLICT": 19}
    assert await contract.evaluate("get", fresh) == b"1"


async def test_a_client_that_tries_anew_gets_through(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract(retry=RetryPolicy(conflict_attempts=20))
    await asyncio.gather(*(contract.submit("add", fresh) for _ in range(5)))
    assert await contract.evaluate("get", fresh) == b"5"


async def test_a_read_of_what_did_not_exist_conflicts_with_its_creation(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    late = await contract.endorse("add", fresh)
    await contract.submit("put", fresh, "1")
    with pytest.raises(CommitError, match="MVCC_READ_CONFLICT"):
        await late.commit()


async def test_writes_without_reads_do_not_conflict(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    endorsed = [await contract.endorse("put", fresh, str(number)) for number in range(3)]
    assert {(await transaction.commit()).result for transaction in endorsed} == {b""}
    assert await contract.evaluate("past", fresh) == b"2,1,0"


async def test_two_that_write_one_key_in_one_block_both_count(ledger: Ledger, fresh: str) -> None:
    """The later one's value stays; the same key's history has both."""
    contract = ledger.contract()
    endorsed = [await contract.endorse("put", fresh, str(number)) for number in range(2)]
    for transaction in endorsed:
        await transaction.submit()
    assert [(await each.commit_status()).code_name for each in endorsed] == ["VALID", "VALID"]
    assert await contract.evaluate("past", fresh) == b"1,0"


@pytest.mark.parametrize(
    "change", [("put", "b", "2"), ("delete", "a"), ("put", "a", "2")], ids=["added", "removed", "changed"]
)
async def test_a_range_that_changes_after_its_scan_is_a_phantom(
    ledger: Ledger, fresh: str, change: tuple[str, ...]
) -> None:
    contract = ledger.contract()
    await contract.submit("put", f"{fresh}a", "1")
    scan = await contract.endorse("keys", f"{fresh}a", f"{fresh}z", "10")
    assert scan.result == f"{fresh}a,".encode()
    function, key, *value = change
    await contract.submit(function, fresh + key, *value)
    with pytest.raises(CommitError, match="PHANTOM_READ_CONFLICT"):
        await scan.commit()


async def test_a_page_is_no_phantom_of_what_lies_behind_it(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    await asyncio.gather(*(contract.submit("put", fresh + key, "1") for key in "abc"))
    scan = await contract.endorse("keys", f"{fresh}a", f"{fresh}z", "2")
    assert scan.result == f"{fresh}a,{fresh}b,{fresh}c".encode()  # and c is where the next page begins
    await contract.submit("put", f"{fresh}d", "1")
    await scan.commit()


@pytest.mark.parametrize("count", [50, 51, 120])
async def test_a_long_range_is_guarded_by_a_digest(ledger: Ledger, fresh: str, count: int) -> None:
    contract = ledger.contract()
    await asyncio.gather(*(contract.submit("put", f"{fresh}k{number:03}", "1") for number in range(count)))
    held, broken = [await contract.endorse("keys", f"{fresh}k", f"{fresh}l", "200") for _ in range(2)]
    await held.commit()
    await contract.submit("put", f"{fresh}k020", "2")
    with pytest.raises(CommitError, match="PHANTOM_READ_CONFLICT"):
        await broken.commit()
