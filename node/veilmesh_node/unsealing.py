"""Give a picture's key out, once the ledger says that two organisations consent.

1. The record on the ledger names this node as the keeper, and the sealed key by its digest.
2. The sealed key opens with this node's sealing key.
3. `release:FulfilUnsealing` commits: a majority of the members' peers counted the consents.
4. The key goes to the operator who asked.

Nothing is journalled, for nothing can be half done: a node killed after 3 has told nobody, and asked again it
finds its own mark on the ledger and gives out the same key for the same order, until the order expires.
"""

import logging
from hashlib import sha256

from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.unsealing import Unsealing, UnsealingId, UnsealingStatus

from veilmesh_node.environment import Environment
from veilmesh_node.errors import SealedKeyError
from veilmesh_node.ports import FULFIL_UNSEALING
from veilmesh_node.sealed_key import PictureKey, SealedKey
from veilmesh_node.sealing import SealingKey

_log = logging.getLogger(__name__)


class Unsealings:
    """The procedure behind Unseal."""

    def __init__(self, environment: Environment, sealing_key: SealingKey) -> None:
        self._env = environment
        self._sealing_key = sealing_key

    async def open(self, unsealing_id: str, sealed_key: bytes) -> PictureKey:
        """Return what restores the picture that the order is about.

        Args:
            unsealing_id: the order on the ledger.
            sealed_key: the content of the picture's `NAME.sealed.json`.

        Raises:
            Refusal: NOT_FOUND, NOT_KEEPER, NODE_NOT_ACTIVE, NOT_GRANTED, UNSEALING_EXPIRED,
                ALREADY_CONCLUDED (it was refused).
            SealedKeyError: that is no sealed key, or the order is about another picture.
            SealingError: it does not open with this node's key.
            LedgerError: it is not certain that the ledger knows; ask again.
        """
        unsealing = await self._env.ledger.unsealing(unsealing_id)
        self._check_kept_here(unsealing)
        if sha256(sealed_key).hexdigest() != unsealing.sealed_key_sha256:
            raise SealedKeyError(f"unsealing {unsealing_id} is about another sealed key")
        envelope = SealedKey.parse(sealed_key)
        if envelope.output_sha256 != unsealing.output_sha256:
            raise SealedKeyError(f"unsealing {unsealing_id} is about another picture")
        picture_key = envelope.open(self._sealing_key)
        if unsealing.status is not UnsealingStatus.FULFILLED:
            request = UnsealingId(unsealing_id=unsealing_id)
            transaction = await self._env.ledger.endorse(FULFIL_UNSEALING, request)
            await self._env.ledger.commit(transaction, in_doubt=False)
        _log.info("the key of unsealing %s is given out", unsealing_id)
        return picture_key

    def _check_kept_here(self, unsealing: Unsealing) -> None:
        """Say no to another keeper's order, and to one that was fulfilled and has run out since."""
        if unsealing.keeper_node_id != self._env.node_id:
            raise Refusal(
                RefusalCode.NOT_KEEPER,
                f"the key is sealed to node {unsealing.keeper_node_id}, not to this one",
            )
        if (
            unsealing.status is UnsealingStatus.FULFILLED
            and self._env.clock.now_s() >= unsealing.expires_at_s
        ):
            raise Refusal(
                RefusalCode.UNSEALING_EXPIRED,
                f"unsealing {unsealing.unsealing_id} was fulfilled, and expired",
            )
