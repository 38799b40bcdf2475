"""The update that leads from one channel configuration to another: what is asked of the ordering service.

A `ConfigUpdate` holds two partial trees of the configuration. The read set says on which versions the update
is based, the write set what becomes of them, with versions counted up by one where something changes:

- a value or policy that changes stands in the write set alone, whole, one version up;
- a group whose members or `mod_policy` change goes one version up, and lists all its members in both sets:
  those that stay as they are by their version alone. What the write set no longer lists is removed;
- a group in which only something further down changes keeps its version, and lists what leads there;
- what is new starts at version 0.

`config_update.py` says how the ordering service, and everyone who verifies, judges the result.

Source: Fabric v3.1 `internal/configtxlator/update/update.go`.
"""

from collections.abc import Mapping
from typing import Any

from fabric_protos.common import configtx_pb2

from veilmesh_fabric.errors import ConfigUpdateError

_LEAVES = {
    "values": (configtx_pb2.ConfigValue, "value"),
    "policies": (configtx_pb2.ConfigPolicy, "policy"),
}
"""The two maps of elements without members: their message, and the field that holds what they say."""


def config_delta(channel_id: str, before: Any, after: Any) -> Any:
    """Return the `ConfigUpdate` message that changes the root group `before` into `after`.

    Args:
        channel_id: of the channel.
        before: the `ConfigGroup` in force.
        after: what it should become; its versions are not looked at.

    Raises:
        ConfigUpdateError: there is nothing to change.
    """
    delta = _GroupDelta(before, after)
    if not delta.changes:
        raise ConfigUpdateError("the update would change nothing")
    return configtx_pb2.ConfigUpdate(
        channel_id=channel_id, read_set=delta.read_set, write_set=delta.write_set
    )


class _GroupDelta:
    """What one group contributes to both sets."""

    def __init__(self, before: Any, after: Any) -> None:
        self.read_set = configtx_pb2.ConfigGroup(version=before.version)
        self.write_set = configtx_pb2.ConfigGroup(version=before.version)
        regrouped = before.mod_policy != after.mod_policy or any(
            set(getattr(before, kind)) != set(getattr(after, kind)) for kind in (*_LEAVES, "groups")
        )
        if regrouped:
            self.write_set.version += 1
            self.write_set.mod_policy = after.mod_policy
        self.changes = regrouped
        for kind in _LEAVES:
            self._compare_leaves(kind, getattr(before, kind), getattr(after, kind), list_all=regrouped)
        self._compare_groups(before.groups, after.groups, list_all=regrouped)

    def _compare_leaves(
        self, kind: str, before: Mapping[str, Any], after: Mapping[str, Any], *, list_all: bool
    ) -> None:
        message_type, content = _LEAVES[kind]
        read, written = getattr(self.read_set, kind), getattr(self.write_set, kind)
        for name, new in after.items():
            old = before.get(name)
            if old is not None and _same(old, new, content):
                if list_all:
                    read[name].CopyFrom(message_type(version=old.version))
                    written[name].CopyFrom(message_type(version=old.version))
                continue
            written[name].CopyFrom(new)
            written[name].version = 0 if old is None else old.version + 1
            self.changes = True

    def _compare_groups(self, before: Mapping[str, Any], after: Mapping[str, Any], *, list_all: bool) -> None:
        for name, new in after.items():
            if name not in before:
                self.write_set.groups[name].CopyFrom(_as_new(new))
                continue
            delta = _GroupDelta(before[name], new)
            if delta.changes or list_all:
                self.read_set.groups[name].CopyFrom(delta.read_set)
                self.write_set.groups[name].CopyFrom(delta.write_set)
            self.changes = self.changes or delta.changes


def _same(old: Any, new: Any, content: str) -> bool:
    return bool(old.mod_policy == new.mod_policy and getattr(old, content) == getattr(new, content))


def _as_new(group: Any) -> Any:
    """Return a copy in which everything is at version 0."""
    copy = configtx_pb2.ConfigGroup(mod_policy=group.mod_policy)
    for kind in _LEAVES:
        for name, element in getattr(group, kind).items():
            getattr(copy, kind)[name].CopyFrom(element)
            getattr(copy, kind)[name].version = 0
    for name, child in group.groups.items():
        copy.groups[name].CopyFrom(_as_new(child))
    return copy
