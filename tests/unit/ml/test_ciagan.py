"""The anonymizer `ciagan`: what the generator is told, what changes in the photo, and bad weights.

The generator is a small one with random weights (`tests/vectors/ciagan`): what it paints is no face, but how
it is asked and how its picture is laid in are as with trained ones.
"""

import hashlib
import io
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("onnxruntime")

import cv2
from numpy.typing import NDArray
from veilmesh_ml import Face, RgbImage, weights
from veilmesh_ml.anonymizers import ciagan
from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage
from veilmesh_ml.anonymizers.ciagan import Ciagan, shipped_painter
from veilmesh_ml.errors import ModelError, ParameterError
from veilmesh_ml.face import Box
from veilmesh_ml.inpainting.canvas import CANVAS_PX, canvas_shape
from veilmesh_ml.inpainting.codes import CODE, CODE_LENGTH, CodeTable, decode_codes, encode_codes
from veilmesh_ml.inpainting.conditions import SEEN
from veilmesh_ml.inpainting.order import Order, order, place
from veilmesh_ml.inpainting.seam import lay_in
from veilmesh_ml.surrogate.choice import DRAWN_FROM
from veilmesh_ml.surrogate.points import OUTLINE, with_forehead
from veilmesh_ml.weights import shipped_bank

pytestmark = pytest.mark.faces

VECTORS: Final = Path(__file__).parents[2] / "vectors" / "ciagan"
TONE = np.array([190.0, 150.0, 130.0])
KEY, OTHER_KEY = bytes(range(32)), bytes(32)
# Both add up the same fp32 products, in another order.
TOLERANCE: Final = 1e-4


@pytest.fixture(scope="module")
def codes() -> CodeTable:
    bank = shipped_bank()
    drawn = np.random.default_rng(2).standard_normal((bank.donors, 4, CODE))
    lengths = np.linalg.norm(drawn, axis=2, keepdims=True)
    return CodeTable((drawn / lengths * CODE_LENGTH).astype(np.float32), bank.digest)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codes: CodeTable) -> Path:
    """Weights in place of the package's own: its bank, the small generator, codes."""
    shipped_bank()  # is kept: the package's own
    for name in ("ciagan.safetensors", "ciagan.onnx"):
        shutil.copy(VECTORS / name, tmp_path)
    (tmp_path / "ciagan-codes.npz").write_bytes(encode_codes(codes))
    list_again(tmp_path)
    monkeypatch.setattr(weights, "files", lambda _package: tmp_path)
    return tmp_path


def list_again(folder: Path) -> None:
    """Write the manifest with the digests that the files have now."""
    parts = {"file": "ciagan.safetensors", "graph": "ciagan.onnx", "codes": "ciagan-codes.npz"}
    lines = ["[ciagan]"]
    for part, name in parts.items():
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        lines += [f'{part} = "{name}"', f'{"sha256" if part == "file" else part + "_sha256"} = "{digest}"']
    (folder / "weights.toml").write_text("\n".join(lines) + "\n")


@pytest.fixture
def load(folder: Path) -> Callable[..., Ciagan]:
    assert folder.is_dir()
    return lambda **parameters: Ciagan(**{"key": KEY, "threads": 1, **parameters})


@pytest.fixture(scope="module")
def head(astronaut: RgbImage) -> RgbImage:
    return np.ascontiguousarray(astronaut[10:230, 110:330])


@pytest.fixture(scope="module")
def face(astronaut_faces: list[Face]) -> Face:
    return astronaut_faces[0].moved(-110, -10)


class Witness:
    """A generator that remembers what it was given and paints the prior."""

    digest = "witness"

    def __init__(self) -> None:
        self.seen: list[NDArray[np.float32]] = []
        self.codes: list[NDArray[np.float32]] = []

    def __call__(self, seen: NDArray[np.float32], codes: NDArray[np.float32]) -> NDArray[np.float32]:
        self.seen.append(seen.copy())
        self.codes.append(codes.copy())
        return np.asarray(seen[:, :3] + seen[:, 3:4] * seen[:, 5:])


