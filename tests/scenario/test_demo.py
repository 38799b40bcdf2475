"""The demo, as a user runs it: every claim holds, it leaves nothing running, and no log tells a secret."""

import base64
import json
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dlib")

from veilmesh_ml import load_engine, read_image
from veilmesh_network import running
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.home import SEALING_SECRET, Home, read_passphrase
from veilmesh_node.vault import Database, open_key_file
from veilmesh_node.vault.secret_store import SecretStore

pytestmark = [pytest.mark.faces, pytest.mark.slow]

NODES = ("org1", "org2", "org3", "spare")


@dataclass(frozen=True, slots=True)
class Run:
    """One finished demo: its folder, its document, and all that it and its processes said."""

    folder: Path
    exit_code: int
    document: dict[str, Any]
    said: str


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("demo") / "kept"
    done = subprocess.run(
        [sys.executable, "-m", "veilmesh_node", "demo", "--keep", folder, "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    logs = "\n".join(path.read_text(errors="replace") for path in sorted(folder.rglob("*.log")))
    return Run(folder, done.returncode, json.loads(done.stdout), done.stdout + done.stderr + logs)


def test_every_claim_of_the_story_holds(run: Run) -> None:
    broken = [line for line in run.document["lines"] if not line["held"]]
    assert not broken
    assert run.document["held"]
    assert run.exit_code == 0
    assert {line["chapter"] for line in run.document["lines"]} == set(range(1, 9))


def test_nothing_is_left_running(run: Run) -> None:
    assert not running.status(run.folder / "network").running
    assert not _commands_about(run.folder)


def test_sigterm_leaves_nothing_running_either(tmp_path: Path) -> None:
    """It comes when the ledger is up and the first node has been started."""
    folder = tmp_path / "kept"
    demo = subprocess.Popen(
        [sys.executable, "-m", "veilmesh_node", "demo", "--keep", folder],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (folder / "org1.log").exists() and demo.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running.status(folder / "network").running
    demo.terminate()
    _, said = demo.communicate(timeout=60)
    assert said.endswith("interrupted\n")
    assert demo.returncode == ExitCode.INTERRUPTED
    assert not running.status(folder / "network").running
    assert not _commands_about(folder)


def test_no_log_holds_features_keys_or_salts(run: Run) -> None:
    assert len(run.said) > 10_000, "the logs were not found"
    told = [name for name, secret in _secrets(run.folder) if secret in run.said]
    assert not told


def test_the_ledger_holds_no_features(run: Run) -> None:
    blocks = b"".join(path.read_bytes() for path in sorted((run.folder / "exported").glob("*.block")))
    assert len(blocks) > 100_000
    for features in _features(run.folder):
        assert not any(features[start : start + 8] in blocks for start in range(0, len(features), 8))


def test_secret_files_are_for_their_owner_alone(run: Run) -> None:
    secret = [
        *run.folder.rglob("*.key"),
        *run.folder.rglob("key.pem"),
        *run.folder.rglob("*.passphrase"),
        *run.folder.glob("*/vault/*"),
    ]
    assert len(secret) > 30
    loose = [path for path in secret if stat.S_IMODE(path.stat().st_mode) & 0o077 and path.is_file()]
    assert not loose
    assert all(stat.S_IMODE((run.folder / name).stat().st_mode) == 0o700 for name in NODES)


@pytest.mark.photos
def test_real_people(photos: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "veilmesh_node", "demo", "--json"),
            *("--photos", photos / "photos" / "johns", "--people", "2"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    figures = json.loads(done.stdout)["figures"]
    assert done.returncode == 0, done.stderr
    assert figures["mated"] == {"decided": 6, "match": 6, "no_match": 0, "not_acquired": 0}
    assert figures["non_mated"] == {"decided": 2, "match": 0, "no_match": 2, "not_acquired": 0}


def _commands_about(folder: Path) -> list[str]:
    """Return the command lines of running processes that name a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # ended meanwhile
            found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [command for command in found if str(folder) in command]


def _secrets(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield every secret of the demo in the forms in which a log could show it."""
    for features in _features(folder):
        yield from _forms("features", features)
        yield from (("feature", f"{value:.6f}") for value in memoryview(features).cast("d")[:16])
    for name in NODES:
        home = Home(folder / name)
        passphrase = read_passphrase(folder / f"{name}.passphrase")
        yield f"passphrase of {name}", passphrase.reveal().decode()
        key = open_key_file(home.key_file, passphrase)
        for purpose in ("wrapping", "secrets", "receipts", "requests"):
            yield from _forms(f"{purpose} key of {name}", key.derive(purpose).reveal())
        with Database(home.vault) as database:
            sealing = SecretStore(database, key).get(SEALING_SECRET)
            assert sealing is not None
            yield from _forms(f"sealing key of {name}", sealing.reveal())
    for path in (*folder.rglob("*.key"), *folder.rglob("key.pem")):
        if path.name != "node.key":
            yield str(path), path.read_text().splitlines()[1]


def _forms(name: str, secret: bytes) -> Iterator[tuple[str, str]]:
    yield f"{name}, hex", secret[:16].hex()
    yield f"{name}, base64", base64.b64encode(secret)[:20].decode()
    yield f"{name}, repr", repr(secret[:12])[2:-1]


def _features(folder: Path) -> list[bytes]:
    engine = load_engine()
    pictures = sorted((folder / "pictures").glob("*.jpg"))
    assert pictures
    images = [read_image(path) for path in pictures]
    return [engine.encode(image, engine.detect(image)[:1])[0].tobytes() for image in images]
