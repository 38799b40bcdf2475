"""A permuted picture's key, sealed to the node that its owner names: the file `NAME.sealed.json`.

The file lies beside the picture and may travel with it: whoever holds both can bring them to the keeper, and
the keeper alone can open it. Inside is the picture's own key, drawn for it and for no other, and the recovery
record; so an order to restore one picture restores one. The key exists in the clear while the picture is
made, and again when the keeper gives it out (`unsealing.py`); no disk ever holds it.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field
from veilmesh_chaincode.records import canonical
from veilmesh_chaincode.records.base import Document, Name, Sha256Hex, Text
from veilmesh_chaincode.records.refusals import Refusal

from veilmesh_node.domain.secret import Secret
from veilmesh_node.errors import SealedKeyError
from veilmesh_node.sealing import SUITE, SealingKey, seal

MAX_BYTES = 16 * 1024 * 1024  # of the file: a recovery record has a mask a face, and there may be 500


@dataclass(frozen=True, slots=True)
class PictureBinding:
    """What a sealed key belongs to."""

    keeper_node_id: str
    output_sha256: str

    def to_info(self) -> bytes:
        return canonical.dumps(
            {
                "keeper_node_id": self.keeper_node_id,
                "output_sha256": self.output_sha256,
                "protocol": "veilmesh/v1/picture-key",
                "suite": SUITE,
            }
        )


@dataclass(frozen=True, slots=True)
class PictureKey:
    """What restores one picture."""

    key: Secret
    recovery: str = field(repr=False)  # JSON of `veilmesh_ml.anonymizers.recovery`


class _Inside(Document):
    """What is sealed."""

    max_bytes: ClassVar[int] = MAX_BYTES

    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    recovery: str


class SealedKey(Document):
    """The file. Only `sealed` is hidden; what stands beside it, the sealing binds."""

    max_bytes: ClassVar[int] = MAX_BYTES

    format: Literal["veilmesh/sealed-key/1"] = "veilmesh/sealed-key/1"
    keeper_node_id: Name
    keeper_key_sha256: Sha256Hex  # of the public key it is sealed to
    output_sha256: Sha256Hex  # of the picture's file
    suite: Text
    sealed: Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")]

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read the file's content.

        Raises:
            SealedKeyError: it is something else.
        """
        try:
            return cls.from_bytes(content)
        except Refusal as err:
            raise SealedKeyError(f"not a sealed key: {err}") from err

    def open(self, key: SealingKey) -> PictureKey:
        """Open it with the keeper's private key.

        Raises:
            SealingError: sealed to another key, or changed.
            SealedKeyError: something else was sealed.
        """
        binding = PictureBinding(self.keeper_node_id, self.output_sha256)
        try:
            inside = _Inside.from_bytes(key.open(bytes.fromhex(self.sealed), binding))
        except Refusal as err:
            raise SealedKeyError("what was sealed is no key") from err
        return PictureKey(Secret(bytes.fromhex(inside.key)), inside.recovery)


@dataclass(frozen=True, slots=True)
class Keeper:
    """To whom keys are sealed. Implements `veilmesh_ml.folder_job.KeySeal`; worker processes get a copy."""

    node_id: str
    public_key: str = field(repr=False)  # as the ledger holds it, hex

    @property
    def key_sha256(self) -> str:
        return sha256(bytes.fromhex(self.public_key)).hexdigest()

    @property
    def digest(self) -> str:
        return self.key_sha256

    def seal(self, key: bytes, recovery: str, output_sha256: str) -> str:
        """Return the text of the file that goes beside the picture.

        Raises:
            SealingError: the public key is of another suite.
        """
        inside = _Inside(key=key.hex(), recovery=recovery)
        binding = PictureBinding(self.node_id, output_sha256)
        sealed_key = SealedKey(
            keeper_node_id=self.node_id,
            keeper_key_sha256=self.key_sha256,
            output_sha256=output_sha256,
            suite=SUITE,
            sealed=seal(inside.to_bytes(), self.public_key, binding).hex(),
        )
        return sealed_key.to_bytes().decode()
