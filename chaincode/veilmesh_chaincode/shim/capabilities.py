"""What a peer's stream can carry beyond single requests, as the peer itself says when it is ready.

A 3.1 peer sends `ChaincodeAdditionalParams` with READY, an older one nothing. `fabric_protos` is older than
that message, so its fields are read by number: `peer/chaincode.proto` of fabric-protos.
"""

from dataclasses import dataclass
from typing import Self

from google.protobuf.empty_pb2 import Empty
from google.protobuf.unknown_fields import UnknownFieldSet  # type: ignore[import-not-found]  # no stub

_USE_WRITE_BATCH = 1
_MAX_SIZE_WRITE_BATCH = 2
_USE_GET_MULTIPLE_KEYS = 3
_MAX_SIZE_GET_MULTIPLE_KEYS = 4


@dataclass(frozen=True, slots=True)
class Capabilities:
    """How many a message may hold; 1 stands for a peer that knows single requests alone."""

    writes_per_message: int = 1
    keys_per_message: int = 1

    @classmethod
    def from_ready(cls, payload: bytes) -> Self:
        """Read the payload of a peer's READY.

        Raises:
            google.protobuf.message.DecodeError: it is no protobuf message.
        """
        fields = {
            field.field_number: field.data
            for field in UnknownFieldSet(Empty.FromString(payload))
            if field.wire_type == 0  # a number
        }
        return cls(
            writes_per_message=max(1, fields.get(_MAX_SIZE_WRITE_BATCH, 1))
            if fields.get(_USE_WRITE_BATCH)
            else 1,
            keys_per_message=max(1, fields.get(_MAX_SIZE_GET_MULTIPLE_KEYS, 1))
            if fields.get(_USE_GET_MULTIPLE_KEYS)
            else 1,
        )
