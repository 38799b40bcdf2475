"""What workers do with pictures: S1's tasks *detect faces* and *extract encodings*, and anonymizing.

What is wrong with a picture becomes its outcome. Models are loaded by `prepare`, once a worker process.
"""

import base64
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from veilmesh_node.cluster.work import LongWork, Outcome, Work

if TYPE_CHECKING:
    from veilmesh_ml.face import Face
    from veilmesh_ml.folder_job import FolderSettings
    from veilmesh_ml.video.release import VideoSettings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FacesTask:
    """Boxes and landmarks of all faces in a picture, and their features where they are asked for.

    A result is `{"faces": [{"box": [left, top, right, bottom], "confidence": ..., "landmarks": [[x, y] * 68],
    "features": ...}]}`; features are base64 of 128 little-endian float64, with `model_digest` beside `faces`.
    """

    encode: bool

    @property
    def name(self) -> str:
        return "encode" if self.encode else "detect"

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.name}, version 1".encode()).hexdigest()

    def prepare(self) -> Work:
        from veilmesh_ml.engine import load_engine  # noqa: PLC0415 - only who works has the library
        from veilmesh_ml.folder_job import one_thread_a_process  # noqa: PLC0415
        from veilmesh_ml.image import read_image  # noqa: PLC0415

        one_thread_a_process()
        engine = load_engine()

        def look(content: bytes) -> Outcome:
            image = read_image(content)
            faces = engine.detect(image)
            document: dict[str, Any] = {"faces": [_described(face) for face in faces]}
            if self.encode:
                document["model_digest"] = engine.model_digest
                for face, features in zip(document["faces"], engine.encode(image, faces), strict=True):
                    face["features"] = base64.b64encode(features.astype("<f8").tobytes()).decode()
            return Outcome(document)

        return lambda _name, content: careful(lambda: look(content))


@dataclass(frozen=True, slots=True)
class AnonymizeTask:
    """A picture anonymized; the output's format is that of the item's name."""

    settings: "FolderSettings"

    @property
    def name(self) -> str:
        return "anonymize"

    @property
    def digest(self) -> str:
        return self.settings.digest

    def prepare(self) -> Work:
        from veilmesh_ml.folder_job import anonymize_bytes, one_thread_a_process  # noqa: PLC0415
        from veilmesh_ml.image import FORMAT_OF_SUFFIX  # noqa: PLC0415

        one_thread_a_process()

        def anonymize(name: str, content: bytes) -> Outcome:
            file_format = FORMAT_OF_SUFFIX[PurePath(name).suffix.lower()]
            done = anonymize_bytes(content, file_format, self.settings)
            about = {
                "faces": done.faces,
                "method": done.method,
                "closest_dissimilarity": done.closest_dissimilarity,
                "model_digest": done.model_digest,
                "recovery": done.recovery,
                "sealed_key": done.sealed_key,
            }
            return Outcome(about, done.output)

        return lambda name, content: careful(lambda: anonymize(name, content))


@dataclass(frozen=True, slots=True)
class AnonymizeVideosTask(AnonymizeTask):
    """Pictures, and whole videos: a result is the `VideoReport`, as `finished.document_of` writes it."""

    videos: "VideoSettings"

    def prepare_long(self) -> LongWork:
        """Load what videos take; who lacks it takes no part, lest every video fail there.

        Raises:
            ModelError, VideoError: the detector or the video library is missing.
        """
        from veilmesh_ml.folder_job import engine_of_process  # noqa: PLC0415
        from veilmesh_ml.model_files import CENTERFACE, locate  # noqa: PLC0415
        from veilmesh_ml.video.library import video_library  # noqa: PLC0415

        locate(CENTERFACE)
        with video_library():
            from veilmesh_ml.video.finished import document_of  # noqa: PLC0415
            from veilmesh_ml.video.release import anonymize_video  # noqa: PLC0415

        def anonymize(name: str, content: Path, target: Path) -> Outcome:
            outcome = careful(
                lambda: Outcome(
                    document_of(anonymize_video(content, target, engine_of_process(), self.videos))
                )
            )
            return replace(outcome, error=outcome.error.replace(str(content), name))

        return anonymize


def careful(work: Callable[[], Outcome]) -> Outcome:
    """Return what `work` does, or what went wrong with it."""
    from veilmesh_ml.errors import MlError  # noqa: PLC0415

    try:
        return work()
    except MlError as err:
        return Outcome(error=str(err), hint=err.hint)
    except MemoryError:
        return Outcome(error="there was not enough memory for it", hint="is it very large?")
    except Exception as err:  # noqa: BLE001 - one bad file never stops the rest
        _log.exception("an item failed")
        return Outcome(error=f"unexpected {type(err).__name__}: {err}", hint="please report this file")


def _described(face: "Face") -> dict[str, Any]:
    box = face.box
    return {
        "box": [box.left, box.top, box.right, box.bottom],
        "confidence": float(face.confidence),
        "landmarks": face.landmarks.tolist(),
    }
