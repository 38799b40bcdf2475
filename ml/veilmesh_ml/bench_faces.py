"""How fast the fast engine is beside dlib: the same chips and pictures, the same machine, the same run.

The baseline is the dlib that is installed. `dlib-bin` is built without BLAS; a dlib built against OpenBLAS is
about five times as fast, and where yours is, so are the ratios here smaller.

What is compared takes turns, so that a neighbour on the machine disturbs both; figures are medians.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray
from skimage.data import astronaut

from veilmesh_ml.acquisition import acquire_all
from veilmesh_ml.errors import ParameterError
from veilmesh_ml.fast.engine import FastEngine
from veilmesh_ml.image import RgbImage, read_file, read_image, write_image
from veilmesh_ml.model_files import ENCODER, LANDMARKS_68, MMOD, locate
from veilmesh_ml.threads import default_threads

PICTURES = 32
BATCHES = (1, 32)  # chips
MMOD_SIZES = ((320, 240), (640, 480))  # width, height
MADE_PICTURE_PX = 250  # as LFW's
PORTRAIT_FACE = (224, 128)  # x, y
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """Median times for the same work, and how far apart the results were.

    Attributes:
        dlib_ms, fast_ms: per chip or picture.
        largest_difference: of any component of the features, or of a confidence.
    """

    dlib_ms: float
    fast_ms: float
    largest_difference: float

    @property
    def times_as_fast(self) -> float:
        return self.dlib_ms / self.fast_ms


@dataclass(frozen=True, slots=True)
class FacesReport:
    """What was measured.

    Attributes:
        dlib: the baseline: version, and whether it was built with BLAS.
        threads: of the fast engine.
        pictures: how many the pipeline was measured with.
        load_s: the fast engine, its networks converted before.
        encoder: by batch size; milliseconds a chip.
        mmod: by picture size; milliseconds a picture.
        pictures_per_s: from the file to features, by way.
        shares: of the fast engine's time, a picture at a time, by step; they add up to 1.
    """

    dlib: str
    threads: int
    pictures: int
    load_s: float
    encoder: Mapping[str, Comparison]
    mmod: Mapping[str, Comparison]
    pictures_per_s: Mapping[str, float]
    shares: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """Return it for JSON, rounded to what can be relied on."""

        def comparisons(of: Mapping[str, Comparison]) -> dict[str, Any]:
            return {
                name: {
                    "dlib_ms": round(each.dlib_ms, 2),
                    "fast_ms": round(each.fast_ms, 2),
                    "times_as_fast": round(each.times_as_fast, 1),
                    "largest_difference": each.largest_difference,
                }
                for name, each in of.items()
            }

        return {
            "dlib": self.dlib,
            "threads": self.threads,
            "pictures": self.pictures,
            "load_s": round(self.load_s, 2),
            "encoder": comparisons(self.encoder),
            "mmod": comparisons(self.mmod),
            "pictures_per_s": {way: round(rate, 1) for way, rate in self.pictures_per_s.items()},
            "shares": {step: round(share, 3) for step, share in self.shares.items()},
        }


class _Dlib:
    """dlib used directly."""

    def __init__(self) -> None:
        self.hog = dlib.get_frontal_face_detector()
        self.landmarks = dlib.shape_predictor(str(locate(LANDMARKS_68)))
        self.encoder = dlib.face_recognition_model_v1(str(locate(ENCODER)))
        self.mmod = dlib.cnn_face_detection_model_v1(str(locate(MMOD)))

    def look_and_encode(self, content: bytes, doublings: int) -> None:
        """Decode, detect, find landmarks, align, encode.

        With one doubling these are the calls of `face_recognition.face_locations` and `face_encodings`.
        """
        image = read_image(content)
        for rectangle in self.hog(image, doublings):
            self.encoder.compute_face_descriptor(image, self.landmarks(image, rectangle))


def bench_faces(pictures: Sequence[Path], note: Callable[[str], None]) -> FacesReport:
    """Measure.

    Args:
        pictures: files with faces in them, each read several times.
        note: told what is under way.

    Raises:
        ParameterError: no face is in the pictures.
        ImageError: a picture cannot be read.
    """
    note("loading")
    FastEngine()  # converts the encoder where that has not been done
    started = time.perf_counter()
    fast = FastEngine()
    load_s = time.perf_counter() - started
    baseline = _Dlib()
    contents = [read_file(path) for path in pictures]
    note("encoder")
    chips = _chips(fast, contents)
    encoder = {f"batch of {count}": _compare_encoders(fast, baseline, chips[:count]) for count in BATCHES}
    mmod = {}
    for width, height in MMOD_SIZES:
        note(f"MMOD, {width} x {height}")
        picture = _fitted(read_image(contents[0]), width, height)
        mmod[f"{width} x {height}"] = _compare_detectors(fast, baseline, picture)
    note("pipeline")
    return FacesReport(
        dlib=f"{dlib.__version__}, {'with' if dlib.DLIB_USE_BLAS else 'without'} BLAS",
        threads=default_threads(),
        pictures=len(pictures),
        load_s=load_s,
        encoder=encoder,
        mmod=mmod,
        pictures_per_s=_pictures_per_s(fast, baseline, pictures, contents),
        shares=_shares(fast, contents),
    )


def choose_pictures(folder: Path) -> list[Path]:
    """Return up to `PICTURES` of the JPEGs below a folder, evenly spread.

    Raises:
        ParameterError: there is none.
    """
    found = sorted(folder.rglob("*.jpg"))
    if not found:
        raise ParameterError(f"{folder} holds no JPEG", hint="name a folder of photos of people")
    return found[:: -(-len(found) // PICTURES)]


def make_pictures(folder: Path, count: int = PICTURES) -> list[Path]:
    """Write JPEGs of scikit-image's portrait, framed, tilted and lit in various ways."""
    portrait: RgbImage = astronaut()  # type: ignore[no-untyped-call]  # scikit-image has no annotations
    numbers = np.random.default_rng(21)
    made = []
    for index in range(count):
        turn = cv2.getRotationMatrix2D(PORTRAIT_FACE, numbers.uniform(-8, 8), numbers.uniform(0.9, 1.3))
        turn[0, 2] += MADE_PICTURE_PX / 2 - PORTRAIT_FACE[0]
        turn[1, 2] += MADE_PICTURE_PX / 2 - PORTRAIT_FACE[1]
        size = (MADE_PICTURE_PX, MADE_PICTURE_PX)
        picture = cv2.warpAffine(portrait, turn, size, borderMode=cv2.BORDER_REPLICATE)
        lit = 255 * (picture / 255.0) ** numbers.uniform(0.7, 1.4)
        path = folder / f"{index:03}.jpg"
        write_image(path, lit.astype(np.uint8))
        made.append(path)
    return made


