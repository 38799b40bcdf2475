"""Chains that hold: every recorded code is explained, and the rules of endorsement, reads and ids decide."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from fabric_protos.common import common_pb2, policies_pb2
from fabric_protos.peer import collection_pb2, transaction_pb2
from veilmesh_fabric.block import decode_block, header_hash
from veilmesh_fabric.errors import VerificationError
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.verification import ChainVerifier, verify_blocks
from veilmesh_fabric.verification_report import VerificationReport
from veilmesh_network.certificates import NodeRole, Validity

from tests.unit.fabric.forge import (
    ENDORSEMENT_POLICY_FAILURE,
    MVCC_READ_CONFLICT,
    PHANTOM_READ_CONFLICT,
    VALID,
    Channel,
    Writes,
    member,
    peers_of,
    serialized,
)
from tests.unit.fabric.recorded import FOLDERS, recorded
from tests.unit.fabric.tampering import reopened

DUPLICATE_TXID = transaction_pb2.DUPLICATE_TXID


@pytest.fixture
def channel() -> Channel:
    channel = Channel()
    channel.add(channel.definition())
    return channel


def checked(blocks: Iterable[bytes]) -> VerificationReport:
    report = verify_blocks(blocks)
    if report.violation:
        raise report.violation
    return report


def broken(channel: Channel) -> VerificationError:
    report = verify_blocks(channel.blocks)
    assert report.violation is not None
    assert report.violation.block_number == len(channel.blocks) - 1
    return report.violation


@pytest.mark.parametrize("folder", FOLDERS)
def test_recorded_chain_holds_in_every_code(folder: str) -> None:
    chain = recorded(folder)
    report = verify_blocks(chain.blocks, anchor=chain.blocks[0])
    assert report.violation is None
    assert report.blocks == len(chain.blocks)
    assert report.channel_id == "ch1"
    assert report.organizations == {"Org1MSP", "Org2MSP", "Org3MSP", "OrdererMSP"}
    assert report.has_commit_hashes
    assert report.taken_on_trust == ()
    assert report.last_header_hash == header_hash(decode_block(chain.blocks[-1]).header)
    expected: dict[tuple[str, str], int] = {}
    for block in chain.expected:
        for each in block["transactions"]:
            key = each["type"], each["code"]
            expected[key] = expected.get(key, 0) + 1
    assert report.transactions == expected


@pytest.mark.parametrize("folder", FOLDERS)
def test_signatures_are_counted(folder: str) -> None:
    chain = recorded(folder)
    blocks = [decode_block(data) for data in chain.blocks[1:]]
    signatures = sum(len(block.metadata.signatures) for block in blocks)
    for block in blocks:
        for transaction in block.transactions:
            assert transaction.endorsed is not None
            signatures += 1 + len(transaction.endorsed.endorsements)
    assert verify_blocks(chain.blocks).signatures == signatures


def test_each_block_is_accepted_as_it_comes() -> None:
    verifier = ChainVerifier()
    for data in recorded("raft").blocks:
        verifier.add(data)
    assert verifier.report().blocks == 13


def test_progress_is_told_block_by_block() -> None:
    told: list[tuple[int, int | None]] = []
    chain = recorded("raft")
    verify_blocks(chain.blocks, total=13, progress=lambda done, total: told.append((done, total)))
    assert told == [(number, 13) for number in range(1, 14)]


def test_another_first_block_is_not_trusted() -> None:
    report = verify_blocks(recorded("raft").blocks, anchor=recorded("smartbft").blocks[0])
    assert report.violation is not None
    assert report.violation.rule == Rule.TRUST_ANCHOR
    assert not report.holds


def test_anchor_that_is_no_block_is_named() -> None:
    report = verify_blocks(recorded("raft").blocks, anchor=b"garbage")
    assert report.violation is not None
    assert report.violation.rule == Rule.ENCODING


def test_own_chain_holds(channel: Channel) -> None:
    channel.add(
        channel.transaction(Writes(writes={"a": b"1"})), channel.transaction(Writes(writes={"b": b"1"}))
    )
    channel.add(channel.transaction(Writes(reads={"a": (2, 0)}, writes={"a": None})))
    channel.add(channel.transaction(Writes(reads={"a": None})))
    assert not checked(channel.blocks).has_commit_hashes


def test_majority_of_peers_must_endorse(channel: Channel) -> None:
    channel.add(
        channel.transaction(Writes(writes={"a": b"1"}), endorsers=channel.peers[:1]),
        codes=[ENDORSEMENT_POLICY_FAILURE],
    )
    checked(channel.blocks)


def test_too_few_endorsers_recorded_as_valid(channel: Channel) -> None:
    channel.add(channel.transaction(Writes(writes={"a": b"1"}), endorsers=channel.peers[:1]))
    violation = broken(channel)
    assert violation.rule == Rule.ENDORSEMENT
    assert "peer.org1.example.com of Org1MSP endorsed" in violation.message


def test_clients_are_no_endorsers(channel: Channel) -> None:
    channel.add(channel.transaction(Writes(writes={"a": b"1"}), endorsers=channel.clients))
    assert broken(channel).rule == Rule.ENDORSEMENT


def test_one_endorser_does_not_count_twice(channel: Channel) -> None:
    channel.add(channel.transaction(Writes(writes={"a": b"1"}), endorsers=[channel.peers[0]] * 2))
    assert "endorsed twice" in broken(channel).message


def test_suppressed_transaction_is_noticed(channel: Channel) -> None:
    channel.add(channel.transaction(Writes(writes={"a": b"1"})), codes=[ENDORSEMENT_POLICY_FAILURE])
    violation = broken(channel)
    assert violation.rule == Rule.VALIDATION_CODE
    assert "recorded as ENDORSEMENT_POLICY_FAILURE, but is VALID" in violation.message


def test_bad_endorsement_beside_enough_good_ones_is_noted(channel: Channel) -> None:
    """As in Fabric: anybody can add a worthless endorsement to a transaction of their own."""
    transaction = channel.transaction(Writes(writes={"a": b"1"}), endorsers=channel.peers)
    with reopened(transaction, channel.clients[0]) as tx:
        tx.action_payload.action.endorsements[2].signature = b"worthless"
    channel.add(transaction)
    (note,) = checked(channel.blocks).notes
    assert "endorsement signature of peer.org3.example.com of Org3MSP does not hold" in note


def test_undefined_chaincode(channel: Channel) -> None:
    code = transaction_pb2.INVALID_CHAINCODE
    channel.add(channel.transaction(Writes(writes={"a": b"1"}), chaincode="other"), codes=[code])
    checked(channel.blocks)
    channel.add(channel.transaction(Writes(writes={"a": b"1"}), chaincode="other"))
    assert broken(channel).rule == Rule.CHAINCODE


def test_definition_needs_the_lifecycle_policy() -> None:
    channel = Channel()
    channel.peers[0], channel.peers[1] = channel.clients[0], channel.clients[1]
    channel.add(channel.definition())
    assert broken(channel).rule == Rule.ENDORSEMENT


def test_new_definition_holds_from_the_next_block(channel: Channel) -> None:
    policy = policies_pb2.ApplicationPolicy(signature_policy=peers_of(1, "Org3MSP"))
    channel.add(channel.definition(serialized(policy)))
    channel.add(channel.transaction(Writes(writes={"a": b"1"}), endorsers=channel.peers[2:]))
    channel.add(
        channel.transaction(Writes(writes={"a": b"1"}), endorsers=channel.peers[:2]),
        codes=[ENDORSEMENT_POLICY_FAILURE],
    )
    checked(channel.blocks)


class TestKeyLevelEndorsement:
    """A key with a policy of its own is guarded by that alone."""

    @pytest.fixture
    def guarded(self, channel: Channel) -> Channel:
        """The key "a" that only Org3's peer may write."""
        channel.add(channel.transaction(Writes(writes={"a": b"1"}, metadata=self.guard("Org3MSP"))))
        return channel

    @staticmethod
    def guard(*msp_ids: str) -> dict[str, dict[str, bytes]]:
        return {"a": {"VALIDATION_PARAMETER": serialized(peers_of(len(msp_ids), *msp_ids))}}

    def test_own_policy_replaces_the_chaincode_policy(self, guarded: Channel) -> None:
        guarded.add(guarded.transaction(Writes(writes={"a": b"2"}), endorsers=guarded.peers[2:]))
        guarded.add(
            guarded.transaction(Writes(writes={"a": b"2"}), endorsers=guarded.peers[:2]),
            codes=[ENDORSEMENT_POLICY_FAILURE],
        )
        checked(guarded.blocks)

    def test_other_keys_need_the_chaincode_policy_as_well(self, guarded: Channel) -> None:
        both = Writes(writes={"a": b"2", "b": b"2"})
        guarded.add(
            guarded.transaction(both, endorsers=guarded.peers[2:]), codes=[ENDORSEMENT_POLICY_FAILURE]
        )
        guarded.add(guarded.transaction(both, endorsers=guarded.peers[1:]))
        checked(guarded.blocks)

    def test_policy_stays_when_the_value_changes(self, guarded: Channel) -> None:
        guarded.add(guarded.transaction(Writes(writes={"a": b"2"}), endorsers=guarded.peers[2:]))
        guarded.add(guarded.transaction(Writes(writes={"a": b"3"}), endorsers=guarded.peers[:2]))
        violation = broken(guarded)
        assert violation.rule == Rule.ENDORSEMENT
        assert "key 'a' of kv" in violation.message

    def test_policy_goes_with_the_key(self, guarded: Channel) -> None:
        guarded.add(guarded.transaction(Writes(writes={"a": None}), endorsers=guarded.peers[2:]))
        guarded.add(guarded.transaction(Writes(writes={"a": b"3"}), endorsers=guarded.peers[:2]))
        checked(guarded.blocks)

    def test_nobody_writes_a_key_whose_policy_changes_in_the_same_block(self, guarded: Channel) -> None:
        guarded.add(
            guarded.transaction(Writes(metadata=self.guard("Org1MSP")), endorsers=guarded.peers[2:]),
            guarded.transaction(Writes(writes={"a": b"2"}), endorsers=guarded.peers),
            codes=[VALID, ENDORSEMENT_POLICY_FAILURE],
        )
        guarded.add(guarded.transaction(Writes(writes={"a": b"2"}), endorsers=guarded.peers[:1]))
        checked(guarded.blocks)

    def test_change_without_endorsement_bars_nobody(self, guarded: Channel) -> None:
        guarded.add(
            guarded.transaction(Writes(metadata=self.guard("Org1MSP")), endorsers=guarded.peers[:2]),
            guarded.transaction(Writes(writes={"a": b"2"}), endorsers=guarded.peers[2:]),
            codes=[ENDORSEMENT_POLICY_FAILURE, VALID],
        )
        checked(guarded.blocks)


