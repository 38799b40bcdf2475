"""The form every record and request shares, and the field types they are made of."""

from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from veilmesh_chaincode.records import canonical
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode

MspId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,64}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Sha256Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
TxId = Sha256Hex
ReferenceId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
ContentId = Annotated[str, StringConstraints(pattern=r"^b[a-z2-7]{8,120}$")]  # CIDv1 in base32
Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]

Limit = Annotated[int, Field(ge=1, le=1000)]  # entries a page may hold
Bookmark = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:-]{0,160}$")]  # empty: from the start

Item = TypeVar("Item")


def _distinct(items: list[Item]) -> list[Item]:
    if len(set(items)) != len(items):
        raise ValueError("entries must be distinct")
    return items


Distinct = AfterValidator(_distinct)


class Document(BaseModel):
    """A frozen value with one canonical byte form. Unknown fields, coercions and floats are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    max_bytes: ClassVar[int] = 64 * 1024

    def to_bytes(self) -> bytes:
        return canonical.dumps(self.model_dump(mode="json"))

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed, checked like any other document."""
        return self.model_validate({**dict(self), **changes})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Parse canonical JSON into this document.

        Raises:
            Refusal: MALFORMED, with what is wrong and where; the offending values are not repeated.
        """
        if len(data) > cls.max_bytes:
            raise Refusal(RefusalCode.MALFORMED, f"{cls.__name__} exceeds {cls.max_bytes} bytes")
        try:
            canonical.loads(data)
            return cls.model_validate_json(data)
        except canonical.NotCanonicalError as err:
            raise Refusal(RefusalCode.MALFORMED, f"{cls.__name__}: {err}") from err
        except ValidationError as err:
            where = "; ".join(
                f"{'.'.join(str(part)[:40] for part in error['loc']) or 'document'}: {error['msg']}"
                for error in err.errors(include_input=False, include_url=False)[:5]
            )
            raise Refusal(RefusalCode.MALFORMED, f"{cls.__name__}: {where}") from err


class ChangingRecord(Document):
    """A record that is replaced over time. Its time never runs backwards; `state` sees to that."""

    updated_at_s: int
