"""`veilmesh cluster` where it cannot work: a clear message, and the right exit code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="clusters need Ray: install the [cluster] extra")

from veilmesh_network.loopback import free_port
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cluster import head as heads
from veilmesh_node.cluster.errors import RayFailedError
from veilmesh_node.cluster.running import Part, Running
from veilmesh_node.config import FILE_NAME
from veilmesh_node.demo.shell import Answer, run

from tests.integration.cluster.local_cluster import Workers
from tests.integration.node.live_consortium import LiveNode

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def node(workers: Workers) -> LiveNode:
    return workers.add("org1", name="org1-commands")


def start(home: Path, *words: str) -> Answer:
    return run("cluster", "start", "--home", home, *words, as_json=False)


def join(home: Path, head: str = "org1-commands", port: int | None = None) -> Answer:
    return start(home, "--join", f"127.0.0.1:{port or free_port()}", "--head", head)


@pytest.mark.parametrize("options", [{"approve": False}, {"worker": False}])
def test_a_node_that_is_no_active_worker(workers: Workers, options: dict[str, bool]) -> None:
    name = f"org2-without-{next(iter(options))}"
    refused = workers.add("org2", name=name, **options)
    answer = join(refused.home.folder)
    assert answer.exit_code is ExitCode.REFUSED
    assert f"node {name} " in answer.said
    assert "veilmesh registry nodes" in answer.said


def test_a_suspended_node(workers: Workers) -> None:
    suspended = workers.add("org2", name="org2-was-suspended")
    workers.suspend(suspended)
    answer = join(suspended.home.folder)
    assert answer.exit_code is ExitCode.REFUSED
    assert "is suspended on the ledger" in answer.said
    assert start(suspended.home.folder, "--listen", "127.0.0.1:1").exit_code is ExitCode.REFUSED


def test_nobody_answers_there(node: LiveNode) -> None:
    answer = join(node.home.folder)
    assert answer.exit_code is ExitCode.UNAVAILABLE
    assert "does not answer" in answer.said


def test_a_head_that_the_ledger_does_not_know(node: LiveNode) -> None:
    answer = join(node.home.folder, head="nobody")
    assert (answer.exit_code, "knows no node nobody" in answer.said) == (ExitCode.REFUSED, True)


def test_somebody_else_answers_there(workers: Workers, node: LiveNode) -> None:
    """The ledger's own gateway shows another certificate than the one that the ledger names for the head."""
    port = int(workers.consortium.network.address.rpartition(":")[2])
    answer = join(node.home.folder, port=port)
    assert answer.exit_code is ExitCode.UNAVAILABLE
    assert "another certificate" in answer.said


def test_the_ledger_is_down(node: LiveNode, tmp_path: Path) -> None:
    gone = tmp_path / "home"
    gone.mkdir()
    for path in node.home.folder.iterdir():
        (gone / path.name).symlink_to(path)
    (gone / FILE_NAME).unlink()
    config = node.config.model_copy(update={"gateways": [f"127.0.0.1:{free_port()}"]})
    (gone / FILE_NAME).write_text(config.to_toml())
    assert join(gone).exit_code is ExitCode.UNAVAILABLE


