"""Membership service providers: which certificates speak for which organisation, and as what.

The channel configuration carries one MSP definition per organisation. `Msp` reads one; `MspManager` holds
them all and turns the identity bytes that come with every signature into an `Identity`, in this order:

1. the bytes are a SerializedIdentity and its MSP is one of the channel's;
2. the certificate is readable and of a key type the channel allows;
3. it is no CA's, and has exactly one chain to a root, unrevoked;
4. its organizational units are among those the MSP accepts, if the MSP restricts them;
5. with NodeOUs on, exactly one unit says admin, client, peer or orderer, from the CA that may say so;
6. every certificate of the chain is valid at the moment in question.

Steps 1 to 5 do not depend on time and are done once per certificate; step 6 each time.

Source: Fabric v3.1 `msp/mspimpl.go`, `mspimplsetup.go`, `mspimplvalidate.go` (MSP versions 1.4.3 and 3.0).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fabric_protos.msp import identities_pb2, msp_config_pb2

from veilmesh_fabric.certificates import (
    Certificate,
    CertificateChain,
    TrustStore,
    certifiers_identifier,
    read_certificate,
    read_revocation_list,
)
from veilmesh_fabric.errors import DecodeError, IdentityError, UnknownIssuerError
from veilmesh_fabric.principals import (
    CombinedPrincipal,
    IdentityPrincipal,
    Principal,
    Role,
    RolePrincipal,
    UnitPrincipal,
)
from veilmesh_fabric.signing import PublicKey
from veilmesh_fabric.wire import decode

_FABRIC_MSP = 0  # MSPConfig.type; 1 would be Idemix
_REMEMBERED_IDENTITIES = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """A signer whose certificate its organisation's MSP stands behind.

    Compared and hashed as an object, which is quick; `key` says whether two are the same signer.
    """

    msp_id: str
    certificate: Certificate
    certifiers_identifier: bytes
    roles: frozenset[Role]
    key: tuple[str, str] = field(init=False)
    """What makes two identities the same one, however they are encoded or signed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", (self.msp_id, self.certificate.fingerprint))

    @property
    def public_key(self) -> PublicKey:
        return self.certificate.public_key

    def satisfies(self, principal: Principal) -> bool:
        match principal:
            case RolePrincipal(msp_id, role):
                return msp_id == self.msp_id and role in self.roles
            case UnitPrincipal(msp_id, unit, certifiers_identifier):
                return (
                    msp_id == self.msp_id
                    and unit in self.certificate.organizational_units
                    and certifiers_identifier == self.certifiers_identifier
                )
            case IdentityPrincipal(msp_id, fingerprint):
                return (msp_id, fingerprint) == self.key
            case CombinedPrincipal(principals):
                return all(self.satisfies(part) for part in principals)
            case _:
                return False

    def __str__(self) -> str:
        return f"{self.certificate.common_name} of {self.msp_id}"


@dataclass(frozen=True, slots=True)
class _NodeUnit:
    """The organizational unit that marks one role."""

    name: str
    role: Role
    certifiers_identifier: bytes | None  # of the CA that may certify it; None: any of the MSP


