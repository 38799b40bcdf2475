"""The channel's first block says what `configtxgen` makes of the same settings, element by element.

One difference remains: configtxgen wants every organisation to have `Writers`, and our auditors have none. In
its settings they get one that nobody satisfies, for an auditing organisation has no peers.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2, configtx_pb2, policies_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2
from veilmesh_network.errors import NetworkError
from veilmesh_network.fabric.binaries import Release, find_binaries
from veilmesh_network.fabric.plan import Orderers
from veilmesh_network.network import Network, tls_of
from veilmesh_network.organisation import Organisation

from tests.fabric_network import require_binaries

# configtxgen's own; where one option is given, it fills in none of the others.
_SMARTBFT_DEFAULTS = (
    "RequestBatchMaxCount: 100, RequestBatchMaxBytes: 10485760, IncomingMessageBufferSize: 200, "
    "RequestPoolSize: 400, RequestForwardTimeout: 2s, RequestComplainTimeout: 20s, "
    "RequestAutoRemoveTimeout: 3m0s, ViewChangeResendInterval: 5s, ViewChangeTimeout: 20s, "
    "LeaderHeartbeatTimeout: 1m0s, LeaderHeartbeatCount: 10, CollectTimeout: 1s"
)


@pytest.mark.parametrize("orderers", Orderers)
def test_equals_configtxgen(orderers: Orderers, tmp_path: Path) -> None:
    require_binaries()
    binaries = find_binaries()
    configtxgen = shutil.which("configtxgen", path=f"{binaries.peer.parent}{os.pathsep}{os.environ['PATH']}")
    if configtxgen is None:
        pytest.skip(f"needs configtxgen, in {binaries.peer.parent} or on PATH")
    create = partial(
        Network.create,
        tmp_path / "network",
        orderers=orderers,
        port=7050,
        channel_capability=binaries.release.channel_capability,
    )
    if orderers is Orderers.BFT and binaries.release is Release.V2_5:
        with pytest.raises(NetworkError, match="SmartBFT orderers need Fabric 3"):
            create()
        return
    network = create()
    (tmp_path / "configtx.yaml").write_text("\n".join(_configtx(network)))
    block = tmp_path / "other.block"
    made = subprocess.run(
        [configtxgen, "-profile", "Net", "-channelID", network.channel, "-outputBlock", block],
        env={"FABRIC_CFG_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-2000:]
    ours, theirs = (dict(_elements(_root(path.read_bytes()))) for path in (network.channel_block, block))
    assert theirs.pop("/Application/AuditMSP/Writers policy")
    assert sorted(ours) == sorted(theirs)
    assert {name: value for name, value in ours.items() if theirs[name] != value} == {}


def _root(block: bytes) -> Any:
    (data,) = common_pb2.Block.FromString(block).data.data
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(data).payload)
    return configtx_pb2.ConfigEnvelope.FromString(payload.data).config.channel_group


def _elements(group: Any, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield every element with what it says; messages whose bytes are not unique are read."""
    yield f"{path} group", (group.version, group.mod_policy)
    for name, value in group.values.items():
        yield f"{path}/{name} value", (value.version, value.mod_policy, _read(name, value.value))
    for name, policy in group.policies.items():
        kind = policies_pb2.Policy.PolicyType.Name(policy.policy.type)
        yield f"{path}/{name} policy", (policy.version, policy.mod_policy, kind, policy.policy.value)
    for name, child in group.groups.items():
        yield from _elements(child, f"{path}/{name}")


def _read(name: str, value: bytes) -> object:
    match name:
        case "MSP":
            return str(
                msp_config_pb2.FabricMSPConfig.FromString(msp_config_pb2.MSPConfig.FromString(value).config)
            )
        case "ACLs":
            acls = peer_pb2.ACLs.FromString(value).acls
            return {resource: each.policy_ref for resource, each in acls.items()}
        case _:
            return value


