"""The channel of a network on this machine, changed with the keys of all who must agree.

In a consortium each organisation has its own machine, and an update travels as a file from admin to admin
(`veilmesh_fabric.config_request`). Where one folder holds everybody's keys, for development, the same steps
are taken at once: read the configuration in force, edit it, sign by as many admins as its policies want,
submit, wait until every peer has it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from veilmesh_fabric.config_history import ConfigInForce, config_in_force
from veilmesh_fabric.config_request import ConfigUpdateRequest
from veilmesh_fabric.config_submission import submit_config_update
from veilmesh_fabric.config_update import consents
from veilmesh_fabric.connection import connect
from veilmesh_fabric.errors import DeliverError
from veilmesh_fabric.gateway import Gateway
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.ordering import OrdererEndpoint, orderer_endpoints

from veilmesh_network.channel_edits import members
from veilmesh_network.network import ADMIN, Network

Edit = Callable[[Any], Any]
"""From one root group to the next, such as those of `channel_edits.py`."""


class Consortium:
    """A running network's channel."""

    def __init__(self, network: Network, progress: Callable[[str], None] = lambda _: None) -> None:
        """Use the keys in a network's folder.

        Args:
            network: running.
            progress: is told what happens, for people.
        """
        self._network = network
        self._progress = progress
        self._roots = network.tls_roots.read_bytes()

    async def configuration(self, msp_id: str | None = None) -> ConfigInForce:
        """Return the configuration in force, as a peer of this member has it; of the first one by default.

        Raises:
            DeliverError: the network is down.
            VerificationError: the peer's configurations do not follow from the channel's first block.
        """
        msp_id = msp_id or self._network.members[0].msp_id
        async with self._gateway(msp_id) as gateway:
            return await config_in_force(gateway, self._network.channel, anchor=self._anchor)

    async def change(self, edit: Edit) -> ConfigInForce:
        """Bring an edit into force; return the configuration that all peers have then, but for those down.

        Raises:
            NetworkError: the edit cannot be made.
            ConfigUpdateError: it was refused, overtaken, changes nothing, or not enough keys are here.
            BroadcastError: no orderer could be reached.
            DeliverError: the peer of the first member is down.
        """
        current = await self.configuration()
        root = edit(current.config.root)
        request = self._signed(ConfigUpdateRequest.between(current.config, root), current)
        staying = [msp_id for msp_id in members(root) if msp_id in members(current.config.root)]
        async with self._gateway(staying[0]) as gateway:
            self._progress("submitting to the ordering service")
            orderers = self._orderers(current)
            changed = await submit_config_update(request, current, gateway=gateway, orderers=orderers)
        await self._until_all_have(changed, staying)
        self._progress(
            f"configuration {changed.config.sequence} is in force since block {changed.block_number}"
        )
        return changed

    @property
    def _anchor(self) -> bytes:
        return self._network.channel_block.read_bytes()

    def _orderers(self, current: ConfigInForce) -> Sequence[OrdererEndpoint]:
        if self._network.fabric is None:
            return [OrdererEndpoint(self._network.address, self._roots)]
        return orderer_endpoints(current.config)

    def _signed(self, request: ConfigUpdateRequest, current: ConfigInForce) -> ConfigUpdateRequest:
        """Return the request with signatures that suffice and none to spare, as far as keys are here."""
        signers = list(self._admins(current))
        for signer in reversed(tuple(signers)):
            others = [each for each in signers if each is not signer]
            if _suffices(_signed_by(request, others), current):
                signers = others
        for signer in signers:
            self._progress(f"signed by {signer}")
        return _signed_by(request, signers)

    def _admins(self, current: ConfigInForce) -> Iterator[SigningIdentity]:
        """Yield an admin of each of the channel's organisations that has a folder here."""
        here = {entry.msp_id for entry in self._network.organisations}
        for msp_id in sorted(current.config.msps):
            if msp_id in here:
                yield self._admin(msp_id)

    def _admin(self, msp_id: str) -> SigningIdentity:
        files = self._network.organisation(msp_id).identity(ADMIN)
        return SigningIdentity.from_msp_folder(files.msp_dir, msp_id)

    async def _until_all_have(self, changed: ConfigInForce, msp_ids: Sequence[str]) -> None:
        await asyncio.gather(*(self._until_has(msp_id, changed.block_number) for msp_id in msp_ids))

    async def _until_has(self, msp_id: str, number: int) -> None:
        async with self._gateway(msp_id) as gateway:
            try:
                async for _ in gateway.blocks(self._network.channel, start=number, stop=number):
                    pass
            except DeliverError as err:
                self._progress(f"the peer of {msp_id} does not have it yet: {err}")

    @asynccontextmanager
    async def _gateway(self, msp_id: str) -> AsyncIterator[Gateway]:
        """Open the gateway of a member's own peer, used as its admin."""
        async with connect(self._network.gateways(msp_id)[0], self._roots) as channel:
            yield Gateway(channel, self._admin(msp_id))


def _signed_by(request: ConfigUpdateRequest, signers: Sequence[SigningIdentity]) -> ConfigUpdateRequest:
    for signer in signers:
        request = request.signed_by(signer)
    return request


def _suffices(request: ConfigUpdateRequest, current: ConfigInForce) -> bool:
    changes, _ = consents(current.config, request.unsigned_envelope(), datetime.now(UTC))
    return all(change.given for change in changes)
