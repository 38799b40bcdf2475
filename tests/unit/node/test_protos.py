"""The committed message classes are what the .proto files give."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_generated_files_are_fresh() -> None:
    check = subprocess.run(
        [sys.executable, ROOT / "scripts" / "gen_protos.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr
