"""Bringing a signed configuration update into force.

1. Every change in it has the consent that its policy wants; this is looked at here first, since an orderer
   names only one policy that is not satisfied.
2. The request goes to the ordering service.
3. The peer's blocks are followed until the one that holds it: from then on the new configuration is in force
   there. An orderer that took it may still drop it, if another update came first.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import NoReturn

from fabric_protos.common import configtx_pb2

from veilmesh_fabric.block import Block, decode_block
from veilmesh_fabric.config_history import ConfigInForce
from veilmesh_fabric.config_request import ConfigUpdateRequest
from veilmesh_fabric.config_update import Consent, consents
from veilmesh_fabric.errors import (
    BroadcastError,
    ConfigOvertakenError,
    ConfigUpdateError,
    ConsentError,
    VerificationError,
)
from veilmesh_fabric.gateway import Gateway
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.ordering import OrdererEndpoint, broadcast
from veilmesh_fabric.wire import decode

_UNSATISFIED = re.compile(r"policy for \[\w+\]\s+(?P<path>\S+) not satisfied")
_OTHER_VERSION = re.compile(r"error validating ReadSet|attempt(ed)? to set key")
"""How Fabric's orderers put it (`common/configtx/update.go`)."""


def considered(
    request: ConfigUpdateRequest, current: ConfigInForce
) -> tuple[Sequence[Consent], Sequence[Identity]]:
    """Return what each change of an update asks for, and who has signed, as of now.

    Raises:
        ConfigOvertakenError: it is based on other versions than those in force.
        DecodeError: it is malformed.
    """
    try:
        return consents(current.config, request.unsigned_envelope(), datetime.now(UTC))
    except VerificationError as err:
        raise ConfigOvertakenError(
            f"the update does not follow from configuration {current.config.sequence}: {err.message}"
        ) from err


def require_consent(request: ConfigUpdateRequest, current: ConfigInForce) -> None:
    """Raise unless the update may become the next configuration.

    Raises:
        ConsentError: signatures are missing.
        ConfigOvertakenError: it is based on other versions than those in force.
        DecodeError: it is malformed.
    """
    changes, signers = considered(request, current)
    wanted = [f"{change.path} wants {change.policy}" for change in changes if not change.given]
    if wanted:
        said = ", ".join(map(str, signers)) or "nobody"
        raise ConsentError(f"signatures are missing: {'; '.join(wanted)}; {said} signed", wanted=wanted)


async def submit_config_update(
    request: ConfigUpdateRequest,
    current: ConfigInForce,
    *,
    gateway: Gateway,
    orderers: Sequence[OrdererEndpoint],
    timeout_s: float = 60.0,
) -> ConfigInForce:
    """Bring an update into force, and return the configuration that a peer then has.

    Args:
        request: with all the signatures that it needs.
        current: what it is based on.
        gateway: a peer's, used as one who may write to the channel and sends the update.
        orderers: of the channel, as `orderer_endpoints` lists them; tried in this order.
        timeout_s: how long the update may take to come into force.

    Raises:
        ConsentError: signatures are missing.
        ConfigOvertakenError: another update came first.
        ConfigUpdateError: the ordering service refused it, or it did not come into force in time.
        BroadcastError: no orderer could be reached, or the sender may not write to the channel.
        DeliverError: the peer is down, or refuses to deliver.
    """
    require_consent(request, current)
    try:
        await broadcast(orderers, request.envelope(gateway.identity, datetime.now(UTC)))
    except BroadcastError as err:
        if not _OTHER_VERSION.search(err.info):
            _raise_refusal(err)
        # Which update came first? Perhaps this very one, by an orderer whose answer was lost.
    try:
        async with asyncio.timeout(timeout_s):
            return await _in_force(request, current, gateway)
    except TimeoutError:
        raise ConfigUpdateError(
            f"the ordering service took the update, but it is in no block after {timeout_s:.0f} s"
        ) from None


def _raise_refusal(err: BroadcastError) -> NoReturn:
    if err.status != "BAD_REQUEST":
        raise err
    unsatisfied = _UNSATISFIED.search(err.info)
    if unsatisfied:
        raise ConsentError(f"signatures are missing: {err}", wanted=[unsatisfied["path"]]) from err
    raise ConfigUpdateError(f"the ordering service refused the update: {err}") from err


async def _in_force(request: ConfigUpdateRequest, current: ConfigInForce, gateway: Gateway) -> ConfigInForce:
    async with aclosing(gateway.blocks(request.channel_id, start=current.height)) as stream:
        async for message in stream:
            block = decode_block(message.SerializeToString(deterministic=True))
            if not block.is_config:
                continue
            current = current.followed_by(block)
            if _brings(block, request):
                return current
            require_consent(request, current)  # another one came first; perhaps not in its way
    raise AssertionError("a stream without end ends by an error")


def _brings(block: Block, request: ConfigUpdateRequest) -> bool:
    """Whether a config block, whose configuration follows, holds this update."""
    message = decode(configtx_pb2.ConfigEnvelope, block.transactions[0].config or b"", "config envelope")
    return ConfigUpdateRequest.from_envelope(message.last_update).config_update == request.config_update
