"""dlib's file format, in Python."""

import math
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("dlib")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from veilmesh_ml.errors import ModelError
from veilmesh_ml.fast.dlib_network import Affine, Convolution, MmodLoss, parse_network
from veilmesh_ml.fast.dlib_stream import DlibStream
from veilmesh_ml.model_files import MMOD, locate

pytestmark = pytest.mark.faces


@pytest.fixture(scope="module")
def mmod_file() -> bytes:
    return locate(MMOD).read_bytes()


def integer(value: int) -> bytes:
    """As dlib writes it."""
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def stream(*parts: bytes) -> DlibStream:
    return DlibStream(b"".join(parts), "test.dat")


class TestStream:
    @given(st.integers(-(2**63), 2**63))
    def test_integers(self, value: int) -> None:
        assert stream(integer(value)).integer() == value

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_reals(self, value: float) -> None:
        mantissa, exponent = math.frexp(value)
        assert stream(integer(int(mantissa * 2**53)), integer(exponent - 53)).real() == value

    @pytest.mark.parametrize(("exponent", "value"), [(32000, math.inf), (32001, -math.inf)])
    def test_infinities(self, exponent: int, value: float) -> None:
        assert stream(integer(0), integer(exponent)).real() == value

    def test_nan(self) -> None:
        assert math.isnan(stream(integer(0), integer(32002)).real())

    def test_text_and_booleans(self) -> None:
        found = stream(integer(5), b"relu_", b"101")
        assert found.text() == "relu_"
        assert found.booleans(3) == (True, False, True)
        assert found.at_end

    def test_tensor(self) -> None:
        values = np.arange(6, dtype="<f4")
        shape = [integer(size) for size in (1, 2, 3, 1)]
        tensor = stream(integer(2), *shape, values.tobytes()).tensor()
        assert tensor.shape == (1, 2, 3, 1)
        assert np.array_equal(tensor.ravel(), values)

    @pytest.mark.parametrize(
        ("content", "read", "reason"),
        [
            (b"", "integer", "1 more bytes are asked for, 0 there are at byte 0"),
            (b"\x00", "integer", "no integer begins with 0x00 at byte 1"),
            (b"\x09" + bytes(9), "integer", "no integer begins with 0x09"),
            (integer(1) + integer(40000), "real", "no number has the exponent 40000"),
            (integer(-1), "text", "-1 more bytes"),
            (integer(2) + b"\xff\xfe", "text", "no text"),
            (integer(3), "tensor", "a tensor of version 3, not 2"),
            (integer(2) + integer(-1) * 2 + integer(1) * 2, "tensor", "no tensor has the shape"),
            (integer(2) + integer(2**60) * 4, "tensor", "more bytes are asked for"),
            (integer(2), "tensor_view", "a view into a tensor of version 2, not 1"),
        ],
    )
    def test_what_is_wrong_is_named_with_its_place(self, content: bytes, read: str, reason: str) -> None:
        with pytest.raises(ModelError) as caught:
            getattr(stream(content), read)()
        assert reason in str(caught.value)
        assert "test.dat" in str(caught.value)
        assert "install" in caught.value.hint

    def test_no_booleans(self) -> None:
        with pytest.raises(ModelError, match="no booleans"):
            stream(b"1x0").booleans(3)


class TestNetwork:
    def test_the_detector_is_read_to_its_last_byte(self, mmod_file: bytes) -> None:
        network = parse_network(mmod_file, "mmod.dat")
        assert network.input.mean == pytest.approx((122.782, 117.001, 104.298))
        convolutions = [layer for layer in network.layers if isinstance(layer, Convolution)]
        assert [layer.weights.shape for layer in convolutions] == [
            (16, 3, 5, 5),
            (32, 16, 5, 5),
            (32, 32, 5, 5),
            (45, 32, 5, 5),
            (45, 45, 5, 5),
            (45, 45, 5, 5),
            (1, 45, 9, 9),
        ]
        assert [(layer.stride, layer.padding) for layer in convolutions] == [(2, 0)] * 3 + [(1, 2)] * 3 + [
            (1, 4)
        ]
        assert sum(isinstance(layer, Affine) for layer in network.layers) == 6
        loss = network.layers[-1]
        assert isinstance(loss, MmodLoss)
        assert loss.window_px == (80, 80)
        assert loss.suppression == pytest.approx(0.3382761)

    def test_one_byte_too_many(self, mmod_file: bytes) -> None:
        with pytest.raises(ModelError, match="there is more after the last layer"):
            parse_network(mmod_file + b"\x01", "mmod.dat")

    def test_another_version_of_a_layer_is_named(self, mmod_file: bytes) -> None:
        newer = mmod_file.replace(b"\x01\x05con_4", b"\x01\x05con_6", 1)
        with pytest.raises(ModelError, match=r"of another dlib version: a layer 'con_6' that we do not know"):
            parse_network(newer, "mmod.dat")

    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 10**9))
    def test_cut_short(self, mmod_file: bytes, where: int) -> None:
        with pytest.raises(ModelError):
            parse_network(mmod_file[: where % len(mmod_file)], "mmod.dat")

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 3000), st.integers(1, 255))
    def test_an_altered_byte_does_no_more_than_be_refused(
        self, mmod_file: bytes, where: int, change: int
    ) -> None:
        """Numbers may change unnoticed here: the file's digest is what notices that."""
        altered = bytearray(mmod_file)
        altered[where] ^= change
        with suppress(ModelError):
            parse_network(bytes(altered), "mmod.dat")


def test_an_empty_file_is_no_network(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="byte 0"):
        parse_network(b"", str(tmp_path / "empty.dat"))
