"""Canonical JSON: one value, one byte string.

Endorsers on different machines must write equal bytes, so: keys sorted, no white space, UTF-8 unescaped,
integers only. Floats are refused on the way out and on the way in; a quantity carries its unit in its name
(`threshold_micro`, `window_s`).
"""

import json
from typing import Any, NoReturn

Json = dict[str, Any] | list[Any] | str | int | bool | None

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)

MAX_INTEGER = 2**53 - 1  # what every JSON reader, JavaScript's too, keeps exactly


class NotCanonicalError(ValueError):
    """Bytes that are JSON perhaps, but not the one canonical form of their value."""


def dumps(value: Json) -> bytes:
    """Return the canonical bytes of `value`.

    Raises:
        NotCanonicalError: `value` holds a float, a number outside +-(2**53 - 1), or a key that is no string.
    """
    _check(value)
    return _ENCODER.encode(value).encode()


def loads(data: bytes) -> Json:
    """Parse canonical bytes, refusing every other spelling of the same value.

    Raises:
        NotCanonicalError: not UTF-8, not JSON, duplicate keys, floats, or not in canonical form.
    """
    try:
        value: Json = _DECODER.decode(data.decode())
        canonical = dumps(value)
    except NotCanonicalError:
        raise
    except UnicodeError as err:
        raise NotCanonicalError("not canonical JSON: not UTF-8") from err
    except json.JSONDecodeError as err:
        raise NotCanonicalError(f"not canonical JSON: {err}") from err
    except (ValueError, RecursionError) as err:  # a number of thousands of digits; nesting without end
        raise NotCanonicalError("not canonical JSON: beyond what any document needs") from err
    if canonical != data:
        raise NotCanonicalError("not canonical JSON: keys must be sorted and unique, without white space")
    return value


def _check(value: Json) -> None:
    match value:
        case bool() | None | str():
            return
        case int():
            if abs(value) > MAX_INTEGER:
                raise NotCanonicalError("an integer is beyond 2**53 - 1")
        case list():
            for item in value:
                _check(item)
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise NotCanonicalError("a key is not a string")
                _check(item)
        case _:
            raise NotCanonicalError(f"{type(value).__name__} has no canonical form")


def _refuse_float(_text: str) -> NoReturn:
    raise NotCanonicalError("a number is not an integer")


_DECODER = json.JSONDecoder(parse_float=_refuse_float, parse_constant=_refuse_float)