def ordered(photo: RgbImage, landmarks: NDArray[np.int64], donor: int, *, caution: float = 20.0) -> Order:
    """What is to be painted over a face, whose tone is held fixed: that much is read off its pixels."""
    bank = shipped_bank()
    placed = place(photo, landmarks.astype(np.float64), bank.frame.mean_shape)
    return order(placed, bank.donor(donor), bank, caution, tone=TONE)


def noisy(image: RgbImage, *faces: Face) -> RgbImage:
    """Noise instead of the faces, from chin to hairline."""
    inside = np.zeros(image.shape[:2], np.uint8)
    for face in faces:
        outline = with_forehead(face.landmarks)[OUTLINE]
        cv2.fillPoly(inside, [np.rint(outline).astype(np.int32)], 1)
    noise = np.random.default_rng(3).integers(0, 255, image.shape, dtype=np.uint8)
    return np.where(inside[..., np.newaxis] > 0, noise, image)


def enlarged(image: RgbImage, face: Face, scale: float) -> tuple[RgbImage, Face]:
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=how), dtype=np.uint8)
    box = Box(
        *(round(scale * edge) for edge in (face.box.left, face.box.top, face.box.right, face.box.bottom))
    )
    return resized, Face(box, np.rint(face.landmarks * scale).astype(np.int64), face.confidence)


def turned(image: RgbImage, face: Face, degrees: float) -> tuple[RgbImage, Face]:
    middle = image.shape[1] / 2, image.shape[0] / 2
    matrix = cv2.getRotationMatrix2D(middle, degrees, 1)
    rotated = cv2.warpAffine(image, matrix, (image.shape[1], image.shape[0]))
    points = np.rint(face.landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.int64)
    low, high = points.min(axis=0), points.max(axis=0)
    box = Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    return np.asarray(rotated, dtype=np.uint8), Face(box, points, face.confidence)


def test_the_network_gives_what_torch_gave(folder: Path) -> None:
    assert folder.is_dir()
    generator, _ = shipped_painter(1)
    random = np.random.default_rng(1)  # as tests/vectors/ciagan/generate.py
    drawn = random.standard_normal((2, CODE))
    seen = random.uniform(-1, 1, (2, SEEN, CANVAS_PX, CANVAS_PX)).astype(np.float32)
    given = drawn / np.linalg.norm(drawn, axis=1, keepdims=True) * CODE_LENGTH
    painted = generator(seen, given.astype(np.float32))[:, :, ::8, ::8]
    expected = np.load(VECTORS / "painted.npy")
    assert expected.std() > 0.1
    assert np.abs(painted - expected).max() < TOLERANCE


class TestTheFacesPixels:
    """The generator never receives them, and nothing else in painting reads them."""

    @pytest.mark.parametrize("scale", [0.45, 1.0, 2.5])
    def test_noise_in_their_place_changes_no_byte(
        self, folder: Path, head: RgbImage, face: Face, scale: float
    ) -> None:
        assert folder.is_dir()
        image, larger = enlarged(head, face, scale)
        generator, codes = shipped_painter(1)
        results = []
        for photo in (image, noisy(image, larger)):
            asked = ordered(photo, larger.landmarks, 3)
            painted = asked.completed(generator(asked.seen[np.newaxis], codes.codes[3, :1])[0])
            lifelike = whole_canvas(image, asked)  # with skin, so that grain is looked for
            laid = [lay_in(photo, each, asked, KEY).tobytes() for each in (painted, lifelike)]
            results.append([asked.seen.tobytes(), *laid])
        assert image.tobytes() != noisy(image, larger).tobytes()
        assert results[0] == results[1]

    def test_nor_does_it_receive_a_neighbours(self, codes: CodeTable, head: RgbImage, face: Face) -> None:
        wide = np.pad(head, ((0, 0), (0, 100), (0, 0)), mode="reflect")
        beside = face.moved(95, 0)
        witness = Witness()
        for photo in (wide, noisy(wide, beside)):
            for faces in ([face], [face, beside]):
                Ciagan(key=KEY, painter=(witness, codes)).anonymize(photo, faces)
        alone, together, alone_by_noise, together_by_noise = (seen[0] for seen in witness.seen)
        assert not np.array_equal(alone, alone_by_noise)
        assert np.array_equal(together, together_by_noise)


