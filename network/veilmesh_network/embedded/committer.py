"""From a batch to a durable block, one block at a time.

1. judge the batch against the state that the last block left;
2. make the block: hashes, the orderer's signature, validation codes, commit hash;
3. write it with all it changes in one database transaction, in a thread, while the next batch gathers;
4. if it holds a configuration, go on with that;
5. tell those who wait.

Nothing is told before the write has returned, and a write that fails ends the ledger: what was not told may
then be missing, what was told is there.
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fabric_protos.common import common_pb2
from veilmesh_fabric.block import (
    BlockHeader,
    data_hash,
    decode_block,
    header_hash,
    orderer_signature_message,
)
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.world_state import commit_hash

from veilmesh_network.embedded.channel import Channel
from veilmesh_network.embedded.feed import BlockFeed
from veilmesh_network.embedded.orderer import Orderer
from veilmesh_network.embedded.store import BlockCommit, LedgerStore, TransactionRecord
from veilmesh_network.embedded.validator import Judgement, Validator
from veilmesh_network.errors import StorageError


class Committer:
    """Writes the chain's blocks from 1 on."""

    def __init__(
        self,
        channel: Channel,
        store: LedgerStore,
        orderer: Orderer,
        validator: Validator,
        *,
        signer: SigningIdentity,
        feed: BlockFeed,
    ) -> None:
        """Continue after the last block of `store`, which holds the first at least.

        Raises:
            StorageError: it holds none.
        """
        if store.height == 0:
            raise StorageError("the ledger holds no first block")
        self._channel = channel
        self._store = store
        self._orderer = orderer
        self._validator = validator
        self._signer = signer
        self._feed = feed
        self._number = store.height
        self._previous_hash = store.header_hash(self._number - 1)
        self._commit_hash = decode_block(store.block(self._number - 1)).metadata.commit_hash

    async def run(self) -> None:
        """Commit batches until the orderer is closed and empty.

        Raises:
            StorageError: a block cannot be written.
        """
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="ledger-commit") as writer:
            while batch := await self._orderer.batch():
                commit, config = self._prepare(batch)
                await loop.run_in_executor(writer, self._store.commit, commit)
                if config is not None:
                    self._channel.configure(config, commit.number)
                self._feed.publish(commit)

    def _prepare(self, batch: list[bytes]) -> tuple[BlockCommit, ChannelConfig | None]:
        """Return the next block, and the configuration that it brings."""
        header = BlockHeader(self._number, self._previous_hash, data_hash(batch))
        with self._store.snapshot() as snapshot:
            judgement = self._validator.judge(header, batch, snapshot)
        self._commit_hash = commit_hash(self._commit_hash, judgement.codes, judgement.updates)
        config = self._configured(judgement)
        last_config = header.number if config is not None else self._channel.config_block
        block = self._block(header, batch, judgement.codes, last_config)
        self._number += 1
        self._previous_hash = header_hash(header)
        commit = BlockCommit(
            number=header.number,
            header_hash=self._previous_hash,
            block=block.SerializeToString(deterministic=True),
            transactions=_records(header.number, judgement),
            state=judgement.updates.entries,
            history=judgement.history,
        )
        return commit, config

    def _configured(self, judgement: Judgement) -> ChannelConfig | None:
        """Return the configuration that stands alone in a block, made and found good by the orderer."""
        transaction = judgement.transactions[0]
        if not transaction.is_config:
            return None
        return ChannelConfig.from_envelope(self._channel.config.channel_id, transaction.config or b"")

    def _block(self, header: BlockHeader, batch: list[bytes], codes: bytes, last_config: int) -> Any:
        value = common_pb2.OrdererBlockMetadata(
            last_config=common_pb2.LastConfig(index=last_config)
        ).SerializeToString()
        signature_header = common_pb2.SignatureHeader(
            creator=self._signer.creator, nonce=os.urandom(24)
        ).SerializeToString()
        signature = self._signer.sign(orderer_signature_message(value, signature_header, header))
        signed = common_pb2.Metadata(
            value=value,
            signatures=[common_pb2.MetadataSignature(signature_header=signature_header, signature=signature)],
        )
        commit_hash = common_pb2.Metadata(value=self._commit_hash)
        return common_pb2.Block(
            header=common_pb2.BlockHeader(
                number=header.number, previous_hash=header.previous_hash, data_hash=header.data_hash
            ),
            data=common_pb2.BlockData(data=batch),
            metadata=common_pb2.BlockMetadata(
                metadata=[signed.SerializeToString(), b"", codes, b"", commit_hash.SerializeToString()]
            ),
        )


def _records(number: int, judgement: Judgement) -> list[TransactionRecord]:
    pairs = zip(judgement.transactions, judgement.codes, strict=True)
    return [
        TransactionRecord(transaction.tx_id, number, position, code)
        for position, (transaction, code) in enumerate(pairs)
        if not transaction.is_config  # which has no id
    ]
