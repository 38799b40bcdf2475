"""The blocks recorded from a real Fabric network, and what they are known to hold."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_VECTORS = Path(__file__).parents[2] / "vectors" / "fabric"
FOLDERS = ("raft", "smartbft")


@dataclass(frozen=True, slots=True)
class RecordedChain:
    blocks: tuple[bytes, ...]
    expected: Any


@cache
def recorded(folder: str) -> RecordedChain:
    paths = sorted((_VECTORS / folder).glob("*.block"))
    expected = json.loads((_VECTORS / folder / "expected.json").read_text())
    return RecordedChain(tuple(path.read_bytes() for path in paths), expected)