class TestWhatTheGeneratorIsTold:
    def test_nothing_inside_the_mask(self, codes: CodeTable, head: RgbImage, face: Face) -> None:
        witness = Witness()
        Ciagan(key=KEY, painter=(witness, codes)).anonymize(head, [face])
        (seen,) = witness.seen[0]
        photo, mask = seen[:3], seen[3]
        assert seen.shape == (SEEN, CANVAS_PX, CANVAS_PX)
        assert (photo[:, mask > 0] == 0).all()
        assert photo[:, mask == 0].std() > 0.1
        assert 0.2 < (mask > 0).mean() < 0.6

    def test_landmarks_that_are_not_the_persons(self, head: RgbImage, face: Face) -> None:
        landmarks = face.landmarks
        first, second = (ordered(head, landmarks, i) for i in (0, 9))
        assert np.abs(first.seen[4] - second.seen[4]).mean() > 0.01
        own = ordered(head, landmarks, 0, caution=0.0).seen[4]
        assert np.abs(first.seen[4] - own).mean() > 0.01

    def test_a_code_of_the_table(self, codes: CodeTable, head: RgbImage, face: Face) -> None:
        witness = Witness()
        Ciagan(key=KEY, painter=(witness, codes)).anonymize(head, [face])
        assert (codes.codes.reshape(-1, CODE) == witness.codes[0][0]).all(axis=1).any()

    def test_many_faces_in_few_runs(
        self, codes: CodeTable, head: RgbImage, face: Face, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ciagan, "AT_ONCE", 2)
        witness = Witness()
        row = np.concatenate([head] * 3, axis=1)
        faces = [face.moved(number * head.shape[1], 0) for number in range(3)]
        together = Ciagan(key=KEY, painter=(witness, codes)).anonymize(row, faces)
        assert [len(seen) for seen in witness.seen] == [2, 1]
        assert len(together.changed) == 3


class TestDraws:
    def test_equal_keys_equal_pictures(self, load: Callable[..., Ciagan], head: RgbImage, face: Face) -> None:
        first, second, other = (load(key=key).anonymize(head, [face]) for key in (KEY, KEY, OTHER_KEY))
        assert first.image.tobytes() == second.image.tobytes()
        assert first.image.tobytes() != other.image.tobytes()
        assert (
            first.parameters["weights"]
            == hashlib.sha256((VECTORS / "ciagan.safetensors").read_bytes()).hexdigest()
        )

    def test_every_attempt_is_another(self, codes: CodeTable, head: RgbImage, face: Face) -> None:
        witness = Witness()
        anonymizer = Ciagan(key=KEY, painter=(witness, codes))
        assert anonymizer.attempts == 2 * DRAWN_FROM
        results = [anonymizer.anonymize(head, [face], attempt=i) for i in range(anonymizer.attempts)]
        assert len({result.image.tobytes() for result in results}) == anonymizer.attempts
        assert [result.parameters["setting"] for result in results] == [0] * DRAWN_FROM + [1] * DRAWN_FROM

    def test_no_other_mode(self, codes: CodeTable) -> None:
        with pytest.raises(ParameterError, match="none of natural, strict"):
            Ciagan(mode="bold", painter=(Witness(), codes))