class TestCollections:
    """Private data enter by their hashes, guarded by the collection's policy or else the chaincode's."""

    @staticmethod
    def collections(block_to_live: int = 0) -> Any:
        package = collection_pb2.CollectionConfigPackage()
        own = package.config.add().static_collection_config
        own.name, own.block_to_live = "own", block_to_live
        own.endorsement_policy.signature_policy.CopyFrom(peers_of(1, "Org3MSP"))
        package.config.add().static_collection_config.name = "plain"
        return package

    @pytest.mark.parametrize(
        ("collection", "endorsers", "code"),
        [
            ("own", [2], VALID),
            ("own", [0, 1], ENDORSEMENT_POLICY_FAILURE),
            ("plain", [0, 1], VALID),
            ("plain", [2], ENDORSEMENT_POLICY_FAILURE),
            ("unknown", [0, 1, 2], ENDORSEMENT_POLICY_FAILURE),
            ("_implicit_org_Org2MSP", [1], VALID),
            ("_implicit_org_Org2MSP", [0, 2], ENDORSEMENT_POLICY_FAILURE),
            ("_implicit_org_NobodyMSP", [0, 1, 2], ENDORSEMENT_POLICY_FAILURE),
        ],
    )
    def test_policy(self, collection: str, endorsers: list[int], code: int) -> None:
        channel = Channel()
        channel.add(channel.definition(collections=self.collections()))
        writes = Writes(collections={collection: {"k": b"v"}})
        channel.add(
            channel.transaction(writes, endorsers=[channel.peers[index] for index in endorsers]), codes=[code]
        )
        checked(channel.blocks)


