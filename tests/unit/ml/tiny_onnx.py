"""A face encoder of one matrix as an ONNX file, and its description: small enough to be made in a test.

features = pixels, flattened, times a fixed random matrix. The message is written field by field (protobuf's
wire format), for the package `onnx` is not needed anywhere else.
"""

from pathlib import Path

import numpy as np

SIZE_PX, FEATURES = 16, 20

POINTS = "[[5.0, 6.0], [11.0, 6.0], [8.0, 9.0], [5.5, 12.0], [10.5, 12.0]]"
DESCRIPTION = f"""\
name = "tiny"
[input]
size_px = {SIZE_PX}
colour = "rgb"
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]
[alignment]
kind = "points"
fit = "least-median"
points = {POINTS}
[output]
flip_average = true
metric = "cosine"
threshold_scale = 0.5
"""


def write_encoder(
    folder: Path, *, description: str = DESCRIPTION, batch: int | None = None, features: int = FEATURES
) -> Path:
    """Write `tiny.onnx` and `tiny.toml` to `folder`; `batch` fixes the graph's batch size."""
    path = folder / "tiny.onnx"
    path.write_bytes(model(matrix(features), batch=batch))
    path.with_suffix(".toml").write_text(description)
    return path


def matrix(features: int = FEATURES) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """Return the weights, float32 (3 * SIZE_PX ** 2, features)."""
    drawn = np.random.default_rng(7).standard_normal((3 * SIZE_PX**2, features))
    return drawn.astype(np.float32)


def model(
    weights: "np.ndarray[tuple[int, int], np.dtype[np.float32]]", *, batch: int | None, external: str = ""
) -> bytes:
    """Return an ONNX model; with `external`, the weights are said to lie in a file of that name."""
    rows, columns = weights.shape
    tensor = _number(1, rows) + _number(1, columns) + _number(2, 1) + _text(8, "weights")
    if external:
        tensor += _bytes(13, _text(1, "location") + _text(2, external)) + _number(14, 1)
    else:
        tensor += _bytes(9, weights.tobytes())
    flatten = _text(1, "chips") + _text(2, "flat") + _text(4, "Flatten")
    times = _text(1, "flat") + _text(1, "weights") + _text(2, "features") + _text(4, "MatMul")
    graph = (
        _bytes(1, flatten)
        + _bytes(1, times)
        + _text(2, "tiny")
        + _bytes(5, tensor)
        + _bytes(11, _value("chips", [batch, 3, SIZE_PX, SIZE_PX]))
        + _bytes(12, _value("features", [batch, columns]))
    )
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _text(1, "") + _number(2, 13))


def _value(name: str, shape: "list[int | None]") -> bytes:
    dimensions = b"".join(_bytes(1, _text(2, "n") if size is None else _number(1, size)) for size in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, 1) + _bytes(2, dimensions)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
