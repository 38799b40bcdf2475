"""How a face of an original frame is cut out to be compared with what became of it.

dlib's landmark model was trained on HOG's boxes. In MMOD's it now and then puts the brows on the forehead or
an eye on the nose, and of faces that are cut out by such landmarks the encoder says nothing: a third of all
pairs of strangers match when both are cut out so (docs/benchmarks.md). So landmarks are looked for twice, and
only those count that lie where CenterFace sees eyes, nose and mouth.

All of that is decided by the original alone, so nothing that an anonymizer paints has a say in it, and no
face is left out: where neither landmarks agree, those in MMOD's box count.
"""

from collections.abc import Sequence
from typing import Final

from veilmesh_ml.engine import Engine
from veilmesh_ml.face import Box, Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.video.centerface import FoundFace
from veilmesh_ml.video.lookout import agree, hog_box

SAME_FACE_OVERLAP: Final = 0.3  # of MMOD's box and CenterFace's; on both clips it is .55 and more


def alignments(engine: Engine, original: RgbImage, box: Box, seen: Sequence[FoundFace]) -> list[Face]:
    """Return the face with every landmarks by which it counts, at least once.

    Args:
        engine: finds landmarks.
        original: uint8 (height, width, 3) RGB.
        box: MMOD's, within the picture and not empty.
        seen: CenterFace's faces there.
    """
    found = [engine.face_in(original, box)]
    near = max(seen, key=lambda each: each.box.overlap(box), default=None)
    if near is None or near.box.overlap(box) < SAME_FACE_OVERLAP:
        return found
    other = hog_box(near.box).within(*original.shape[:2])
    if other.width and other.height:
        found.append(engine.face_in(original, other))
    return [face for face in found if agree(face, near)] or found[:1]
