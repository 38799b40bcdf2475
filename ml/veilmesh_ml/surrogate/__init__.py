"""Surrogate faces from a bank of averages: what the anonymizer `cluster` is made of.

| module | its one idea |
|---|---|
| `points` | 77 points of a face, alignment |
| `geometry` | piecewise affine warps |
| `frame` | the mean face that all textures share |
| `attributes` | what a surrogate must have in common with the person |
| `shape` | landmarks: pose and expression are kept, identity is not |
| `bank` | the donors, and their file |
| `choice` | which donor, drawn with a key |
| `occlusion` | hair, hats and things before the face |
| `blend` | tone, light, sharpness, grain |
| `replacement` | all of it, in order |

Needs numpy and OpenCV, no more. The bank is built by `veilmesh_ml.train`.
"""
