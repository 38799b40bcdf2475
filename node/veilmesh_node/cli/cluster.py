"""`veilmesh cluster`: lend this machine to others' work, or have others lend theirs; hand in work."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from veilmesh.v1.cluster_pb2 import GetClusterResponse

    from veilmesh_node.cluster.tally import Tally
    from veilmesh_node.cluster.work import Job

app = typer.Typer(no_args_is_help=True, help="Several machines at one work, governed by the ledger.")


class Work(StrEnum):
    ANONYMIZE = "anonymize"
    ENCODE = "encode"
    DETECT = "detect"


@app.command()
def start(
    home: HomeOption,
    listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Be the head: take machines here.", show_default=False),
    ] = None,
    join: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Be a worker: join the head that listens there.", show_default=False
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(metavar="NODE", help="With --join: the head's node, as the ledger names it."),
    ] = None,
    admit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MSP_ID", help="With --listen: let this organisation's workers see our pictures; repeat."
        ),
    ] = None,
    cpus: Annotated[
        int | None,
        typer.Option(min=1, help="With --join: processors to lend.", show_default="all of this machine's"),
    ] = None,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="With --listen: have Ray's dashboard, on loopback.")
    ] = False,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="With --listen: serve Prometheus metrics here, on loopback."),
    ] = None,
) -> None:
    """Be the head of a cluster, or a worker in one, in the foreground until SIGTERM or Ctrl-C.

    A worker's node has to be active on the ledger with the role `worker`, and stay so.
    """
    import logging
    import os

    from veilmesh_node.cluster import head as heads
    from veilmesh_node.cluster import worker as workers

    if (listen is None) == (join is None):
        raise typer.BadParameter("give --listen to be the head, or --join and --head to be a worker")
    if (join is None) != (head is None):
        raise typer.BadParameter("--join and --head belong together")
    if join is not None and (admit or dashboard or metrics):
        raise typer.BadParameter("--admit, --dashboard and --metrics belong to --listen")
    if listen is not None and cpus is not None:
        raise typer.BadParameter("the head lends no processors; have a worker run beside it: --join")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if listen is not None:
        settings = heads.HeadSettings(listen, tuple(admit or ()), dashboard, _loopback(metrics))
        heads.run(home, settings)
    elif join is not None and head is not None:
        workers.run(
            home,
            workers.WorkerSettings(join, head, cpus if cpus is not None else len(os.sched_getaffinity(0))),
        )


@app.command()
def status(home: HomeOption, as_json: JsonOption = False) -> None:
    """Show who works in the cluster whose head runs from this home, who was sent away, and how jobs go."""
    from veilmesh_node.cli import output
    from veilmesh_node.cluster.head_line import head_line

    with head_line(home) as line:
        said = line.cluster()
    output.show(output.message(said), lambda: _show(said), as_json=as_json)


@app.command()
def stop(home: HomeOption, as_json: JsonOption = False) -> None:
    """Stop the worker and the head that run from this home; jobs can be gone on with later."""
    from veilmesh_node.cli import output
    from veilmesh_node.cluster.running import Part, Running

    stopped = [part.value for part in (Part.WORKER, Part.HEAD) if Running(home, part).stop()]
    output.tell(
        {"stopped": stopped},
        f"stopped: {' and '.join(stopped)}" if stopped else "nothing was running",
        as_json=as_json,
    )


@app.command()
def submit(
    work: Annotated[Work, typer.Argument(metavar="WORK", help="anonymize, encode or detect.")],
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...", exists=True, help="Pictures, and folders of them; for anonymize videos, too."
        ),
    ],
    home: HomeOption,
    out: Annotated[Path, typer.Option("--out", "-o", file_okay=False, help="The folder of the results.")],
    method: Annotated[
        str | None,
        typer.Option(
            "--method", "-m", help="anonymize: as for `veilmesh anonymize`.", show_default="cluster"
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="anonymize: demand the gate's wider margin.")
    ] = False,
    gpus: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of a GPU for each worker process; 0: none is used."),
    ] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Have pictures and videos anonymized, or pictures' faces encoded or detected, by all workers.

    encode and detect write a line a picture into OUT/results.jsonl, anonymize a mirror of the folders; each
    video is done by one worker. Fewer than 200 pictures, where there is no video, are done here, without Ray.
    Ctrl-C has what is at work finished, a second one ends it; run it again to go on.

    Exit code 1 if a file failed; the report OUT/.veilmesh-report.json lists each with its reason.
    """
    import time

    from veilmesh_node.cli import output, videos
    from veilmesh_node.cli.progress import rates_progress
    from veilmesh_node.cluster.submission import FEW, Stop, Submission
    from veilmesh_node.cluster.tally import write_report

    if work is not Work.ANONYMIZE and (method or strict):
        raise typer.BadParameter("--method and --strict belong to anonymize")
    stop_ = Stop(lambda: output.note("stopping: what is at work is finished first"))
    complete = False
    with rates_progress(work.value) as on_progress:
        submission = Submission(_job(work, inputs, out, method, strict=strict), stop_, on_progress)
        try:
            if len(submission.to_do) < FEW and not any(item.long for item in submission.to_do):
                complete = submission.run_here()
            else:
                complete = submission.run_in_cluster(home, gpu_share=gpus)
        finally:
            document = submission.tally.document(time.monotonic(), complete=complete)
            report = write_report(out, document)
    if any(item.long for item in submission.to_do):
        output.note(videos.UNSEEN)
    for each in submission.tally.failures:
        output.note(f"failed: {each.name}: {each.error}")
    output.show(document | {"report": str(report)}, lambda: _tell(submission.tally, out), as_json=as_json)
    if not complete:
        raise typer.Exit(ExitCode.INTERRUPTED)
    if submission.tally.failures:
        raise typer.Exit(ExitCode.FAILED)


