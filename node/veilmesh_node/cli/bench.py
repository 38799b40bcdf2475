"""`veilmesh bench`: figures measured on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from veilmesh_network.fabric.plan import Orderers

from veilmesh_node.cli.options import FabricOption, JsonOption, OrderersOption, require_fabric

if TYPE_CHECKING:
    from veilmesh_ml.bench_faces import FacesReport
    from veilmesh_network.bench import BenchResult

app = typer.Typer(no_args_is_help=True, help="Measure this machine.")

LONG_CHAIN_TRANSACTIONS = 8000  # some 33,000 signatures
GALLERIES = (10_000, 100_000, 1_000_000)  # references


@app.command()
def ledger(
    fabric: FabricOption = False,
    orderers: OrderersOption = None,
    as_json: JsonOption = False,
) -> None:
    """How many changes and queries a second a ledger does, and how long each takes, at 1 to 400 clients."""
    import asyncio
    from dataclasses import asdict

    from veilmesh_network.bench import bench_ledger

    from veilmesh_node.cli import output
    from veilmesh_node.cli.interruption import sigterm_interrupts

    require_fabric(orderers, fabric=fabric)
    if fabric:
        orderers = orderers or Orderers.RAFT
    with sigterm_interrupts(), output.step("measuring"):
        result = asyncio.run(bench_ledger(progress=output.note, orderers=orderers))
    document = {**asdict(result), "receipts_per_s": result.receipts_per_s}
    output.show(document, lambda: _show_ledger(result), as_json=as_json)


@app.command()
def audit(as_json: JsonOption = False) -> None:
    """How many signatures a second the audit of a long chain checks, beside the machine's bare rate."""
    import asyncio

    from veilmesh_network.bench import Operation, Stage, bench_ledger

    from veilmesh_node.cli import auditing, output
    from veilmesh_node.cli.interruption import sigterm_interrupts

    chain: list[bytes] = []
    with sigterm_interrupts(), output.step("making a chain"):
        asyncio.run(
            bench_ledger(
                [Stage(Operation.ANCHOR, 100, LONG_CHAIN_TRANSACTIONS)],
                output.note,
                on_loaded=lambda network: chain.extend(auditing.chain_of(network)),
            )
        )
    document = auditing.measure(chain)
    output.show(document, lambda: output.fields("audit", document), as_json=as_json)