def _chips(fast: FastEngine, contents: Sequence[bytes]) -> NDArray[np.uint8]:
    """Return the largest batch of chips; of fewer faces, some again."""
    chips: list[RgbImage] = []
    for content in contents:
        image = read_image(content)
        chips += [fast.align(image, face) for face in fast.detect(image)]
    if not chips:
        raise ParameterError("no face was found in the pictures", hint="name a folder of photos of people")
    return np.stack(list(itertools.islice(itertools.cycle(chips), max(BATCHES))))


def _compare_encoders(fast: FastEngine, baseline: _Dlib, chips: NDArray[np.uint8]) -> Comparison:
    one_by_one = [np.ascontiguousarray(chip) for chip in chips]

    def by_dlib() -> NDArray[np.float64]:
        return np.array([baseline.encoder.compute_face_descriptor(chip) for chip in one_by_one])

    apart = np.abs(by_dlib() - fast.encode_chips(chips)).max()
    dlib_s, fast_s = _in_turns(by_dlib, lambda: fast.encode_chips(chips), times=max(BATCHES) // len(chips))
    return Comparison(1000 * dlib_s / len(chips), 1000 * fast_s / len(chips), float(apart))


def _compare_detectors(fast: FastEngine, baseline: _Dlib, picture: RgbImage) -> Comparison:
    theirs, ours = baseline.mmod(picture, 0), fast.detect_mmod(picture)
    apart = [
        abs(one.confidence - other.confidence) for one, other in zip(theirs, ours, strict=len(theirs) > 0)
    ]
    dlib_s, fast_s = _in_turns(lambda: baseline.mmod(picture, 0), lambda: fast.detect_mmod(picture))
    return Comparison(1000 * dlib_s, 1000 * fast_s, max(apart, default=0.0))


def _in_turns(*works: Callable[[], object], times: int = 1) -> list[float]:
    """Return each one's median seconds over several rounds, in each of which it runs so many times."""
    rounds = [[_seconds(work, times) for work in works] for _ in range(ROUNDS)]
    return [statistics.median(each) for each in zip(*rounds, strict=True)]


def _seconds(work: Callable[[], object], times: int = 1) -> float:
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times


def _fitted(image: RgbImage, width: int, height: int) -> RgbImage:
    """The picture, cut to these proportions about its middle and scaled to this size."""
    scale = max(width / image.shape[1], height / image.shape[0])
    across, down = round(width / scale), round(height / scale)
    left, top = (image.shape[1] - across) // 2, (image.shape[0] - down) // 2
    cut = image[top : top + down, left : left + across]
    return np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _pictures_per_s(
    fast: FastEngine, baseline: _Dlib, pictures: Sequence[Path], contents: Sequence[bytes]
) -> dict[str, float]:
    """Return pictures a second, from the file to features, by way."""

    def by_dlib(doublings: int) -> None:
        for content in contents:
            baseline.look_and_encode(content, doublings)

    def one_at_a_time() -> None:
        for content in contents:
            image = read_image(content)
            fast.encode(image, fast.detect(image))

    works: dict[str, Callable[[], object]] = {
        "dlib": partial(by_dlib, 0),
        "dlib, face_recognition's way": partial(by_dlib, 1),
        "fast engine, a picture at a time": one_at_a_time,
        "fast engine, many pictures": lambda: list(acquire_all(fast, pictures)),
    }
    seconds = _in_turns(*works.values())
    return {way: len(contents) / taken for way, taken in zip(works, seconds, strict=True)}


def _shares(fast: FastEngine, contents: Sequence[bytes]) -> dict[str, float]:
    """Return the share of each step where one thread looks at a picture after another."""
    seconds = dict.fromkeys(("decode", "detect", "landmarks", "align", "encode"), 0.0)
    chips: list[RgbImage] = []
    for content in contents:
        started = time.perf_counter()
        image = read_image(content)
        decoded = time.perf_counter()
        faces = fast.detect(image)
        detected = time.perf_counter()
        chips += [fast.align(image, face) for face in faces]
        aligned = time.perf_counter()
        for face in faces:
            fast.face_in(image, face.box.within(*image.shape[:2]))
        landmarks = time.perf_counter() - aligned
        seconds["decode"] += decoded - started
        seconds["detect"] += detected - decoded - landmarks
        seconds["landmarks"] += landmarks
        seconds["align"] += aligned - detected
    seconds["encode"] = _seconds(lambda: fast.encode_chips(np.stack(chips)))
    return {step: taken / sum(seconds.values()) for step, taken in seconds.items()}
