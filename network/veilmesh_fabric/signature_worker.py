"""The process in which `verification_pool.py` has signatures checked.

    python -m veilmesh_fabric.signature_worker

reads batches from its standard input and answers each on its standard output, until its input ends. Both
are frames: a length of four bytes, big-endian, and so many bytes. A batch is a pair, marshalled:

    keys   a list of (kind, bytes), see `verifying_key.READERS`
    jobs   a list of (position of the key, signature, prepared message)

and its answer a byte for each job, 1 if the signature holds. What stands at the other end is the process that
started this one, with the same interpreter. What is imported here delays the first answer.
"""

import marshal
import signal
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import BinaryIO, TypeAlias

from veilmesh_fabric.verifying_key import READERS, VerifyingKey

Batch: TypeAlias = tuple[Sequence[tuple[str, bytes]], Sequence[tuple[int, bytes, bytes]]]

_REMEMBERED_KEYS = 4096


def framed(content: bytes) -> bytes:
    return len(content).to_bytes(4) + content


def read_frame(stream: BinaryIO) -> bytes:
    """Return the next frame's content.

    Raises:
        EOFError: the stream ends before it.
    """
    return _read(stream, int.from_bytes(_read(stream, 4)))


def _read(stream: BinaryIO, size: int) -> bytes:
    content = stream.read(size)
    if len(content) != size:
        raise EOFError("stream ended")
    return content


def check(batch: Batch) -> bytes:
    """Return a byte for each job, 1 if its signature holds."""
    keys, jobs = batch
    holds = [_key(kind, data).holds for kind, data in keys]
    return bytes([holds[position](signature, prepared) for position, signature, prepared in jobs])


@lru_cache(_REMEMBERED_KEYS)
def _key(kind: str, data: bytes) -> VerifyingKey:
    return READERS[kind](data)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the other end, which ends this one
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody waits for the answer any more: end without a word
    while True:
        try:
            batch = read_frame(sys.stdin.buffer)
        except EOFError:
            return
        sys.stdout.buffer.write(framed(check(marshal.loads(batch))))  # noqa: S302 - of our own making
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
