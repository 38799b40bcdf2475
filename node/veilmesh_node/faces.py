"""The faces of a node, plugged in: `veilmesh_ml` behind `ports.Faces`.

The library and its models load when the plug is made; a node without them has none. The work is done on one
thread of its own, and detector and encoder set Python's lock free: the event loop goes on meanwhile. (Under
the reference engine it stands still for 0.1 s a face.)
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from veilmesh_chaincode.records.policy import Terms

from veilmesh_node.config import EngineName
from veilmesh_node.domain.decision import MICRO
from veilmesh_node.domain.secret import Features
from veilmesh_node.errors import FacesMissingError, HomeError, SampleRejectedError, SurrogateRefusedError
from veilmesh_node.ports import FaceBox, FoundFace
from veilmesh_node.surrogate import Surrogate

if TYPE_CHECKING:
    from veilmesh_ml import Engine, Face, RgbImage
    from veilmesh_ml.comparison import Features as FeatureRows

FAINT = 0.2  # of the surest face's confidence; two people side by side are within a factor of two
LIKELY = 0.2  # of a detector's confidence; the least sure of dlib's example faces has 0.22
SURROUNDINGS = 0.6  # of the face's width and height, on every side of a surrogate

Result = TypeVar("Result")


class MlFaces:
    """Implements `ports.Faces`. Close it at the end."""

    def __init__(self, encoder: Path | None = None, engine: EngineName = "fast") -> None:
        """Load an engine with its models.

        Args:
            encoder: an ONNX model with its description beside it, to encode faces in dlib's stead.
            engine: which finds and encodes them; features of the two compare with each other.

        Raises:
            FacesMissingError: the library or a model is not installed.
            HomeError: the encoder cannot be used; a node does not fall back on another model.
        """
        try:
            from veilmesh_ml import MlError, load_engine  # noqa: PLC0415 - a node may lack the library
            from veilmesh_ml.anonymizers import ANONYMIZER_NAMES  # noqa: PLC0415
            from veilmesh_ml.plugged_engine import plug_encoder  # noqa: PLC0415
            from veilmesh_ml.sample_features import sample_features  # noqa: PLC0415
            from veilmesh_ml.weights import generator_digest  # noqa: PLC0415
        except ImportError as err:
            raise FacesMissingError from err
        try:
            self._engine: Engine = load_engine(engine)
        except MlError as err:
            raise FacesMissingError from err
        if encoder is not None:
            try:
                self._engine = plug_encoder(self._engine, encoder)
            except MlError as err:
                raise HomeError(str(err)) from err
        self._features: Callable[[RgbImage, list[Face]], FeatureRows] = partial(sample_features, self._engine)
        self.anonymizers: Sequence[str] = ANONYMIZER_NAMES
        digests = {name: generator_digest(name) for name in ANONYMIZER_NAMES}
        self.generators: Mapping[str, str] = {name: digest for name, digest in digests.items() if digest}
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="faces")

    @property
    def model_digest(self) -> str:
        return self._engine.model_digest

    def close(self) -> None:
        self._worker.shutdown(wait=True, cancel_futures=True)

    async def find_sample(self, photo: bytes) -> FoundFace:
        return await self._on_worker(lambda: self._find_sample(photo))

    async def encode_probe(self, photo: bytes, marked: FaceBox | None = None) -> Features:
        return await self._on_worker(
            lambda: self._encode(*(self._marked(photo, marked) if marked else self._comparable(photo)))
        )

    async def find_faces(self, photo: bytes, *, limit: int) -> Sequence[FoundFace]:
        return await self._on_worker(lambda: self._find(photo, limit))

    async def release(
        self, photo: bytes, face: FoundFace, anonymizers: Sequence[str], terms: Terms
    ) -> Surrogate:
        return await self._on_worker(lambda: self._release(photo, face, anonymizers, terms))

    async def _on_worker(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _find_sample(self, photo: bytes) -> FoundFace:
        """Find and encode the face that a person can be enrolled from."""
        from veilmesh_ml.quality import assess_for_enrolment  # noqa: PLC0415

        image = _read(photo)
        faces = _clear(self._engine.detect(image))
        report = assess_for_enrolment(image, faces)
        if not report.passed:
            raise SampleRejectedError(report.reasons)
        return _found(faces[0], report.clarity, self._encode(image, faces[0]))

    def _comparable(self, photo: bytes) -> "tuple[RgbImage, Face]":
        """Return a picture and the one face in it, however poor: a poor probe fails to match, no more."""
        image = _read(photo)
        faces = _clear(self._engine.detect(image) or self._engine.detect(image, thorough=True))
        if len(faces) != 1:
            found = f"{len(faces)} faces were found, not one" if faces else "no face was found"
            raise SampleRejectedError([found])
        return image, faces[0]

    def _find(self, photo: bytes, limit: int) -> Sequence[FoundFace]:
        """Find and encode all faces; too many are refused before the costly part."""
        from veilmesh_ml.quality import assess_for_enrolment  # noqa: PLC0415

        image = _read(photo)
        faces = _likely(self._engine.detect(image))
        if len(faces) > limit:
            raise SampleRejectedError(
                [f"the picture shows {len(faces)} faces; {limit} are searched for at most"]
            )
        return [
            _found(face, assess_for_enrolment(image, [face]).clarity, Features(tuple(row.tolist())))
            for face, row in zip(faces, self._features(image, faces), strict=True)
        ]

    def _marked(self, photo: bytes, marked: FaceBox) -> "tuple[RgbImage, Face]":
        """Return a picture and the face that somebody marked in it."""
        from veilmesh_ml import Box, MlError  # noqa: PLC0415

        image = _read(photo)
        try:
            return image, self._engine.face_in(
                image, Box(marked.left, marked.top, marked.right, marked.bottom)
            )
        except MlError as err:
            raise SampleRejectedError([str(err)]) from err

    def _encode(self, image: "RgbImage", face: "Face") -> Features:
        return Features(tuple(self._features(image, [face])[0].tolist()))

    def _release(self, photo: bytes, found: FoundFace, anonymizers: Sequence[str], terms: Terms) -> Surrogate:
        from veilmesh_ml import MlError, load_anonymizer  # noqa: PLC0415
        from veilmesh_ml.gate import GateLevel, ReleaseGate  # noqa: PLC0415
        from veilmesh_ml.release import release  # noqa: PLC0415

        image, face = _cropped(_read(photo), _face(found))
        gate = ReleaseGate(
            self._engine,
            threshold_dissimilarity=terms.threshold_micro / MICRO,
            level=GateLevel(terms.gate_level.value),
        )
        methods = [load_anonymizer(name) for name in anonymizers]
        try:
            released = release(image, [face], gate, methods)
        except MlError as err:
            raise SurrogateRefusedError(str(err)) from err
        if released.method not in terms.anonymizers:
            # The library's last resort is the solid mask, whatever it was asked for.
            raise SurrogateRefusedError(
                f"only {released.method} passed the release gate, and the policy does not allow it here"
            )
        return Surrogate(released, gate_model_digest=self._engine.model_digest)


def _found(face: "Face", clarity: float, features: Features) -> FoundFace:
    box = FaceBox(face.box.left, face.box.top, face.box.right, face.box.bottom)
    return FoundFace(box, tuple(map(tuple, face.landmarks.tolist())), clarity, features)


def _face(found: FoundFace) -> "Face":
    """Return it as the library has it; how sure the detector was is not known any more, and stands as 0."""
    import numpy as np  # noqa: PLC0415 - a node may lack the library
    from veilmesh_ml import Box, Face  # noqa: PLC0415

    box = Box(found.box.left, found.box.top, found.box.right, found.box.bottom)
    return Face(box, np.array(found.landmarks, dtype=np.int64), 0.0)


def _cropped(image: "RgbImage", face: "Face") -> "tuple[RgbImage, Face]":
    """Return the face with its surroundings: a surrogate shows no more of a photo than it needs."""
    height, width = image.shape[:2]
    box = face.box.grown(SURROUNDINGS).within(height, width)
    return image[box.top : box.bottom, box.left : box.right].copy(), face.moved(-box.left, -box.top)


def _clear(faces: "list[Face]") -> "list[Face]":
    """Drop what is hardly a face beside a clear one: the detector sees faint ones in emblems and folds."""
    return faces[:1] + [face for face in faces[1:] if face.confidence >= FAINT * faces[0].confidence]


def _likely(faces: "list[Face]") -> "list[Face]":
    """Drop what is hardly a face; unlike `_clear`, no small face of a crowd for being beside a large one."""
    return [face for face in faces if face.confidence >= min(LIKELY, FAINT * faces[0].confidence)]


def _read(photo: bytes) -> "RgbImage":
    from veilmesh_ml import MlError, read_image  # noqa: PLC0415

    try:
        return read_image(photo)
    except MlError as err:
        raise SampleRejectedError([str(err)]) from err