class TestReads:
    def test_stale_read(self, channel: Channel) -> None:
        channel.add(channel.transaction(Writes(writes={"a": b"1"})))
        channel.add(channel.transaction(Writes(writes={"a": b"2"})))
        stale = channel.transaction(Writes(reads={"a": (2, 0)}, writes={"a": b"3"}))
        channel.add(stale, codes=[MVCC_READ_CONFLICT])
        checked(channel.blocks)
        channel.blocks.pop()
        channel.add(stale)
        violation = broken(channel)
        assert violation.rule == Rule.READ_VERSIONS
        assert "was read at version 2:0, but is at version 3:0" in violation.message

    def test_second_writer_in_a_block_loses(self, channel: Channel) -> None:
        once = Writes(reads={"a": None}, writes={"a": b"1"})
        channel.add(channel.transaction(once), channel.transaction(once), codes=[VALID, MVCC_READ_CONFLICT])
        checked(channel.blocks)

    def test_invented_conflict(self, channel: Channel) -> None:
        channel.add(channel.transaction(Writes(reads={"a": None})), codes=[MVCC_READ_CONFLICT])
        assert broken(channel).rule == Rule.VALIDATION_CODE

    def test_write_of_an_invalid_transaction_counts_for_nothing(self, channel: Channel) -> None:
        channel.add(
            channel.transaction(Writes(writes={"a": b"1"}), endorsers=[]), codes=[ENDORSEMENT_POLICY_FAILURE]
        )
        channel.add(channel.transaction(Writes(reads={"a": None})))
        checked(channel.blocks)

    def test_phantom_in_an_earlier_block(self, channel: Channel) -> None:
        channel.add(channel.transaction(Writes(writes={"k1": b"1", "k3": b"1", "z": b"1"})))
        seen = ("k", "l", {"k1": (2, 0), "k3": (2, 0)})
        channel.add(channel.transaction(Writes(ranges=[seen])))
        channel.add(channel.transaction(Writes(writes={"k2": b"1"})))
        channel.add(channel.transaction(Writes(ranges=[seen])), codes=[PHANTOM_READ_CONFLICT])
        now = ("k", "l", {"k1": (2, 0), "k2": (4, 0), "k3": (2, 0)})
        channel.add(channel.transaction(Writes(ranges=[now])))
        channel.add(channel.transaction(Writes(writes={"k1": None})))
        channel.add(channel.transaction(Writes(ranges=[now])), codes=[PHANTOM_READ_CONFLICT])
        checked(channel.blocks)

    def test_phantom_in_the_same_block(self, channel: Channel) -> None:
        channel.add(
            channel.transaction(Writes(writes={"k1": b"1"})),
            channel.transaction(Writes(ranges=[("k", "", {})])),
            codes=[VALID, PHANTOM_READ_CONFLICT],
        )
        checked(channel.blocks)