def _job(work: Work, inputs: list[Path], out: Path, method: str | None, *, strict: bool) -> "Job":
    from veilmesh_node.cluster.jobs import AnonymizeJob, FacesJob
    from veilmesh_node.cluster.tasks import FacesTask

    if work is not Work.ANONYMIZE:
        return FacesJob(inputs, out, FacesTask(encode=work is Work.ENCODE))

    from veilmesh_ml.folder_job import FolderSettings
    from veilmesh_ml.gate import GateLevel
    from veilmesh_ml.release import DEFAULT_METHOD

    level = GateLevel.STRICT if strict else GateLevel.STANDARD
    return AnonymizeJob(inputs, out, FolderSettings(method=method or DEFAULT_METHOD, level=level))


def _loopback(address: str | None) -> str | None:
    """Return an address for metrics, where whoever reaches it is not asked who they are.

    Raises:
        typer.BadParameter: it is not on loopback.
    """
    from pydantic import TypeAdapter, ValidationError

    from veilmesh_node.config import LoopbackAddress

    if address is None:
        return None
    try:
        checked: str = TypeAdapter(LoopbackAddress).validate_python(address)
    except ValidationError as err:
        raise typer.BadParameter(err.errors()[0]["msg"], param_hint="--metrics") from err
    return checked


def _show(said: "GetClusterResponse") -> None:
    from veilmesh_node.cli import output

    output.fields(
        f"cluster {said.cluster_id}",
        {"workers": len(said.workers), "Ray's dashboard": said.dashboard_url or "none"},
    )
    rows: list[list[Any]] = [
        [each.node_id, each.msp_id, each.state, output.moment(each.admitted_at_s)] for each in said.workers
    ]
    rows += [
        [each.node_id, "", f"sent away: {each.reason}", output.moment(each.at_s)] for each in said.sent_away
    ]
    if rows:
        output.table("", ["node", "organisation", "state", "since"], rows)
    for job in said.jobs:
        by = ", ".join(f"{node_id} {done}" for node_id, done in sorted(job.done_by.items()))
        state = "ended" if job.ended else f"{job.items_per_s:.1f} items/s"
        output.results.print(
            f"{job.task} {job.job_id}: {job.done} of {job.items}, {job.failed} failed, {state}; {by}",
            markup=False,
        )


def _tell(tally: "Tally", out: Path) -> None:
    from veilmesh_node.cli import output

    done = tally.done - len(tally.failures)
    kept = f", {tally.kept} of them before" if tally.kept else ""
    output.results.print(f"{done} of {tally.items} done into {out}{kept}", markup=False)
