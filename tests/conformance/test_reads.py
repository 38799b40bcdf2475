"""What a contract reads: committed state alone, ranges page by page, every value a key ever had."""

import asyncio

import pytest
from veilmesh_fabric import EndorseError

from tests.integration.ledger.ledger import Ledger


async def test_a_range_page_by_page(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    keys = [f"{fresh}{letter}" for letter in "abcdefg"]
    await asyncio.gather(*(contract.submit("put", key, "1") for key in keys))
    for limit in range(1, len(keys) + 2):
        seen: list[str] = []
        bookmark = ""
        while True:
            page = await contract.evaluate("keys", f"{fresh}a", f"{fresh}z", str(limit), bookmark)
            *found, bookmark = page.decode().split(",")
            assert len(found) <= limit
            seen += found
            if not bookmark:
                break
            assert bookmark == keys[len(seen)]  # the first key of the next page
        assert seen == keys


async def test_the_ends_of_a_range(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    await asyncio.gather(*(contract.submit("put", fresh + letter, "1") for letter in "abc"))
    page = await contract.evaluate("keys", f"{fresh}a", f"{fresh}c", "10")
    assert page == f"{fresh}a,{fresh}b,".encode()  # the start belongs to it, the end does not
    assert await contract.evaluate("keys", f"{fresh}x", f"{fresh}z", "10") == b""
    assert await contract.evaluate("keys", f"{fresh}b", f"{fresh}a", "10") == b""


async def test_keys_are_ordered_by_their_bytes(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    ends = ["A", "a", "b\U0010ffff", "b￿", "bz", "bé", "~"]
    await asyncio.gather(*(contract.submit("put", fresh + end, "1") for end in ends))
    page = (await contract.evaluate("keys", fresh, f"{fresh}\x7f", "10")).decode().split(",")
    assert page[:-1] == sorted((fresh + end for end in ends), key=str.encode)


async def test_a_composite_range(ledger: Ledger, fresh: str) -> None:
    """The keys that contracts make of several parts begin with a zero byte, and lie beside all others."""
    contract = ledger.contract()
    keys = [f"\x00kind\x00{fresh}\x00{number}\x00" for number in range(3)]
    await asyncio.gather(*(contract.submit("put", key, "1") for key in keys))
    start = f"\x00kind\x00{fresh}\x00"
    page = await contract.evaluate("keys", start, f"{start}\U0010ffff", "10")
    assert page.decode().split(",") == [*keys, ""]


async def test_every_value_that_a_key_had(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    assert await contract.evaluate("past", fresh) == b""
    await contract.submit("put", fresh, "1")
    await contract.submit("put", fresh, "2")
    await contract.submit("delete", fresh)
    await contract.submit("put", fresh, "3")
    assert await contract.evaluate("past", fresh) == b"3,deleted,2,1"


async def test_what_was_not_valid_is_in_no_history(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    lost = await contract.endorse("put", fresh, "lost", endorsing_organizations=["Org1MSP"])
    await lost.submit()
    assert (await lost.commit_status()).code_name == "ENDORSEMENT_POLICY_FAILURE"
    await contract.submit("put", fresh, "1")
    assert await contract.evaluate("past", fresh) == b"1"


async def test_a_deleted_key_is_gone(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    await contract.submit("delete", fresh)  # of what does not exist, too
    await contract.submit("put", fresh, "1")
    await contract.submit("delete", fresh)
    assert await contract.evaluate("get", fresh) == b""
    assert await contract.evaluate("keys", fresh, f"{fresh}z", "10") == b""


async def test_a_transaction_does_not_see_what_it_wrote_itself(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    await contract.submit("put", fresh, "before")
    assert (await contract.submit("put_then_get", fresh, "after")).result == b"before"
    assert await contract.evaluate("get", fresh) == b"after"


async def test_the_last_of_several_writes_counts(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    await contract.submit("put_twice", fresh, "1", "2")
    assert await contract.evaluate("past", fresh) == b"2"


async def test_an_empty_value_is_none(ledger: Ledger, fresh: str) -> None:
    with pytest.raises(EndorseError):
        await ledger.contract().submit("put", fresh, "")


@pytest.mark.parametrize("function", ["put_then_scan", "scan_then_put"])
async def test_a_page_and_a_write_do_not_go_together(ledger: Ledger, fresh: str, function: str) -> None:
    with pytest.raises(EndorseError):
        await ledger.contract().submit(function, fresh)
    assert await ledger.contract().evaluate("get", fresh) == b""