class TestTransactionIds:
    def test_repeated_in_a_later_block(self, channel: Channel) -> None:
        again = channel.transaction(Writes(writes={"a": b"1"}))
        channel.add(again)
        channel.add(again, codes=[DUPLICATE_TXID])
        checked(channel.blocks)
        channel.add(again)
        assert broken(channel).rule == Rule.DUPLICATE_ID

    def test_repeated_in_the_same_block(self, channel: Channel) -> None:
        again = channel.transaction(Writes(writes={"a": b"1"}))
        channel.add(again, again, codes=[VALID, DUPLICATE_TXID])
        checked(channel.blocks)

    def test_id_of_an_invalid_transaction_is_used_up(self, channel: Channel) -> None:
        again = channel.transaction(Writes(writes={"a": b"1"}), endorsers=[])
        channel.add(again, codes=[ENDORSEMENT_POLICY_FAILURE])
        channel.add(again, codes=[DUPLICATE_TXID])
        checked(channel.blocks)


class TestMembership:
    def test_auditor_may_not_write(self, channel: Channel) -> None:
        for codes in ([VALID], [ENDORSEMENT_POLICY_FAILURE]):
            channel.add(channel.transaction(Writes(writes={"a": b"1"}), creator=channel.auditor), codes=codes)
            violation = broken(channel)
            assert violation.rule == Rule.WRITERS
            assert violation.tx_id
            channel.blocks.pop()

    def test_stranger(self, channel: Channel) -> None:
        stranger = Channel().clients[0]
        channel.add(channel.transaction(Writes(writes={"a": b"1"}), creator=stranger))
        violation = broken(channel)
        assert violation.rule == Rule.CREATOR
        assert "was issued by no authority" in violation.message

    def test_certificate_expired_at_the_transaction_time(self, channel: Channel) -> None:
        brief = Validity(channel.now - timedelta(days=2), channel.now + timedelta(hours=1))
        client = member(channel.members[0], "brief", NodeRole.CLIENT, validity=brief)
        channel.add(channel.transaction(Writes(writes={"a": b"1"}), creator=client))
        checked(channel.blocks)
        late = channel.transaction(Writes(writes={"b": b"1"}), creator=client, at=channel.later(hours=2))
        channel.add(late)
        violation = broken(channel)
        assert violation.rule == Rule.CREATOR
        assert "has expired" in violation.message

    def test_expired_endorser_does_not_count(self, channel: Channel) -> None:
        brief = Validity(channel.now - timedelta(days=2), channel.now - timedelta(days=1))
        peer = member(channel.members[1], "brief", NodeRole.PEER, validity=brief)
        channel.add(channel.transaction(Writes(writes={"a": b"1"}), endorsers=[channel.peers[0], peer]))
        violation = broken(channel)
        assert violation.rule == Rule.ENDORSEMENT
        assert "has expired" in violation.message

    def test_refused_transaction_does_not_move_the_clock(self, channel: Channel) -> None:
        """Anyone may send a transaction of the year 9999; it must not make the orderer look expired."""
        at = channel.now.replace(year=9999)
        channel.add(
            channel.transaction(Writes(writes={"a": b"1"}), at=at),
            codes=[transaction_pb2.ENDORSEMENT_POLICY_FAILURE],
        )
        checked(channel.blocks)

    def test_transaction_of_another_channel(self, channel: Channel) -> None:
        channel.add(channel.transaction(Writes(writes={"a": b"1"}), channel="other"))
        assert broken(channel).rule == Rule.CHANNEL


