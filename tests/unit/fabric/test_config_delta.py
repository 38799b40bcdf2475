"""An update computed between two configurations is the one that leads from the first to the second."""

from typing import Any

import pytest
from fabric_protos.common import configtx_pb2, policies_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.config_delta import config_delta
from veilmesh_fabric.config_request import ConfigUpdateRequest
from veilmesh_fabric.config_update import next_config, proposed_config
from veilmesh_fabric.errors import ConfigUpdateError

from tests.unit.fabric.forge import Channel, peers_of, serialized

CHANNEL = Channel()
NAMES = ("A", "B", "C")
MOD_POLICIES = st.sampled_from(["/Channel/Orderer/Admins", "/Channel/Application/Admins"])
VERSIONS = st.integers(0, 3)
POLICIES = [
    policies_pb2.Policy(
        type=policies_pb2.Policy.SIGNATURE, value=serialized(peers_of(needed, "Org1MSP", "Org2MSP"))
    )
    for needed in (0, 1, 2)
]
VALUES = st.builds(
    configtx_pb2.ConfigValue,
    version=VERSIONS,
    value=st.sampled_from([b"", b"one", b"two"]),
    mod_policy=MOD_POLICIES,
)
CONFIG_POLICIES = st.builds(
    configtx_pb2.ConfigPolicy, version=VERSIONS, policy=st.sampled_from(POLICIES), mod_policy=MOD_POLICIES
)


def named(elements: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(NAMES), elements, max_size=3)


def group_of(children: st.SearchStrategy[Any] | None) -> st.SearchStrategy[Any]:
    return st.builds(
        configtx_pb2.ConfigGroup,
        version=VERSIONS,
        values=named(VALUES),
        policies=named(CONFIG_POLICIES),
        groups=named(children) if children is not None else st.just({}),
        mod_policy=MOD_POLICIES,
    )


GROUPS = group_of(group_of(group_of(None)))


def configured(extra: Any) -> ChannelConfig:
    """Return the test channel's configuration with a group of anything in it."""
    config = configtx_pb2.Config()
    config.CopyFrom(CHANNEL.config)
    config.channel_group.groups["Extra"].CopyFrom(extra)
    return ChannelConfig.from_proto("veilmesh", config)


def root_with(config: ChannelConfig, extra: Any) -> Any:
    root = configtx_pb2.ConfigGroup()
    root.CopyFrom(config.root)
    root.groups["Extra"].CopyFrom(extra)
    return root


def without_versions(group: Any) -> Any:
    copy = configtx_pb2.ConfigGroup()
    copy.CopyFrom(group)
    copy.version = 0
    for element in (*copy.values.values(), *copy.policies.values()):
        element.version = 0
    for name in list(copy.groups):
        copy.groups[name].CopyFrom(without_versions(group.groups[name]))
    return copy


def versions(group: Any, path: str = "") -> dict[str, tuple[int, bytes]]:
    """Return every element by path: its version, and what it says itself."""
    own = configtx_pb2.ConfigGroup(mod_policy=group.mod_policy)
    for kind in ("values", "policies", "groups"):
        for name in getattr(group, kind):
            getattr(own, kind)[name].SetInParent()
    found = {path: (group.version, serialized(own))}
    for kind in ("values", "policies"):
        for name, element in getattr(group, kind).items():
            said = type(element)()
            said.CopyFrom(element)
            said.version = 0
            found[f"{path}/{kind}/{name}"] = (element.version, serialized(said))
    for name, child in group.groups.items():
        found |= versions(child, f"{path}/groups/{name}")
    return found


@settings(max_examples=40, deadline=None)
@given(before=GROUPS, after=GROUPS)
def test_the_verifier_reads_the_change_as_it_was_meant(before: Any, after: Any) -> None:
    current = configured(before)
    wanted = root_with(current, after)
    if without_versions(before) == without_versions(after):
        with pytest.raises(ConfigUpdateError, match="change nothing"):
            ConfigUpdateRequest.between(current, wanted)
        return
    request = ConfigUpdateRequest.between(current, wanted)
    for admin in (CHANNEL.orderer_admin, *CHANNEL.admins[:2]):
        request = request.signed_by(admin)
    proposed = proposed_config(current, request.unsigned_envelope(), CHANNEL.now)
    found = next_config(current, serialized(proposed), CHANNEL.now)
    assert found.sequence == current.sequence + 1
    assert without_versions(found.root) == without_versions(wanted)
    _assert_versions_count(versions(current.root), versions(found.root))


def _assert_versions_count(old: dict[str, tuple[int, bytes]], new: dict[str, tuple[int, bytes]]) -> None:
    """What stays as it was keeps its version, what changes goes up by one, what is new starts at 0."""
    for path, (version, said) in new.items():
        if path not in old:
            assert version == 0, path
        else:
            assert version == old[path][0] + (said != old[path][1]), path


def test_only_what_leads_to_the_change_is_listed() -> None:
    current = ChannelConfig.from_proto("veilmesh", CHANNEL.config)
    root = configtx_pb2.ConfigGroup()
    root.CopyFrom(current.root)
    root.groups["Orderer"].values["BatchTimeout"].value = b"\n\x021s"
    update = config_delta("veilmesh", current.root, root)
    assert update.channel_id == "veilmesh"
    orderer = update.write_set.groups["Orderer"]
    assert set(update.write_set.groups) == set(update.read_set.groups) == {"Orderer"}
    assert list(orderer.values) == ["BatchTimeout"]
    assert orderer.values["BatchTimeout"].version == 1
    assert not orderer.groups
    assert not update.read_set.groups["Orderer"].values


def test_a_member_that_leaves_is_no_longer_listed_among_the_others() -> None:
    current = ChannelConfig.from_proto("veilmesh", CHANNEL.config)
    root = configtx_pb2.ConfigGroup()
    root.CopyFrom(current.root)
    del root.groups["Application"].groups["Org3MSP"]
    update = config_delta("veilmesh", current.root, root)
    application = update.write_set.groups["Application"]
    assert set(application.groups) == {"Org1MSP", "Org2MSP", "AuditMSP"}
    assert application.version == 1
    assert all(not group.values and not group.policies for group in application.groups.values())
    assert set(application.policies) == set(root.groups["Application"].policies)
    assert "Org3MSP" not in update.read_set.groups["Application"].groups
