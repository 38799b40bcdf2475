"""Networks on onnxruntime: what torch gave, or a clear refusal. Vectors: `tests/vectors/networks`."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")

from veilmesh_ml import exported
from veilmesh_ml.errors import ModelError
from veilmesh_ml.exported import ExportedNetwork

from tests.unit.ml.shipped_tiny import VECTORS, list_again, ship_tiny

pytestmark = pytest.mark.faces

# Both add up the same fp32 products, in another order.
TOLERANCE: Final = 1e-4
SHIPPED: Final = [
    name
    for name, entry in tomllib.loads((files("veilmesh_ml.weights") / "weights.toml").read_text()).items()
    if "graph" in entry
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return ship_tiny(tmp_path, monkeypatch)


def recorded(name: str) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]], str]:
    """Return inputs, outputs and the digest of the weights."""
    with np.load(VECTORS / f"{name}.npz", allow_pickle=False) as arrays:
        found = [
            [arrays[f"{kind} {number}"] for number in range(9) if f"{kind} {number}" in arrays]
            for kind in ("input", "output")
        ]
        return found[0], found[1], str(arrays["sha256"])


@pytest.mark.usefixtures("folder")
class TestOutputs:
    def test_are_torchs(self) -> None:
        inputs, outputs, sha256 = recorded("tiny")
        network = ExportedNetwork("tiny", threads=1)
        found = network.every_output(*inputs)
        assert network.digest == sha256
        assert len(found) == len(outputs) == 2
        for one, other in zip(found, outputs, strict=True):
            assert np.abs(one - other).max() < TOLERANCE
        assert np.array_equal(network(*inputs), found[0])

    def test_of_any_batch_are_those_of_its_members(self) -> None:
        inputs, outputs, _ = recorded("tiny")
        network = ExportedNetwork("tiny", threads=1)
        for member in range(3):
            alone = network(*(each[member : member + 1] for each in inputs))
            assert np.abs(alone - outputs[0][member : member + 1]).max() < TOLERANCE

    def test_other_kinds_of_numbers_and_layouts_are_taken(self) -> None:
        inputs, outputs, _ = recorded("tiny")
        turned = [np.asfortranarray(each.astype(np.float64)) for each in inputs]
        assert np.abs(ExportedNetwork("tiny")(*turned) - outputs[0]).max() < TOLERANCE


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_gives_what_torch_gave(name: str) -> None:
    inputs, outputs, sha256 = recorded(name)
    network = ExportedNetwork(name)
    assert network.digest == sha256, f"record it again: tests/vectors/networks/generate.py {name}"
    for one, other in zip(network.every_output(*inputs), outputs, strict=True):
        assert np.abs(one - other).max() < TOLERANCE * max(1, np.abs(other).max())


class TestBadWeights:
    def test_unlisted(self, folder: Path) -> None:
        (folder / "weights.toml").write_text("")
        with pytest.raises(ModelError, match="'tiny' are not here"):
            ExportedNetwork("tiny")

    @pytest.mark.parametrize("suffix", ["safetensors", "onnx"])
    def test_missing(self, folder: Path, suffix: str) -> None:
        (folder / f"tiny.{suffix}").unlink()
        with pytest.raises(ModelError, match="'tiny' are not here") as told:
            ExportedNetwork("tiny")
        assert told.value.hint == "install veilmesh again"

    @pytest.mark.parametrize("suffix", ["safetensors", "onnx"])
    def test_truncated(self, folder: Path, suffix: str) -> None:
        file = folder / f"tiny.{suffix}"
        file.write_bytes(file.read_bytes()[:-1])
        with pytest.raises(ModelError, match=rf"tiny.{suffix} has digest .*…, expected"):
            ExportedNetwork("tiny")

    @pytest.mark.parametrize("suffix", ["safetensors", "onnx"])
    def test_one_bit_altered(self, folder: Path, suffix: str) -> None:
        file = folder / f"tiny.{suffix}"
        content = bytearray(file.read_bytes())
        content[-40] ^= 1
        file.write_bytes(content)
        with pytest.raises(ModelError, match=rf"tiny.{suffix} has digest"):
            ExportedNetwork("tiny")

    def test_shorter_than_the_graph_says_though_listed(self, folder: Path) -> None:
        file = folder / "tiny.safetensors"
        file.write_bytes(file.read_bytes()[:1500])
        list_again(folder)
        with pytest.raises(ModelError, match=r"the graph of tiny\.safetensors is not a model"):
            ExportedNetwork("tiny")

    def test_a_graph_that_is_none_though_listed(self, folder: Path) -> None:
        (folder / "tiny.onnx").write_bytes(b"no graph")
        list_again(folder)
        with pytest.raises(ModelError, match="is not a model that onnxruntime runs"):
            ExportedNetwork("tiny")

    @pytest.mark.usefixtures("folder")
    def test_of_another_config(self) -> None:
        network = ExportedNetwork("tiny")
        network.require_shapes([(3, 8, 8), (5,)], [(3, 8, 8), (8,)])
        with pytest.raises(ModelError, match=r"take 3 x 8 x 8, 5 and give 3 x 8 x 8, 8, not 3 x 8 x 8, 6"):
            network.require_shapes([(3, 8, 8), (6,)], [(3, 8, 8), (8,)])
        with pytest.raises(ModelError, match="another config"):
            network.require_shapes([(3, 8, 8), (5,)], [(3, 8, 8)])


@pytest.mark.usefixtures("folder")
def test_a_network_is_loaded_once_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """An anonymizer with a key of its own for every photo must not cost a network each."""
    first = ExportedNetwork("tiny", threads=1)
    monkeypatch.setattr(exported, "read_weights", lambda *_: pytest.fail("read again"))
    inputs, _, _ = recorded("tiny")
    assert np.array_equal(ExportedNetwork("tiny", threads=1)(*inputs), first(*inputs))
