"""The configuration in force on a running channel, traced back to the first block.

What one peer says is the configuration is one peer's word, and an admin who signs a change of it would sign
what that peer made up. So it is followed from block 0, which the caller trusts: each configuration must
follow from the one before with the consent that it needs (`config_update.py`). Only the config blocks are
read, and the blocks before them that name them:

1. the newest block names the config block in force (`last_config`);
2. the block before that one names the config block that was in force until then; and so on, back to block 0;
3. from there forward, each configuration is checked against its predecessor.

A peer can still hide the latest changes. The orderers then refuse an update that is based on an old version.
"""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from veilmesh_fabric.block import Block, decode_block
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.config_update import next_config
from veilmesh_fabric.errors import DecodeError, DeliverError, VerificationError
from veilmesh_fabric.gateway import Gateway
from veilmesh_fabric.rules import Rule


@dataclass(frozen=True, slots=True)
class ConfigInForce:
    """A channel's configuration, and where in the chain it stands."""

    config: ChannelConfig
    block_number: int  # of the config block
    changed_at: datetime  # when it was made, as its orderer says
    height: int  # how many blocks the peer had

    def followed_by(self, block: Block) -> "ConfigInForce":
        """Return the configuration that the next config block brings.

        Raises:
            VerificationError: it is no config block, or what it holds does not follow.
        """
        transaction = block.transactions[0]
        if not block.is_config or transaction.header is None or transaction.config is None:
            raise VerificationError(
                "the block is named as a config block, and is none",
                rule=Rule.LAST_CONFIG,
                block_number=block.number,
            )
        at = transaction.header.timestamp
        config = next_config(self.config, transaction.config, at)
        return ConfigInForce(config, block.number, at, max(self.height, block.number + 1))


async def config_in_force(gateway: Gateway, channel_name: str, *, anchor: bytes) -> ConfigInForce:
    """Ask a peer for the configuration in force, and check it.

    Args:
        gateway: the peer's, used as one of the channel's readers.
        channel_name: the channel.
        anchor: its serialized block 0, which is trusted.

    Raises:
        DeliverError: as `Gateway.blocks`.
        VerificationError: the peer's configurations do not follow from block 0.
    """
    height = await gateway.height(channel_name)
    newest = await _block(gateway, channel_name, height - 1)
    config_blocks: list[Block] = []
    last_config = newest.metadata.last_config if newest.number else 0
    while last_config:
        config_blocks.append(await _block(gateway, channel_name, last_config))
        before = await _block(gateway, channel_name, last_config - 1)
        if not before.metadata.last_config < last_config:
            raise VerificationError(
                f"block {before.number} names config block {before.metadata.last_config}",
                rule=Rule.LAST_CONFIG,
                block_number=before.number,
            )
        last_config = before.metadata.last_config
    return _followed(anchor, config_blocks[::-1], height=height)


def _followed(anchor: bytes, config_blocks: Sequence[Block], *, height: int) -> ConfigInForce:
    first = decode_block(anchor)
    header = first.transactions[0].header
    if header is None:
        raise DecodeError("the trusted first block carries no configuration")
    in_force = ConfigInForce(ChannelConfig.from_block(anchor), 0, header.timestamp, height)
    for block in config_blocks:
        in_force = in_force.followed_by(block)
    return in_force


async def _block(gateway: Gateway, channel_name: str, number: int) -> Block:
    async with aclosing(gateway.blocks(channel_name, start=number, stop=number)) as stream:
        async for message in stream:
            return decode_block(message.SerializeToString(deterministic=True))
    raise DeliverError(f"block {number} of {channel_name} was not delivered", status="NOT_FOUND")
