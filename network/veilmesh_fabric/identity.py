"""Who signs: a certificate of an organisation, with the key that belongs to it.

An identity is checked when it is made (readable, key and certificate belong together, within its time), so
that what is wrong with it is said here and not by a peer's "access denied". Whether its organisation stands
behind it is for the channel's MSPs to say (`msp.py`).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from fabric_protos.msp import identities_pb2

from veilmesh_fabric.certificates import Certificate, read_certificate
from veilmesh_fabric.errors import IdentityError
from veilmesh_fabric.renewal import Renewed
from veilmesh_fabric.signing import Signer, signer_from_pem


@dataclass(frozen=True, slots=True)
class SigningIdentity:
    """An organisation's member that can sign."""

    msp_id: str
    certificate_pem: bytes = field(repr=False)
    signer: Signer = field(repr=False)
    certificate: Certificate = field(init=False, repr=False)
    creator: bytes = field(init=False, repr=False)
    """The `SerializedIdentity` message that stands beside every signature."""

    def __post_init__(self) -> None:
        """Check that key and certificate belong together.

        Raises:
            IdentityError: they do not, the certificate is unreadable, or the MSP id is empty.
        """
        if not self.msp_id:
            raise IdentityError("an identity needs the id of its MSP")
        certificate = read_certificate(self.certificate_pem, f"certificate of {self.msp_id}")
        if certificate.public_key != self.signer.public_key:
            raise IdentityError(f"private key does not belong to {certificate}")
        message = identities_pb2.SerializedIdentity(mspid=self.msp_id, id_bytes=self.certificate_pem)
        object.__setattr__(self, "certificate", certificate)
        object.__setattr__(self, "creator", message.SerializeToString(deterministic=True))

    @classmethod
    def from_pem(
        cls, msp_id: str, certificate_pem: bytes, key_pem: bytes, *, at: datetime | None = None
    ) -> Self:
        """Return the identity of a certificate and its unencrypted private key.

        Args:
            msp_id: the organisation's MSP, such as "Org1MSP".
            certificate_pem: an X.509 certificate.
            key_pem: PKCS #8 or SEC 1.
            at: the moment at which the certificate must be valid, aware; now when not given.

        Raises:
            IdentityError: one is unreadable, they do not belong together, or it is not valid at `at`.
        """
        identity = cls(msp_id, certificate_pem, signer_from_pem(key_pem))
        identity._require_valid_at(at or datetime.now(UTC))
        return identity

    @classmethod
    def from_msp_folder(cls, folder: Path, msp_id: str, *, at: datetime | None = None) -> Self:
        """Return the identity in an MSP folder as Fabric's tools lay it out.

        Args:
            folder: holds `signcerts/` and `keystore/` with one file each.
            msp_id: the folder does not say it.
            at: as `from_pem`.

        Raises:
            IdentityError: as `from_pem`; or a folder or file is missing, unreadable or not the only one.
        """
        certificate_path = _only_file(folder / "signcerts", "signing certificate")
        key_path = _only_file(folder / "keystore", "private key")
        try:
            return cls.from_pem(msp_id, certificate_path.read_bytes(), key_path.read_bytes(), at=at)
        except OSError as err:
            raise IdentityError(f"identity in {folder} is not readable: {err.strerror}") from err
        except IdentityError as err:
            raise IdentityError(f"identity in {folder}: {err}") from err

    @classmethod
    def in_msp_folder(cls, folder: Path, msp_id: str) -> Renewed[Self]:
        """Return the identity that an MSP folder holds at each moment.

        Raises:
            IdentityError: as `from_msp_folder`.
        """
        return Renewed(lambda: cls.from_msp_folder(folder, msp_id), folder / "signcerts", folder / "keystore")

    def sign(self, message: bytes) -> bytes:
        return self.signer.sign(message)

    def _require_valid_at(self, at: datetime) -> None:
        certificate = self.certificate
        if at > certificate.not_after:
            raise IdentityError(f"{certificate} of {self.msp_id} expired on {_utc(certificate.not_after)}")
        if at < certificate.not_before:
            raise IdentityError(
                f"{certificate} of {self.msp_id} is valid only from {_utc(certificate.not_before)}"
            )

    def __str__(self) -> str:
        return f"{self.certificate.common_name} of {self.msp_id}"


def _only_file(folder: Path, what: str) -> Path:
    try:
        files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    except OSError as err:
        raise IdentityError(f"no {what}: {folder} is not readable ({err.strerror})") from err
    if len(files) != 1:
        raise IdentityError(f"{folder} holds {len(files)} files where exactly one {what} belongs")
    return files[0]


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
