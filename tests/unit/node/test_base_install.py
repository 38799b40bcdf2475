"""Without the face library everything of a node imports, and says what is missing only when it is needed."""

import subprocess
import sys

WITHOUT_FACES = """
import pkgutil, importlib, sys
for name in ("numpy", "cv2", "dlib", "PIL", "skimage", "scipy", "face_recognition_models"):
    sys.modules[name] = None
import veilmesh_node
for module in pkgutil.walk_packages(veilmesh_node.__path__, "veilmesh_node."):
    if not module.name.startswith(("veilmesh_node.cli", "veilmesh_node.demo", "veilmesh_node.__main__")):
        importlib.import_module(module.name)
from veilmesh_node.errors import FacesMissingError
from veilmesh_node.faces import MlFaces
try:
    MlFaces()
except FacesMissingError as err:
    print(err)
"""


def test_a_node_without_faces() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_FACES], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "the face library is not installed in this node\n"), (
        done.stderr
    )
