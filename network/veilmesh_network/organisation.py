"""One organisation's folder: its two authorities, its MSP definition, the identities it has issued.

    org1.example.com/
        organisation.toml           MSP id and domain
        ca/, tlsca/                 cert.pem and key.pem of the signing and the TLS authority
        msp/                        what others need to know: cacerts, tlscacerts, crls, config.yaml; no key
        identities/NAME/msp/        signcerts, keystore and the above: an MSP folder for Fabric's binaries
        identities/NAME/tls/        ca.crt, server.crt, server.key: only where TLS was asked for
        services/NAME/              the same three for a service that signs nothing

Every file with a key is readable by its owner alone. Signing keys are not encrypted, as Fabric's own are not.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.msp import msp_config_pb2

from veilmesh_network.certificates import CertificateAuthority, KeyPair, NodeRole, Validity
from veilmesh_network.errors import NetworkError

_LOCAL_HOSTS = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True)
class IdentityFiles:
    """Where one issued identity lies. `tls` is None unless TLS was asked for."""

    msp_dir: Path
    tls: "TlsFiles | None"

    @property
    def certificate(self) -> Path:
        return self.msp_dir / "signcerts" / "cert.pem"

    @property
    def key(self) -> Path:
        return self.msp_dir / "keystore" / "key.pem"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    root: Path
    certificate: Path
    key: Path

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        return cls(folder / "ca.crt", folder / "server.crt", folder / "server.key")


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation that has a folder."""

    dir: Path
    msp_id: str
    domain: str
    signing: CertificateAuthority
    tls: CertificateAuthority

    @classmethod
    def create(cls, folder: Path, msp_id: str, domain: str) -> Self:
        """Make the authorities and the MSP definition of a new organisation.

        Raises:
            NetworkError: the folder holds an organisation already.
        """
        if (folder / "organisation.toml").exists():
            raise NetworkError(f"{folder} holds an organisation already")
        signing = CertificateAuthority.create(f"ca.{domain}", domain)
        tls = CertificateAuthority.create(f"tlsca.{domain}", domain)
        organisation = cls(folder, msp_id, domain, signing, tls)
        for authority, name in ((signing, "ca"), (tls, "tlsca")):
            _write(folder / name / "cert.pem", authority.root.certificate_pem)
            _write_secret(folder / name / "key.pem", authority.root.key_pem)
        organisation._write_definition(folder / "msp")
        _write(folder / "organisation.toml", f'msp_id = "{msp_id}"\ndomain = "{domain}"\n'.encode())
        return organisation

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read an organisation that `create` made.

        Raises:
            NetworkError: the folder holds none, or one that cannot be read.
        """
        try:
            about = tomllib.loads((folder / "organisation.toml").read_text())
            signing, tls = (CertificateAuthority(_read_pair(folder / name)) for name in ("ca", "tlsca"))
            return cls(folder, about["msp_id"], about["domain"], signing, tls)
        except (OSError, ValueError, TypeError, KeyError) as err:
            raise NetworkError(f"{folder} holds no readable organisation: {err}") from err

    def issue(
        self,
        name: str,
        *,
        role: NodeRole,
        attributes: Mapping[str, str] | None = None,
        validity: Validity | None = None,
        tls_hosts: Sequence[str] | None = None,
    ) -> IdentityFiles:
        """Issue an identity and write its folder.

        Args:
            name: the folder's name, and with the domain the common name: "peer0" is "peer0.org1.example.com".
            role: its NodeOU.
            attributes: what chaincode, and a TLS server, may read about it, such as `{"role": "node"}`.
            validity: of the signing certificate; a year when not given.
            tls_hosts: names and addresses it serves under besides its own name and this machine's loopback;
                None for an identity that needs no TLS certificate.

        Raises:
            NetworkError: there is an identity of that name already.
        """
        folder = self.dir / "identities" / name
        if folder.exists():
            raise NetworkError(f"{self.msp_id} has an identity {name!r} already")
        common_name = f"{name}.{self.domain}"
        pair = self.signing.issue_signing(common_name, role=role, attributes=attributes, validity=validity)
        self._write_definition(folder / "msp")
        if tls_hosts is not None:
            self._issue_tls(folder / "tls", common_name, tls_hosts, attributes)
        _write_secret(folder / "msp" / "keystore" / "key.pem", pair.key_pem)
        _write(folder / "msp" / "signcerts" / "cert.pem", pair.certificate_pem)
        return self.identity(name)

    def issue_service(self, name: str) -> TlsFiles:
        """Issue a TLS certificate, for this machine's loopback, to a service that signs nothing.

        Raises:
            NetworkError: there is one of that name already.
        """
        folder = self.dir / "services" / name
        if folder.exists():
            raise NetworkError(f"{self.msp_id} has a service {name!r} already")
        return self._issue_tls(folder, f"{name}.{self.domain}", (), None)

    def service(self, name: str) -> TlsFiles:
        """Return where the TLS certificate of the service `name` lies.

        Raises:
            NetworkError: none of that name was issued.
        """
        files = TlsFiles.in_folder(self.dir / "services" / name)
        if not files.certificate.exists():
            raise NetworkError(f"{self.msp_id} has no service {name!r}")
        return files

    def identity(self, name: str) -> IdentityFiles:
        """Return where the identity `name` lies.

        Raises:
            NetworkError: none of that name was issued.
        """
        folder = self.dir / "identities" / name
        if not (folder / "msp" / "signcerts" / "cert.pem").exists():
            raise NetworkError(f"{self.msp_id} has no identity {name!r}")
        tls = folder / "tls"
        return IdentityFiles(
            folder / "msp",
            TlsFiles.in_folder(tls) if tls.exists() else None,
        )

    def revoke(self, names: Sequence[str], *, at: datetime | None = None) -> Path:
        """Add the identities `names` to the revocation list in the MSP definition; return the list's path.

        Channels learn of it by a config update, or at their founding. A list that names all of them stays as
        it is.

        Raises:
            NetworkError: there is no identity of one of these names.
        """
        certificates = [
            x509.load_pem_x509_certificate(self.identity(name).certificate.read_bytes()) for name in names
        ]
        path = self.dir / "msp" / "crls" / "crl.pem"
        earlier = x509.load_pem_x509_crl(path.read_bytes()) if path.exists() else None
        named = {entry.serial_number for entry in earlier or ()}
        if earlier is not None and named >= {each.serial_number for each in certificates}:
            return path
        revoked = self.signing.revoke(certificates, besides=earlier, at=at)
        _write(path, revoked.public_bytes(serialization.Encoding.PEM))
        return path

    def definition(self) -> msp_config_pb2.MSPConfig:
        """Return the organisation's MSP as a channel's configuration carries it."""
        root = self.signing.root.certificate_pem
        fabric = msp_config_pb2.FabricMSPConfig(
            name=self.msp_id,
            root_certs=[root],
            tls_root_certs=[self.tls.root.certificate_pem],
            revocation_list=[path.read_bytes() for path in sorted((self.dir / "msp" / "crls").glob("*.pem"))],
            crypto_config=msp_config_pb2.FabricCryptoConfig(
                signature_hash_family="SHA2", identity_identifier_hash_function="SHA256"
            ),
            fabric_node_ous=msp_config_pb2.FabricNodeOUs(
                enable=True,
                **{
                    f"{role.value}_ou_identifier": msp_config_pb2.FabricOUIdentifier(
                        certificate=root, organizational_unit_identifier=role.value
                    )
                    for role in NodeRole
                },
            ),
        )
        return msp_config_pb2.MSPConfig(type=0, config=fabric.SerializeToString(deterministic=True))

    def _issue_tls(
        self, folder: Path, common_name: str, hosts: Sequence[str], attributes: Mapping[str, str] | None
    ) -> TlsFiles:
        pair = self.tls.issue_tls(common_name, hosts=(*_LOCAL_HOSTS, *hosts), attributes=attributes)
        files = TlsFiles.in_folder(folder)
        _write(files.root, self.tls.root.certificate_pem)
        _write(files.certificate, pair.certificate_pem)
        _write_secret(files.key, pair.key_pem)
        return files

    def _write_definition(self, folder: Path) -> None:
        _write(folder / "cacerts" / "ca.pem", self.signing.root.certificate_pem)
        _write(folder / "tlscacerts" / "tlsca.pem", self.tls.root.certificate_pem)
        _write(folder / "config.yaml", _NODE_OUS.encode())


def _node_ous() -> str:
    lines = ["NodeOUs:", "  Enable: true"]
    for role in NodeRole:
        lines += [
            f"  {role.value.capitalize()}OUIdentifier:",
            "    Certificate: cacerts/ca.pem",
            f"    OrganizationalUnitIdentifier: {role.value}",
        ]
    return "\n".join(lines) + "\n"


_NODE_OUS = _node_ous()


def _read_pair(folder: Path) -> KeyPair:
    key = serialization.load_pem_private_key((folder / "key.pem").read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{folder / 'key.pem'} is no elliptic-curve key")
    return KeyPair(x509.load_pem_x509_certificate((folder / "cert.pem").read_bytes()), key)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _write_secret(path: Path, content: bytes) -> None:
    """Write so that no one else can read it at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
