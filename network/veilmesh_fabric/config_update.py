"""How one channel configuration may follow another.

A CONFIG transaction carries the whole new configuration and, as `last_update`, the signed request that led
to it: a read set (which versions it is based on) and a write set (what it changes, versions counted up). In
order:

1. the new sequence number is the old one plus one;
2. the update is for this channel, and what it read has the versions it says;
3. what it writes at another version than it read is the change; there is one;
4. a new element starts at version 0, a changed one goes up by one, and the policy that the element names
   (`mod_policy`, relative to where it stands) is satisfied by those who signed the update;
5. laid over the old configuration, the change gives exactly the new one;
6. and that can be read as a configuration.

An orderer makes the transaction out of the request alone (`proposed_config`); before it is sent, `consents`
tells which policies it must satisfy and which it does.

Source: Fabric v3.1 `common/configtx/{validator,update,configmap}.go`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2

from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.errors import DecodeError, IdentityError, SignatureError, VerificationError
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.policy import NoSuchPolicy, Policy
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.signing import verify
from veilmesh_fabric.wire import decode

_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Element:
    """A group, value or policy, and where it stands."""

    kind: str  # "groups", "values" or "policies": the field of the parent that holds it
    path: _Path  # from "Channel" down to its own name
    message: Any

    @property
    def key(self) -> tuple[str, _Path]:
        return self.kind, self.path

    def __str__(self) -> str:
        return "/" + "/".join(self.path)


def next_config(current: ChannelConfig, envelope: bytes, at: datetime) -> ChannelConfig:
    """Return the configuration in a CONFIG transaction, if it follows from `current`.

    Args:
        current: the configuration in force.
        envelope: the transaction's `ConfigEnvelope` message.
        at: when it was made; the signers' certificates must be valid then.

    Raises:
        VerificationError: it does not follow (rule "config-update"), or is malformed.
    """
    try:
        message = decode(configtx_pb2.ConfigEnvelope, envelope, "config envelope")
        if message.config.sequence != current.sequence + 1:
            raise _broken(f"sequence {message.config.sequence} does not follow {current.sequence}")
        if proposed_config(current, message.last_update, at) != message:
            raise _broken("the new configuration is not what the signed update leads to")
        return ChannelConfig.from_proto(current.channel_id, message.config)
    except DecodeError as err:
        raise _broken(str(err)) from err


def proposed_config(current: ChannelConfig, request: Any, at: datetime) -> Any:
    """Return the `ConfigEnvelope` message of the configuration that a request leads to.

    Args:
        current: the configuration in force.
        request: the `Envelope` message of type CONFIG_UPDATE.
        at: now, aware; the signers' certificates must be valid then.

    Raises:
        VerificationError: it does not follow from `current` (rule "config-update"), or lacks consent.
        DecodeError: it is malformed.
    """
    update = _Update.read(current, request)
    signers = _signers(current, update.signed, at)
    for each in update.consents(signers):
        if not each.given:
            said = ", ".join(map(str, signers)) or "nobody"
            raise _broken(f"change of {each.path} wants {each.policy}, and {said} signed")
    config = configtx_pb2.Config(sequence=current.sequence + 1, channel_group=update.result())
    return configtx_pb2.ConfigEnvelope(config=config, last_update=request)


@dataclass(frozen=True, slots=True)
class Consent:
    """What one change of an update asks for, and whether it has it."""

    kind: str  # "groups", "values" or "policies"
    path: str  # such as "/Channel/Orderer/BatchSize"
    policy: Policy
    given: bool


def consents(
    current: ChannelConfig, request: Any, at: datetime
) -> tuple[Sequence[Consent], Sequence[Identity]]:
    """Return what each change of a request asks for, and who has signed the request.

    New elements are not listed: they come with a change of their group.

    Args:
        current: the configuration in force.
        request: as for `proposed_config`.
        at: as for `proposed_config`.

    Raises:
        VerificationError: the request does not follow from `current`, consent or not.
        DecodeError: it is malformed.
    """
    update = _Update.read(current, request)
    signers = _signers(current, update.signed, at)
    return update.consents(signers), signers


def _broken(message: str) -> VerificationError:
    return VerificationError(message, rule=Rule.CONFIG_UPDATE)


def requested_root(current: ChannelConfig, request: Any) -> Any:
    """Return the root group that a request asks for, whoever has consented.

    Args:
        current: the configuration in force.
        request: as for `proposed_config`.

    Raises:
        VerificationError: the request does not follow from `current`.
        DecodeError: it is malformed.
    """
    return _Update.read(current, request).result()


@dataclass(frozen=True, slots=True)
class _Update:
    """A request taken apart, and laid beside the configuration that it is for."""

    current: ChannelConfig
    signed: Any  # ConfigUpdateEnvelope
    existing: Mapping[tuple[str, _Path], _Element]
    change: Mapping[tuple[str, _Path], _Element]

    @classmethod
    def read(cls, current: ChannelConfig, request: Any) -> "_Update":
        """Take steps 2 to 4, but for the consent."""
        signed = _update_envelope(request, current.channel_id)
        update = decode(configtx_pb2.ConfigUpdate, signed.config_update, "config update")
        if update.channel_id != current.channel_id:
            raise _broken(f"update is for channel {update.channel_id!r}")
        existing = _elements(current.root)
        read = _elements(update.read_set) if update.HasField("read_set") else {}
        written = _elements(update.write_set) if update.HasField("write_set") else {}
        for key, element in read.items():
            if key not in existing:
                raise _broken(f"update is based on {element}, which does not exist")
            if existing[key].message.version != element.message.version:
                raise _broken(
                    f"update is based on version {element.message.version} of {element}, "
                    f"which is at {existing[key].message.version}"
                )
        change = {
            key: element
            for key, element in written.items()
            if key not in read or read[key].message.version != element.message.version
        }
        if not change:
            raise _broken("update changes nothing")
        for element in change.values():
            _require_version(existing.get(element.key), element)
        return cls(current, signed, existing, change)

    def consents(self, signers: Sequence[Identity]) -> tuple[Consent, ...]:
        policies = {
            key: _mod_policy(self.current, self.existing[key]) for key in self.change if key in self.existing
        }
        return tuple(
            Consent(key[0], str(self.existing[key]), policy, policy.satisfied_by(signers))
            for key, policy in policies.items()
        )

    def result(self) -> Any:
        """Return the root group that the update leads to."""
        return _assembled({**self.existing, **self.change}, self.current)


def _update_envelope(envelope: Any, channel_id: str) -> Any:
    """Return the `ConfigUpdateEnvelope` message in the envelope that asked for the update."""
    payload = decode(common_pb2.Payload, envelope.payload, "payload of the last update")
    header = decode(common_pb2.ChannelHeader, payload.header.channel_header, "its channel header")
    if header.type != common_pb2.CONFIG_UPDATE or header.channel_id != channel_id:
        raise _broken(f"last update is of type {header.type} for channel {header.channel_id!r}")
    return decode(configtx_pb2.ConfigUpdateEnvelope, payload.data, "config update envelope")


def _require_version(existing: _Element | None, change: _Element) -> None:
    version = change.message.version
    if not change.message.mod_policy:
        raise _broken(f"{change} names no policy for its change")
    if existing is None:
        if version != 0:
            raise _broken(f"new element {change} starts at version {version}")
    elif version != existing.message.version + 1:
        raise _broken(f"{change} goes from version {existing.message.version} to {version}")


def _mod_policy(current: ChannelConfig, element: _Element) -> Policy:
    name = element.message.mod_policy
    if name.startswith("/"):
        return current.policies.policy(name)
    # A group's policy is looked up in the group itself, that of a value or policy where it stands.
    where = element.path[1:] if element.kind == "groups" else element.path[1:-1]
    manager = current.policies.group(where)
    return manager.policy(name) if manager else NoSuchPolicy(f"{element}/{name}")


def _signers(current: ChannelConfig, signed: Any, at: datetime) -> tuple[Identity, ...]:
    """Return who signed the update; as in Fabric, a signature that does not hold does not count."""
    signers: dict[tuple[str, str], Identity] = {}
    for each in signed.signatures:
        try:
            header = decode(common_pb2.SignatureHeader, each.signature_header, "signature header")
            identity = current.msps.identity(header.creator, at)
            verify(identity.public_key, each.signature, each.signature_header + signed.config_update)
        except (DecodeError, IdentityError, SignatureError):
            continue
        signers.setdefault(identity.key, identity)
    return tuple(signers.values())


def _elements(root: Any) -> dict[tuple[str, _Path], _Element]:
    return {element.key: element for element in _walk(root, ("Channel",))}


def _walk(group: Any, path: _Path) -> Iterator[_Element]:
    yield _Element("groups", path, group)
    for kind in ("values", "policies"):
        for name, message in getattr(group, kind).items():
            yield _Element(kind, (*path, name), message)
    for name, child in group.groups.items():
        yield from _walk(child, (*path, name))


def _assembled(
    elements: Mapping[tuple[str, _Path], _Element], current: ChannelConfig, path: _Path = ("Channel",)
) -> Any:
    """Return the group at `path`, made of the newest version of everything it lists.

    All that a group lists is there: it was before, or comes with the change.
    """
    listed = elements["groups", path].message
    group = configtx_pb2.ConfigGroup(version=listed.version, mod_policy=listed.mod_policy)
    for kind in ("values", "policies"):
        for name in getattr(listed, kind):
            getattr(group, kind)[name].CopyFrom(elements[kind, (*path, name)].message)
    for name in listed.groups:
        group.groups[name].CopyFrom(_assembled(elements, current, (*path, name)))
    if "Capabilities" in current.root.groups["Orderer"].values:
        _set_missing_mod_policies(group)
    return group


def _set_missing_mod_policies(group: Any) -> None:
    """Do as Fabric does, for channels that an early version made without these."""
    for element in (group, *group.values.values(), *group.policies.values()):
        element.mod_policy = element.mod_policy or "Admins"
