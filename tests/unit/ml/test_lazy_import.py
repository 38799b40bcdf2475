import subprocess
import sys

import pytest

pytest.importorskip("dlib")

pytestmark = pytest.mark.faces


def test_importing_the_package_loads_neither_dlib_nor_opencv() -> None:
    heavy = {"dlib", "cv2", "onnxruntime", "scipy", "skimage", "torch"}
    code = f"import sys, veilmesh_ml; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_exported_names_exist() -> None:
    import veilmesh_ml

    assert sorted(veilmesh_ml.__all__) == veilmesh_ml.__all__
    for name in veilmesh_ml.__all__:
        assert getattr(veilmesh_ml, name) is not None
