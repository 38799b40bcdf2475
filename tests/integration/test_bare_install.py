"""What an auditor or a chaincode service installs: the base alone, and it is enough.

A bare virtual environment is filled with exactly the base's dependency closure, file by file from the
installed distributions, so the test needs no network.
"""

import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
BASE_LIMIT_BYTES = 90 * 1024 * 1024


def _closure(requirements: list[str]) -> Iterator[Distribution]:
    """Yield every distribution that `requirements` bring along on this machine."""
    waiting = [Requirement(text) for text in requirements]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        for extra in ["", *requirement.extras]:
            if (requirement.name.lower(), extra) in seen:
                continue
            seen.add((requirement.name.lower(), extra))
            found = distribution(requirement.name)
            if not extra:
                yield found
            needed = (Requirement(text) for text in found.requires or [])
            waiting += [n for n in needed if n.marker is None or n.marker.evaluate({"extra": extra})]


def _install(requirements: list[str], folder: Path) -> tuple[Path, int]:
    """Fill a new environment in `folder`; return its Python and the bytes that were installed."""
    venv.create(folder, symlinks=True, with_pip=False)
    site = next((folder / "lib").glob("python3*")) / "site-packages"
    for found in _closure(requirements):
        for file in found.files or []:
            source = Path(str(found.locate_file(file)))
            if ".." not in file.parts and source.is_file() and "__pycache__" not in file.parts:
                target = site / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    for package in packages["wheel"]["packages"]:
        shutil.copytree(
            ROOT / package, site / Path(package).name, ignore=shutil.ignore_patterns("__pycache__")
        )
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    return folder / "bin" / "python", size


def _run(python: Path, code: str) -> str:
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project() -> dict[str, list[str]]:
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {"base": about["dependencies"], "faces": about["optional-dependencies"]["faces"]}


@pytest.mark.slow
def test_the_base_audits_and_serves_contracts_without_any_face_library(
    project: dict[str, list[str]], tmp_path: Path
) -> None:
    python, size = _install(project["base"], tmp_path / "base")

    assert size <= BASE_LIMIT_BYTES, f"the base installs {size / 2**20:.0f} MiB"
    _run(
        python,
        "import importlib.util as u\n"
        "for name in ('torch', 'dlib', 'ray', 'numpy', 'cv2', 'PIL'):\n"
        "    assert u.find_spec(name) is None, name\n"
        "import veilmesh_chaincode.chaincode, veilmesh_fabric.verification\n"
        "import veilmesh_node.cli.main, veilmesh_node.cli.audit, veilmesh_network.embedded\n",
    )
    done = subprocess.run(
        [python, "-I", "-c", "from veilmesh_node.cli.main import main; main(['audit', 'verify', '--help'])"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--blocks" in done.stdout


@pytest.mark.slow
@pytest.mark.faces
def test_a_node_with_faces_needs_no_torch(project: dict[str, list[str]], tmp_path: Path) -> None:
    pytest.importorskip("dlib")
    python, _size = _install(project["base"] + project["faces"], tmp_path / "faces")

    said = _run(
        python,
        "import sys, importlib.util as u\n"
        "assert u.find_spec('torch') is None\n"
        "from veilmesh_ml import load_engine\n"
        "print(load_engine('reference').model_digest)\n"
        "assert 'torch' not in sys.modules\n",
    )
    assert len(said.strip()) == 64


@pytest.mark.slow
def test_help_is_quick() -> None:
    """`veilmesh --help` imports nothing heavy, which keeps it under 0.4 s on two cores."""
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "importtime",
            "-c",
            "from veilmesh_node.cli.main import main; main(['--help'])",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert not imported & {"grpc", "cryptography", "numpy", "dlib", "cv2", "pydantic", "google.protobuf"}
