"""Generate the Python classes of `protos/veilmesh/v1/*.proto` beside their sources.

`--check` writes nothing, and fails when a committed file is not what the sources give.
"""

import argparse
import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc  # type: ignore[import-untyped]  # ships no annotations

PROTOS = Path(__file__).resolve().parent.parent / "protos"
PACKAGE = "veilmesh/v1"


def generate(output: Path) -> None:
    """Write `*_pb2.py`, `*_pb2.pyi` and, for files with services, `*_pb2_grpc.py` under `output`."""
    sources = sorted(PROTOS.glob(f"{PACKAGE}/*.proto"))
    well_known = str(resources.files("grpc_tools") / "_proto")
    include = [f"--proto_path={PROTOS}", f"--proto_path={well_known}"]
    messages = [f"--python_out={output}", f"--pyi_out={output}"]
    _run([*include, *messages, *map(str, sources)])
    services = [source for source in sources if "\nservice " in source.read_text()]
    _run([*include, f"--grpc_python_out={output}", *map(str, services)])


def stale(fresh: Path) -> list[str]:
    """Return the names of committed files that differ from those under `fresh`, or that have no source."""
    names = {path.name for root in (fresh, PROTOS) for path in (root / PACKAGE).glob("*_pb2*.py*")}
    return sorted(name for name in names if _text(fresh, name) != _text(PROTOS, name))


def _run(arguments: list[str]) -> None:
    if protoc.main(["protoc", *arguments]) != 0:
        sys.exit("protoc failed; its message is above")


def _text(root: Path, name: str) -> str | None:
    path = root / PACKAGE / name
    return path.read_text() if path.exists() else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    if not parser.parse_args().check:
        generate(PROTOS)
        return
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        if names := stale(Path(scratch)):
            sys.exit(f"not what the .proto files give (run `make protos`): {', '.join(names)}")


if __name__ == "__main__":
    main()