class TestThePhoto:
    @pytest.mark.parametrize("scale", [0.45, 1.0, 4.0])
    @pytest.mark.parametrize("degrees", [0, 40])
    def test_only_the_face_changes(
        self, load: Callable[..., Ciagan], head: RgbImage, face: Face, scale: float, degrees: float
    ) -> None:
        image, there = enlarged(*turned(head, face, degrees), scale)
        result = load().anonymize(image, [there])
        assert "masked faces" not in result.parameters
        changed = (result.image != image).any(axis=2)
        (area,) = result.changed
        assert np.count_nonzero(changed) == area.pixels
        outside = changed.copy()
        outside[area.window.top : area.window.bottom, area.window.left : area.window.right] = False
        assert not outside.any()
        outline = with_forehead(there.landmarks)[OUTLINE]
        middle = outline.mean(axis=0)
        grown = (outline - middle) * 1.6 + middle
        near = np.zeros(changed.shape, np.uint8)
        cv2.fillPoly(near, [np.rint(grown).astype(np.int32)], 1)
        assert not changed[near == 0].any()

    def test_the_picture_that_was_given_is_left_alone(
        self, load: Callable[..., Ciagan], head: RgbImage, face: Face
    ) -> None:
        before = head.tobytes()
        load().anonymize(head, [face])
        assert head.tobytes() == before

    def test_what_is_painted_lands_where_it_belongs(self, head: RgbImage, face: Face) -> None:
        """Painting what is there gives the photo back, but for the canvas's resolution."""
        image, there = enlarged(*turned(head, face, 25), 0.8)
        asked = ordered(image, there.landmarks, 3)
        truth = whole_canvas(image, asked)
        result = lay_in(image, truth, asked, KEY)
        off = np.abs(result.astype(float) - image)
        assert off.max() > 0
        assert off[(result != image).any(axis=2)].mean() < 4

    def test_a_grainy_photo_gives_grain(self, head: RgbImage, face: Face) -> None:
        random = np.random.default_rng(0)
        grainy = np.clip(head + random.normal(0, 12, (*head.shape[:2], 1)), 0, 255).astype(np.uint8)
        plain, matched = (detail_of_the_cheek(photo, head, face) for photo in (head, grainy))
        assert matched > plain + 3

    def test_a_striped_collar_gives_none(self, head: RgbImage, face: Face) -> None:
        smooth = np.full_like(head, np.median(head[cheek(face)], axis=(0, 1)))
        striped = smooth.copy()
        striped[face.landmarks[19, 1] :, ::2] += 16
        plain, beside = (detail_of_the_cheek(photo, head, face) for photo in (smooth, striped))
        assert beside < plain + 1

    def test_a_grey_photo_stays_grey(self, load: Callable[..., Ciagan], head: RgbImage, face: Face) -> None:
        grey = np.repeat(head[..., 1:2], 3, axis=2)
        result = load().anonymize(grey, [face]).image.astype(int)
        assert np.ptp(result, axis=2).max() <= 2

    def test_a_face_that_is_too_small_is_masked(
        self, load: Callable[..., Ciagan], head: RgbImage, face: Face
    ) -> None:
        result = load().anonymize(*as_list(enlarged(head, face, 0.12)))
        assert_masked(result)

    def test_odd_landmarks_are_masked(self, load: Callable[..., Ciagan], head: RgbImage, face: Face) -> None:
        random = np.random.default_rng(0)
        odd = face.landmarks + random.integers(-60, 60, face.landmarks.shape)
        result = load().anonymize(head, [Face(face.box, np.clip(odd, 0, 210), 0.0)])
        assert_masked(result)

    def test_no_faces_no_change(self, load: Callable[..., Ciagan], head: RgbImage) -> None:
        result = load().anonymize(head, [])
        assert np.array_equal(result.image, head)
        assert result.changed == ()


