"""Judges anonymized videos: what leaks, how steady they are, what they cost; beside `deface` if it is there.

1. Clips are taken as given, and made of photos (`moving_stills`).
2. Every tool anonymizes every clip, one after the other (`video_tools`).
3. What came out is looked at beside the original (`video_faces`).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import av
import numpy as np

from veilmesh_ml.comparison import DLIB_THRESHOLD_DISSIMILARITY
from veilmesh_ml.errors import ParameterError
from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.estimates import Estimate
from veilmesh_ml.evaluate.moving_stills import choose_stills, write_clip
from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.evaluate.video_faces import Examiner, Told
from veilmesh_ml.evaluate.video_tools import Run, Tool, find_deface, ours, run_tool
from veilmesh_ml.fast.engine import FastEngine
from veilmesh_ml.release import DEFAULT_METHOD
from veilmesh_ml.video.centerface import CenterFace

MADE: Final = "clips made of photos"

OnProgress = Callable[[str, int, int], None]  # stage, how much is done, of how much


@dataclass(frozen=True, slots=True)
class VideoEvaluation:
    """What is to be judged.

    Attributes:
        clips: files.
        data: folder of photos that clips are made of; None for none.
        stills: how many people of LFW, and photos of UTKFace.
        initials: of these people, first and last.
        seed: of the clips' motion.
        method: anonymizer.
        deface: its command.
        folder: where clips that are made and outputs are kept.
    """

    clips: Sequence[Path]
    data: Path | None
    folder: Path
    stills: int = 10
    initials: tuple[str, str] = ("S", "Z")
    seed: int = 0
    method: str = DEFAULT_METHOD
    deface: str = "deface"


@dataclass(slots=True, eq=False)
class Judged:
    """What one tool made of one clip, or of all that were made of photos.

    Attributes:
        clip, tool: names.
        frames: of the original.
        runs: one a clip.
        sound: `kept` bit for bit, `changed`, `lost`, or `none` where there was none.
        bytes_in, bytes_out: sizes of the files.
        tracks: faces followed in the original.
        told: what is left of them.
    """

    clip: str
    tool: str
    frames: int = 0
    runs: list[Run] = field(default_factory=list)
    sound: str = "none"
    bytes_in: int = 0
    bytes_out: int = 0
    tracks: int = 0
    told: Told = field(default_factory=Told)

    @property
    def refused(self) -> int:
        """Clips that gave no output: nothing of them leaks."""
        return sum(bool(run.refusal) for run in self.runs)

    @property
    def frames_per_s(self) -> float:
        return self.frames / sum(run.wall_s for run in self.runs)

    @property
    def cpu_ms_per_frame(self) -> float:
        return 1000 * sum(run.cpu_s for run in self.runs) / self.frames

    @property
    def peak_rss_bytes(self) -> int:
        return max(run.peak_rss_bytes for run in self.runs)

    @property
    def exposed(self) -> ClusteredRate:
        """Face-frames; those of a track are not independent."""
        return ClusteredRate.of(self.told.exposed, np.array(self.told.tracks, dtype=np.int64))

    @property
    def masked(self) -> Rate:
        return Rate(sum(self.told.masked), len(self.told.masked))

    @property
    def untouched(self) -> Rate:
        return Rate(self.told.untouched, self.told.clear)

    @property
    def averaged(self) -> Rate:
        """Tracks that are recognised when their frames are averaged."""
        near = sum(apart <= DLIB_THRESHOLD_DISSIMILARITY for apart in self.told.averaged)
        return Rate(near, len(self.told.averaged))

    @property
    def steadiness(self) -> Estimate:
        """Correlation of the landmarks' motion in original and output."""
        steps = np.array(self.told.motion).reshape(-1, 2, 10)
        return Estimate.correlation(steps[:, 0].ravel(), steps[:, 1].ravel())

    @property
    def flicker(self) -> tuple[float, float]:
        """Mean difference of an aligned face from frame to frame, levels: original and output."""
        both = np.array(self.told.flicker).reshape(-1, 2)
        return (float(both[:, 0].mean()), float(both[:, 1].mean())) if len(both) else (0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class VideosResult:
    """Attributes: judged: by clip, then by tool. missing: what could not be measured here, and why."""

    judged: list[Judged]
    missing: str


def evaluate_video(wanted: VideoEvaluation, engine: FastEngine, progress: OnProgress) -> VideosResult:
    """Anonymize, look, and count.

    Raises:
        ParameterError: there is nothing to judge.
        ModelError: a model is missing.
        VideoError: a clip cannot be read.
    """
    stills = [] if wanted.data is None else choose_stills(wanted.data, wanted.stills, wanted.initials)
    if not (wanted.clips or stills):
        raise ParameterError(
            "there is no clip to judge", hint="name clips, or a folder of photos with --data"
        )
    clips = [(clip.name, clip) for clip in wanted.clips]
    for number, still in enumerate(stills):
        clip = wanted.folder / "made" / f"{still.name}.mp4"
        write_clip(still, clip, wanted.seed + number)
        clips.append((MADE, clip))
    other = find_deface(wanted.deface)
    tools = [ours(wanted.method), *([other] if other else [])]
    judging = _Judging(tools, Examiner(engine, CenterFace.load()), wanted.folder)
    for number, (name, clip) in enumerate(clips):
        progress(name, number, len(clips))
        judging.add(name, clip)
    missing = "" if other else f"deface is not compared: no command {wanted.deface!r} that runs"
    return VideosResult(list(judging.judged.values()), missing)


@dataclass(frozen=True, slots=True, eq=False)
class _Judging:
    tools: Sequence[Tool]
    examiner: Examiner
    folder: Path
    judged: dict[tuple[str, str], Judged] = field(default_factory=dict)

    def add(self, name: str, clip: Path) -> None:
        """Let every tool anonymize a clip, and look at what came out."""
        outputs: dict[str, Path] = {}
        frames = frames_of(clip)
        for tool in self.tools:
            target = self.folder / tool.name / f"{clip.stem}.mp4"
            run = run_tool(tool, clip, target)
            each = self.judged.setdefault((name, tool.name), Judged(name, tool.name))
            each.runs.append(run)
            each.frames += frames
            each.bytes_in += clip.stat().st_size
            if not run.refusal:
                outputs[tool.name] = target
                each.bytes_out += target.stat().st_size
                each.sound = compared(sound_of(clip), sound_of(target))
        told, tracks = self.examiner.examine(clip, outputs)
        for tool in self.tools:
            each = self.judged[name, tool.name]
            if tool.name in told:
                each.told.add(told[tool.name], each.tracks)
            each.tracks += tracks


def frames_of(clip: Path) -> int:
    """Return how many frames there are, by their packets."""
    with av.open(str(clip)) as container:
        return sum(bool(packet.size) for packet in container.demux(video=0))


def sound_of(clip: Path) -> Sequence[bytes]:
    """Return the SHA-256 of all packets of each stream of sound."""
    with av.open(str(clip)) as container:
        digests = {stream.index: hashlib.sha256() for stream in container.streams.audio}
        for packet in container.demux(*container.streams.audio) if digests else ():
            digests[packet.stream.index].update(packet)
    return [digest.digest() for digest in digests.values()]


def compared(before: Sequence[bytes], after: Sequence[bytes]) -> str:
    """Return what became of the sound, in a word."""
    if not before:
        return "none"
    if not after:
        return "lost"
    return "kept" if before == after else "changed"


def document(each: Judged) -> Mapping[str, object]:
    """Return the figures for scripts."""
    before, after = each.flicker
    return {
        "clip": each.clip,
        "tool": each.tool,
        "clips": len(each.runs),
        "refused": each.refused,
        "frames": each.frames,
        "frames_out": each.told.frames,
        "tracks": each.tracks,
        "frames_per_s": each.frames_per_s,
        "cpu_ms_per_frame": each.cpu_ms_per_frame,
        "peak_rss_bytes": each.peak_rss_bytes,
        "bytes_in": each.bytes_in,
        "bytes_out": each.bytes_out,
        "sound": each.sound,
        "exposed": each.exposed.document(),
        "masked": each.masked.document(),
        "untouched": each.untouched.document(),
        "averaged_recognised": each.averaged.document(),
        "motion_correlation": each.steadiness.document(),
        "flicker_levels": {"original": before, "output": after},
    }
