"""Blocks on their way from a stream to who reads them: so many bytes and no more."""

import threading
from collections import deque

_MOST_BYTES = 32 * 1024 * 1024


class BlockQueue:
    """A queue between two threads that holds some megabytes, and always at least one block."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._blocks: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._error: Exception | None = None
        self._abandoned = False

    def put(self, block: bytes) -> bool:
        """Add a block, waiting for room; return whether anybody still wants it."""
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or not self._blocks or self._size < _MOST_BYTES)
            if not self._abandoned:
                self._blocks.append(block)
                self._size += len(block)
                self._changed.notify_all()
            return not self._abandoned

    def end(self, error: Exception | None = None) -> None:
        """Say that no block follows, because of `error` if there is one."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def get(self, within_s: float | None = None) -> bytes | None:
        """Return the next block; None where none follows.

        Args:
            within_s: how long to wait for it; as long as it takes when not given.

        Raises:
            TimeoutError: none came in time.
            Exception: what `end` was given.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._blocks or self._ended, within_s):
                raise TimeoutError
            if self._blocks:
                block = self._blocks.popleft()
                self._size -= len(block)
                self._changed.notify_all()
                return block
            if self._error:
                raise self._error
            return None

    def abandon(self) -> None:
        """Say that nobody reads any more."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()