def _configtx(network: Network) -> Iterator[str]:
    """Yield the lines of an equivalent configtx.yaml."""
    settings = network.require_fabric()
    members = [member.msp_id for member in network.members]
    yield "Profiles:"
    yield "  Net:"
    yield from _indented(4, _policies(Readers="ANY Readers", Writers="ANY Writers", Admins="MAJORITY Admins"))
    yield f"    Capabilities: {{{settings.channel_capability}: true}}"
    yield "    Orderer:"
    yield from _indented(6, _ordering(network))
    yield "    Application:"
    everybody = [*members, *(auditor.msp_id for auditor in network.auditors)]
    readers = [
        _principals(everybody, "client"),
        _principals(members, "peer"),
        _principals(everybody, "admin"),
    ]
    any_one = {
        "Readers": f"OR({', '.join(readers)})",
        "Writers": f"OR({_principals(members, 'client')}, {_principals(members, 'admin')})",
    }
    majority = {
        policy: f"OutOf({len(members) // 2 + 1}, {_principals(members, role)})"
        for policy, role in (("Admins", "admin"), ("Endorsement", "peer"), ("LifecycleEndorsement", "peer"))
    }
    yield from _indented(6, _policies(**any_one, **majority))
    yield "      Capabilities: {V2_5: true}"
    yield "      ACLs: {peer/Propose: /Channel/Application/Readers}"
    yield "      Organizations:"
    for number, msp_id in network.member_numbers.items():
        roles = {
            "Readers": ("client", "peer", "admin"),
            "Writers": ("client", "admin"),
            "Admins": ("admin",),
            "Endorsement": ("peer",),
        }
        yield from _indented(8, _organisation(network.organisation(msp_id), roles))
        yield f"          AnchorPeers: [{{Host: 127.0.0.1, Port: {settings.ports.member(number).peer}}}]"
    for auditor in network.auditors:
        yield from _indented(
            8,
            _organisation(
                auditor, {"Readers": ("client", "admin"), "Writers": ("peer",), "Admins": ("admin",)}
            ),
        )


def _ordering(network: Network) -> Iterator[str]:
    settings = network.require_fabric()
    ports = [settings.ports.orderer(number).service for number in range(1, settings.orderers.size + 1)]
    files = [network.orderer.identity(name) for name in network.orderer_names()]
    profile = network.channel_profile()
    yield f"BatchTimeout: {profile.batch_timeout_ms}ms"
    yield f"BatchSize: {{MaxMessageCount: {profile.max_message_count}, AbsoluteMaxBytes: 10 MB,"
    yield "            PreferredMaxBytes: 2 MB}"
    yield "Capabilities: {V2_0: true}"
    yield from _policies(
        Readers="ANY Readers",
        Writers="ANY Writers",
        Admins="MAJORITY Admins",
        BlockValidation="ANY Writers",
    )
    consenters = [
        f"Host: 127.0.0.1, Port: {port}, ClientTLSCert: {tls_of(file).certificate}, "
        f"ServerTLSCert: {tls_of(file).certificate}"
        for port, file in zip(ports, files, strict=True)
    ]
    if settings.orderers is Orderers.BFT:
        yield "OrdererType: BFT"
        yield f"SmartBFT: {{RequestBatchMaxInterval: {profile.batch_timeout_ms}ms, {_SMARTBFT_DEFAULTS}}}"
        yield "ConsenterMapping:"
        for number, (consenter, file) in enumerate(zip(consenters, files, strict=True), start=1):
            yield f"  - {{ID: {number}, MSPID: OrdererMSP, Identity: {file.certificate}, {consenter}}}"
    else:
        yield "OrdererType: etcdraft"
        yield "EtcdRaft:"
        yield "  Consenters:"
        for consenter in consenters:
            yield f"    - {{{consenter}}}"
        yield f"  Options: {{TickInterval: {profile.raft_tick_ms}ms, ElectionTick: 10, HeartbeatTick: 1,"
        yield "            MaxInflightBlocks: 5, SnapshotIntervalSize: 16 MB}"
    yield "Organizations:"
    roles = {"Readers": ("member",), "Writers": ("member",), "Admins": ("admin",)}
    yield from _indented(2, _organisation(network.orderer, roles))
    yield f"    OrdererEndpoints: [{', '.join(f'127.0.0.1:{port}' for port in ports)}]"


def _organisation(organisation: Organisation, roles: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield f"- Name: {organisation.msp_id}"
    yield f"  ID: {organisation.msp_id}"
    yield f"  MSPDir: {organisation.dir / 'msp'}"
    rules = {
        policy: "OR(" + ", ".join(f"'{organisation.msp_id}.{role}'" for role in allowed) + ")"
        for policy, allowed in roles.items()
    }
    yield from _indented(2, _policies(**rules))


def _policies(**rules: str) -> Iterator[str]:
    yield "Policies:"
    for name, rule in rules.items():
        kind = "Signature" if "(" in rule else "ImplicitMeta"
        yield f'  {name}: {{Type: {kind}, Rule: "{rule}"}}'


def _principals(msp_ids: list[str], role: str) -> str:
    return ", ".join(f"'{msp_id}.{role}'" for msp_id in msp_ids)


def _indented(spaces: int, lines: Iterator[str]) -> Iterator[str]:
    return (" " * spaces + line for line in lines)
