"""What every content store checks: a surrogate goes in, and what comes out is what its id says."""

from veilmesh_node.content.cid import content_id
from veilmesh_node.errors import ContentMismatchError, ContentTooLargeError
from veilmesh_node.surrogate import Surrogate

MAX_CONTENT_BYTES = 64 * 1024 * 1024  # as much as a node's API sends and takes at once


def outgoing(surrogate: Surrogate) -> tuple[str, bytes]:
    """Return the content id and the image that are to be stored.

    Raises:
        TypeError: it is no `Surrogate`, whatever the type checker was told.
        ContentTooLargeError: its image could not be read back.
    """
    if type(surrogate) is not Surrogate:
        raise TypeError(f"only surrogates are stored, not {type(surrogate).__name__}")
    cid = content_id(surrogate.image)
    if len(surrogate.image) > MAX_CONTENT_BYTES:
        raise ContentTooLargeError(f"surrogate {cid}", MAX_CONTENT_BYTES)
    return cid, surrogate.image


def incoming(cid: str, content: bytes) -> bytes:
    """Return `content` if it is what `cid` says.

    Raises:
        ContentTooLargeError: it was cut off at more than can be.
        ContentMismatchError: it is something else.
    """
    if len(content) > MAX_CONTENT_BYTES:
        raise ContentTooLargeError(f"content {cid}", MAX_CONTENT_BYTES)
    if content_id(content) != cid:
        raise ContentMismatchError(cid)
    return content
