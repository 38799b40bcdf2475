"""Bytes to protobuf messages, with one way to fail.

Everything that arrives from a network, a file or inside another message passes through `decode`, so that
malformed bytes are a `DecodeError` that names the message and never an exception of the protobuf library.

Blocks are read at some ten thousand messages a second, which is why their readers take a repeated field as a
slice, `message.reads[:]`: protobuf makes that list at once, but ends a loop over the field itself with an
IndexError, which for a short field costs more than all that is in it. For the same reason what is made by the
thousand is a NamedTuple, which is made in a third of a frozen dataclass's time.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.message import DecodeError as ProtobufDecodeError

from veilmesh_fabric.errors import DecodeError

_LAST_SECOND = (
    253_402_300_799  # 9999-12-31T23:59:59Z, the last that both protobuf's Timestamp and datetime hold
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decode(message_type: Any, data: bytes, what: str) -> Any:
    """Return the `message_type` message in `data`.

    Args:
        message_type: a generated protobuf class.
        data: its wire form.
        what: how the error calls it, e.g. "channel header".

    Raises:
        DecodeError: `data` is not such a message.
    """
    try:
        return message_type.FromString(data)
    except (ProtobufDecodeError, ValueError) as err:
        raise DecodeError(f"{what} is not a {message_type.DESCRIPTOR.full_name}") from err


def decode_canonical(message_type: Any, data: bytes, what: str) -> Any:
    """Like `decode`, but only the one canonical encoding is accepted: known fields, in order, no padding.

    For messages that no signature or hash covers as a whole, so that not a bit can be changed unnoticed.
    """
    message = decode(message_type, data, what)
    known = message_type()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    if known.SerializeToString(deterministic=True) != data:
        raise DecodeError(f"{what} is not in canonical form: unknown fields, padding or fields out of order")
    return message


def decode_time(timestamp: Any, what: str) -> datetime:
    """Return a protobuf Timestamp as an aware datetime, in UTC and whole microseconds."""
    seconds, nanos = timestamp.seconds, timestamp.nanos
    if not (0 <= seconds <= _LAST_SECOND and 0 <= nanos < 1_000_000_000):
        raise DecodeError(f"{what} is out of range: {seconds} s, {nanos} ns")
    return _EPOCH + timedelta(0, seconds, nanos // 1000)
