import ast
import subprocess
import sys
from pathlib import Path

import pytest
import veilmesh_fabric
from veilmesh_fabric import errors


def test_every_exported_name_is_there_and_nothing_else() -> None:
    assert sorted(veilmesh_fabric.__all__) == veilmesh_fabric.__all__
    assert set(veilmesh_fabric._MODULE_OF) == set(veilmesh_fabric.__all__)
    for name in veilmesh_fabric.__all__:
        assert getattr(veilmesh_fabric, name).__name__ == name
    assert dir(veilmesh_fabric) == veilmesh_fabric.__all__


def test_a_name_that_is_not_there_says_so() -> None:
    with pytest.raises(AttributeError, match="'Gatway'"):
        veilmesh_fabric.Gatway  # noqa: B018 - the access is the test


def test_every_error_is_exported_and_drawn_in_the_tree() -> None:
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.FabricError)
    }
    assert defined <= set(veilmesh_fabric.__all__)
    assert all(name in (errors.__doc__ or "") for name in defined)


@pytest.mark.parametrize("name", ["", "SigningIdentity", "GatewayError", "verify", "DecodeError"])
def test_what_reads_blocks_does_without_grpc(name: str) -> None:
    code = f"import sys, veilmesh_fabric as f; getattr(f, {name!r}, None); sys.exit('grpc' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_type_checker_sees_what_python_sees() -> None:
    imports = [
        node
        for block in ast.parse(Path(veilmesh_fabric.__file__).read_text()).body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
    ]
    seen = {alias.name: node.module for node in imports for alias in node.names}
    assert seen == {name: f"veilmesh_fabric.{module}" for name, module in veilmesh_fabric._MODULE_OF.items()}
