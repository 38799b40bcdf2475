"""Anonymized videos judged, as a document for scripts and a page for people."""

import math
from collections.abc import Iterable
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from veilmesh_ml.comparison import DLIB_THRESHOLD_DISSIMILARITY
from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.plots import rendered
from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.evaluate.report import Plot, Report, Section, Table
from veilmesh_ml.evaluate.video import Judged, VideosResult, document

PRIVACY: Final = (
    "clip",
    "tool",
    "exposed face-frames",
    "under the mask",
    "untouched",
    "averaged: recognised",
)
COST: Final = ("clip", "tool", "frames/s", "CPU ms a frame", "peak RSS", "size", "sound")
LOOK: Final = ("clip", "tool", "motion r", "flicker, before", "flicker, after")
DEFINITIONS: Final = (
    "Exposed: faces that MMOD finds in a frame of the original, that still match themselves at .6 in the "
    "output, by dlib's features at the original's landmarks, and do not lie under one flat colour. Landmarks "
    "that CenterFace contradicts give way to others that it does not, where there are any. The interval is "
    "for the effective number of face-frames, for those of one track are alike; where none is exposed it is "
    "the number of tracks.\n\n"
    "Untouched: faces that CenterFace sees clearly in the original, from the side too, whose fine detail is "
    "still there in the output.\n\n"
    "Averaged: tracks of five frames and more whose aligned faces, averaged over the output, match any of "
    "the track's original faces.\n\n"
    "Motion r: correlation of five landmarks' steps from frame to frame, original and output, where a face "
    "is left. Flicker: mean difference of the aligned face from frame to frame, in levels.\n\n"
    "Costs are of a whole process a clip, from start to end, models loaded and file written; the tools ran "
    "one after the other on this machine."
)


def video_report(result: VideosResult) -> Report:
    """Return the report."""
    return Report(
        name="video",
        title="Anonymized videos: what leaks, how steady they are, what they cost",
        document={"rows": [document(each) for each in result.judged], "missing": result.missing},
        sections=(
            Section("What was measured", f"{DEFINITIONS}\n\n{result.missing}".strip()),
            Section("Privacy", tables=[Table(PRIVACY, privacy_rows(result))], plots=[_distances(result)]),
            Section("Cost", tables=[Table(COST, cost_rows(result))]),
            Section("Steadiness", tables=[Table(LOOK, look_rows(result))]),
        ),
    )


def privacy_rows(result: VideosResult) -> list[tuple[str, ...]]:
    return [
        (*_named(each), told(each.exposed), _count(each.masked), _count(each.untouched), told(each.averaged))
        for each in result.judged
    ]


def cost_rows(result: VideosResult) -> list[tuple[str, ...]]:
    return [
        (
            *_named(each),
            f"{each.frames_per_s:.2f}",
            f"{each.cpu_ms_per_frame:.0f}",
            f"{each.peak_rss_bytes / 2**20:.0f} MiB",
            f"{each.bytes_out / each.bytes_in:.2f}",
            each.sound,
        )
        for each in result.judged
    ]


def look_rows(result: VideosResult) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for each in result.judged:
        r, (before, after) = each.steadiness, each.flicker
        steady = "no face left" if math.isnan(r.value) else f"{r.value:.3f} ({r.low:.3f}-{r.high:.3f})"
        rows.append((*_named(each), steady, f"{before:.2f}", f"{after:.2f}"))
    return rows


def told(rate: Rate | ClusteredRate) -> str:
    """Return a share as people read it: count, trials and the interval."""
    if not rate.trials:
        return "none to judge"
    low, high = rate.interval
    return f"{rate.count} of {rate.trials} ({low:.1%}-{high:.1%})"


def _count(rate: Rate) -> str:
    return f"{rate.count} of {rate.trials}"


def _named(each: Judged) -> tuple[str, str]:
    clips = f" ({len(each.runs)})" if len(each.runs) > 1 else ""
    refused = f", {each.refused} refused" if each.refused else ""
    return f"{each.clip}{clips}", f"{each.tool}{refused}"


def _distances(result: VideosResult) -> Plot:
    """Draw how far faces are from themselves, by tool, those under the mask left out."""
    figure = Figure(figsize=(6.4, 3.6))
    axes = figure.add_subplot()
    bins = np.linspace(0, 1.2, 49).tolist()
    for tool in dict.fromkeys(each.tool for each in result.judged):
        values = list(_unmasked(each for each in result.judged if each.tool == tool))
        axes.hist(values, bins, histtype="step", label=tool)
    axes.axvline(DLIB_THRESHOLD_DISSIMILARITY, color="#888", linestyle=":")
    axes.set_xlabel("dissimilarity of a face to itself in the original; left of the line it matches")
    axes.set_ylabel("face-frames")
    axes.legend()
    return rendered(figure, "How far faces are from themselves, those under the solid mask left out.")


def _unmasked(judged: Iterable[Judged]) -> Iterable[float]:
    for each in judged:
        for apart, masked in zip(each.told.dissimilarity, each.told.masked, strict=True):
            if not masked:
                yield apart
