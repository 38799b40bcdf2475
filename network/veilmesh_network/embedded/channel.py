"""What endorser, orderer and validator share of a channel: its configuration, and who signed what."""

from collections import OrderedDict
from datetime import datetime
from functools import lru_cache

from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.errors import IdentityError
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.policy import (
    APPLICATION_READERS_POLICY,
    APPLICATION_WRITERS_POLICY,
    CHANNEL_WRITERS_POLICY,
)
from veilmesh_fabric.signature_checks import SignedMessage, signature_holds

_REMEMBERED_SIGNATURES = 4096  # with their messages; a full block has 400
_LONGEST_REMEMBERED = 16 * 1024  # bytes of a message; most have 2 to 6 kB
_REMEMBERED_IDENTITIES = 4096


class Channel:
    """One channel's configuration as it is now."""

    def __init__(self, config: ChannelConfig, config_block: int = 0) -> None:
        """Begin with the configuration that stands in a config block.

        Args:
            config: the configuration.
            config_block: the block's number.
        """
        self.config = config
        self.config_block = config_block
        self._good: OrderedDict[bytes, SignedMessage] = OrderedDict()  # by signature
        self._satisfies = lru_cache(_REMEMBERED_IDENTITIES)(self._find_satisfies)

    def configure(self, config: ChannelConfig, config_block: int) -> None:
        """Go on with the next configuration, from the block after its own on."""
        self.config = config
        self.config_block = config_block
        self._satisfies.cache_clear()

    def signer(self, signed: SignedMessage, at: datetime) -> Identity:
        """Return who signed a message.

        Raises:
            IdentityError: the signer is none of the channel's, or not valid at that time, or has not signed
            it.
        """
        identity = self.config.msps.identity(signed.signer, at)
        if not signature_holds(*signed):
            raise IdentityError(f"signature of {identity} does not hold")
        return identity

    def signature_holds(self, signed: SignedMessage) -> bool:
        """Whether the signature is of that message by the key in the signer's certificate.

        Those in transactions meet two checkpoints here: orderer and validator both look at the creator's, and
        the validator at those that this process's endorser has just made. Whether one holds is a pure
        function of signer, message and signature; so what `remember` was told needs no second check.
        """
        return self._good.get(signed.signature) == signed or signature_holds(*signed)

    def remember(self, signed: SignedMessage) -> None:
        """Remember a signature that this process has checked or made, and that the validator will meet."""
        if len(signed.message) > _LONGEST_REMEMBERED:
            return
        self._good[signed.signature] = signed
        if len(self._good) > _REMEMBERED_SIGNATURES:
            self._good.popitem(last=False)

    def require_writer(self, identity: Identity) -> None:
        """Raise IdentityError unless `identity` may submit transactions."""
        self._require(CHANNEL_WRITERS_POLICY, identity)

    def require_proposer(self, identity: Identity) -> None:
        """Raise IdentityError unless `identity` may have chaincode run: the ACL of "peer/Propose"."""
        acl = self.config.application.access_policies
        self._require(acl.get("peer/Propose", APPLICATION_WRITERS_POLICY), identity)

    def require_reader(self, identity: Identity) -> None:
        """Raise IdentityError unless `identity` may see blocks, events and commit statuses."""
        self._require(APPLICATION_READERS_POLICY, identity)

    def _require(self, policy: str, identity: Identity) -> None:
        if not self._satisfies(policy, identity):
            raise IdentityError(f"{identity} does not satisfy the policy {policy}")

    def _find_satisfies(self, policy: str, identity: Identity) -> bool:
        return self.config.policies.policy(policy).satisfied_by([identity])
