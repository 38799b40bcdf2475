"""A request to change a channel's configuration, and the signatures it collects.

    Envelope                                 signed by whoever sends it
    └ Payload: ChannelHeader of type CONFIG_UPDATE
      └ ConfigUpdateEnvelope
        ├ config_update: ConfigUpdate        see `config_delta.py`
        └ signatures: ConfigSignature        one an admin: header, and signature over header || config_update

Organisations are not on one machine, so the request travels as a file from admin to admin, or in copies to
all of them. The file is the envelope, its own signature left out: what Fabric's `peer channel signconfigtx`
and `peer channel update` read and write, too.

Source: Fabric v3.1 `common/configtx.proto`, `internal/peer/channel/signconfigtx.go`.
"""

import os
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, Self

from fabric_protos.common import common_pb2, configtx_pb2

from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.config_delta import config_delta
from veilmesh_fabric.errors import ConfigUpdateError, DecodeError
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.proposal import NONCE_BYTES
from veilmesh_fabric.wire import decode


class ConfigSignature(NamedTuple):
    """One admin's consent."""

    header: bytes  # SignatureHeader: who, and a nonce
    signature: bytes  # over header || config_update


@dataclass(frozen=True, slots=True)
class ConfigUpdateRequest:
    """An update and the consent given to it so far."""

    channel_id: str
    config_update: bytes = field(repr=False)  # the exact bytes that are signed
    signatures: tuple[ConfigSignature, ...] = ()

    @classmethod
    def between(cls, current: ChannelConfig, root: Any) -> Self:
        """Return the unsigned request that leads from `current` to a configuration with this root group.

        Raises:
            ConfigUpdateError: that is what is in force already.
        """
        delta = config_delta(current.channel_id, current.root, root)
        return cls(current.channel_id, _serialized(delta))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read the request in a file.

        Raises:
            DecodeError: it holds none.
        """
        return cls.from_envelope(decode(common_pb2.Envelope, data, "config update file"))

    @classmethod
    def from_envelope(cls, envelope: Any) -> Self:
        """Read the request in an `Envelope` message, whoever sends it.

        Raises:
            DecodeError: it holds none.
        """
        payload = decode(common_pb2.Payload, envelope.payload, "payload of the config update")
        header = decode(common_pb2.ChannelHeader, payload.header.channel_header, "its channel header")
        if header.type != common_pb2.CONFIG_UPDATE:
            raise DecodeError(f"an envelope of type {header.type} is no config update")
        message = decode(configtx_pb2.ConfigUpdateEnvelope, payload.data, "config update envelope")
        update = decode(configtx_pb2.ConfigUpdate, message.config_update, "config update")
        if update.channel_id != header.channel_id:
            raise DecodeError(
                f"the config update is for channel {update.channel_id!r}, its envelope for "
                f"{header.channel_id!r}"
            )
        signatures = tuple(
            ConfigSignature(each.signature_header, each.signature) for each in message.signatures
        )
        return cls(update.channel_id, message.config_update, signatures)

    def to_bytes(self) -> bytes:
        """Return what goes into a file."""
        return _serialized(self.unsigned_envelope())

    def unsigned_envelope(self) -> Any:
        """Return the `Envelope` message that nobody has sent yet."""
        return common_pb2.Envelope(payload=self._payload(None, None))

    def signed_by(self, identity: SigningIdentity) -> Self:
        """Return the request with this identity's consent, in the place of an earlier one of its own."""
        header = _signature_header(identity)
        signature = ConfigSignature(header, identity.sign(header + self.config_update))
        others = [each for each in self.signatures if _creator(each) != identity.creator]
        return replace(self, signatures=(*others, signature))

    def merged(self, other: Self) -> Self:
        """Return the request with the signatures that a copy of it has collected, too.

        Raises:
            ConfigUpdateError: it is another update.
        """
        if other.config_update != self.config_update:
            raise ConfigUpdateError("the two files hold different updates")
        return replace(self, signatures=tuple(dict.fromkeys((*self.signatures, *other.signatures))))

    def envelope(self, sender: SigningIdentity, at: datetime) -> Any:
        """Return the `Envelope` message to broadcast.

        Args:
            sender: may write to the channel; not necessarily one of those who signed.
            at: now, aware.
        """
        payload = self._payload(sender, at)
        return common_pb2.Envelope(payload=payload, signature=sender.sign(payload))

    def _payload(self, sender: SigningIdentity | None, at: datetime | None) -> bytes:
        channel_header = common_pb2.ChannelHeader(type=common_pb2.CONFIG_UPDATE, channel_id=self.channel_id)
        if at is not None:
            channel_header.timestamp.FromDatetime(at)
        header = common_pb2.Header(
            channel_header=_serialized(channel_header),
            signature_header=b"" if sender is None else _signature_header(sender),
        )
        data = configtx_pb2.ConfigUpdateEnvelope(
            config_update=self.config_update,
            signatures=[
                configtx_pb2.ConfigSignature(signature_header=each.header, signature=each.signature)
                for each in self.signatures
            ],
        )
        return _serialized(common_pb2.Payload(header=header, data=_serialized(data)))


def _creator(signature: ConfigSignature) -> bytes:
    try:
        return bytes(decode(common_pb2.SignatureHeader, signature.header, "signature header").creator)
    except DecodeError:
        return b""  # nobody's, and no orderer counts it


def _signature_header(identity: SigningIdentity) -> bytes:
    return _serialized(common_pb2.SignatureHeader(creator=identity.creator, nonce=os.urandom(NONCE_BYTES)))


def _serialized(message: Any) -> bytes:
    data: bytes = message.SerializeToString(deterministic=True)
    return data