class TestBadWeights:
    @pytest.mark.parametrize("name", ["ciagan.safetensors", "ciagan.onnx", "ciagan-codes.npz"])
    @pytest.mark.parametrize("harm", ["missing", "truncated", "altered"])
    def test_are_refused(self, load: Callable[..., Ciagan], folder: Path, name: str, harm: str) -> None:
        path = folder / name
        content = bytearray(path.read_bytes())
        if harm == "missing":
            path.unlink()
        elif harm == "truncated":
            path.write_bytes(content[: len(content) // 2])
        else:
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        with pytest.raises(ModelError) as err:
            load()
        assert "install veilmesh again" in err.value.hint

    def test_are_refused_where_none_are_listed(self, load: Callable[..., Ciagan], folder: Path) -> None:
        (folder / "weights.toml").write_text("")
        with pytest.raises(ModelError, match="'ciagan' are not here"):
            load()

    def test_of_another_config(self, load: Callable[..., Ciagan], folder: Path) -> None:
        tiny = VECTORS.parent / "networks"
        for suffix in ("safetensors", "onnx"):
            shutil.copy(tiny / f"tiny.{suffix}", folder)
        shutil.copy(folder / "tiny.onnx", folder / "ciagan.onnx")
        shutil.copy(folder / "tiny.safetensors", folder / "ciagan.safetensors")
        list_again(folder)
        manifest = (folder / "weights.toml").read_text()
        (folder / "weights.toml").write_text(manifest.replace('"ciagan.safetensors"', '"tiny.safetensors"'))
        with pytest.raises(ModelError, match="of another config") as err:
            load()
        assert err.value.hint

    def test_of_another_bank(self, load: Callable[..., Ciagan], folder: Path, codes: CodeTable) -> None:
        (folder / "ciagan-codes.npz").write_bytes(encode_codes(CodeTable(codes.codes, "0" * 64)))
        list_again(folder)
        with pytest.raises(ModelError, match="suit the bank 000000000000") as err:
            load()
        assert err.value.hint

    def test_the_package_names_no_weights_it_lacks(self) -> None:
        listed = (files("veilmesh_ml.weights") / "weights.toml").read_text()
        assert ("[ciagan]" in listed) == (files("veilmesh_ml.weights") / "ciagan.safetensors").is_file()


class TestCodes:
    def test_round_trip(self, codes: CodeTable) -> None:
        found = decode_codes(encode_codes(codes))
        assert found.bank_sha256 == codes.bank_sha256
        assert np.abs(found.codes - codes.codes).max() < 5e-3
        assert encode_codes(found) == encode_codes(codes)

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"format": np.array(["veilmesh/codes/9"])}, "format"),
            ({"codes": np.ones((3, 2, 7))}, "shape"),
            ({"codes": np.ones((0, 2, CODE))}, "shape"),
            ({"codes": np.full((3, 2, CODE), 3.0)}, "length"),
        ],
    )
    def test_others_are_refused(self, arrays: dict[str, Any], message: str) -> None:
        good = {
            "format": np.array(["veilmesh/codes/1"]),
            "codes": np.ones((3, 2, CODE)),
            "bank_sha256": np.array(["0" * 64]),
        }
        assert decode_codes(stored(good)).codes.shape == (3, 2, CODE)
        with pytest.raises(ModelError, match=message):
            decode_codes(stored(good | arrays))

    @pytest.mark.parametrize("missing", ["format", "codes", "bank_sha256"])
    def test_parts_are_missing(self, codes: CodeTable, missing: str) -> None:
        with np.load(io.BytesIO(encode_codes(codes))) as arrays:
            kept = {name: arrays[name] for name in arrays.files if name != missing}
        with pytest.raises(ModelError, match="no file of identity codes"):
            decode_codes(stored(kept))


def stored(arrays: dict[str, Any]) -> bytes:
    target = io.BytesIO()
    np.savez(target, **arrays)
    return target.getvalue()


def whole_canvas(image: RgbImage, asked: Order) -> NDArray[np.uint8]:
    """What the canvas would show with the face, uint8 (128, 128, 3)."""
    matrix = np.column_stack([asked.onto.matrix, asked.onto.shift])
    canvas = cv2.warpAffine(image, matrix, (CANVAS_PX, CANVAS_PX), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(canvas)


def detail(part: RgbImage) -> float:
    """Standard deviation of what a small blur takes away."""
    light = part.astype(np.float32).mean(axis=2)
    return float((light - cv2.GaussianBlur(light, (0, 0), 1)).std())


def detail_of_the_cheek(photo: RgbImage, painted_from: RgbImage, face: Face) -> float:
    """What grain a painting gets in a photo: how much detail its cheek has then."""
    asked = ordered(photo, face.landmarks, 3)
    result = lay_in(photo, whole_canvas(painted_from, asked), asked, KEY)
    return detail(result[cheek(face)])


def cheek(face: Face) -> tuple[slice, slice]:
    column, row = np.rint((face.landmarks[[2, 14]].mean(axis=0) + face.landmarks[30]) / 2).astype(int)
    return slice(row - 8, row + 8), slice(column - 8, column + 8)


def as_list(pair: tuple[RgbImage, Face]) -> tuple[RgbImage, list[Face]]:
    return pair[0], [pair[1]]


def assert_masked(result: AnonymizedImage) -> None:
    assert result.parameters["masked faces"] == 1
    assert not result.face_findable


def test_the_mean_face_fits_the_canvas_with_its_feather() -> None:
    points = canvas_shape(shipped_bank().frame.mean_shape)[OUTLINE]
    assert points.min() > 8
    assert points.max() < CANVAS_PX - 8
