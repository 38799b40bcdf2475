"""Videos: read, anonymized and written as a stream. Needs the `[video]` extra (PyAV).

| module | what |
|---|---|
| `reading` | decoded frames and the other streams' packets, one after the other |
| `writing` | encoded beside its place, looked at, and only then put there |
| `encoding` | codec, quality and pixel format |
| `orientation` | the display matrix |
| `pixels` | between stored samples and RGB; only what changed is written back |
"""
