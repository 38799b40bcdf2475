"""Who belongs to an organisation, and as what: chains, validity, revocation, NodeOUs, principals."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from fabric_protos.msp import identities_pb2, msp_config_pb2, msp_principal_pb2
from veilmesh_fabric.certificates import ATTRIBUTES_OID, read_certificate
from veilmesh_fabric.errors import DecodeError, IdentityError
from veilmesh_fabric.msp import Identity, Msp, MspManager
from veilmesh_fabric.principals import Role, RolePrincipal, UnitPrincipal, principal_from_proto

from tests.unit.fabric.forge import serialized
from tests.unit.fabric.transaction_changes import high_s

NOW = datetime(2026, 6, 1, tzinfo=UTC)
START, END = NOW - timedelta(days=1), NOW + timedelta(days=365)


class Authority:
    """A CA, root or below another, that issues whatever it is told."""

    def __init__(self, name: str, parent: "Authority | None" = None, path_length: int | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=True, path_length=path_length), True)
        ]
        self.certificate = (parent or self).issue(self.name, self.key.public_key(), extensions=extensions)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(
        self,
        subject: x509.Name,
        key: Any,
        *,
        not_after: datetime = END,
        extensions: Any = (),
        issuer: x509.Name | None = None,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(START)
            .not_valid_after(not_after)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, hashes.SHA256())

    def member(self, *units: str, key: Any = None, **options: Any) -> bytes:
        """Issue an end-entity certificate with these organizational units; return its PEM."""
        names = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "someone"), *names])
        public = (key or ec.generate_private_key(ec.SECP256R1())).public_key()
        return self.issue(subject, public, **options).public_bytes(Encoding.PEM)

    def revocation_list(self, *certificates: bytes, key: Any = None) -> bytes:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(START).next_update(END)
        for pem in certificates:
            serial = x509.load_pem_x509_certificate(pem).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(START).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(key or self.key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("root")


def config(*roots: Authority, node_units: bool = True, **fields: Any) -> Any:
    message = msp_config_pb2.FabricMSPConfig(
        name="Org1MSP", root_certs=[each.pem for each in roots], **fields
    )
    if node_units:
        message.fabric_node_ous.enable = True
        for name in ("client", "peer", "admin", "orderer"):
            getattr(message.fabric_node_ous, f"{name}_ou_identifier").organizational_unit_identifier = name
    return message


def identify(message: Any, pem: bytes, at: datetime = NOW, **options: bool) -> Identity:
    identity = identities_pb2.SerializedIdentity(mspid="Org1MSP", id_bytes=pem)
    return MspManager([Msp(message, **options)]).identity(serialized(identity), at)


@pytest.mark.parametrize("role", [Role.CLIENT, Role.PEER, Role.ADMIN, Role.ORDERER])
def test_node_unit_makes_the_role(root: Authority, role: Role) -> None:
    identity = identify(config(root), root.member(str(role)))
    assert identity.roles == {Role.MEMBER, role}
    assert identity.satisfies(RolePrincipal("Org1MSP", role))
    assert identity.satisfies(RolePrincipal("Org1MSP", Role.MEMBER))
    assert not identity.satisfies(RolePrincipal("Org2MSP", role))
    other = Role.PEER if role is not Role.PEER else Role.CLIENT
    assert not identity.satisfies(RolePrincipal("Org1MSP", other))


@pytest.mark.parametrize("units", [(), ("accounting",), ("client", "peer")])
def test_exactly_one_node_unit_is_needed(root: Authority, units: tuple[str, ...]) -> None:
    with pytest.raises(IdentityError, match="needs exactly one NodeOU"):
        identify(config(root), root.member(*units))


def test_without_node_units_everybody_is_a_member_and_nothing_more(root: Authority) -> None:
    identity = identify(config(root, node_units=False), root.member("client"))
    assert identity.roles == {Role.MEMBER}


def test_listed_admin(root: Authority) -> None:
    pem = root.member("client")
    assert Role.ADMIN in identify(config(root, admins=[pem]), pem).roles
    assert Role.ADMIN not in identify(config(root, admins=[pem]), root.member("client")).roles


def test_node_unit_may_be_certified_by_one_ca_alone(root: Authority) -> None:
    other = Authority("other root")
    message = config(root, other)
    message.fabric_node_ous.peer_ou_identifier.certificate = root.pem
    assert Role.PEER in identify(message, root.member("peer")).roles
    with pytest.raises(IdentityError, match="may not certify"):
        identify(message, other.member("peer"))
    assert Role.CLIENT in identify(message, other.member("client")).roles


def test_intermediate(root: Authority) -> None:
    intermediate = Authority("intermediate", root)
    message = config(root, intermediate_certs=[intermediate.pem])
    assert identify(message, intermediate.member("peer"))
    with pytest.raises(IdentityError, match="issued by no authority"):
        identify(config(root), intermediate.member("peer"))
    with pytest.raises(IdentityError, match="has authorities below it"):
        identify(message, root.member("peer"))


def test_path_length() -> None:
    narrow = Authority("narrow root", path_length=0)
    assert identify(config(narrow), narrow.member("peer"))
    intermediate = Authority("intermediate", narrow)
    message = config(narrow, intermediate_certs=[intermediate.pem])
    with pytest.raises(IdentityError, match="issued by no authority"):
        identify(message, intermediate.member("peer"))


def test_stranger_with_the_right_names(root: Authority) -> None:
    impostor = Authority("root")
    with pytest.raises(IdentityError, match="issued by no authority"):
        identify(config(root), impostor.member("peer"))


def test_authority_is_no_identity(root: Authority) -> None:
    with pytest.raises(IdentityError, match="is a certificate authority's"):
        identify(config(root), root.pem)


def test_member_is_no_authority(root: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    end_entity = x509.load_pem_x509_certificate(root.member("peer", key=key))
    issuer = Authority("unused")
    issuer.key, issuer.name = key, end_entity.subject
    pem = issuer.member("peer")
    with pytest.raises(IdentityError, match="is no certificate authority"):
        identify(config(root, intermediate_certs=[end_entity.public_bytes(Encoding.PEM)]), pem)


def test_validity_is_asked_each_time(root: Authority) -> None:
    manager = MspManager([Msp(config(root))])
    message = identities_pb2.SerializedIdentity(mspid="Org1MSP", id_bytes=root.member("peer"))
    identity = serialized(message)
    assert manager.identity(identity, NOW) is manager.identity(identity, END)
    with pytest.raises(IdentityError, match="has expired"):
        manager.identity(identity, END + timedelta(seconds=1))
    with pytest.raises(IdentityError, match="not yet valid"):
        manager.identity(identity, START - timedelta(seconds=1))


def test_revoked(root: Authority) -> None:
    revoked, kept = root.member("peer"), root.member("peer")
    message = config(root, revocation_list=[root.revocation_list(revoked)])
    assert identify(message, kept)
    with pytest.raises(IdentityError, match="is revoked"):
        identify(message, revoked)


def test_revocation_list_of_somebody_else_says_nothing(root: Authority) -> None:
    pem = root.member("peer")
    forged = root.revocation_list(pem, key=ec.generate_private_key(ec.SECP256R1()))
    assert identify(config(root, revocation_list=[forged]), pem)


def test_accepted_organizational_units(root: Authority) -> None:
    message = config(root)
    message.organizational_unit_identifiers.add(
        certificate=root.pem, organizational_unit_identifier="accounting"
    )
    assert identify(message, root.member("peer", "accounting"))
    with pytest.raises(IdentityError, match="no organizational unit that Org1MSP accepts"):
        identify(message, root.member("peer"))


def test_ed25519_needs_the_capability(root: Authority) -> None:
    pem = root.member("peer", key=ed25519.Ed25519PrivateKey.generate())
    assert identify(config(root), pem)
    with pytest.raises(IdentityError, match="capability V3_0"):
        identify(config(root), pem, allow_ed25519=False)


def test_rsa_key(root: Authority) -> None:
    pem = root.member("peer", key=rsa.generate_private_key(65537, 2048))
    with pytest.raises(IdentityError, match="neither ECDSA nor Ed25519"):
        identify(config(root), pem)


def test_critical_extension_that_nothing_understands(root: Authority) -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"x")
    with pytest.raises(IdentityError, match=r"critical extension 1\.2\.3\.4"):
        identify(config(root), root.member("peer", extensions=[(unknown, True)]))


@pytest.mark.parametrize(
    ("value", "attributes"),
    [
        (b'{"attrs":{"role":"auditor"}}', {"role": "auditor"}),
        (b'{"attrs":[]}', {}),
        (b"\xff", {}),
        (b"[" * 100_000, {}),
    ],
    ids=["well formed", "no object", "no JSON", "deep"],
)
def test_attributes(root: Authority, value: bytes, attributes: dict[str, str]) -> None:
    extension = x509.UnrecognizedExtension(ATTRIBUTES_OID, value)
    identity = identify(config(root), root.member("peer", extensions=[(extension, False)]))
    assert identity.certificate.attributes == attributes


def test_certificate_with_a_malleated_signature_is_no_second_identity(root: Authority) -> None:
    """Anyone can turn the issuer's signature (r, s) into (r, n - s); it must not make a second endorser."""
    pem = root.member("peer")
    certificate = x509.load_pem_x509_certificate(pem)
    ecdsa_with_sha256 = bytes.fromhex("300a06082a8648ce3d040302")
    signature = b"\0" + high_s(certificate.signature)
    der = (
        certificate.tbs_certificate_bytes + ecdsa_with_sha256 + b"\x03" + bytes([len(signature)]) + signature
    )
    der = b"\x30\x82" + len(der).to_bytes(2, "big") + der
    twin = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    assert twin != pem
    assert identify(config(root), twin).key == identify(config(root), pem).key


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\x0a\x07Org1MSP"], ids=["empty", "garbage", "no certificate"]
)
def test_bytes_that_are_no_identity(root: Authority, data: bytes) -> None:
    with pytest.raises(IdentityError):
        MspManager([Msp(config(root))]).identity(data, NOW)


