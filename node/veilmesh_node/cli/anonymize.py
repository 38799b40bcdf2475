"""`veilmesh anonymize`: pictures, videos and whole folders, on this machine; nothing is sent anywhere.

With `--home` the organisation's node signs a privacy receipt for each picture and video and anchors them on
the ledger. It is given digests only, never a picture; threshold, margin and, unless one is named, the method
are then those of the policy in force. What `permute` does can be undone, but by one node alone, and on an
order: each picture's key is sealed to that node as it is made, and lies beside it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.options import JsonOption
from veilmesh_node.cli.shared_options import with_options
from veilmesh_node.cli.video_options import VideoOptions

if TYPE_CHECKING:
    from veilmesh_chaincode.records.policy import Terms
    from veilmesh_ml.folder import FolderReport
    from veilmesh_ml.folder_job import FolderSettings

    from veilmesh_node.cli.videos import Filmed
    from veilmesh_node.sealed_key import Keeper

KNOWN_TO_FAIL = frozenset({"blur", "pixelate", "noise", "superpixel"})
MCPHERSON = (
    "57 to 71 of 100 at the first guess when blurred or pixelated (McPherson et al. 2016); prefer cluster"
)


@with_options(VideoOptions)
def anonymize(
    video: VideoOptions,
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="Pictures, videos, and folders of both; or one of: - (a pipe), /dev/video0 (a camera), "
            "frames/%04d.png (numbered pictures).",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="The folder where the outputs go; for one video a file, frames/%04d.png, or - (a pipe, in "
            "Matroska).",
        ),
    ],
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            "-m",
            help="cluster, blur, pixelate, noise, mask, superpixel or permute.",
            show_default="cluster; with --home, the policy's first",
        ),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            help="cluster: natural, or strict, which keeps less of the person.", show_default="natural"
        ),
    ] = None,
    pixels: Annotated[
        int | None, typer.Option("--pixels", "-n", min=1, help="permute: how many pixels of a face.")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="permute: a file of 64 hex digits; `veilmesh_ml` restores the pictures with it.",
        ),
    ] = None,
    seal_to: Annotated[
        str | None,
        typer.Option(
            metavar="NODE",
            help="permute, with --home: who can undo it, on an order (`veilmesh unseal`).",
            show_default="the home's own node",
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Demand the gate's wider margin.")] = False,
    home: Annotated[
        Path | None,
        typer.Option(
            envvar="VEILMESH_HOME", help="Have this home's node sign privacy receipts.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Anonymize INPUT into a mirror of its tree; every picture is attacked before it is written.

    A face in a video gets one surrogate for as long as it is followed; sound stays as it is.

    Exit code 1 if a file could not be anonymized; all others are done. Run it again to go on after a stop, or
    a crash: what is finished of a video is kept beside its output until then.
    """
    from dataclasses import replace

    from veilmesh_chaincode.records.policy import Policy
    from veilmesh_ml.folder import FolderReport

    from veilmesh_node.cli import ledger, output, sealed_keys, videos

    pictures, jobs = ([], []) if video.preview else videos.divide(inputs, out)
    if any(given.is_file() for given in pictures):
        video.require_videos()
    if out == Path("-") and (home is not None or as_json):
        raise typer.BadParameter("what goes out by a pipe has no receipt, and leaves no room for --json")
    terms = None if home is None else ledger.evaluate(home, "policy:Current", None, Policy).terms
    settings = _settings(method, {"mode": mode, "n": pixels}, key_file, terms, strict=strict)
    if settings.method in KNOWN_TO_FAIL:
        output.note(f"warning: faces under {settings.method} are recognised by trained networks: {MCPHERSON}")
    if video.preview:
        videos.preview(inputs, out, video, settings)
        output.tell({"preview": str(out)}, f"look at {out}; nothing else was written", as_json=as_json)
        return
    settings = replace(settings, seal=_keeper(settings, home, seal_to))
    filmed = videos.run(jobs, video, settings) if jobs else []
    report = _run(pictures, out, settings) if pictures else FolderReport(())
    sealed = sealed_keys.write(report.results)
    _note_failures(report)
    if video.report is not None:
        videos.write_report(video.report, filmed)
    anchored = None if home is None else _anchor(home, out, report, filmed, settings.digest)
    document = {
        **{status: _count(status, report, filmed) for status in ("released", "kept", "failed")},
        "anchor": anchored,
        "sealed_keys": sealed,
        "files": [
            {
                "input": str(result.source),
                "output": None if result.target is None else str(result.target),
                "status": result.status,
                "faces": result.faces,
                "method": result.method,
                "closest_dissimilarity": result.closest_dissimilarity,
                "error": result.error,
                "hint": result.hint,
            }
            for result in report.results
        ],
        "videos": [videos.document(each) for each in filmed],
    }
    output.show(document, lambda: _show(report, filmed, out), as_json=as_json)
    if document["failed"]:
        raise typer.Exit(ExitCode.FAILED)


