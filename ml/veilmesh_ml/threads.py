"""How many threads work at once."""

import os

THREADS_AT_MOST = 8  # more gain little on pictures of this size


def default_threads() -> int:
    """Return as many as this process may use cores, or as `OMP_NUM_THREADS` says."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return min(len(os.sched_getaffinity(0)), THREADS_AT_MOST)
