"""Videos: read, anonymized and written as a stream. Needs the `[video]` extra (PyAV).

| module | what |
|---|---|
| `library` | whether PyAV is there |
| `inputs` | which inputs are videos, and where their outputs go |
| `sources` | files, pipes, numbered pictures, cameras |
| `reading` | decoded frames and the other streams' packets, one after the other |
| `writing` | encoded beside its place, looked at, and only then put there |
| `segments`, `unfinished` | what of an output is finished when its process is killed |
| `remembering` | what a run knows, as JSON |
| `pictures` | numbered pictures as output |
| `encoding` | codec, quality and pixel format |
| `orientation` | the display matrix |
| `pixels` | between stored samples and RGB; only what changed is written back |
| `following` | how a face moves from one frame to the next |
| `cuts` | where a scene ends |
| `centerface` | the detector, and where its file comes from |
| `lookout` | what it finds, with dlib's landmarks, or without |
| `mean_face` | landmarks where nobody could find any |
| `place` | where a face is in one frame, and how sure that is |
| `association` | which of the faces found belongs to which track |
| `steady` | landmarks that do not tremble |
| `tracker` | every face through all frames: filled both ways, kept until it is gone |
| `excerpt` | the part of a frame about one face |
| `disguise` | one surrogate per track, and the release gate |
| `leaving` | who is left as they are: `--keep` and `--only` |
| `sightings` | where tracks are in a few frames, for thumbnails |
| `release` | all of it: a file in, a file out |
"""
