"""What endorser, orderer and validator share of a channel: its configuration, and who signed what."""

from collections import OrderedDict
from datetime import datetime
from hashlib import sha256

from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.errors import IdentityError
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.policy import (
    APPLICATION_READERS_POLICY,
    APPLICATION_WRITERS_POLICY,
    CHANNEL_WRITERS_POLICY,
)
from veilmesh_fabric.signing import verify

_REMEMBERED_SIGNATURES = 20_000


class Channel:
    """One channel's configuration, for as long as the process runs: the embedded ledger takes no updates."""

    def __init__(self, config: ChannelConfig) -> None:
        self.config = config
        self._verified: OrderedDict[bytes, None] = OrderedDict()

    def signer(self, serialized: bytes, message: bytes, signature: bytes, at: datetime) -> Identity:
        """Return who signed `message`.

        A signature meets several checkpoints here: orderer and validator both look at the creator's, and the
        validator at those that this process's endorser has just made. Verifying is a pure function of key,
        message and signature, so one that has held is remembered, by a hash over all three; the certificate's
        standing at `at` is asked each time.

        Raises:
            IdentityError: the identity is not one of the channel's, or not valid at that time.
            SignatureError: the signature is not its.
        """
        identity = self.config.msps.identity(serialized, at)
        digest = _digest(serialized, message, signature)
        if digest not in self._verified:
            verify(identity.public_key, signature, message)
            self._remember(digest)
        return identity

    def signed_here(self, serialized: bytes, message: bytes, signature: bytes) -> None:
        """Remember a signature that this process has made, so that it need not verify it."""
        self._remember(_digest(serialized, message, signature))

    def require_writer(self, identity: Identity) -> None:
        """Raise unless `identity` may submit transactions."""
        self._require(CHANNEL_WRITERS_POLICY, identity)

    def require_proposer(self, identity: Identity) -> None:
        """Raise unless `identity` may have chaincode run: the ACL of "peer/Propose"."""
        acl = self.config.application.access_policies
        self._require(acl.get("peer/Propose", APPLICATION_WRITERS_POLICY), identity)

    def require_reader(self, identity: Identity) -> None:
        """Raise unless `identity` may see blocks, events and commit statuses."""
        self._require(APPLICATION_READERS_POLICY, identity)

    def _require(self, policy: str, identity: Identity) -> None:
        if not self.config.policies.policy(policy).satisfied_by([identity]):
            raise IdentityError(f"{identity} does not satisfy the policy {policy}")

    def _remember(self, digest: bytes) -> None:
        self._verified[digest] = None
        if len(self._verified) > _REMEMBERED_SIGNATURES:
            self._verified.popitem(last=False)


def _digest(serialized: bytes, message: bytes, signature: bytes) -> bytes:
    lengths = b"%d %d " % (len(serialized), len(message))
    return sha256(lengths + serialized + message + signature).digest()
