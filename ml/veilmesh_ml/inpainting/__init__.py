"""What a generator that paints a face into a photo is given, in training as in use, and what becomes of it.

| module | its one idea |
|---|---|
| `canvas` | the square it paints in, and where a face lies there |
| `conditions` | what it sees instead of the face: the mask, the landmarks, a prior picture |
| `bridge` | from the prior to the photo around it |
| `framing` | from the canvas to the frame of the bank of surrogates |
| `smooth_warp` | thin-plate splines, on numpy and Pillow |
| `codes` | identity codes of nobody |
| `cutting` | from the photo to the canvas |
| `order` | all that it is given, for one face of a photo |
| `seam` | what it painted, laid into the photo |

The last three need OpenCV; training does not need them.
"""
