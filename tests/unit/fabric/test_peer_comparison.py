"""Several peers' copies of one chain: they agree, or the difference, and whose it is, are named."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.peer import transaction_pb2
from veilmesh_fabric.errors import PeersDisagreeError
from veilmesh_fabric.peer_comparison import verify_peers
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.verification import ChainVerifier
from veilmesh_fabric.verification_report import VerificationReport

from tests.unit.fabric.forge import Channel, Writes, serialized, sign_block
from tests.unit.fabric.recorded import FOLDERS, recorded
from tests.unit.fabric.tampering import change_block, change_orderer_metadata
from tests.unit.fabric.transaction_changes import flipped

VALIDATION_CODES, COMMIT_HASH = common_pb2.TRANSACTIONS_FILTER, common_pb2.COMMIT_HASH
MVCC_READ_CONFLICT = transaction_pb2.MVCC_READ_CONFLICT
LIAR, HONEST = "liar", "honest"


@dataclass
class Served:
    """A peer that has these blocks, whatever number it is asked for."""

    name: str
    blocks: Sequence[bytes]
    asked: list[int] = field(default_factory=list)

    def block(self, number: int) -> bytes | None:
        self.asked.append(number)
        return self.blocks[number] if number < len(self.blocks) else None


def compared(chains: Mapping[str, Sequence[bytes]]) -> VerificationReport:
    peers = [Served(name, blocks) for name, blocks in chains.items()]
    return verify_peers(peers, ChainVerifier())


def disagreement(liar: Sequence[bytes], honest: Sequence[bytes]) -> PeersDisagreeError:
    """Return what is found in whichever order the two stand."""
    found = []
    for names in ((LIAR, HONEST), (HONEST, LIAR)):
        chains = {LIAR: liar, HONEST: honest}
        violation = compared({name: chains[name] for name in names}).violation
        assert isinstance(violation, PeersDisagreeError)
        found.append(violation)
    first, second = found
    assert (first.what, first.block_number, first.blamed) == (
        second.what,
        second.block_number,
        second.blamed,
    )
    return first


def changed(blocks: Sequence[bytes], number: int, change: Callable[[bytes], bytes]) -> tuple[bytes, ...]:
    return (*blocks[:number], change(blocks[number]), *blocks[number + 1 :])


def set_metadata(index: int, value: bytes) -> Callable[[bytes], bytes]:
    def change(message: Any) -> None:
        message.metadata.metadata[index] = value

    return lambda block: change_block(block, change)


@pytest.mark.parametrize("folder", FOLDERS)
def test_peers_that_agree(folder: str) -> None:
    chain = recorded(folder).blocks
    report = compared({"org1": chain, "org2": chain, "org3": chain})
    assert report.violation is None
    assert report.blocks == len(chain)


def test_no_peer_has_anything() -> None:
    violation = compared({"org1": (), "org2": ()}).violation
    assert violation is not None
    assert violation.rule == Rule.BLOCK_NUMBER


def test_altered_transaction() -> None:
    chain = recorded("raft").blocks

    def change(message: Any) -> None:
        message.data.data[0] = flipped(message.data.data[0])

    found = disagreement(changed(chain, 5, lambda block: change_block(block, change)), chain)
    assert (found.what, found.block_number) == ("transaction", 5)
    assert found.tx_id is not None
    assert list(found.blamed) == [LIAR]
    assert Rule.DATA_HASH in found.blamed[LIAR]
    assert found.rule == Rule.PEERS_AGREE


def test_altered_validation_code() -> None:
    chain = recorded("raft").blocks
    codes = common_pb2.Block.FromString(chain[5]).metadata.metadata[VALIDATION_CODES]
    lie = set_metadata(VALIDATION_CODES, codes[:-1] + bytes([MVCC_READ_CONFLICT]))
    found = disagreement(changed(chain, 5, lie), chain)
    assert (found.what, found.block_number, found.said) == (
        "validation code",
        5,
        {LIAR: "MVCC_READ_CONFLICT", HONEST: "VALID"},
    )
    assert list(found.blamed) == [LIAR]
    assert "liar has MVCC_READ_CONFLICT" in found.message


def test_unknown_validation_code() -> None:
    chain = recorded("raft").blocks
    found = disagreement(changed(chain, 5, set_metadata(VALIDATION_CODES, b"\x7b")), chain)
    assert found.said[LIAR] == "code 123"


def test_missing_validation_codes() -> None:
    chain = recorded("raft").blocks
    found = disagreement(changed(chain, 5, set_metadata(VALIDATION_CODES, b"")), chain)
    assert (found.what, found.said[LIAR], list(found.blamed)) == ("validation code", "nothing", [LIAR])


def test_altered_commit_hash() -> None:
    chain = recorded("smartbft").blocks
    other = serialized(common_pb2.Metadata(value=b"h" * 32))
    found = disagreement(changed(chain, 7, set_metadata(COMMIT_HASH, other)), chain)
    assert (found.what, found.block_number, list(found.blamed)) == ("commit hash", 7, [LIAR])
    assert found.said[LIAR] == (b"h" * 32).hex()


def test_orderer_signature_that_does_not_hold() -> None:
    chain = recorded("raft").blocks

    def change(metadata: Any) -> None:
        metadata.signatures[0].signature = flipped(metadata.signatures[0].signature)

    lies = changed(chain, 6, lambda block: change_orderer_metadata(block, change))
    found = disagreement(lies, chain)
    assert (found.what, found.block_number, list(found.blamed)) == ("orderers' metadata", 6, [LIAR])


def test_another_orderers_signature_is_as_good() -> None:
    """Every Raft orderer signs its own copy of a block."""
    channel = Channel()
    channel.add(channel.definition())
    again = common_pb2.Block.FromString(channel.blocks[1])
    sign_block(again, channel.orderer, last_config=0, codes=b"\0")
    assert serialized(again) != channel.blocks[1]
    report = compared({"org1": channel.blocks, "org2": [channel.blocks[0], serialized(again)]})
    assert report.violation is None


def test_not_a_block_at_all() -> None:
    chain = recorded("raft").blocks
    found = disagreement(changed(chain, 3, lambda _: b"garbage"), chain)
    assert (found.what, found.block_number, list(found.blamed)) == ("encoding", 3, [LIAR])


def test_swapped_blocks() -> None:
    chain = recorded("raft").blocks
    found = disagreement((*chain[:4], chain[5], chain[4], *chain[6:]), chain)
    assert (found.what, found.block_number) == ("block number", 4)
    assert found.said == {LIAR: "5", HONEST: "4"}
    assert list(found.blamed) == [LIAR]


@pytest.mark.parametrize("kept", [1, 4, 12])
def test_chain_that_is_cut_short(kept: int) -> None:
    chain = recorded("raft").blocks
    found = disagreement(chain[:kept], chain)
    assert (found.what, found.block_number, list(found.blamed)) == ("height", kept, [LIAR])
    assert f"ends at block {kept - 1}" in found.blamed[LIAR]


def test_forged_block_at_the_end() -> None:
    chain = recorded("raft").blocks
    last = common_pb2.Block.FromString(chain[-1])
    forged = Channel()
    forged.blocks = list(chain)
    block = forged.block(forged.transaction(Writes(writes={"a": b"1"})))
    assert block.header.number == last.header.number + 1
    found = disagreement((*chain, serialized(block)), chain)
    assert (found.what, list(found.blamed)) == ("height", [LIAR])
    assert Rule.BLOCK_SIGNATURE in found.blamed[LIAR]


def test_two_blocks_that_orderers_signed() -> None:
    """Nobody's copy breaks a rule, so nobody is named but the fact."""
    channel = Channel()
    channel.add(channel.definition())
    forks = []
    for value in (b"1", b"2"):
        block = channel.block(channel.transaction(Writes(writes={"a": value})))
        forks.append([*channel.blocks, serialized(block)])
    found = disagreement(forks[0], forks[1])
    assert (found.what, found.block_number, found.blamed) == ("transaction", 2, {})


