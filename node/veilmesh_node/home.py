"""A node's home folder: what it is made of, and how it is made.

    node.toml             settings, see `config.py`; written last, so a folder that has it is whole
    node.key              the node's key under the passphrase
    msp/                  signcerts/ and keystore/: the identity with which it speaks to the ledger
    tls/                  server.crt, server.key: shown to other nodes, to the organisation's applications,
                          and to gateways that ask for a client's certificate
    exchange-roots.pem    TLS authorities of the consortium's members: whose nodes may connect
    client-roots.pem      authorities of the organisation's own client certificates
    client-crls/          their revocation lists, *.pem, put there by the operator; need not exist
    gateway-roots.pem     TLS authorities of the ledger's gateways
    vault/                templates, journal, sealing key
    content/              surrogate images, unless `ipfs_api` in node.toml names a daemon for them

The folder is 0700; keys are 0600. Certificates are issued by the organisation, and copied here; a renewed
one, put in the place of the old, is used without a restart (`certificates.py`). A file of authorities may
hold several.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from veilmesh_node.config import FILE_NAME, NodeConfig
from veilmesh_node.domain.secret import Secret
from veilmesh_node.errors import HomeError
from veilmesh_node.sealing import SealingKey
from veilmesh_node.vault import Database, create_key_file
from veilmesh_node.vault.keyfile import SCRYPT_N
from veilmesh_node.vault.secret_store import SecretStore

SEALING_SECRET = "sealing-key"  # noqa: S105 - its name


@dataclass(frozen=True, slots=True)
class IssuedFiles:
    """What the organisation has issued for a node, and whom the node is to trust; all PEM."""

    msp: Path  # a folder with signcerts/ and keystore/
    tls_certificate: Path
    tls_key: Path
    exchange_roots: Sequence[Path]
    client_roots: Sequence[Path]
    gateway_roots: Path


@dataclass(frozen=True, slots=True)
class Home:
    """A home folder's files."""

    folder: Path

    @property
    def key_file(self) -> Path:
        return self.folder / "node.key"

    @property
    def msp(self) -> Path:
        return self.folder / "msp"

    @property
    def tls_certificate(self) -> Path:
        return self.folder / "tls" / "server.crt"

    @property
    def tls_key(self) -> Path:
        return self.folder / "tls" / "server.key"

    @property
    def exchange_roots(self) -> Path:
        return self.folder / "exchange-roots.pem"

    @property
    def client_roots(self) -> Path:
        return self.folder / "client-roots.pem"

    @property
    def client_crls(self) -> Path:
        return self.folder / "client-crls"

    @property
    def gateway_roots(self) -> Path:
        return self.folder / "gateway-roots.pem"

    @property
    def vault(self) -> Path:
        return self.folder / "vault"

    @property
    def content(self) -> Path:
        return self.folder / "content"

    def tls_certificate_sha256(self) -> str:
        """Return the digest by which the ledger names this node's TLS certificate.

        Raises:
            HomeError: it cannot be read.
        """
        try:
            certificate = x509.load_pem_x509_certificate(self.tls_certificate.read_bytes())
        except (OSError, ValueError) as err:
            raise HomeError(f"TLS certificate {self.tls_certificate}: {err}") from err
        return sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def create_home(
    folder: Path, config: NodeConfig, files: IssuedFiles, passphrase: Secret, *, scrypt_n: int = SCRYPT_N
) -> Home:
    """Make a node's home.

    Args:
        folder: new or empty.
        config: the settings to write.
        files: copied.
        passphrase: protects the node's key; nothing can be read without it.
        scrypt_n: the cost of a guess; a power of two.

    Raises:
        HomeError: the folder is in use, a file cannot be read, or the passphrase is empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise HomeError(f"{folder} is not empty")
    home = Home(folder)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        _copy(files, home)
        key = create_key_file(home.key_file, passphrase, scrypt_n=scrypt_n)
        with Database(home.vault) as database:
            SecretStore(database, key).put(SEALING_SECRET, SealingKey.generate().to_secret())
        home.content.mkdir()
        (folder / FILE_NAME).write_text(config.to_toml())
    except OSError as err:
        raise HomeError(f"{err.filename or folder}: {err.strerror}") from err
    return home


def read_passphrase(path: Path) -> Secret:
    """Return the first line of a passphrase file.

    Raises:
        HomeError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return Secret(file.readline().rstrip(b"\r\n"))
    except OSError as err:
        raise HomeError(f"passphrase file {path}: {err.strerror}") from err


def _copy(files: IssuedFiles, home: Home) -> None:
    for name in ("signcerts", "keystore"):
        for source in sorted((files.msp / name).iterdir()):
            _write(home.msp / name / source.name, source.read_bytes(), secret=name == "keystore")
    _write(home.tls_certificate, files.tls_certificate.read_bytes(), secret=False)
    _write(home.tls_key, files.tls_key.read_bytes(), secret=True)
    for target, sources in (
        (home.exchange_roots, files.exchange_roots),
        (home.client_roots, files.client_roots),
        (home.gateway_roots, [files.gateway_roots]),
    ):
        _write(target, b"".join(source.read_bytes() for source in sources), secret=False)


def _write(path: Path, content: bytes, *, secret: bool) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
