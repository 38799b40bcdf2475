"""The form every record and request shares, and the field types they are made of."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from veilmesh_chaincode.records import canonical
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode

MspId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,64}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Sha256Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
TxId = Sha256Hex
ReferenceId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
ContentId = Annotated[str, StringConstraints(pattern=r"^b[a-z2-7]{8,120}$")]  # CIDv1 in base32
Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]

MAX_DOCUMENT_BYTES = 64 * 1024


class Document(BaseModel):
    """A frozen value with one canonical byte form. Unknown fields, coercions and floats are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def to_bytes(self) -> bytes:
        return canonical.dumps(self.model_dump(mode="json"))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Parse canonical JSON into this document.

        Raises:
            Refusal: MALFORMED, with what is wrong and where; the offending values are not repeated.
        """
        if len(data) > MAX_DOCUMENT_BYTES:
            raise Refusal(RefusalCode.MALFORMED, f"{cls.__name__} exceeds {MAX_DOCUMENT_BYTES} bytes")
        try:
            canonical.loads(data)
            return cls.model_validate_json(data)
        except canonical.NotCanonicalError as err:
            raise Refusal(RefusalCode.MALFORMED, f"{cls.__name__}: {err}") from err
        except ValidationError as err:
            where = "; ".join(
                f"{'.'.join(str(part) for part in error['loc']) or 'document'}: {error['msg']}"
                for error in err.errors(include_input=False, include_url=False)[:5]
            )
            raise Refusal(RefusalCode.MALFORMED, f"{cls.__name__}: {where}") from err
