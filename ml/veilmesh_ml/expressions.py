"""The seven expressions that the classifier tells apart, and how it sees a face. Needs nothing."""

from typing import Final

EXPRESSIONS: Final = ("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised")
SIDE_PX: Final = 48  # FER2013's
FEATURES: Final = 512  # of a face, before the classifier's last layer
# Eyes' centres, tip of the nose and corners of the mouth, x and y in FER2013's pixels: the median over the
# faces that are found in 420 of its training pictures.
FIVE_POINTS: Final = ((14.7, 18.3), (32.3, 18.3), (23.5, 27.6), (16.1, 37.0), (30.9, 37.0))
