"""The certificates that a Fabric network's processes run on, looked at before any of them starts.

An orderer whose TLS certificate has expired starts all the same and logs failed handshakes; a peer with
another organisation's MSP folder is refused by all others, in words that name neither. Here the file is
named, and what is wrong with it.
"""

from collections.abc import Iterator

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from veilmesh_fabric.errors import IdentityError
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.tls import TlsPair

from veilmesh_network.certificates import CertificateAuthority, NodeRole
from veilmesh_network.errors import CredentialsError
from veilmesh_network.network import ADMIN, CHAINCODE_SERVICE, PEER, Network
from veilmesh_network.organisation import Organisation, TlsFiles

_UNIT = x509.NameOID.ORGANIZATIONAL_UNIT_NAME


def require_credentials(network: Network) -> None:
    """Return if all identities and TLS certificates that the network needs can be used now.

    Raises:
        CredentialsError: some cannot; names each, and why.
        NetworkError: one is missing.
    """
    wrong = [str(err) for err in _troubles(network)]
    if wrong:
        raise CredentialsError("; ".join((*wrong, "have these issued anew by the organisation's authority")))


def _troubles(network: Network) -> Iterator[IdentityError]:
    ordering = network.orderer
    yield from _of_identity(ordering, ADMIN, NodeRole.ADMIN)
    for name in network.orderer_names():
        yield from _of_identity(ordering, name, NodeRole.ORDERER)
    for member in network.members:
        yield from _of_identity(member, ADMIN, NodeRole.ADMIN)
        yield from _of_identity(member, PEER, NodeRole.PEER)
        yield from _of_tls(member, member.service(CHAINCODE_SERVICE))


def _of_identity(organisation: Organisation, name: str, role: NodeRole) -> Iterator[IdentityError]:
    files = organisation.identity(name)
    what = f"identity in {files.msp_dir}"
    try:
        identity = SigningIdentity.from_msp_folder(files.msp_dir, organisation.msp_id)
        certificate = x509.load_pem_x509_certificate(identity.certificate_pem)
        _require_issued(certificate, organisation.signing, what)
        _require_role(certificate, role, what)
    except IdentityError as err:
        yield err
    if files.tls is not None:
        yield from _of_tls(organisation, files.tls)


def _of_tls(organisation: Organisation, files: TlsFiles) -> Iterator[IdentityError]:
    try:
        pair = TlsPair.read(files.certificate, files.key)
        _require_issued(pair.certificate, organisation.tls, f"TLS certificate {files.certificate}")
    except IdentityError as err:
        yield err


def _require_role(certificate: x509.Certificate, role: NodeRole, what: str) -> None:
    units = [unit.value for unit in certificate.subject.get_attributes_for_oid(_UNIT)]
    if role.value not in units:
        raise IdentityError(f"{what} is no {role.value}'s: its organizational units are {units}")


def _require_issued(certificate: x509.Certificate, authority: CertificateAuthority, what: str) -> None:
    root = authority.root.certificate
    try:
        certificate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature) as err:
        raise IdentityError(
            f"{what} is of {certificate.issuer.rfc4514_string()!r}, not of {root.subject.rfc4514_string()!r}"
        ) from err
