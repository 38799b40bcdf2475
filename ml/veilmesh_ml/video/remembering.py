"""What a run knows, as a document of JSON and back, exactly: so that it can go on after it was killed.

Only classes that the reader names come to life again, and none by code in the document.
"""

import base64
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def to_document(value: Any) -> Any:
    """Return plain JSON for numbers, texts, arrays, lists, tuples, mappings and dataclasses of these.

    Raises:
        TypeError: it is, or holds, something else.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        content = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"array": value.dtype.str, "shape": list(value.shape), "content": content}
    if isinstance(value, Mapping):
        return {"mapping": [[to_document(name), to_document(each)] for name, each in value.items()]}
    if isinstance(value, list | tuple):
        return [to_document(each) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        own = {each.name: to_document(getattr(value, each.name)) for each in fields(value)}
        return {"class": type(value).__name__, "fields": own}
    raise TypeError(f"{type(value).__name__} is not remembered")


def from_document(document: Any, *known: type[Any]) -> Any:
    """Return what was made a document of; tuples come back as lists.

    Args:
        document: of `to_document`.
        known: the dataclasses that may be in it.

    Raises:
        ValueError: it is no such document.
    """
    if isinstance(document, list):
        return [from_document(each, *known) for each in document]
    if not isinstance(document, dict):
        return document
    try:
        if "array" in document:
            content = base64.b64decode(document["content"])
            return np.frombuffer(content, np.dtype(document["array"])).reshape(document["shape"]).copy()
        if "mapping" in document:
            pairs = document["mapping"]
            return {from_document(name, *known): from_document(each, *known) for name, each in pairs}
        made = {each.__name__: each for each in known}[document["class"]]
        return made(**{name: from_document(each, *known) for name, each in document["fields"].items()})
    except (KeyError, TypeError) as err:
        raise ValueError(f"nothing that is remembered so: {err}") from err
