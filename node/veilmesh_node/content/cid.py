"""Content ids: the CIDv1 that `ipfs add --cid-version=1 --raw-leaves` gives the same bytes.

Content is cut every 262,144 bytes. One piece alone is a raw leaf. Several become a balanced tree of dag-pb
nodes with UnixFS headers, at most 174 links a node, filled from the left. Sources: the IPFS specifications
"UnixFS" (balanced layout) and "DAG-PB" (links are written before data); kubo's defaults, against which
`tests/vectors/content` was recorded.
"""

from base64 import b32encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

CHUNK_BYTES = 262_144
LINKS_PER_NODE = 174

_UNIXFS_FILE = 2  # enum DataType of unixfs.proto
_RAW, _DAG_PB, _SHA2_256 = 0x55, 0x70, 0x12  # of the table of multicodecs


@dataclass(frozen=True, slots=True)
class _Block:
    """One block of the tree, as its parent sees it."""

    cid: bytes
    file_bytes: int  # of the file below
    total_bytes: int  # of all blocks below, this one included: what dag-pb calls Tsize


def content_id(content: bytes) -> str:
    """Return the CIDv1 of `content` in base32."""
    level = [_leaf(chunk) for chunk in _chunks(content)]
    while len(level) > 1:
        level = [
            _node(level[start : start + LINKS_PER_NODE]) for start in range(0, len(level), LINKS_PER_NODE)
        ]
    return "b" + b32encode(level[0].cid).decode().rstrip("=").lower()  # multibase: b stands for base32


def _chunks(content: bytes) -> Iterator[memoryview]:
    view = memoryview(content)
    for start in range(0, max(len(view), 1), CHUNK_BYTES):
        yield view[start : start + CHUNK_BYTES]


def _leaf(chunk: memoryview) -> _Block:
    return _Block(_cid(_RAW, chunk), len(chunk), len(chunk))


def _node(children: Sequence[_Block]) -> _Block:
    """Return the dag-pb node above `children`: their links in order, then the UnixFS header."""
    file_bytes = sum(child.file_bytes for child in children)
    header = _varint_field(1, _UNIXFS_FILE) + _varint_field(3, file_bytes)
    header += b"".join(_varint_field(4, child.file_bytes) for child in children)  # blocksizes
    links = (
        _bytes_field(1, child.cid) + _bytes_field(2, b"") + _varint_field(3, child.total_bytes)
        for child in children
    )
    block = b"".join(_bytes_field(2, link) for link in links) + _bytes_field(1, header)
    total_bytes = len(block) + sum(child.total_bytes for child in children)
    return _Block(_cid(_DAG_PB, block), file_bytes, total_bytes)


def _cid(codec: int, block: bytes | memoryview) -> bytes:
    """Return version 1, the codec, and the multihash: its function, its length, and the digest."""
    return bytes([1, codec, _SHA2_256, 32]) + sha256(block).digest()


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
