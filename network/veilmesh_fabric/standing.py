"""What must be remembered of the blocks verified so far, to verify the next one.

All of it follows from the blocks, so a verifier that has it goes on where another one stopped
(`audit_checkpoint.py` keeps it in a file).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.endorsement import EndorsementPolicies
from veilmesh_fabric.verification_report import Tally
from veilmesh_fabric.world_state import StateKey, WorldState


@dataclass(slots=True)
class Configuration:
    """What block 0 and the config blocks after it establish."""

    config: ChannelConfig
    envelope: bytes  # the `ConfigEnvelope` message it was read from
    block: int  # that brought it
    endorsement: EndorsementPolicies

    @classmethod
    def read(cls, channel_id: str, envelope: bytes, block: int, state: WorldState) -> "Configuration":
        """Read a trusted configuration.

        Raises:
            DecodeError: `envelope` holds none.
        """
        config = ChannelConfig.from_envelope(channel_id, envelope)
        return cls(config, envelope, block, EndorsementPolicies(config, state))


@dataclass(slots=True)
class Unsaved:
    """What changed since the standing was last saved."""

    keys: set[StateKey] = field(default_factory=set)
    tx_ids: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Standing:
    """Where verification of one channel's chain stands, after at least block 0."""

    configuration: Configuration
    genesis_hash: bytes
    last_hash: bytes  # of the last verified block's header
    last_codes: bytes  # its validation codes
    time: datetime  # of the last valid transaction, in UTC
    state: WorldState
    tally: Tally
    known_ids: set[str] = field(default_factory=set)
    has_commit_hashes: bool = False
    unsaved: Unsaved | None = None  # None: nobody saves it

    def remember(self, keys: Iterable[StateKey], tx_ids: Iterable[str]) -> None:
        """Note the ids of a block's transactions, and, where this is saved, which keys it changed."""
        ids = [tx_id for tx_id in tx_ids if tx_id]
        self.known_ids.update(ids)
        if self.unsaved is not None:
            self.unsaved.keys.update(keys)
            self.unsaved.tx_ids += ids