class Msp:
    """One organisation's definition of who belongs to it."""

    def __init__(self, config: Any, *, allow_ed25519: bool = True) -> None:
        """Read a `FabricMSPConfig` message.

        Args:
            config: the message.
            allow_ed25519: whether the channel's capabilities include V3_0.

        Raises:
            IdentityError: the definition contradicts itself.
        """
        self.msp_id: str = config.name
        self._allow_ed25519 = allow_ed25519
        self._trust = TrustStore(
            [read_certificate(pem, f"root certificate of {config.name}") for pem in config.root_certs],
            [read_certificate(pem, f"intermediate of {config.name}") for pem in config.intermediate_certs],
            [read_revocation_list(data) for data in config.revocation_list],
        )
        self._accepted_units = {
            (unit.organizational_unit_identifier, self._certifiers(unit.certificate))
            for unit in config.organizational_unit_identifiers
        }
        self._node_units = self._read_node_units(config)
        self._admins = frozenset(
            read_certificate(pem, f"admin of {config.name}").fingerprint for pem in config.admins
        )

    @classmethod
    def from_bytes(cls, data: bytes, *, allow_ed25519: bool = True) -> "Msp":
        """Read the `MSPConfig` message that a channel configuration's "MSP" value holds.

        Raises:
            DecodeError: `data` is no such message, or not of an X.509 MSP.
            IdentityError: as the constructor.
        """
        return cls(read_msp_config(data), allow_ed25519=allow_ed25519)

    def member(self, certificate: Certificate) -> tuple[Identity, CertificateChain]:
        """Return the identity behind `certificate` with its chain, leaving time to the caller.

        Raises:
            IdentityError: steps 2 to 5 of the module.
        """
        if isinstance(certificate.public_key, Ed25519PublicKey) and not self._allow_ed25519:
            raise IdentityError(f"{certificate} has an Ed25519 key, which needs channel capability V3_0")
        chain = self._trust.identity_chain(certificate)
        self._require_accepted_unit(certificate, chain)
        roles = {Role.MEMBER}
        if certificate.fingerprint in self._admins:
            roles.add(Role.ADMIN)
        if self._node_units:
            roles.add(self._node_role(certificate, chain))
        identity = Identity(
            msp_id=self.msp_id,
            certificate=certificate,
            certifiers_identifier=chain.certifiers_identifier,
            roles=frozenset(roles),
        )
        return identity, chain

    def _read_node_units(self, config: Any) -> Mapping[str, _NodeUnit]:
        """Return the role-marking units by name; empty where NodeOUs are off."""
        if not config.HasField("fabric_node_ous") or not config.fabric_node_ous.enable:
            return {}
        fields = {
            "client_ou_identifier": Role.CLIENT,
            "peer_ou_identifier": Role.PEER,
            "admin_ou_identifier": Role.ADMIN,
            "orderer_ou_identifier": Role.ORDERER,
        }
        units = {}
        for name_of_field, role in fields.items():
            if config.fabric_node_ous.HasField(name_of_field):
                unit = getattr(config.fabric_node_ous, name_of_field)
                certifiers = self._certifiers(unit.certificate) if unit.certificate else None
                name = unit.organizational_unit_identifier
                units[name] = _NodeUnit(name, role, certifiers)
        return units

    def _certifiers(self, pem: bytes) -> bytes:
        """Return the identifier of "issued by this CA": the hash over the CA's own chain, itself included."""
        authority = read_certificate(pem, f"CA of an organizational unit of {self.msp_id}")
        return certifiers_identifier(self._trust.authority(authority.der).certificates)

    def _require_accepted_unit(self, certificate: Certificate, chain: CertificateChain) -> None:
        if not self._accepted_units:
            return
        certifiers = chain.certifiers_identifier
        if not any((unit, certifiers) in self._accepted_units for unit in certificate.organizational_units):
            raise IdentityError(f"{certificate} has no organizational unit that {self.msp_id} accepts")

    def _node_role(self, certificate: Certificate, chain: CertificateChain) -> Role:
        marks = [
            self._node_units[unit] for unit in certificate.organizational_units if unit in self._node_units
        ]
        if len(marks) != 1:
            said = ", ".join(sorted(unit.name for unit in marks)) or "none"
            raise IdentityError(f"{certificate} needs exactly one NodeOU of {self.msp_id}, it has: {said}")
        mark = marks[0]
        if mark.certifiers_identifier not in {None, chain.certifiers_identifier}:
            raise IdentityError(f"{certificate} says {mark.name!r}, but its CA may not certify that NodeOU")
        return mark.role


def read_msp_config(data: bytes) -> Any:
    """Return the `FabricMSPConfig` message in an `MSPConfig` message.

    Raises:
        DecodeError: `data` is no such message, or not of an X.509 MSP.
    """
    outer = decode(msp_config_pb2.MSPConfig, data, "MSP value")
    if outer.type != _FABRIC_MSP:
        raise DecodeError(f"MSP of type {outer.type} is not an X.509 MSP")
    return decode(msp_config_pb2.FabricMSPConfig, outer.config, "MSP definition")


class MspManager:
    """Every organisation of one channel configuration."""

    def __init__(self, msps: Iterable[Msp]) -> None:
        self._msps: dict[str, Msp] = {}
        for msp in msps:
            self._msps.setdefault(msp.msp_id, msp)
        self._member = lru_cache(_REMEMBERED_IDENTITIES)(self._find_member)

    def __contains__(self, msp_id: str) -> bool:
        return msp_id in self._msps

    def __iter__(self) -> Iterator[str]:
        return iter(self._msps)

    def identity(self, serialized: bytes, at: datetime) -> Identity:
        """Return the identity in a `SerializedIdentity` message.

        Args:
            serialized: as it stands beside a signature.
            at: the moment its certificates must be valid, aware.

        Raises:
            IdentityError: it says which of the module's steps failed.
        """
        identity, chain = self.member(serialized)
        chain.require_valid_at(at)
        return identity

    def member(self, serialized: bytes) -> tuple[Identity, CertificateChain]:
        """Return the identity in a `SerializedIdentity` message with its chain, leaving time to the caller.

        Raises:
            IdentityError: as `identity`.
        """
        return self._member(serialized)

    def _find_member(self, serialized: bytes) -> tuple[Identity, CertificateChain]:
        try:
            message = decode(identities_pb2.SerializedIdentity, serialized, "identity")
        except DecodeError as err:
            raise IdentityError(str(err)) from err
        msp = self._msps.get(message.mspid)
        if msp is None:
            raise UnknownIssuerError(f"MSP {message.mspid!r} is not one of this channel's")
        certificate = read_certificate(message.id_bytes, f"identity of {message.mspid}")
        return msp.member(certificate)