def test_unknown_msp(root: Authority) -> None:
    message = identities_pb2.SerializedIdentity(mspid="Org9MSP", id_bytes=root.member("peer"))
    with pytest.raises(IdentityError, match="'Org9MSP' is not one of this channel's"):
        MspManager([Msp(config(root))]).identity(serialized(message), NOW)


def test_definition_without_roots() -> None:
    with pytest.raises(IdentityError, match="at least one root"):
        Msp(config())


def test_revoked_intermediate_spoils_the_definition(root: Authority) -> None:
    intermediate = Authority("intermediate", root)
    with pytest.raises(IdentityError, match="is revoked"):
        Msp(
            config(
                root,
                intermediate_certs=[intermediate.pem],
                revocation_list=[root.revocation_list(intermediate.pem)],
            )
        )


def test_idemix_definition_is_refused(root: Authority) -> None:
    data = serialized(msp_config_pb2.MSPConfig(type=1, config=serialized(config(root))))
    with pytest.raises(DecodeError, match="type 1"):
        Msp.from_bytes(data)


class TestPrincipals:
    def principal(self, kind: str, message: Any) -> Any:
        return principal_from_proto(
            msp_principal_pb2.MSPPrincipal(
                principal_classification=getattr(msp_principal_pb2.MSPPrincipal, kind),
                principal=message if isinstance(message, bytes) else serialized(message),
            )
        )

    def test_identity(self, root: Authority) -> None:
        pem = root.member("peer")
        message = identities_pb2.SerializedIdentity(mspid="Org1MSP", id_bytes=pem)
        principal = self.principal("IDENTITY", message)
        assert identify(config(root), pem).satisfies(principal)
        assert not identify(config(root), root.member("peer")).satisfies(principal)

    def test_organizational_unit(self, root: Authority) -> None:
        identity = identify(config(root), root.member("peer", "accounting"))
        issuer = read_certificate(root.pem)
        for unit, certifiers, satisfied in (
            ("accounting", identity.certifiers_identifier, True),
            ("sales", identity.certifiers_identifier, False),
            ("accounting", issuer.der, False),
        ):
            principal = self.principal(
                "ORGANIZATION_UNIT",
                msp_principal_pb2.OrganizationUnit(
                    msp_identifier="Org1MSP",
                    organizational_unit_identifier=unit,
                    certifiers_identifier=certifiers,
                ),
            )
            assert isinstance(principal, UnitPrincipal)
            assert identity.satisfies(principal) is satisfied

    def test_combination(self, root: Authority) -> None:
        identity = identify(config(root), root.member("peer"))
        roles = {
            name: msp_principal_pb2.MSPPrincipal(
                principal=serialized(msp_principal_pb2.MSPRole(msp_identifier="Org1MSP", role=name))
            )
            for name in ("MEMBER", "PEER", "ADMIN")
        }
        for names, satisfied in ((("MEMBER", "PEER"), True), (("MEMBER", "ADMIN"), False), ((), False)):
            message = msp_principal_pb2.CombinedPrincipal(principals=[roles[name] for name in names])
            assert identity.satisfies(self.principal("COMBINED", message)) is satisfied

    def test_unknown_kinds_are_satisfied_by_nobody(self, root: Authority) -> None:
        identity = identify(config(root), root.member("peer"))
        anonymous = self.principal("ANONYMITY", b"")
        unknown_role = self.principal("ROLE", b"\x0a\x07Org1MSP\x10\x63")
        no_certificate = self.principal("IDENTITY", b"\x0a\x07Org1MSP")
        assert not any(map(identity.satisfies, (anonymous, unknown_role, no_certificate)))

    @pytest.mark.parametrize("kind", ["ROLE", "IDENTITY", "ORGANIZATION_UNIT", "COMBINED"])
    def test_malformed(self, kind: str) -> None:
        with pytest.raises(DecodeError):
            self.principal(kind, b"\xff")