@app.command()
def faces(
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            exists=True,
            file_okay=False,
            help="A folder of photos, of which 32 are taken; without it one portrait in 32 variations.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """How fast faces are found and encoded, beside dlib with the same chips and pictures."""
    from tempfile import TemporaryDirectory

    from veilmesh_ml.bench_faces import bench_faces, choose_pictures, make_pictures

    from veilmesh_node.cli import output

    with TemporaryDirectory() as folder, output.step("measuring"):
        pictures = make_pictures(Path(folder)) if data is None else choose_pictures(data)
        report = bench_faces(pictures, output.note)
    output.show(report.document(), lambda: _show_faces(report), as_json=as_json)


@app.command()
def content(as_json: JsonOption = False) -> None:
    """How long a surrogate of 10 kB takes into an IPFS daemon and out again, beside the daemon's bare API."""
    from dataclasses import asdict

    from veilmesh_node.cli import output
    from veilmesh_node.content_bench import measure_content

    with output.step("measuring"):
        figures = measure_content()
    document = asdict(figures)
    output.show(document, lambda: _show_content(document), as_json=as_json)


@app.command()
def cluster(
    pictures: Annotated[
        int, typer.Option(min=20, help="How many to encode each time: in a loop, by one worker, by two.")
    ] = 400,
    items: Annotated[
        int, typer.Option(min=20, help="How many items for the workers that are killed.")
    ] = 10_000,
    as_json: JsonOption = False,
) -> None:
    """Pictures a second by a plain loop, one worker and two; Ray's share; workers killed in mid-run."""
    from dataclasses import asdict
    from tempfile import TemporaryDirectory

    from veilmesh_ml.bench_faces import make_pictures

    from veilmesh_node.cli import output
    from veilmesh_node.cli.interruption import sigterm_interrupts
    from veilmesh_node.cluster.bench import measure_cluster
    from veilmesh_node.cluster.ray_process import require_ray
    from veilmesh_node.demo.workers import LocalWorkers

    require_ray()
    with sigterm_interrupts(), TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pictures").mkdir()
        workers = LocalWorkers(folder / "cluster")
        try:
            workers.start()
            figures = measure_cluster(
                workers,
                make_pictures(folder / "pictures"),
                folder / "results",
                output.note,
                pictures=pictures,
                kill_items=items,
            )
        finally:
            workers.stop()
    document = asdict(figures)
    output.show(document, lambda: output.fields("cluster", document), as_json=as_json)


def _show_ledger(result: "BenchResult") -> None:
    from veilmesh_node.cli import output

    output.table(
        f"ledger {result.ledger}, {result.endorsements} members, {result.blocks} blocks",
        ["operation", "clients", "count", "a second", "p50 ms", "p99 ms", "ledger CPU ms", "load CPU ms"],
        [
            [
                str(each.operation),
                str(each.concurrency),
                str(each.count),
                f"{each.per_s:,.0f}",
                f"{each.p50_ms:,.1f}",
                f"{each.p99_ms:,.1f}",
                f"{each.ledger_cpu_ms:.2f}",
                f"{each.load_cpu_ms:.2f}",
            ]
            for each in result.stages
        ],
    )
    output.results.print(f"{result.receipts_per_s:,.0f} receipts anchored a second, in batches")
    output.fields("memory, MiB", result.memory_mib)


def _show_faces(report: "FacesReport") -> None:
    from veilmesh_node.cli import output

    document = report.document()
    comparisons = {**report.encoder, **report.mmod}
    output.fields("engine", {name: value for name, value in document.items() if not isinstance(value, dict)})
    output.table(
        "milliseconds a chip, or a picture",
        ["work", "dlib", "fast engine", "times as fast", "furthest apart"],
        [
            [
                name,
                f"{each.dlib_ms:.1f}",
                f"{each.fast_ms:.1f}",
                f"{each.times_as_fast:.1f}",
                f"{each.largest_difference:.1e}",
            ]
            for name, each in comparisons.items()
        ],
    )
    output.fields("pictures a second", document["pictures_per_s"])
    output.fields("share of each step", document["shares"])


@app.command()
def identify(
    data: Annotated[
        Path | None,
        typer.Option("--data", exists=True, file_okay=False, help="A folder like LFW's: NAME/NAME_0001.jpg."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """How long a search among 10,000 to a million references takes; with --data, how often it is right."""
    from dataclasses import asdict

    from veilmesh_node.cli import output
    from veilmesh_node.gallery_bench import measure_opening, measure_search

    document: dict[str, Any] = {}
    with output.step("measuring"):
        opening_ms = measure_opening()
        document["opening_a_template_cpu_ms"] = round(opening_ms, 3)
        document["searches"] = []
        for references in GALLERIES:
            output.note(f"{references:,} references")
            figures = {name: round(value, 2) for name, value in asdict(measure_search(references)).items()}
            opening_s = opening_ms * references / 1000
            document["searches"].append(figures | {"opening_all_cpu_s": round(opening_s, 1)})
    if data is not None:
        document["closed_set"] = _closed_set(data)
    output.show(document, lambda: _show_identify(document), as_json=as_json)


def _show_content(document: dict[str, Any]) -> None:
    from veilmesh_node.cli import output

    calls = {name: times for name, times in document.items() if isinstance(times, dict)}
    output.fields("with", {name: value for name, value in document.items() if name not in calls})
    output.table(
        "milliseconds a call",
        ["call", "p50", "p99", "own processor time"],
        [[name, *(f"{value:.2f}" for value in times.values())] for name, times in calls.items()],
    )


class _NothingKept:
    """Features of the photos leave nothing behind."""

    def find(self, photo_sha256: str) -> None:
        """Know of no earlier run."""

    def add(self, samples: object) -> None:
        """Forget."""


def _closed_set(data: Path) -> dict[str, Any]:
    """Make features of a folder's photos, and search for them."""
    from dataclasses import asdict

    from veilmesh_ml import load_engine
    from veilmesh_ml.evaluate.samples import acquire

    from veilmesh_node.cli.progress import progress_bar
    from veilmesh_node.closed_set import search_all, split

    chosen, engine = split(data), load_engine()
    photos = [*chosen.gallery.values(), *chosen.probes.values()]
    with progress_bar("photos") as on_progress:
        samples = acquire(engine, photos, _NothingKept(), lambda done: on_progress(done, len(photos)))
    return asdict(search_all(chosen, {path: sample.features for path, sample in samples.items()}))


def _show_identify(document: dict[str, Any]) -> None:
    from veilmesh_node.cli import output

    searches = document["searches"]
    output.table(
        "searches",
        list(searches[0]),
        [[f"{value:,}" for value in figures.values()] for figures in searches],
    )
    if "closed_set" in document:
        counts = dict(document["closed_set"])
        named = counts.pop("named")
        output.fields("closed set", counts)
        for answers in named:
            output.fields(f"at threshold {answers.pop('threshold')}", answers)
