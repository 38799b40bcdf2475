"""A changed chain is refused, whoever changed it, with an error that names what is wrong.

`transaction_changes.py` has the changes inside a transaction and says which attackers there are. Here they
are applied, and those to blocks, metadata and the order of blocks.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.peer import transaction_pb2
from veilmesh_fabric.block import orderer_signature_message
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.signature_checks import Pending, signature_holds
from veilmesh_fabric.verification import verify_blocks
from veilmesh_fabric.verification_report import VerificationReport

from tests.unit.fabric.forge import VALID, Channel, Writes, header_of, serialized, sign_block
from tests.unit.fabric.recorded import FOLDERS, recorded
from tests.unit.fabric.tampering import (
    change_block,
    change_orderer_metadata,
    change_transaction,
    rehashed,
    reopened,
)
from tests.unit.fabric.transaction_changes import CHANGES, TransactionChange, flipped, high_s

BLOCK_OF = {"raft": 9, "smartbft": 9}  # one transaction with two endorsements that writes a guarded key


class RememberedChecks:
    """Checks each signature once for all tests: most of a tampered chain is as it was."""

    def __init__(self) -> None:
        self._holds = cache(signature_holds)

    def start(self, messages: Any) -> Pending:
        results = [self._holds(*each) for each in messages]
        return lambda: results


CHECKS = RememberedChecks()


def verified(blocks: Any, anchor: bytes | None = None) -> VerificationReport:
    return verify_blocks(blocks, anchor=anchor, checks=CHECKS)


def assert_refused(blocks: Any, rule: Rule, number: int, anchor: bytes | None = None) -> None:
    violation = verified(blocks, anchor).violation
    assert violation is not None, "the chain was accepted"
    assert violation.rule == rule, str(violation)
    assert violation.block_number == number, str(violation)
    assert len(violation.message) > 10


named = pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)


@cache
def insider() -> Channel:
    """A chain whose last transaction is the one to be changed."""
    channel = Channel()
    channel.add(channel.definition())
    channel.add(channel.transaction(Writes(writes={"a": b"1"})))
    channel.add(channel.transaction(Writes(reads={"a": (2, 0)}, writes={"a": b"2"})))
    assert verified(channel.blocks).holds
    return channel


def with_changed_last(channel: Channel, change: TransactionChange, *, by_creator: bool) -> list[bytes]:
    """Return the chain with its last transaction changed, hashed and signed again by the real orderer."""
    message = common_pb2.Block.FromString(channel.blocks[-1])
    envelope = common_pb2.Envelope.FromString(message.data.data[0])
    with reopened(envelope, channel.clients[0] if by_creator else None) as opened:
        change.apply(opened, channel)
    message.data.data[0] = serialized(envelope)
    message = common_pb2.Block.FromString(rehashed([*channel.blocks[:-1], serialized(message)], 3)[-1])
    sign_block(message, channel.orderer, last_config=0, codes=bytes([VALID]))
    return [*channel.blocks[:-1], serialized(message)]


class TestOutsider:
    """Has a copy of the recorded chain, and no key."""

    @named
    @pytest.mark.parametrize("folder", FOLDERS)
    def test_changed_transaction(self, folder: str, change: TransactionChange) -> None:
        chain, number = list(recorded(folder).blocks), BLOCK_OF[folder]
        changed = change_transaction(chain[number], 0, lambda opened: change.apply(opened, insider()))
        assert changed != chain[number]
        chain[number] = changed
        assert_refused(chain, Rule.DATA_HASH, number)

    @named
    def test_changed_transaction_with_all_hashes_right(self, change: TransactionChange) -> None:
        chain = list(recorded("raft").blocks)
        chain[9] = change_transaction(chain[9], 0, lambda opened: change.apply(opened, insider()))
        assert_refused(rehashed(chain, 9), Rule.BLOCK_SIGNATURE, 9)

    @named
    def test_changed_transaction_with_an_orderer_signature_of_their_own(
        self, change: TransactionChange
    ) -> None:
        chain = list(recorded("raft").blocks)
        chain[9] = change_transaction(chain[9], 0, lambda opened: change.apply(opened, insider()))
        chain = rehashed(chain, 9)
        message = common_pb2.Block.FromString(chain[9])
        sign_block(message, insider().orderer, last_config=0, codes=bytes([VALID]))
        chain[9] = serialized(message)
        assert_refused(chain, Rule.BLOCK_SIGNATURE, 9)


class TestInsider:
    """Has the orderer on their side, and perhaps the creator."""

    @named
    def test_with_the_orderer(self, change: TransactionChange) -> None:
        assert_refused(with_changed_last(insider(), change, by_creator=False), change.with_orderer, 3)

    @pytest.mark.parametrize(
        "change", [change for change in CHANGES if change.with_creator], ids=lambda change: change.name
    )
    def test_with_orderer_and_creator(self, change: TransactionChange) -> None:
        assert change.with_creator is not None
        assert_refused(with_changed_last(insider(), change, by_creator=True), change.with_creator, 3)

    def test_endorsements_of_another_transaction(self) -> None:
        channel = insider()
        taken = common_pb2.Envelope.FromString(common_pb2.Block.FromString(channel.blocks[2]).data.data[0])
        with reopened(taken) as other:
            endorsements = other.endorsements

        def take(tx: Any, _: Channel) -> None:
            del tx.endorsements[:]
            tx.endorsements.extend(endorsements)

        change = TransactionChange("taken", take, Rule.CREATOR_SIGNATURE, Rule.ENDORSEMENT)
        assert_refused(with_changed_last(channel, change, by_creator=True), Rule.ENDORSEMENT, 3)


def changed_header(field: str, value: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    def change(message: Any) -> None:
        setattr(message.header, field, value(getattr(message.header, field)))

    return lambda block: change_block(block, change)


def changed_metadata(index: int, value: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def change(message: Any) -> None:
        message.metadata.metadata[index] = value(message.metadata.metadata[index])

    return lambda block: change_block(block, change)


def changed_signatures(change: Callable[[Any], None]) -> Callable[[bytes], bytes]:
    return lambda block: change_orderer_metadata(block, change)


def changed_data(change: Callable[[Any], None]) -> Callable[[bytes], bytes]:
    return lambda block: change_block(block, lambda message: change(message.data.data))


def _set(attribute: str, value: Callable[[bytes], bytes]) -> Callable[[Any], None]:
    """Change a field of the first orderer signature."""

    def change(metadata: Any) -> None:
        signature = metadata.signatures[0]
        setattr(signature, attribute, value(getattr(signature, attribute)))

    return change


def _value(change: Callable[[Any], None]) -> Callable[[Any], None]:
    """Change what the orderers signed beside the header."""

    def in_metadata(metadata: Any) -> None:
        value = common_pb2.OrdererBlockMetadata.FromString(metadata.value)
        change(value)
        metadata.value = serialized(value)

    return in_metadata


def _last_config_entry(number: int) -> bytes:
    return serialized(common_pb2.Metadata(value=serialized(common_pb2.LastConfig(index=number))))


BLOCK_CHANGES: dict[str, tuple[Callable[[bytes], bytes], Rule]] = {
    "number one more": (changed_header("number", lambda number: number + 1), Rule.BLOCK_NUMBER),
    "number one less": (changed_header("number", lambda number: number - 1), Rule.BLOCK_NUMBER),
    "number huge": (changed_header("number", lambda _: 2**64 - 1), Rule.BLOCK_NUMBER),
    "previous hash flipped": (changed_header("previous_hash", flipped), Rule.PREVIOUS_HASH),
    "previous hash missing": (changed_header("previous_hash", lambda _: b""), Rule.PREVIOUS_HASH),
    "previous hash longer": (changed_header("previous_hash", lambda old: old + b"\0"), Rule.PREVIOUS_HASH),
    "data hash flipped": (changed_header("data_hash", flipped), Rule.DATA_HASH),
    "data hash missing": (changed_header("data_hash", lambda _: b""), Rule.DATA_HASH),
    "header missing": (
        lambda block: change_block(block, lambda m: m.ClearField("header")),
        Rule.BLOCK_NUMBER,
    ),
    "data missing": (lambda block: change_block(block, lambda m: m.ClearField("data")), Rule.ENCODING),
    "first transaction dropped": (changed_data(lambda data: data.pop(0)), Rule.DATA_HASH),
    "last transaction dropped": (changed_data(lambda data: data.pop()), Rule.DATA_HASH),
    "transaction repeated": (changed_data(lambda data: data.append(data[0])), Rule.DATA_HASH),
    "transactions swapped": (changed_data(lambda data: data.insert(0, data.pop())), Rule.DATA_HASH),
    "empty transaction added": (changed_data(lambda data: data.append(b"x")), Rule.DATA_HASH),
    "orderer signature flipped": (changed_signatures(_set("signature", flipped)), Rule.BLOCK_SIGNATURE),
    "orderer signature with high s": (changed_signatures(_set("signature", high_s)), Rule.BLOCK_SIGNATURE),
    "orderer signature empty": (changed_signatures(_set("signature", lambda _: b"")), Rule.BLOCK_SIGNATURE),
    "orderer signatures dropped": (
        changed_signatures(lambda metadata: metadata.ClearField("signatures")),
        Rule.BLOCK_SIGNATURE,
    ),
    "one orderer signature dropped": (
        changed_signatures(lambda metadata: metadata.signatures.pop()),
        Rule.BLOCK_SIGNATURE,
    ),
    "orderer signature repeated": (
        changed_signatures(lambda metadata: metadata.signatures.append(metadata.signatures[0])),
        Rule.BLOCK_SIGNATURE,
    ),
    "last config changed": (
        changed_signatures(_value(lambda value: setattr(value.last_config, "index", 3))),
        Rule.BLOCK_SIGNATURE,
    ),
    "consenter metadata changed": (
        changed_signatures(_value(lambda value: setattr(value, "consenter_metadata", b"x"))),
        Rule.BLOCK_SIGNATURE,
    ),
    "signed value garbled": (
        changed_signatures(lambda metadata: setattr(metadata, "value", b"\xff")),
        Rule.ENCODING,
    ),
    "signed value padded": (
        changed_signatures(lambda metadata: setattr(metadata, "value", metadata.value + b"\x18\x01")),
        Rule.ENCODING,
    ),
    "orderer metadata garbled": (changed_metadata(0, lambda _: b"\xff"), Rule.ENCODING),
    "orderer metadata padded": (changed_metadata(0, lambda old: old + b"\x18\x01"), Rule.ENCODING),
    "wrong last config entry": (changed_metadata(1, lambda _: _last_config_entry(4)), Rule.LAST_CONFIG),
    "garbled last config entry": (changed_metadata(1, lambda _: b"\xff"), Rule.ORDERER_METADATA),
    "orderer entry": (changed_metadata(3, lambda _: b"\x0a\x01x"), Rule.ORDERER_METADATA),
    "garbled orderer entry": (changed_metadata(3, lambda _: b"\xff"), Rule.ORDERER_METADATA),
    "codes missing": (changed_metadata(2, lambda _: b""), Rule.VALIDATION_CODE),
    "one code more": (changed_metadata(2, lambda codes: codes + b"\0"), Rule.VALIDATION_CODE),
    "one code less": (changed_metadata(2, lambda codes: codes[1:]), Rule.VALIDATION_CODE),
    "unknown code": (changed_metadata(2, lambda codes: b"\x63" + codes[1:]), Rule.VALIDATION_CODE),
    "commit hash flipped": (changed_metadata(4, flipped), Rule.COMMIT_HASH),
    "commit hash missing": (changed_metadata(4, lambda _: b""), Rule.COMMIT_HASH),
    "commit hash garbled": (changed_metadata(4, lambda _: b"\xff"), Rule.ENCODING),
    "sixth metadata entry": (
        lambda block: change_block(block, lambda message: message.metadata.metadata.append(b"x")),
        Rule.ENCODING,
    ),
    "metadata missing": (
        lambda block: change_block(block, lambda message: message.ClearField("metadata")),
        Rule.VALIDATION_CODE,
    ),
    "unknown field": (lambda block: block + b"\x20\x01", Rule.ENCODING),
    "padded number": (lambda block: b"\x0a\x00" + block, Rule.ENCODING),
    "garbage at the end": (lambda block: block + b"\xff", Rule.ENCODING),
    "last byte missing": (lambda block: block[:-1], Rule.ENCODING),
    "half of it": (lambda block: block[: len(block) // 2], Rule.ENCODING),
    "nothing of it": (lambda _: b"", Rule.ENCODING),
}


@pytest.mark.parametrize("name", BLOCK_CHANGES)
@pytest.mark.parametrize(("folder", "number"), [("raft", 11), ("smartbft", 12)])
def test_changed_block(folder: str, number: int, name: str) -> None:
    change, rule = BLOCK_CHANGES[name]
    chain = list(recorded(folder).blocks)
    changed = change(chain[number])
    assert changed != chain[number]
    chain[number] = changed
    assert_refused(chain, rule, number)


CODES = sorted(transaction_pb2.TxValidationCode.values())


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(("folder", "number"), [("raft", 5), ("raft", 10), ("raft", 11), ("smartbft", 12)])
def test_changed_validation_code(folder: str, number: int, code: int) -> None:
    """A valid transaction suppressed, an invalid one let through, or a wrong reason given."""
    chain = list(recorded(folder).blocks)
    recorded_codes = common_pb2.Block.FromString(chain[number]).metadata.metadata[2]
    position = len(recorded_codes) - 1
    if recorded_codes[position] == code:
        return
    chain[number] = changed_metadata(2, lambda codes: codes[:-1] + bytes([code]))(chain[number])
    rule = Rule.VALIDATION_CODE
    if code == VALID:
        rule = Rule.ENDORSEMENT if number == 10 else Rule.READ_VERSIONS
    assert_refused(chain, rule, number)


class TestSmartBft:
    def test_signature_of_another_consenter(self) -> None:
        chain = list(recorded("smartbft").blocks)

        def change(metadata: Any) -> None:
            first, second = metadata.signatures[0], metadata.signatures[1]
            first.identifier_header, second.identifier_header = (
                second.identifier_header,
                first.identifier_header,
            )

        chain[5] = change_orderer_metadata(chain[5], change)
        assert_refused(chain, Rule.BLOCK_SIGNATURE, 5)

    def test_unknown_consenter(self) -> None:
        chain = list(recorded("smartbft").blocks)
        unknown = serialized(common_pb2.IdentifierHeader(identifier=99, nonce=b"n" * 24))
        chain[5] = change_orderer_metadata(chain[5], _set("identifier_header", lambda _: unknown))
        assert_refused(chain, Rule.BLOCK_SIGNATURE, 5)

    def test_two_kinds_of_header(self) -> None:
        chain = list(recorded("smartbft").blocks)
        chain[5] = change_orderer_metadata(chain[5], _set("signature_header", lambda _: b"\x12\x01n"))
        assert_refused(chain, Rule.ENCODING, 5)

    def test_identity_of_a_stranger(self) -> None:
        chain = list(recorded("smartbft").blocks)
        orderer = insider().orderer

        def change(metadata: Any) -> None:
            header = serialized(common_pb2.SignatureHeader(creator=orderer.creator, nonce=b"n" * 24))
            message = orderer_signature_message(
                metadata.value, header, header_of(common_pb2.Block.FromString(chain[5]))
            )
            del metadata.signatures[:]
            for _ in range(3):
                metadata.signatures.add(signature_header=header, signature=orderer.sign(message))

        chain[5] = change_orderer_metadata(chain[5], change)
        assert_refused(chain, Rule.BLOCK_SIGNATURE, 5)


class TestOrder:
    @pytest.mark.parametrize("number", range(1, 12))
    def test_block_dropped(self, number: int) -> None:
        chain = list(recorded("raft").blocks)
        del chain[number]
        assert_refused(chain, Rule.BLOCK_NUMBER, number)

    @pytest.mark.parametrize("number", range(1, 12))
    def test_blocks_swapped(self, number: int) -> None:
        chain = list(recorded("raft").blocks)
        chain[number], chain[number + 1] = chain[number + 1], chain[number]
        assert_refused(chain, Rule.BLOCK_NUMBER, number)

    @pytest.mark.parametrize("number", range(1, 13))
    def test_block_repeated(self, number: int) -> None:
        chain = list(recorded("raft").blocks)
        chain.insert(number, chain[number])
        assert_refused(chain, Rule.BLOCK_NUMBER, number + 1)

    @pytest.mark.parametrize("number", range(1, 13))
    def test_block_of_another_chain(self, number: int) -> None:
        chain = list(recorded("raft").blocks)
        chain[number] = recorded("smartbft").blocks[number]
        assert_refused(chain, Rule.PREVIOUS_HASH, number)

    def test_chain_without_its_beginning(self) -> None:
        assert_refused(recorded("raft").blocks[1:], Rule.BLOCK_NUMBER, 0)

    def test_no_chain_at_all(self) -> None:
        assert_refused([], Rule.BLOCK_NUMBER, 0)
        assert verified([]).channel_id == ""


def _config_paths() -> list[tuple[str, ...]]:
    """Every value and policy of the recorded configuration, as the fields that lead to it."""
    message = common_pb2.Block.FromString(recorded("smartbft").blocks[0])

    def walk(group: Any, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        found = [
            (*path, kind, name) for kind in ("values", "policies") for name in sorted(getattr(group, kind))
        ]
        for name in sorted(group.groups):
            found += walk(group.groups[name], (*path, "groups", name))
        return found

    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(message.data.data[0]).payload)
    return walk(configtx_pb2.ConfigEnvelope.FromString(payload.data).config.channel_group, ())


@pytest.mark.parametrize("path", _config_paths(), ids="/".join)
def test_changed_configuration_in_block_0(path: tuple[str, ...]) -> None:
    """Without hashes the data hash gives it away, with them the trusted copy."""

    def change(message: Any) -> None:
        envelope = common_pb2.Envelope.FromString(message.data.data[0])
        payload = common_pb2.Payload.FromString(envelope.payload)
        config = configtx_pb2.ConfigEnvelope.FromString(payload.data)
        element = config.config.channel_group
        for field in path:
            element = element[field] if not hasattr(element, field) else getattr(element, field)
        element.version += 1
        payload.data = serialized(config)
        envelope.payload = serialized(payload)
        message.data.data[0] = serialized(envelope)

    chain = list(recorded("smartbft").blocks)
    trusted = chain[0]
    chain[0] = change_block(chain[0], change)
    assert_refused(chain, Rule.DATA_HASH, 0)
    assert_refused(rehashed(chain, 0), Rule.TRUST_ANCHOR, 0, anchor=trusted)


@pytest.mark.parametrize(
    ("index", "value"), [(0, b"\x0a\x02\x0a\x00\x12\x00"), (2, b"\x01"), (4, b"\x0a\x01h")], ids=str
)
def test_block_0_with_something_that_nothing_vouches_for(index: int, value: bytes) -> None:
    chain = list(recorded("raft").blocks)
    chain[0] = changed_metadata(index, lambda _: value)(chain[0])
    assert_refused(chain, Rule.TRUST_ANCHOR, 0)
