"""What differs between two configurations, told so that an admin knows what a signature would agree to.

Policies are told as policies; MSPs by the fingerprints of their root certificates and what they revoke; other
well-known values field by field; what is not known, by its digest.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from fabric_protos.common import configuration_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2
from google.protobuf.json_format import MessageToDict

from veilmesh_fabric.errors import DecodeError
from veilmesh_fabric.msp import read_msp_config
from veilmesh_fabric.policy import PolicyManager
from veilmesh_fabric.wire import decode


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """One element that was added, removed or changed; "" for what it did not or does not say."""

    path: str  # such as "/Channel/Orderer/BatchSize"
    before: str
    after: str

    @property
    def kind(self) -> str:
        if not self.before:
            return "added"
        return "changed" if self.after else "removed"


def config_changes(before: Any, after: Any) -> tuple[ConfigChange, ...]:
    """Return what differs between two root groups, by path.

    Raises:
        DecodeError: a policy is malformed.
    """
    old, new = dict(_told(before, PolicyManager(before))), dict(_told(after, PolicyManager(after)))
    return tuple(
        ConfigChange(path, old.get(path, ""), new.get(path, ""))
        for path in sorted({*old, *new})
        if old.get(path) != new.get(path)
    )


def _told(group: Any, policies: PolicyManager) -> Iterator[tuple[str, str]]:
    """Yield the path of each element below, and what it says."""
    yield policies.path, f"group, changed by {group.mod_policy or 'nobody'}"
    for name, value in group.values.items():
        yield f"{policies.path}/{name}", _value(name, value)
    for name in group.policies:
        rule = policies.policy(name)
        yield f"{policies.path}/{name} (policy)", f"{rule}, changed by {group.policies[name].mod_policy}"
    for name, child in group.groups.items():
        below = policies.group([name])
        if below is not None:
            yield from _told(child, below)


def _value(name: str, value: Any) -> str:
    tell = _TELLERS.get(name, _digest)
    try:
        said = tell(value.value)
    except (DecodeError, ValueError):
        said = _digest(value.value)
    return f"{said}, changed by {value.mod_policy}"


def _digest(value: bytes) -> str:
    return f"{len(value)} bytes, SHA-256 {sha256(value).hexdigest()}"


def _fields(message_type: Any) -> Callable[[bytes], str]:
    def tell(value: bytes) -> str:
        message = decode(message_type, value, "value")
        return json.dumps(MessageToDict(message, preserving_proto_field_name=True), sort_keys=True)

    return tell


def _msp(value: bytes) -> str:
    msp = read_msp_config(value)
    roots = ", ".join(
        x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex() for pem in msp.root_certs
    )
    revoked = [
        f"{entry.serial_number:x}" for pem in msp.revocation_list for entry in x509.load_pem_x509_crl(pem)
    ]
    said = f"{msp.name} with root {roots}"
    return f"{said}, revoked: {', '.join(sorted(revoked))}" if revoked else said


_TELLERS: Mapping[str, Callable[[bytes], str]] = {
    "MSP": _msp,
    "AnchorPeers": _fields(peer_pb2.AnchorPeers),
    "ACLs": _fields(peer_pb2.ACLs),
    "Endpoints": _fields(configuration_pb2.OrdererAddresses),
    "Capabilities": _fields(configuration_pb2.Capabilities),
    "BatchSize": _fields(orderer_pb2.BatchSize),
    "BatchTimeout": _fields(orderer_pb2.BatchTimeout),
}
