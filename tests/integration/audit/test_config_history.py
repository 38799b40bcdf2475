"""The configuration in force, as one peer tells it: believed only as far as it follows from block 0."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from fabric_protos.common import common_pb2, configtx_pb2
from veilmesh_fabric import ConfigInForce, Gateway, VerificationError, config_in_force, connect
from veilmesh_fabric.errors import DeliverError
from veilmesh_network.certificates import CertificateAuthority

from tests.integration.audit.deliver_server import delivering
from tests.unit.fabric.forge import CHANNEL, Channel, Writes, serialized, sign_block
from tests.unit.fabric.test_config_update import batch_size

AUTHORITY = CertificateAuthority.create("tlsca.example.com", "example.com")


@pytest.fixture(scope="module")
def channel() -> Channel:
    """Two configurations after the first, with other blocks before, between and after them."""
    channel = Channel()
    channel.add(channel.definition())
    for count in (7, 9):
        channel.add(channel.transaction(Writes(writes={"a": b"1"})))
        channel.add_config(channel.config_update(batch_size(count), [channel.orderer_admin]))
    channel.add(channel.transaction(Writes(writes={"b": b"1"})))
    return channel


@asynccontextmanager
async def gateway(channel: Channel, blocks: Sequence[bytes]) -> AsyncIterator[Gateway]:
    with delivering(blocks, AUTHORITY) as peer:
        async with connect(peer.address, AUTHORITY.root.certificate_pem) as connection:
            yield Gateway(connection, channel.auditor)


async def found(channel: Channel, blocks: Sequence[bytes]) -> ConfigInForce:
    async with gateway(channel, blocks) as opened:
        return await config_in_force(opened, CHANNEL, anchor=channel.blocks[0])


async def test_it_is_traced_back_to_the_first_block(channel: Channel) -> None:
    in_force = await found(channel, channel.blocks)
    assert (in_force.config.sequence, in_force.config.orderer.max_message_count) == (2, 9)
    assert (in_force.block_number, in_force.height) == (5, 7)


@pytest.mark.parametrize(("height", "count"), [(1, 100), (2, 100), (4, 7), (5, 7), (6, 9)])
async def test_it_is_the_one_at_that_height(channel: Channel, height: int, count: int) -> None:
    in_force = await found(channel, channel.blocks[:height])
    assert in_force.config.orderer.max_message_count == count
    assert in_force.height == height


async def test_only_what_leads_there_is_asked_for(channel: Channel) -> None:
    with delivering(channel.blocks, AUTHORITY) as peer:
        async with connect(peer.address, AUTHORITY.root.certificate_pem) as connection:
            await config_in_force(Gateway(connection, channel.auditor), CHANNEL, anchor=channel.blocks[0])
        assert peer.starts == [6, 5, 4, 3, 2]


def forged(channel: Channel, number: int, change: Callable[[common_pb2.Block], None]) -> list[bytes]:
    """Return the chain with one block as a peer made it up."""
    block = common_pb2.Block.FromString(channel.blocks[number])
    change(block)
    return [*channel.blocks[:number], serialized(block), *channel.blocks[number + 1 :]]


def other_configuration(block: common_pb2.Block) -> None:
    """Slip another value into the new configuration, and nothing into the update that was signed."""
    envelope = common_pb2.Envelope.FromString(block.data.data[0])
    payload = common_pb2.Payload.FromString(envelope.payload)
    config = configtx_pb2.ConfigEnvelope.FromString(payload.data)
    config.config.channel_group.groups["Orderer"].values["BatchTimeout"].value = b"\n\x021h"
    payload.data = serialized(config)
    envelope.payload = serialized(payload)
    block.data.data[0] = serialized(envelope)


async def test_a_configuration_that_nobody_signed(channel: Channel) -> None:
    with pytest.raises(VerificationError, match="not what the signed update leads to"):
        await found(channel, forged(channel, 5, other_configuration))


async def test_a_block_that_is_no_configuration_named_as_one(channel: Channel) -> None:
    def lie(block: common_pb2.Block) -> None:
        sign_block(block, channel.orderer, last_config=4, codes=b"\0")

    with pytest.raises(VerificationError, match="named as a config block, and is none"):
        await found(channel, forged(channel, 6, lie))


async def test_a_configuration_left_out(channel: Channel) -> None:
    """The peer skips the first change: the second does not follow from block 0."""

    def lie(block: common_pb2.Block) -> None:
        sign_block(block, channel.orderer, last_config=0, codes=b"\0")

    with pytest.raises(VerificationError, match="sequence 2 does not follow 0"):
        await found(channel, forged(channel, 4, lie))


async def test_blocks_that_lead_in_a_circle(channel: Channel) -> None:
    def lie(block: common_pb2.Block) -> None:
        sign_block(block, channel.orderer, last_config=5, codes=b"\0")

    with pytest.raises(VerificationError, match="block 4 names config block 5"):
        await found(channel, forged(channel, 4, lie))


async def test_a_peer_that_is_down(channel: Channel) -> None:
    with delivering(channel.blocks, AUTHORITY) as peer:
        address = peer.address
    async with connect(address, AUTHORITY.root.certificate_pem) as connection:
        with pytest.raises(DeliverError) as refused:
            await config_in_force(Gateway(connection, channel.auditor), CHANNEL, anchor=channel.blocks[0])
        assert refused.value.status == "UNAVAILABLE"
