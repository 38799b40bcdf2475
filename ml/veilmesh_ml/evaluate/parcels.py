"""A measurement that travels: a call, and the photos that it reads, as bytes; and what it returned, as bytes.

Who opens a parcel runs what is in it, so parcels go only between machines that may run code on each other.
"""

import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from veilmesh_ml.evaluate.measuring import Photos, PhotosIn, Subject, have_photos
from veilmesh_ml.evaluate.trials import Photo
from veilmesh_ml.image import read_file


def packed(function: Callable[..., Any], arguments: Iterable[Any], photos: PhotosIn) -> bytes:
    """Return a call as a parcel.

    Args:
        function: module-level.
        arguments: photos and subjects stand there alone or in sequences.
        photos: where theirs are.

    Raises:
        ImageError: a photo cannot be read.
    """
    arguments = tuple(arguments)
    contents = {path: read_file(photos[path]) for path in _paths(arguments)}
    return pickle.dumps((function, arguments, contents))


def called(parcel: bytes) -> bytes:
    """Do the call, in a process that `set_up_worker` set up, and return what it returned."""
    contents: Photos
    function, arguments, contents = pickle.loads(parcel)  # noqa: S301 - see above
    have_photos(contents)
    return pickle.dumps(function(*arguments))


def opened(answer: bytes) -> Any:
    """Return what a call returned."""
    return pickle.loads(answer)  # noqa: S301 - see above


def _paths(argument: Any) -> Iterator[str]:
    if isinstance(argument, Photo):
        yield argument.path
    elif isinstance(argument, Subject):
        yield argument.photo.path
    elif isinstance(argument, list | tuple):
        for each in argument:
            yield from _paths(each)