def test_all_peers_lie_alike() -> None:
    chain = recorded("raft").blocks
    lies = changed(chain, 5, set_metadata(VALIDATION_CODES, bytes([MVCC_READ_CONFLICT])))
    violation = compared({"org1": lies, "org2": lies}).violation
    assert violation is not None
    assert (violation.rule, violation.block_number) == (Rule.VALIDATION_CODE, 5)


class TestGoingOn:
    """From where an earlier verification stopped."""

    @staticmethod
    def verified(blocks: Sequence[bytes]) -> ChainVerifier:
        verifier = ChainVerifier()
        for data in blocks:
            verifier.add(data)
        return verifier

    @pytest.mark.parametrize("stopped", [1, 7, 13])
    def test_only_new_blocks_are_asked_for(self, stopped: int) -> None:
        chain = recorded("raft").blocks
        peers = [Served(name, chain) for name in ("org1", "org2")]
        report = verify_peers(peers, self.verified(chain[:stopped]))
        assert report.violation is None
        assert report.blocks == len(chain)
        assert peers[1].asked == [stopped - 1, *range(stopped, len(chain) + 1)]

    @pytest.mark.parametrize(
        ("index", "value", "said"),
        [
            (VALIDATION_CODES, bytes([MVCC_READ_CONFLICT]), "validation codes"),
            (COMMIT_HASH, serialized(common_pb2.Metadata(value=b"h" * 32)), "commit hash"),
        ],
    )
    def test_a_last_block_that_was_written_anew(self, index: int, value: bytes, said: str) -> None:
        chain = recorded("raft").blocks
        lies = changed(chain, 6, set_metadata(index, value))
        peers = [Served(HONEST, chain), Served(LIAR, lies)]
        violation = verify_peers(peers, self.verified(chain[:7])).violation
        assert isinstance(violation, PeersDisagreeError)
        assert list(violation.blamed) == [LIAR]
        assert said in violation.blamed[LIAR]

    def test_a_peer_that_lost_what_was_verified(self) -> None:
        chain = recorded("raft").blocks
        violation = verify_peers([Served(LIAR, chain[:5])], self.verified(chain[:7])).violation
        assert isinstance(violation, PeersDisagreeError)
        assert (violation.block_number, list(violation.blamed)) == (6, [LIAR])

    def test_a_block_of_another_chain(self) -> None:
        chain = recorded("raft").blocks
        other = (*chain[:6], recorded("smartbft").blocks[6])
        violation = verify_peers([Served(LIAR, other)], self.verified(chain[:7])).violation
        assert isinstance(violation, PeersDisagreeError)
        assert "header" in violation.blamed[LIAR]
