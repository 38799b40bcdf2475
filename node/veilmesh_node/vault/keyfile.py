"""The node's key: 256 random bits in a file, wrapped under a passphrase by scrypt and AES-256-GCM.

The file is JSON and carries its scrypt parameters, so that they can be raised for new files. Everything else
that is secret in a node hangs on this key through HKDF-SHA-256, one label a purpose.
"""

import os
import secrets
from pathlib import Path
from typing import Annotated, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from veilmesh_node.domain.secret import Secret
from veilmesh_node.errors import HomeError, WrongPassphraseError
from veilmesh_node.vault.encryption import seal, unseal

KEY_BYTES = 32
SCRYPT_N = 2**17  # with r = 8: 128 MiB and about 0.3 s a guess; OWASP's first choice
_AAD = b"veilmesh/v1/node-key"

Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")]


class NodeKey:
    """The opened key; gives one derived key a purpose, and never itself."""

    __slots__ = ("_root",)

    def __init__(self, root: Secret) -> None:
        self._root = root

    def derive(self, purpose: str) -> Secret:
        """Return 32 bytes for `purpose`: equal for equal purposes, unrelated for any two others."""
        label = b"veilmesh/v1/" + purpose.encode()
        return Secret(HKDF(SHA256(), KEY_BYTES, salt=None, info=label).derive(self._root.reveal()))

    def __repr__(self) -> str:
        return "<node key>"


class _KeyFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    kdf: Literal["scrypt"] = "scrypt"
    n: Annotated[int, Field(ge=2, le=2**22)]
    r: Annotated[int, Field(ge=1, le=32)] = 8
    p: Annotated[int, Field(ge=1, le=16)] = 1
    salt: Hex
    wrapped_key: Hex

    def wrapping_key(self, passphrase: Secret) -> AESGCM:
        scrypt = Scrypt(bytes.fromhex(self.salt), KEY_BYTES, n=self.n, r=self.r, p=self.p)
        return AESGCM(scrypt.derive(passphrase.reveal()))


def create_key_file(path: Path, passphrase: Secret, *, scrypt_n: int = SCRYPT_N) -> NodeKey:
    """Draw a node key and write it, wrapped, to `path` (mode 0600).

    Raises:
        HomeError: the file is there already, the passphrase is empty, or the folder cannot be written.
    """
    if not passphrase.reveal():
        raise HomeError("the passphrase is empty")
    root = Secret(secrets.token_bytes(KEY_BYTES))
    empty = _KeyFile(n=scrypt_n, salt=secrets.token_hex(32), wrapped_key="00")
    wrapped = seal(empty.wrapping_key(passphrase), root.reveal(), _AAD)
    document = empty.model_copy(update={"wrapped_key": wrapped.hex()})
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(document.model_dump_json(indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as err:
        raise HomeError(f"key file {path}: {err.strerror}") from err
    return NodeKey(root)


def open_key_file(path: Path, passphrase: Secret) -> NodeKey:
    """Unwrap the node key.

    Raises:
        HomeError: no such file, or not a key file.
        WrongPassphraseError: it does not open; a changed file looks the same.
    """
    try:
        document = _KeyFile.model_validate_json(path.read_bytes())
    except OSError as err:
        raise HomeError(f"key file {path}: {err.strerror}") from err
    except ValidationError as err:
        raise HomeError(f"{path} is not a node's key file") from err
    try:
        wrapped = bytes.fromhex(document.wrapped_key)
        return NodeKey(Secret(unseal(document.wrapping_key(passphrase), wrapped, _AAD)))
    except (InvalidTag, ValueError) as err:
        raise WrongPassphraseError from err
