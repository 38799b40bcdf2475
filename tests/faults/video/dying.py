"""Anonymizes a video, and kills itself in the middle: `dying.py SOURCE TARGET KEY MOMENT`.

MOMENT is CLASS.METHOD:CALL:before|after, of what writes; or nothing, and it lives.
"""

import os
import secrets
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from veilmesh_ml import load_engine
from veilmesh_ml.video import release, segments, unfinished, writing

SEGMENT = 10


def die_at(moment: str) -> None:
    place, call, side = moment.split(":")
    owner, name = place.split(".")
    made = next(
        getattr(module, owner) for module in (segments, unfinished, writing) if hasattr(module, owner)
    )
    method: Callable[..., Any] = getattr(made, name)
    calls = 0

    @wraps(method)
    def deadly(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == int(call) and side == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = method(*arguments, **named)
        if calls == int(call):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(made, name, deadly)


def main(source: str, target: str, key: str, moment: str = "") -> None:
    setattr(secrets, "token_bytes", lambda _: bytes.fromhex(key))  # noqa: B010 - mypy takes no other signature
    if moment:
        die_at(moment)
    engine = load_engine("fast", device="cpu")
    report = release.anonymize_video(Path(source), Path(target), engine, segment=SEGMENT)
    sys.stdout.write(f"{report.gone_on_at}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
