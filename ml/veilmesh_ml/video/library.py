"""Whether the library that videos take is installed: the extra `[video]` brings it."""

from collections.abc import Iterator
from contextlib import contextmanager

from veilmesh_ml.errors import VideoError


@contextmanager
def video_library() -> Iterator[None]:
    """Import what needs it in this context.

    Raises:
        VideoError: it is not installed.
    """
    try:
        yield
    except ImportError as err:
        raise VideoError(
            f"videos need {err.name}, which is not installed", hint="install veilmesh with its [video] extra"
        ) from err
