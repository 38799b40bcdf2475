"""The page beside `--report`: every face's track of every video, with thumbnails of the outputs.

One file that needs nothing else: no script, no request. Thumbnails come from what was written, never from
what was read, so the page may go wherever the outputs may.
"""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from veilmesh_node.cli.videos import Filmed

if TYPE_CHECKING:
    from veilmesh_ml.video.disguise import TrackRecord
    from veilmesh_ml.video.release import VideoReport
    from veilmesh_ml.video.thumbnails import Thumbnail

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --dim: #57606a; --line: #d7dce1;
  --good: #1a7f37; --bad: #b42318; --plain: #8a6100; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e6e9ec; --dim: #9aa4ae;
  --line: #323a43; --good: #57c777; --bad: #ff8a7a; --plain: #e0b34c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 72rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .25rem; overflow-wrap: anywhere; }
p { margin: .25rem 0; color: var(--dim); overflow-wrap: anywhere; }
section { border-top: 1px solid var(--line); padding: 1rem 0; display: grid; gap: 1rem;
  grid-template-columns: minmax(13rem, 18rem) 1fr; break-inside: avoid; }
h3 { font-size: 1rem; margin: 0; }
.good { color: var(--good); } .bad { color: var(--bad); } .plain { color: var(--plain); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 .8rem; margin: .4rem 0 0;
  font-size: .9rem; }
dt { color: var(--dim); } dd { margin: 0; }
.faces { display: flex; flex-wrap: wrap; gap: .5rem; align-content: start; }
figure { margin: 0; font-size: .75rem; color: var(--dim); text-align: center; }
img { display: block; border-radius: .25rem; max-width: 128px; }
@media (max-width: 44rem) { section { grid-template-columns: 1fr; } }
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_MASK = "mask"


def page(filmed: Sequence[Filmed]) -> str:
    """Return the page, HTML.

    Raises:
        VideoError: an output cannot be read any more.
    """
    parts = ["<h1>Faces in anonymized videos</h1>", "<p>All pictures are of the outputs.</p>"]
    for video in filmed:
        parts += _video(video)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Faces in anonymized videos</title>\n<style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _video(video: Filmed) -> Iterable[str]:
    from veilmesh_ml.video.inputs import PIPE
    from veilmesh_ml.video.thumbnails import thumbnails

    report = video.report
    yield f"<h2>{escape(str(video.job.target))}</h2>"
    if report is None:
        yield f'<p class="bad">not anonymized: {escape(str(video.error))}</p>'
        return
    yield f"<p>{report.frames} frames, faces followed: {len(report.tracks)}; {_digests(report)}</p>"
    cut: dict[int, list[Thumbnail]] = {}
    if report.target != PIPE:
        for thumbnail in thumbnails(report.target, report.sightings):
            cut.setdefault(thumbnail.track, []).append(thumbnail)
    for track in report.tracks:
        yield _track(track, cut.get(track.number, []))


def _digests(report: "VideoReport") -> str:
    return f"output SHA-256 {escape(report.output_sha256 or 'unknown: it went out by a pipe')}"


def _track(track: "TrackRecord", cut: "Sequence[Thumbnail]") -> str:
    verdict, kind = _verdict(track)
    masked = track.methods.get(_MASK, 0)
    facts = {
        "frames": f"{track.frames} ({track.first} to {track.last})",
        "method": ", ".join(f"{name} in {count}" for name, count in sorted(track.methods.items())) or "none",
        "masked": f"{masked / track.frames:.0%}",
        "attacked": f"{track.judged} frames, refused {track.refused} times",
    }
    if track.closest_dissimilarity is not None:
        facts["nearest"] = f"{track.closest_dissimilarity:.2f} from the original"
    if track.left:
        facts["left as it is"] = f"{track.left} frames"
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return (
        f'<section><div><h3>Face {track.number}: <span class="{kind}">{escape(verdict)}</span></h3>'
        f'<dl>{listed}</dl></div><div class="faces">{"".join(map(_figure, cut))}</div></section>'
    )


def _verdict(track: "TrackRecord") -> tuple[str, str]:
    """Return what is to be said of a track, and in which colour."""
    if track.left == track.frames:
        return "left as it is", "bad"
    if track.left:
        return "left as it is in part", "bad"
    masked = track.methods.get(_MASK, 0)
    if masked == track.frames:
        return "masked", "plain"
    return ("passed, masked in part", "good") if masked else ("passed", "good")


def _figure(thumbnail: "Thumbnail") -> str:
    content = base64.b64encode(thumbnail.jpeg).decode()
    return (
        f'<figure><img alt="face {thumbnail.track} in frame {thumbnail.frame}" '
        f'src="data:image/jpeg;base64,{content}">{thumbnail.frame}</figure>'
    )
