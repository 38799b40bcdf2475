"""Signature checks on several cores.

Following a chain is one thread of reasoning, but most of the work is arithmetic on signatures, which needs no
order. `PooledChecks` hands it to other processes in batches, while the caller goes on reading blocks:

    with PooledChecks(workers=2) as checks:
        report = verify_blocks(blocks, checks=checks)

A worker (`signature_worker.py`) is given keys, signatures and hashes and knows nothing of identities, blocks
or configurations: whether a certificate is acceptable is decided where the chain is followed. Starting
workers takes a tenth of a second, so a short chain is verified faster without.
"""

import marshal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from select import select
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from veilmesh_fabric import signature_worker
from veilmesh_fabric.errors import FabricError, IdentityError
from veilmesh_fabric.signature_checks import Pending, SignedMessage, public_key
from veilmesh_fabric.signature_worker import framed, read_frame
from veilmesh_fabric.verifying_key import CURVE_ORDERS, ED25519, NO_KEY, NoKey, verifying_key

_BATCH = 256  # signatures: some 20 ms of work, against which the cost of sending them is small
_BATCH_BYTES = 4 * 1024 * 1024  # or fewer, where they are of long messages that are not hashed first
_REMEMBERED_KEYS = 4096


@dataclass(frozen=True, slots=True, eq=False)
class _Key:
    """A signer's key, here and as it is sent."""

    prepared: Callable[[bytes, bytes], bytes]  # see `VerifyingKey`
    kind: str  # see `READERS`
    data: bytes


@dataclass(slots=True)
class _Batch:
    """Signatures to be checked together, each key sent once."""

    keys: dict[_Key, int] = field(default_factory=dict)  # by position
    jobs: list[tuple[int, bytes, bytes]] = field(default_factory=list)  # see `signature_worker.Batch`
    size: int = 0  # bytes of all that is to be checked
    worker: "_Worker | None" = None
    answer: bytes | None = None

    def add(self, each: SignedMessage) -> None:
        key = _key(each.signer)
        position = self.keys.setdefault(key, len(self.keys))
        prepared = key.prepared(each.message, each.suffix)
        self.jobs.append((position, each.signature, prepared))
        self.size += len(each.signature) + len(prepared)

    def marshalled(self) -> bytes:
        return marshal.dumps(([(key.kind, key.data) for key in self.keys], self.jobs))


class _Worker:
    """A process that answers batches in the order in which they are sent."""

    def __init__(self) -> None:
        self._socket, there = socket.socketpair()
        with there:
            command = [sys.executable, "-P", "-m", signature_worker.__name__]
            self._process = subprocess.Popen(command, stdin=there.fileno(), stdout=there.fileno())
        self._answers = self._socket.makefile("rb")
        self.unanswered: deque[_Batch] = deque()

    def fileno(self) -> int:
        """Return what tells `select` that an answer has come."""
        return self._socket.fileno()

    def send(self, batch: _Batch) -> None:
        """Send a batch, waiting where the worker is far behind.

        Raises:
            FabricError: the process has ended.
        """
        try:
            self._socket.sendall(framed(batch.marshalled()))
        except OSError as err:
            raise _gone() from err
        batch.worker = self
        batch.jobs.clear()  # as many long messages as a block likes to hold
        self.unanswered.append(batch)

    def receive(self) -> None:
        """Wait for the answer to the oldest unanswered batch.

        Raises:
            FabricError: the process has ended.
        """
        if self._process.returncode is not None:
            raise _gone()
        try:
            answer = read_frame(self._answers)
        except (EOFError, OSError) as err:
            raise _gone() from err
        self.unanswered.popleft().answer = answer

    def end(self) -> None:
        """End the process; it holds nothing that could be lost."""
        self._process.kill()
        self._process.wait()
        self._answers.close()
        self._socket.close()


def _gone() -> FabricError:
    return FabricError("a worker that checks signatures is no longer there")


class PooledChecks:
    """A `SignatureChecks` that works in other processes, to be used in a `with` statement."""

    def __init__(self, workers: int) -> None:
        self._workers = [_Worker() for _ in range(workers)]
        self._open = _Batch()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._workers:
            self._workers.pop().end()

    def start(self, messages: Sequence[SignedMessage]) -> Pending:
        """Begin to check signatures.

        Raises:
            FabricError: the workers are no longer there; so may the result be, when asked for.
        """
        parts: list[tuple[_Batch, int, int]] = []  # batch, first position and the one behind the last
        batch, first = self._open, len(self._open.jobs)
        for each in messages:
            batch.add(each)
            if batch.size >= _BATCH_BYTES:
                parts.append((batch, first, len(batch.jobs)))
                self._send(batch)
                batch, first = self._open, 0
        if first < len(batch.jobs):
            parts.append((batch, first, len(batch.jobs)))
        if len(batch.jobs) >= _BATCH:
            self._send(batch)
        return lambda: [
            answer == 1 for batch, first, last in parts for answer in self._answer(batch)[first:last]
        ]

    def _answer(self, batch: _Batch) -> bytes:
        worker = batch.worker or self._send(batch)
        while batch.answer is None:
            worker.receive()
        return batch.answer

    def _send(self, batch: _Batch) -> _Worker:
        """Send the open batch to the worker that has the least to do."""
        self._open = _Batch()
        if not self._workers:
            raise _gone()
        answering, _, _ = select(self._workers, [], [], 0)
        for each in answering:
            each.receive()
        worker = min(self._workers, key=lambda each: len(each.unanswered))
        worker.send(batch)
        return worker


@lru_cache(_REMEMBERED_KEYS)
def _key(signer: bytes) -> _Key:
    try:
        key = public_key(signer)
    except IdentityError:
        return _Key(NoKey().prepared, NO_KEY, b"")
    prepared = verifying_key(key).prepared
    if isinstance(key, Ed25519PublicKey):
        return _Key(prepared, ED25519, key.public_bytes_raw())
    if key.curve.name not in CURVE_ORDERS:
        return _Key(prepared, NO_KEY, b"")
    return _Key(prepared, key.curve.name, key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
