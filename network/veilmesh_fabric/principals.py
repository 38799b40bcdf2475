"""Principals: whom a policy can name.

A policy never holds keys. It names principals, "a peer of Org1MSP", and an identity satisfies one or does not
(Fabric `msp/mspimpl.go`, `satisfiesPrincipalInternal*`). Deciding it is `Identity.satisfies` in `msp.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from fabric_protos.msp import identities_pb2, msp_principal_pb2

from veilmesh_fabric.certificates import read_certificate
from veilmesh_fabric.errors import IdentityError
from veilmesh_fabric.wire import decode


class Role(Enum):
    """The roles of an MSP; the values are the protobuf enum's."""

    MEMBER = 0
    ADMIN = 1
    CLIENT = 2
    PEER = 3
    ORDERER = 4

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class RolePrincipal:
    msp_id: str
    role: Role

    def __str__(self) -> str:
        return f"{self.role} of {self.msp_id}"


@dataclass(frozen=True, slots=True)
class UnitPrincipal:
    """An organizational unit, certified by the chain that `certifiers_identifier` names."""

    msp_id: str
    unit: str
    certifiers_identifier: bytes

    def __str__(self) -> str:
        return f"unit {self.unit!r} of {self.msp_id}"


@dataclass(frozen=True, slots=True)
class IdentityPrincipal:
    """One certificate, by the fingerprint of its signed part."""

    msp_id: str
    fingerprint: str
    common_name: str

    def __str__(self) -> str:
        return f"{self.common_name!r} of {self.msp_id}"


@dataclass(frozen=True, slots=True)
class CombinedPrincipal:
    """All of these at once."""

    principals: tuple["Principal", ...]

    def __str__(self) -> str:
        return " and ".join(map(str, self.principals))


@dataclass(frozen=True, slots=True)
class UnsatisfiablePrincipal:
    """A principal that no X.509 identity can satisfy: an unknown kind, an unknown role, a malformed one."""

    reason: str

    def __str__(self) -> str:
        return f"nobody ({self.reason})"


Principal: TypeAlias = (
    RolePrincipal | UnitPrincipal | IdentityPrincipal | CombinedPrincipal | UnsatisfiablePrincipal
)


def principal_from_proto(message: Any) -> Principal:
    """Return the principal in an `MSPPrincipal` message.

    Raises:
        DecodeError: its inner bytes are not the message they should be.
    """
    read = _READERS.get(message.principal_classification)
    if read is None:
        return UnsatisfiablePrincipal(f"principal of kind {message.principal_classification}")
    return read(message.principal)


def _role_principal(data: bytes) -> Principal:
    role = decode(msp_principal_pb2.MSPRole, data, "role principal")
    if role.role not in {known.value for known in Role}:
        return UnsatisfiablePrincipal(f"unknown role {role.role}")
    return RolePrincipal(role.msp_identifier, Role(role.role))


def _unit_principal(data: bytes) -> Principal:
    unit = decode(msp_principal_pb2.OrganizationUnit, data, "organizational unit principal")
    return UnitPrincipal(unit.msp_identifier, unit.organizational_unit_identifier, unit.certifiers_identifier)


def _identity_principal(data: bytes) -> Principal:
    serialized = decode(identities_pb2.SerializedIdentity, data, "identity principal")
    try:
        certificate = read_certificate(serialized.id_bytes, "identity principal")
    except IdentityError as err:
        return UnsatisfiablePrincipal(str(err))
    return IdentityPrincipal(serialized.mspid, certificate.fingerprint, certificate.common_name)


def _combined_principal(data: bytes) -> Principal:
    combined = decode(msp_principal_pb2.CombinedPrincipal, data, "combined principal")
    if not combined.principals:
        return UnsatisfiablePrincipal("a combination of none")
    return CombinedPrincipal(tuple(principal_from_proto(part) for part in combined.principals))


_READERS: Mapping[int, Callable[[bytes], Principal]] = {
    msp_principal_pb2.MSPPrincipal.ROLE: _role_principal,
    msp_principal_pb2.MSPPrincipal.ORGANIZATION_UNIT: _unit_principal,
    msp_principal_pb2.MSPPrincipal.IDENTITY: _identity_principal,
    msp_principal_pb2.MSPPrincipal.COMBINED: _combined_principal,
}