def test_garbage_that_was_ordered_is_recorded_and_harmless(channel: Channel) -> None:
    """Anyone who may write can have nonsense ordered; it gets a code and must not stop an audit."""
    channel.add(
        b"\xff\xff",
        serialized(common_pb2.Envelope(payload=b"\xff\xff", signature=b"s")),
        serialized(common_pb2.Envelope(payload=b"", signature=b"s")),
        channel.transaction(Writes(writes={"a": b"1"})),
        codes=[
            transaction_pb2.INVALID_OTHER_REASON,
            transaction_pb2.BAD_PAYLOAD,
            transaction_pb2.BAD_COMMON_HEADER,
            VALID,
        ],
    )
    assert checked(channel.blocks).transactions["unreadable", "BAD_PAYLOAD"] == 1


@pytest.mark.parametrize(
    "writes", [{"_a": b"1"}, {"a": b'{"_id": 1}'}, {"a": b'{"~version": 1}'}, {"b": b"1", "_a": b"2"}]
)
def test_what_couchdb_may_have_refused_is_taken_on_trust_and_says_so(
    channel: Channel, writes: dict[str, bytes]
) -> None:
    channel.add(channel.transaction(Writes(writes=writes)), codes=[transaction_pb2.INVALID_WRITESET])
    channel.add(channel.transaction(Writes(reads=dict.fromkeys(writes))))
    (trusted,) = checked(channel.blocks).taken_on_trust
    assert "INVALID_WRITESET" in trusted


@pytest.mark.parametrize("value", [b"1", b'{"id_": 1}', b'["_id"]', b"\xff", b'{"a": {"_b": 1}}'])
def test_what_couchdb_takes_cannot_be_suppressed_as_invalid_writeset(channel: Channel, value: bytes) -> None:
    channel.add(channel.transaction(Writes(writes={"a": value})), codes=[transaction_pb2.INVALID_WRITESET])
    report = verify_blocks(channel.blocks)
    assert report.violation is not None
    assert report.violation.rule == Rule.VALIDATION_CODE