def test_ray_that_does_not_start(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object store of no size at all is one of many reasons."""
    monkeypatch.setattr(heads, "OBJECT_STORE_BYTES", -1)
    monkeypatch.setattr("veilmesh_node.cluster.ray_process.ATTEMPTS", 1)
    answer = start(node.home.folder, "--listen", f"127.0.0.1:{free_port()}")
    assert answer.exit_code is ExitCode.FAILED
    assert "Ray did not start" in answer.said
    assert RayFailedError.hint in answer.said
    assert Running(node.home.folder, Part.HEAD).pid() is None


def test_a_second_head_of_one_home(node: LiveNode) -> None:
    """A lock is a process's, so another one holds it."""
    held = "with Running(Path(sys.argv[1]), Part.HEAD).held(): print(flush=True); sys.stdin.read()"
    script = (
        "import sys; from pathlib import Path; from veilmesh_node.cluster.running import Part, Running\n"
        + held
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(node.home.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        answer = start(node.home.folder, "--listen", f"127.0.0.1:{free_port()}")
    finally:
        holder.communicate()
    assert answer.exit_code is ExitCode.FAILED
    assert "runs already" in answer.said
    assert "veilmesh cluster stop" in answer.said


def test_no_head_runs(node: LiveNode) -> None:
    answer = run("cluster", "status", "--home", node.home.folder)
    assert (answer.exit_code, answer.refusal) == (ExitCode.UNAVAILABLE, "CLUSTER_DOWN")
    stopped = run("cluster", "stop", "--home", node.home.folder)
    assert (stopped.exit_code, stopped.document) == (ExitCode.OK, {"stopped": []})


def test_a_dashboard_that_is_not_installed(node: LiveNode) -> None:
    """The extra brings Ray's core alone."""
    answer = start(node.home.folder, "--listen", f"127.0.0.1:{free_port()}", "--dashboard")
    assert answer.exit_code is ExitCode.FAILED
    assert "pip install 'ray[default]'" in answer.said


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--listen", "127.0.0.1:1", "--join", "127.0.0.1:2"),
        ("--join", "127.0.0.1:2"),
        ("--join", "127.0.0.1:2", "--head", "x", "--dashboard"),
        ("--listen", "127.0.0.1:1", "--cpus", "2"),
        ("--listen", "127.0.0.1:1", "--metrics", "0.0.0.0:9000"),
    ],
)
def test_words_that_do_not_go_together(node: LiveNode, words: tuple[str, ...]) -> None:
    assert start(node.home.folder, *words).exit_code is ExitCode.USAGE


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """More than a few files, none of which is a picture."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(200):
        (folder / f"{number:03}.jpg").write_bytes(b"no picture")
    return folder


def test_many_pictures_without_a_cluster(node: LiveNode, pictures: Path, tmp_path: Path) -> None:
    words = ("cluster", "submit", "detect", pictures, "-o", tmp_path / "out", "--home", node.home.folder)
    answer = run(*words)
    assert (answer.exit_code, answer.refusal) == (ExitCode.UNAVAILABLE, "CLUSTER_DOWN")
    report = json.loads((tmp_path / "out" / ".veilmesh-report.json").read_text())
    assert (report["complete"], report["left"]) == (False, 200)


@pytest.mark.parametrize("what", ["verification", "anonymizers"])
def test_an_evaluation_whose_cluster_is_down(node: LiveNode, tmp_path: Path, what: str) -> None:
    words = ("evaluate", what, "--data", tmp_path, "-o", tmp_path / "out", "--cluster", node.home.folder)
    answer = run(*words)
    assert (answer.exit_code, answer.refusal) == (ExitCode.UNAVAILABLE, "CLUSTER_DOWN")
    assert not (tmp_path / "out").exists()


def test_a_video_without_a_cluster(node: LiveNode, tmp_path: Path) -> None:
    """One is enough to want workers."""
    pytest.importorskip("av")
    (tmp_path / "film.mp4").write_bytes(b"nobody looks at it")
    out = tmp_path / "out"
    answer = run(
        "cluster", "submit", "anonymize", tmp_path / "film.mp4", "-o", out, "--home", node.home.folder
    )
    assert (answer.exit_code, answer.refusal) == (ExitCode.UNAVAILABLE, "CLUSTER_DOWN")
    assert json.loads((out / ".veilmesh-report.json").read_text())["left"] == 1


@pytest.mark.faces
def test_few_pictures_need_none(node: LiveNode, pictures: Path, tmp_path: Path) -> None:
    pytest.importorskip("dlib")
    (pictures / "000.jpg").unlink()
    words = ("cluster", "submit", "detect", pictures, "-o", tmp_path / "out", "--home", node.home.folder)
    answer = run(*words)
    assert answer.exit_code is ExitCode.FAILED
    assert (answer.document["failed"], answer.document["complete"]) == (199, True)
    assert answer.document["failures"][0] == {
        "name": "001.jpg",
        "error": "picture is not a picture we can read",
        "hint": "we read JPEG, PNG, WebP, BMP, TIFF, PPM and PGM",
    }
