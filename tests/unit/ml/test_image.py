import io
import resource
import struct
import time
import zlib
from pathlib import Path

import pytest

pytest.importorskip("dlib")

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from veilmesh_ml import encode_image, read_image, write_image
from veilmesh_ml.errors import (
    DamagedImageError,
    ImageError,
    ImageTooLargeError,
    NotAnImageError,
    UnsupportedImageError,
)
from veilmesh_ml.image import MAX_PIXELS, RgbImage

pytestmark = pytest.mark.faces

GRADIENT: RgbImage = np.stack(
    np.broadcast_arrays(np.arange(40)[:, None] * 6, np.arange(60)[None, :] * 4, np.full((1, 1), 90)), axis=2
).astype(np.uint8)


def file_of(picture: Image.Image, file_format: str, **options: object) -> bytes:
    target = io.BytesIO()
    picture.save(target, format=file_format, **options)
    return target.getvalue()


def empty_png(width: int, height: int) -> bytes:
    """A valid one-bit PNG, written in pieces so that making it takes no memory either."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    deflate = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    rows = b"".join(deflate.compress(row) for _ in range(height)) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class TestKinds:
    @pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "PPM"])
    def test_lossless_formats_give_the_same_pixels(self, file_format: str) -> None:
        assert np.array_equal(read_image(encode_image(GRADIENT, file_format)), GRADIENT)

    @pytest.mark.parametrize("file_format", ["JPEG", "WEBP"])
    def test_lossy_formats_stay_close(self, file_format: str) -> None:
        read = read_image(encode_image(GRADIENT, file_format))
        assert read.shape == GRADIENT.shape
        assert np.abs(read.astype(int) - GRADIENT).mean() < 3

    def test_grey(self) -> None:
        grey = GRADIENT[:, :, 0]
        read = read_image(file_of(Image.fromarray(grey), "PNG"))
        assert np.array_equal(read, np.repeat(grey[:, :, None], 3, axis=2))

    def test_black_and_white(self) -> None:
        read = read_image(file_of(Image.fromarray(GRADIENT[:, :, 0] > 100), "PNG"))
        assert set(np.unique(read)) == {0, 255}

    def test_16_bit_grey_keeps_its_upper_byte(self) -> None:
        wide = GRADIENT[:, :, 0].astype(np.uint16) * 256 + 77
        for file_format in ("PNG", "TIFF"):
            read = read_image(file_of(Image.fromarray(wide), file_format))
            assert np.array_equal(read[:, :, 1], GRADIENT[:, :, 0])

    def test_16_bit_colour_keeps_its_upper_byte(self) -> None:
        _, content = cv2.imencode(".png", GRADIENT[:, :, ::-1].astype(np.uint16) * 257)
        assert np.array_equal(read_image(content.tobytes()), GRADIENT)

    def test_16_bit_pgm(self) -> None:
        wide = (GRADIENT[:, :, 0].astype(np.uint16) * 257).astype(">u2")
        read = read_image(b"P5 60 40 65535\n" + wide.tobytes())
        assert np.array_equal(read[:, :, 2], GRADIENT[:, :, 0])

    def test_float_is_refused(self) -> None:
        content = file_of(Image.fromarray(GRADIENT[:, :, 0].astype(np.float32)), "TIFF")
        with pytest.raises(UnsupportedImageError, match="more than 16 bits"):
            read_image(content)

    def test_transparency_lies_over_white(self) -> None:
        alpha = np.zeros((40, 60, 1), dtype=np.uint8)
        alpha[:, 30:] = 255
        read = read_image(file_of(Image.fromarray(np.concatenate([GRADIENT, alpha], axis=2)), "PNG"))
        assert (read[:, :30] == 255).all()
        assert np.array_equal(read[:, 30:], GRADIENT[:, 30:])

    def test_transparent_grey_lies_over_white(self) -> None:
        content = file_of(Image.new("LA", (8, 8), (0, 128)), "PNG")
        assert np.abs(read_image(content).astype(int) - 127).max() <= 1

    def test_palette_with_a_transparent_colour(self) -> None:
        picture = Image.new("P", (8, 8), 1)
        picture.putpalette([255, 0, 0, 0, 255, 0])
        picture.putpixel((0, 0), 0)
        read = read_image(file_of(picture, "PNG", transparency=0))
        assert tuple(read[0, 0]) == (255, 255, 255)
        assert tuple(read[5, 5]) == (0, 255, 0)

    def test_cmyk(self) -> None:
        read = read_image(file_of(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
        assert read[8, 8, 0] > 200
        assert read[8, 8, 1:].max() < 60

    def test_of_several_frames_the_first(self) -> None:
        frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
        read = read_image(file_of(frames[0], "TIFF", save_all=True, append_images=frames[1:]))
        assert tuple(read[0, 0]) == (255, 0, 0)


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_is_undone(self, orientation: int) -> None:
        stored = {
            1: GRADIENT,
            2: GRADIENT[:, ::-1],
            3: GRADIENT[::-1, ::-1],
            4: GRADIENT[::-1],
            5: GRADIENT.transpose(1, 0, 2),
            6: np.rot90(GRADIENT, 1),
            7: GRADIENT[::-1, ::-1].transpose(1, 0, 2),
            8: np.rot90(GRADIENT, -1),
        }[orientation]
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = file_of(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
        assert np.array_equal(read_image(content), GRADIENT)

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow says so, and goes on
    def test_unreadable_exif_turns_nothing(self) -> None:
        content = file_of(
            Image.fromarray(GRADIENT), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff garbage"
        )
        assert read_image(content).shape == GRADIENT.shape


class TestBadInput:
    @pytest.mark.parametrize("content", [b"", b"hello", b"%PDF-1.7 ...", b"\x7fELF" + bytes(200)])
    def test_not_an_image(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "portrait.jpg"
        path.write_bytes(content)
        with pytest.raises(NotAnImageError, match=r"portrait\.jpg is not a picture") as caught:
            read_image(path)
        assert "JPEG" in caught.value.hint

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match=r"cannot read .*absent\.jpg: No such file"):
            read_image(tmp_path / "absent.jpg")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match="cannot read"):
            read_image(tmp_path)

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM"])
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_cut_short(self, file_format: str, share: float) -> None:
        noise = np.random.default_rng(5).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        content = encode_image(noise, file_format)
        with pytest.raises((DamagedImageError, NotAnImageError)):
            read_image(content[: int(len(content) * share)])

    def test_truncated_jpeg_names_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "half.jpg"
        content = encode_image(GRADIENT, "JPEG")
        path.write_bytes(content[: len(content) // 2 + 300])
        with pytest.raises(DamagedImageError, match=r"half\.jpg is cut short or damaged") as caught:
            read_image(path)
        assert caught.value.hint

    def test_huge_png_is_refused_before_decoding(self, tmp_path: Path) -> None:
        path = tmp_path / "huge.png"
        path.write_bytes(empty_png(30_000, 30_000))
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.process_time()
        with pytest.raises(ImageTooLargeError, match=r"huge\.png has more pixels"):
            read_image(path)
        assert time.process_time() - started < 1
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 50 * 1024

    @pytest.mark.parametrize("side", [8_001, 10_000])  # the second is past Pillow's own warning, too
    def test_somewhat_too_large(self, side: int) -> None:
        assert side * side > MAX_PIXELS
        with pytest.raises(ImageTooLargeError):
            read_image(empty_png(side, side))

    def test_huge_file_is_refused_unread(self, tmp_path: Path) -> None:
        path = tmp_path / "huge.bmp"
        with path.open("wb") as file:
            file.truncate(300 * 1024 * 1024)  # sparse
        with pytest.raises(ImageTooLargeError, match="314,572,800 bytes"):
            read_image(path)

    @settings(max_examples=60, deadline=None)
    @given(content=st.binary(max_size=200))
    def test_any_bytes(self, content: bytes) -> None:
        with pytest.raises(ImageError):
            read_image(content)

    @settings(max_examples=150, deadline=None)
    @given(
        file_format=st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM"]),
        place=st.floats(0, 1, exclude_max=True),
        value=st.integers(0, 255),
    )
    def test_one_changed_byte_gives_a_picture_or_a_typed_error(
        self, file_format: str, place: float, value: int
    ) -> None:
        content = bytearray(encode_image(GRADIENT, file_format))
        content[int(place * len(content))] = value
        try:
            read = read_image(bytes(content))
        except ImageError:
            return
        assert read.dtype == np.uint8
        assert read.ndim == 3
        assert read.shape[2] == 3


class TestWriting:
    def test_format_follows_the_name(self, tmp_path: Path) -> None:
        for name, file_format in {"a.JPG": "JPEG", "b.png": "PNG", "c.webp": "WEBP", "d.tif": "TIFF"}.items():
            write_image(tmp_path / name, GRADIENT)
            with Image.open(tmp_path / name) as picture:
                assert picture.format == file_format

    def test_bytes_written_are_returned(self, tmp_path: Path) -> None:
        assert write_image(tmp_path / "a.png", GRADIENT) == (tmp_path / "a.png").read_bytes()

    def test_metadata_stays_behind(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x010F] = "a camera with a serial number"
        source = file_of(
            Image.fromarray(GRADIENT), "JPEG", exif=exif, comment=b"somewhere", icc_profile=b"x" * 500
        )
        write_image(tmp_path / "out.jpg", read_image(source))
        written = (tmp_path / "out.jpg").read_bytes()
        assert b"serial number" in source
        for trace in (b"Exif", b"serial number", b"somewhere", b"ICC_PROFILE"):
            assert trace not in written

    def test_unknown_ending(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedImageError, match=r"unknown ending '\.gif'"):
            write_image(tmp_path / "a.gif", GRADIENT)

    def test_failure_leaves_the_old_file_and_nothing_else(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"old")
        (tmp_path / "folder.png").mkdir()
        (tmp_path / "folder.png" / "inside").touch()
        with pytest.raises(ImageError, match="cannot write"):
            write_image(tmp_path / "folder.png", GRADIENT)
        with pytest.raises(ImageError, match="cannot write"):
            write_image(tmp_path / "a.png" / "below.png", GRADIENT)
        assert (tmp_path / "a.png").read_bytes() == b"old"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "folder.png"]
