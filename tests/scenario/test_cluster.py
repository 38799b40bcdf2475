"""Two organisations' machines work on one's pictures; jobs are stopped, workers killed, one is suspended."""

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dlib")
pytest.importorskip("ray", reason="clusters need Ray: install the [cluster] extra")

from PIL import Image
from skimage.data import astronaut
from veilmesh_ml.manifest import MANIFEST_NAME
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cluster.results import read_results

from tests.integration.cluster.local_cluster import LocalCluster, Workers
from tests.integration.node.live_consortium import LiveConsortium, LiveNode

pytestmark = [pytest.mark.cluster, pytest.mark.faces, pytest.mark.slow]

WITHIN_S = 600.0  # beside much other work; idle it is a tenth of it
MANY, SOME = 260, 210  # so many that 200 are left after a stop, and that 200 are there at all
DAMAGED = "broken.jpg"


@dataclass(frozen=True, slots=True)
class Scene:
    workers: Workers
    cluster: LocalCluster
    org1: LiveNode
    org2: LiveNode


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Given org1's head, and a worker of org1's and one of org2's."""
    consortium = LiveConsortium.found(tmp_path_factory.mktemp("consortium"))
    workers = Workers(consortium)
    cluster = None
    try:
        org1, org2 = workers.add("org1"), workers.add("org2")
        cluster = LocalCluster(org1)
        cluster.start_head("--admit", "Org2MSP")
        for node in (org1, org2):
            cluster.launch_worker(node)
            cluster.await_worker(node)
        yield Scene(workers, cluster, org1, org2)
    finally:
        if cluster is not None:
            cluster.stop()
        consortium.close()


def pictures(folder: Path, count: int) -> Path:
    """Make one portrait in many sizes, and a file that is no picture."""
    folder.mkdir()
    portrait = Image.fromarray(astronaut()).crop((90, 0, 360, 270))  # type: ignore[no-untyped-call]
    for number in range(count):
        side = 100 + number % 50
        portrait.resize((side, side)).save(folder / f"{number:03}.jpg", quality=80 + number % 15)
    (folder / DAMAGED).write_bytes(b"no picture")
    return folder


def names(count: int) -> set[str]:
    return {f"{number:03}.jpg" for number in range(count)}


def await_lines(file: Path, count: int, job: subprocess.Popen[bytes]) -> None:
    """Wait until a job has put so many lines on disk; it goes on."""
    deadline = time.monotonic() + WITHIN_S
    while not file.exists() or file.read_bytes().count(b"\n") < count:
        assert job.poll() is None, job.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ended(job: subprocess.Popen[bytes]) -> tuple[int, dict[str, Any]]:
    out, _ = job.communicate(timeout=WITHIN_S)
    return job.returncode, json.loads(out)


def await_(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_stopped_job_goes_on_and_a_killed_worker_costs_nothing(scene: Scene, tmp_path: Path) -> None:
    given, out = pictures(tmp_path / "in", MANY), tmp_path / "out"
    results = out / "results.jsonl"

    # When the job is stopped in mid-run
    job = scene.cluster.submit("encode", given, "-o", out)
    await_lines(results, 20, job)
    job.send_signal(signal.SIGINT)
    code, document = ended(job)
    # Then what was at work is finished and kept, and the rest is left
    assert code == ExitCode.INTERRUPTED
    assert not document["complete"]
    assert document["done"] == len(list(read_results(results)))
    assert document["left"] + document["done"] + document["failed"] == MANY + 1
    assert document["left"] > 200  # or else it would be done without workers

    # When it is submitted again, and the process that works at org2 is killed
    job = scene.cluster.submit("encode", given, "-o", out)
    await_lines(results, document["done"] + 20, job)
    scene.cluster.kill_at_work(scene.org2)
    code, again = ended(job)
    # Then it does the rest, every picture once, and says which file was none
    assert code == ExitCode.FAILED
    assert again["complete"]
    assert again["kept"] == document["done"]
    assert [each["name"] for each in again["failures"]] == [DAMAGED]
    lines = list(read_results(results))
    assert Counter(line["name"] for line in lines) == Counter(names(MANY))
    assert all(len(line["faces"]) == 1 for line in lines)
    (job_,) = [each for each in scene.cluster.said().jobs if each.done == MANY + 1]
    assert (job_.task, job_.ended) == ("encode", True)


def test_a_suspended_node_works_no_more_and_nothing_is_lost(scene: Scene, tmp_path: Path) -> None:
    # Given a job that both are at
    given, out = pictures(tmp_path / "in", SOME), tmp_path / "out"
    job = scene.cluster.submit("anonymize", given, "-o", out, "-m", "mask")
    manifest = out / MANIFEST_NAME
    await_lines(manifest, 40, job)

    # When org2 suspends its node
    scene.workers.suspend(scene.org2)

    # Then its machine leaves, by itself
    assert scene.cluster.processes["org2-node"].wait(WITHIN_S) == ExitCode.REFUSED
    assert "is suspended on the ledger" in scene.cluster.log("org2-node")
    await_(lambda: scene.cluster.states().keys() == {"org1-node"})
    (sent_away,) = scene.cluster.said().sent_away
    assert (sent_away.node_id, "is suspended" in sent_away.reason) == ("org2-node", True)
    # And the job is done all the same, every picture once
    code, document = ended(job)
    assert code == ExitCode.FAILED
    assert (document["complete"], document["done"], document["failed"]) == (True, SOME, 1)
    assert document["workers"]["org1-node"] > document["workers"]["org2-node"] > 0
    lines = [json.loads(line) for line in manifest.read_text().splitlines() if line]
    assert Counter(line["target"] for line in lines) == Counter(names(SOME))
    assert {path.name for path in out.glob("*.jpg")} == names(SOME)

    # And it does not come back
    scene.cluster.launch_worker(scene.org2)
    assert scene.cluster.processes["org2-node"].wait(WITHIN_S) == ExitCode.REFUSED
