"""Which signatures are checked once, and which every time."""

import pytest
from veilmesh_fabric import SigningIdentity
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.signature_checks import SignedMessage
from veilmesh_network.embedded.channel import Channel
from veilmesh_network.network import OPERATOR, Network


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return Network.create(tmp_path_factory.mktemp("channel") / "network", members=1)


@pytest.fixture
def channel(network: Network) -> Channel:
    return Channel(ChannelConfig.from_block(network.channel_block.read_bytes()))


@pytest.fixture(scope="module")
def signer(network: Network) -> SigningIdentity:
    (member,) = network.members
    return SigningIdentity.from_msp_folder(member.identity(OPERATOR).msp_dir, member.msp_id)


def test_a_remembered_signature_is_not_checked_again(channel: Channel, signer: SigningIdentity) -> None:
    bad = SignedMessage(signer.creator, b"no signature at all", b"message")
    assert not channel.signature_holds(bad)
    channel.remember(bad)
    assert channel.signature_holds(bad)


def test_it_holds_for_no_other_message_or_signer(channel: Channel, signer: SigningIdentity) -> None:
    signature = signer.sign(b"message")
    channel.remember(SignedMessage(signer.creator, signature, b"message"))
    assert not channel.signature_holds(SignedMessage(signer.creator, signature, b"massage"))
    assert not channel.signature_holds(SignedMessage(signer.creator + b"\x00", signature, b"message!"))
    assert not channel.signature_holds(SignedMessage(b"", signature, b"message"))
    assert channel.signature_holds(SignedMessage(signer.creator, signature, b"message"))


def test_neither_long_messages_nor_too_many_are_remembered(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("veilmesh_network.embedded.channel._REMEMBERED_SIGNATURES", 2)
    long = SignedMessage(b"", b"0", b"x" * 20_000)
    several = [SignedMessage(b"", b"%d" % number, b"m%d" % number) for number in (1, 2, 3)]
    for each in (long, *several):
        channel.remember(each)
    assert [channel.signature_holds(each) for each in (long, *several)] == [False, False, True, True]
