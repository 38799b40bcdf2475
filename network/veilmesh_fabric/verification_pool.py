"""Signature checks on several cores.

Following a chain is one thread of reasoning, but most of the work is arithmetic on signatures, which needs no
order. `PooledChecks` hands it to other processes in batches, while the caller goes on reading blocks:

    with PooledChecks(workers=2) as checks:
        report = verify_blocks(blocks, checks=checks)

A worker is given keys and messages and knows nothing of identities: whether a certificate is acceptable is
decided where the chain is followed. Starting workers takes some tenths of a second, so a short chain is
verified faster without.
"""

from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing import get_context
from types import TracebackType
from typing import Self, cast

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from veilmesh_fabric.errors import FabricError, IdentityError, SignatureError
from veilmesh_fabric.signature_checks import Pending, SignedMessage, public_key
from veilmesh_fabric.signing import PublicKey, verify

_BATCH = 256  # signatures: some 10 ms of work, against which the cost of sending them is small
_REMEMBERED_KEYS = 4096


@dataclass(slots=True)
class _Batch:
    """Signatures to be sent to a worker together, each key once."""

    keys: dict[bytes, int] = field(default_factory=dict)  # DER -> position
    jobs: list[tuple[int, bytes, bytes]] = field(default_factory=list)  # key's position, signature, message
    sent: "Future[bytes] | None" = None

    def add(self, each: SignedMessage) -> None:
        try:
            key = _der(each.signer)
        except IdentityError:
            self.jobs.append((-1, b"", b""))  # no key, no valid signature
            return
        self.jobs.append((self.keys.setdefault(key, len(self.keys)), each.signature, each.message))


class PooledChecks:
    """A `SignatureChecks` that works in other processes, to be used in a `with` statement."""

    def __init__(self, workers: int) -> None:
        # A forked child would inherit locks in whatever state other threads, such as gRPC's, hold them.
        self._pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
        self._open = _Batch()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def start(self, messages: Sequence[SignedMessage]) -> Pending:
        """Begin to check signatures.

        Raises:
            FabricError: the workers are no longer there; so may the result be, when asked for.
        """
        batch, first = self._open, len(self._open.jobs)
        for each in messages:
            batch.add(each)
        if len(batch.jobs) >= _BATCH:
            self._send(batch)
        return lambda: [result == 1 for result in self._results(batch)[first : first + len(messages)]]

    def _results(self, batch: _Batch) -> bytes:
        try:
            return (batch.sent or self._send(batch)).result()
        except (BrokenProcessPool, CancelledError) as err:
            raise FabricError("a worker that checks signatures is no longer there") from err

    def _send(self, batch: _Batch) -> "Future[bytes]":
        if batch is self._open:
            self._open = _Batch()
        try:
            batch.sent = self._pool.submit(check_batch, list(batch.keys), batch.jobs)
        except RuntimeError as err:  # broken, or shut down
            raise FabricError("the workers that check signatures are no longer there") from err
        batch.jobs = []
        return batch.sent


def check_batch(keys: Sequence[bytes], jobs: Sequence[tuple[int, bytes, bytes]]) -> bytes:
    """Return a byte for each job, 1 if its signature holds. Runs in a worker.

    Args:
        keys: public keys, DER.
        jobs: the key's position (-1: none), the signature and the message.
    """
    return bytes(position >= 0 and _holds(keys[position], *rest) for position, *rest in jobs)


def _holds(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        verify(_load(key), signature, message)
    except SignatureError:
        return False
    return True


@lru_cache(_REMEMBERED_KEYS)
def _load(key: bytes) -> PublicKey:
    return cast("PublicKey", load_der_public_key(key))


@lru_cache(_REMEMBERED_KEYS)
def _der(signer: bytes) -> bytes:
    return public_key(signer).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
