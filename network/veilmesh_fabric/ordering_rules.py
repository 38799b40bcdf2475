"""What orderers vouch for in a block: steps 3 and 4 of `verification.py`.

Orderers sign the header, and with it the transactions; the rest of a block's metadata is a peer's word. Two
peers may hold one block with different signatures, because every Raft orderer signs its own copy, and a
SmartBFT orderer keeps whichever quorum it saw. So each copy's signatures are judged by themselves.
"""

from collections.abc import Sequence
from datetime import datetime

from fabric_protos.common import common_pb2

from veilmesh_fabric.block import Block, BlockMetadata
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.errors import DecodeError, IdentityError, VerificationError
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.policy import BLOCK_VALIDATION_POLICY
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.wire import decode_canonical


def require_orderers(
    block: Block, holds: Sequence[bool], config: ChannelConfig, at: datetime
) -> tuple[Identity, ...]:
    """Return who signed the block, if that suffices.

    Args:
        block: the one in question.
        holds: which of its orderers' signatures hold, in the order in which they stand.
        config: in force when it was ordered.
        at: the block's time, at which certificates must be valid.

    Raises:
        VerificationError: it does not, or one of the signatures is not good (rule "block-signature").
    """
    signers: dict[tuple[str, str], Identity] = {}
    for signature, good in zip(block.metadata.signatures, holds, strict=True):
        serialized = signature.creator
        if signature.consenter_id is not None:
            consenter = config.orderer.consenters.get(signature.consenter_id)
            if consenter is None:
                raise _unsigned(f"signer {signature.consenter_id} is no consenter of the channel")
            serialized = consenter.serialized_identity
        try:
            orderer = config.msps.identity(serialized, at)
        except IdentityError as err:
            raise _unsigned(f"a signer is not acceptable: {err}") from err
        if not good:
            raise _unsigned(f"signature of {orderer} does not hold")
        if orderer.key in signers:
            raise _unsigned(f"{orderer} signed twice")
        signers[orderer.key] = orderer
    orderers = tuple(signers.values())
    said = ", ".join(map(str, orderers)) or "nobody"
    if not config.policies.satisfied(BLOCK_VALIDATION_POLICY, orderers):
        policy = config.policies.policy(BLOCK_VALIDATION_POLICY)
        raise _unsigned(f"block validation policy wants {policy}, and {said} signed")
    if config.orderer.is_byzantine_fault_tolerant:
        consenters = {signature.consenter_id for signature in block.metadata.signatures} - {None}
        if len(consenters) < config.orderer.quorum:
            raise _unsigned(f"a quorum is {config.orderer.quorum} consenters, and {said} signed")
    return orderers


def require_metadata(metadata: BlockMetadata, config_block: int) -> None:
    """Raise a VerificationError unless the metadata name that config block, and obsolete entries agree."""
    if metadata.last_config != config_block:
        raise VerificationError(
            f"orderers name block {metadata.last_config} as the last config block, it is {config_block}",
            rule=Rule.LAST_CONFIG,
        )
    last_config, orderer = metadata.obsolete
    try:
        if last_config:
            value = decode_canonical(common_pb2.Metadata, last_config, "LAST_CONFIG entry").value
            index = decode_canonical(common_pb2.LastConfig, value, "value of the LAST_CONFIG entry").index
            if index != config_block:
                raise VerificationError(f"LAST_CONFIG entry names block {index}", rule=Rule.LAST_CONFIG)
        if orderer:
            value = decode_canonical(common_pb2.Metadata, orderer, "ORDERER entry").value
            if value != metadata.consenter_metadata:
                raise VerificationError(
                    "ORDERER entry is not the consenters' metadata", rule=Rule.ORDERER_METADATA
                )
    except DecodeError as err:
        raise VerificationError(str(err), rule=Rule.ORDERER_METADATA) from err


def _unsigned(message: str) -> VerificationError:
    return VerificationError(message, rule=Rule.BLOCK_SIGNATURE)
