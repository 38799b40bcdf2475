"""Requests to change the channel's configuration, and the CONFIG transactions that the orderer makes of them.

What a request leads to, and whose consent it needs, is decided by the very rules that a verifier follows
(`veilmesh_fabric.config_update`). The sentences of a refusal begin as Fabric's (`common/configtx/update.go`),
so that a client reads them alike.
"""

import os
from collections.abc import Callable
from datetime import datetime
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.config_update import Consent, consents, proposed_config
from veilmesh_fabric.errors import DecodeError, VerificationError
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.proposal import NONCE_BYTES
from veilmesh_fabric.wire import decode

from veilmesh_network.embedded.channel import Channel

_KINDS = {"groups": "[Group]  ", "values": "[Value]  ", "policies": "[Policy] "}


class UpdateRefusedError(Exception):
    """A request does not lead to a new configuration; says why."""


class ConfigUpdates:
    """The orderer's part in changing the configuration."""

    def __init__(self, channel: Channel, signer: SigningIdentity, now: Callable[[], datetime]) -> None:
        self._channel = channel
        self._signer = signer
        self._now = now

    def transaction(self, request: Any) -> Any:
        """Return the signed CONFIG `Envelope` of the configuration that a request leads to.

        Args:
            request: the `Envelope` message of type CONFIG_UPDATE.

        Raises:
            UpdateRefusedError: it leads to none.
        """
        current = self._channel.config
        try:
            return self._signed(self._new_config(current, request))
        except UpdateRefusedError as refused:
            raise UpdateRefusedError(
                f"error applying config update to existing channel '{current.channel_id}': {refused}"
            ) from refused.__cause__

    def again(self, transaction: Any) -> Any:
        """Return what the request inside a CONFIG `Envelope` leads to now, as `transaction`."""
        payload = decode(common_pb2.Payload, transaction.payload, "payload")
        message = decode(configtx_pb2.ConfigEnvelope, payload.data, "config envelope")
        return self.transaction(message.last_update)

    def _new_config(self, current: ChannelConfig, request: Any) -> Any:
        at = self._now()
        try:
            changes, _ = consents(current, request, at)
        except VerificationError as err:
            raise UpdateRefusedError(
                f"error authorizing update: error validating ReadSet: {err.message}"
            ) from err
        except DecodeError as err:
            raise UpdateRefusedError(f"error converting envelope to config update: {err}") from err
        for change in changes:
            if not change.given:
                raise UpdateRefusedError(_unsatisfied(change))
        try:
            message = proposed_config(current, request, at)
            ChannelConfig.from_proto(current.channel_id, message.config)
        except DecodeError as err:
            raise UpdateRefusedError(f"error validating the resulting configuration: {err}") from err
        return message

    def _signed(self, message: Any) -> Any:
        channel_header = common_pb2.ChannelHeader(
            type=common_pb2.CONFIG, channel_id=self._channel.config.channel_id
        )
        channel_header.timestamp.FromDatetime(self._now())
        signature_header = common_pb2.SignatureHeader(
            creator=self._signer.creator, nonce=os.urandom(NONCE_BYTES)
        )
        header = common_pb2.Header(
            channel_header=channel_header.SerializeToString(),
            signature_header=signature_header.SerializeToString(),
        )
        payload = common_pb2.Payload(
            header=header, data=message.SerializeToString(deterministic=True)
        ).SerializeToString()
        return common_pb2.Envelope(payload=payload, signature=self._signer.sign(payload))


def _unsatisfied(change: Consent) -> str:
    return (
        "error authorizing update: error validating DeltaSet: "
        f"policy for {_KINDS[change.kind]}{change.path} not satisfied: it wants {change.policy}"
    )