def _count(status: str, report: "FolderReport", filmed: "list[Filmed]") -> int:
    return sum(result.status == status for result in report.results) + sum(
        each.status == status for each in filmed
    )


def _anchor(
    home: Path, out: Path, report: "FolderReport", filmed: "list[Filmed]", settings_digest: str
) -> "dict[str, Any]":
    """Get receipts for all that was released, and anchor them; return what was anchored."""
    from veilmesh_node.cli import output, receipts

    folder = out.parent if any(each.job.target == out for each in filmed) else out
    with output.step("frames are hashed for their receipts", quiet=not filmed):
        waiting = [
            *receipts.pictures(report.results, settings_digest),
            *receipts.videos([each.report for each in filmed if each.report is not None]),
        ]
    return receipts.issue(home, folder, waiting)


def _settings(
    method: str | None,
    parameters: "dict[str, str | int | None]",
    key_file: Path | None,
    terms: "Terms | None",
    *,
    strict: bool,
) -> "FolderSettings":
    """Return how to anonymize; what the policy's terms demand, `strict` can only tighten."""
    from veilmesh_ml.comparison import DLIB_THRESHOLD_DISSIMILARITY
    from veilmesh_ml.folder_job import FolderSettings
    from veilmesh_ml.gate import GateLevel
    from veilmesh_ml.release import DEFAULT_METHOD

    from veilmesh_node.domain.decision import MICRO

    key = None
    if key_file is not None:
        try:
            key = bytes.fromhex(key_file.read_text().strip())
        except ValueError as err:
            raise typer.BadParameter(f"{key_file} does not hold 64 hex digits") from err
    if terms is None:
        default, threshold, level = DEFAULT_METHOD, DLIB_THRESHOLD_DISSIMILARITY, GateLevel.STANDARD
    else:
        default, threshold = terms.anonymizers[0], terms.threshold_micro / MICRO
        level = GateLevel(terms.gate_level.value)
    return FolderSettings(
        method=method or default,
        parameters={name: value for name, value in parameters.items() if value is not None},
        key=key,
        threshold_dissimilarity=threshold,
        level=GateLevel.STRICT if strict else level,
    )


def _keeper(settings: "FolderSettings", home: Path | None, seal_to: str | None) -> "Keeper | None":
    """Return to whom the pictures' keys are sealed; nobody where there is none, or the owner holds it."""
    from veilmesh_node.cli import sealed_keys

    if seal_to is None and (home is None or settings.method != "permute" or settings.key is not None):
        return None
    if home is None or settings.method != "permute" or settings.key is not None:
        raise typer.BadParameter("--seal-to goes with --home and the method permute, and without --key-file")
    return sealed_keys.keeper(home, seal_to)


def _run(inputs: list[Path], out: Path, settings: "FolderSettings") -> "FolderReport":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from veilmesh_ml.folder import anonymize_folder

    from veilmesh_node.cli import output

    columns = (
        TextColumn("anonymizing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=output.notes, disable=not output.notes.is_terminal) as bar:
        task = bar.add_task("", total=None)
        return anonymize_folder(
            inputs,
            out,
            settings,
            progress=lambda result, done, total: bar.update(
                task, completed=done, total=total, description=result.source.name
            ),
        )


def _show(report: "FolderReport", filmed: "list[Filmed]", out: Path) -> None:
    from veilmesh_node.cli import output, videos

    videos.show(filmed)
    if report.results or not filmed:
        done = len(report.results) - len(report.failures)
        output.results.print(f"{done} of {len(report.results)} pictures anonymized into {out}", markup=False)


def _note_failures(report: "FolderReport") -> None:
    """Say at once what was not anonymized: whatever happens to receipts, this is known."""
    from veilmesh_node.cli import output

    for file in report.failures:
        output.note(f"not anonymized: {file.source}: {file.error}")
