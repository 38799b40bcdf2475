"""`veilmesh train`: build what an anonymizer ships as weights, from photos you name; nothing is sent."""

import hashlib
import math
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from veilmesh_node.cli.options import JsonOption, initials_between
from veilmesh_node.cli.shared_options import with_options

app = typer.Typer(no_args_is_help=True, help="Build an anonymizer's weights from photos.")


class Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


@app.callback()
def train() -> None:
    """Build an anonymizer's weights from photos."""


@app.command()
def bank(
    data: Annotated[
        list[Path],
        typer.Option(
            "--data",
            exists=True,
            file_okay=False,
            help="Photos of faces, NAME/*.jpg, or named as UTKFace's; may be given again.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", dir_okay=False, help="The bank's file.")],
    initials: Annotated[
        str, typer.Option(metavar="A-Z", help="Only people NAME/ with these initials; the rest can judge it.")
    ] = "A-Z",
    clusters: Annotated[int, typer.Option(min=1, max=2000, help="Donors to look for.")] = 430,
    seed: Annotated[
        int, typer.Option(min=0, help="Of the clustering; equal photos and seed, equal bank.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Build the bank of averaged faces for the anonymizer `cluster`.

    Every donor is the average of 16 people or more. The faces found are kept in OUT.faces.sqlite, so a run
    that was stopped goes on: delete it with the photos.
    """
    from veilmesh_ml import load_engine
    from veilmesh_ml.image import write_atomically
    from veilmesh_ml.surrogate.bank import decode_bank, encode_bank
    from veilmesh_ml.train.bank import build_bank
    from veilmesh_ml.train.photo_folder import FaceStore, data_digest, photos_of, read_faces

    from veilmesh_node.cli import output
    from veilmesh_node.cli.progress import progress_bar

    photos = photos_of(data, initials_between(initials))
    with FaceStore(out.with_name(f"{out.name}.faces.sqlite")) as store, progress_bar("photos") as on_photo:
        faces, frame = read_faces(photos, store, load_engine("fast"), on_photo)
    with progress_bar("clusters") as on_cluster:
        built = build_bank(faces, frame, clusters=clusters, seed=seed, progress=on_cluster)
    content = encode_bank(built)
    write_atomically(out, content)
    written = decode_bank(content)
    document = {
        "bank": str(out),
        "sha256": written.digest,
        "bytes": len(content),
        "donors": written.donors,
        "fewest_people": int(written.people.min()),
        "data_sha256": data_digest(photos),
        "photos": len(photos),
        "faces": len(faces),
        "people": int(faces.people.max()) + 1,
    }
    sentence = (
        f"{written.donors} donors from {document['people']} people into {out}, SHA-256 {written.digest}"
    )
    output.tell(document, sentence, as_json=as_json)


@app.command()
def prepare(
    data: Annotated[
        list[Path],
        typer.Option(
            "--data",
            exists=True,
            file_okay=False,
            help="Photos of faces, as for `bank`, or FER2013's seven folders; may be given again.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", dir_okay=False, help="The packed file.")],
    initials: Annotated[
        str, typer.Option(metavar="A-Z", help="Only people NAME/ with these initials; the rest can judge.")
    ] = "A-Z",
    held_out: Annotated[
        str,
        typer.Option(
            metavar="A-Z", help="Of these, who teaches nothing: the best checkpoint is chosen on them."
        ),
    ] = "P-R",
    as_json: JsonOption = False,
) -> None:
    """Find the faces in photos and pack them for a training, into one file of 45 MB at most.

    The faces found are kept in OUT.faces.sqlite, so that a stopped run goes on: delete it with them.
    """
    from veilmesh_ml import load_engine
    from veilmesh_ml.image import write_atomically
    from veilmesh_ml.train.packed import encode_packed, read_packed
    from veilmesh_ml.train.photo_folder import FaceStore
    from veilmesh_ml.train.prepare import Selection
    from veilmesh_ml.train.prepare import prepare as pack
    from veilmesh_ml.weights import shipped_bank

    from veilmesh_node.cli import output
    from veilmesh_node.cli.progress import staged_progress

    selection = Selection(initials_between(initials), initials_between(held_out))
    with FaceStore(out.with_name(f"{out.name}.faces.sqlite")) as store, staged_progress() as progress:
        packed = pack(data, selection, store, load_engine("fast"), bank=shipped_bank(), progress=progress)
    content = encode_packed(packed)
    write_atomically(out, content)
    document = {
        "packed": str(out),
        "sha256": read_packed(out).digest,
        "bytes": len(content),
        **packed.description,
    }
    described = packed.description
    what = [f"{described['faces']} faces of {described['people']} people"] if packed.faces else []
    what += [f"{len(packed.expressions.labels)} expressions"] if packed.expressions else []
    sentence = f"{' and '.join(what)} into {out}, SHA-256 {document['sha256']}"
    output.tell(document, sentence, as_json=as_json)


PackedOption = Annotated[
    Path, typer.Option("--data", exists=True, dir_okay=False, help="The file made by `train prepare`.")
]


@dataclass(frozen=True, slots=True)
class Training:
    """What every training is asked with."""

    data: PackedOption
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", file_okay=False, help="Folder for checkpoints, grids of samples and the log."
        ),
    ]
    device: Annotated[Device, typer.Option(help="`auto` is the GPU where torch can use one.")] = Device.AUTO
    max_minutes: Annotated[
        float | None, typer.Option(min=0, help="End after so long; the training can be gone on with.")
    ] = None
    every_minutes: Annotated[float, typer.Option(min=0.1, help="Minutes between checkpoints.")] = 10.0
    resume: Annotated[bool, typer.Option(help="Go on with the training in that folder.")] = False
    settings: Annotated[
        list[str],
        typer.Option(
            "--set", metavar="NAME=VALUE", help="A setting of the model's training; may be given again."
        ),
    ] = field(default_factory=list)


@app.command()
@with_options(Training)
def siamese(asked: Training, as_json: JsonOption = False) -> None:
    """Train the network that tells people apart, which `ciagan` is guided by."""
    _train("siamese", asked, as_json=as_json)


@app.command()
@with_options(Training)
def ciagan(
    asked: Training,
    guide: Annotated[
        Path, typer.Option("--with", exists=True, dir_okay=False, help="A file of `siamese`'s averages/.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Train the anonymizer that paints a face which is nobody's into a photo."""
    _train("ciagan", asked, guide, as_json=as_json)


@app.command()
@with_options(Training)
def ppsa(asked: Training, as_json: JsonOption = False) -> None:
    """Train the anonymizer that draws small faces from noise: 64 px, or 32 with `--set size_px=32`."""
    _train("ppsa", asked, as_json=as_json)


@app.command()
@with_options(Training)
def stylegan(asked: Training, as_json: JsonOption = False) -> None:
    """Train the generator behind `synthesize`: faces of 64 px whose styles can be mixed."""
    _train("stylegan", asked, as_json=as_json)


@app.command()
def latents(
    data: PackedOption,
    out: Annotated[Path, typer.Option("--out", "-o", dir_okay=False, help="The file of latents.")],
    count: Annotated[int, typer.Option(min=1, help="Latents to draw.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Of drawing and clustering.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Draw faces from the shipped `ppsa` and cluster them by coarse appearance: what it chooses from."""
    from dataclasses import replace

    from veilmesh_ml.anonymizers.ppsa import load_generator
    from veilmesh_ml.expression_reader import ExpressionReader
    from veilmesh_ml.image import write_atomically
    from veilmesh_ml.surrogate.latents import encode_latents
    from veilmesh_ml.train.latents import LatentsPlan, build_latents
    from veilmesh_ml.train.packed import read_packed
    from veilmesh_ml.weights import shipped_bank

    from veilmesh_node.cli import output
    from veilmesh_node.cli.progress import progress_bar

    plan = replace(LatentsPlan(), count=count, seed=seed)
    faces, _ = read_packed(data).require_faces()
    generator = load_generator(plan.latent)
    with progress_bar("faces") as on_progress:
        built = build_latents(
            generator, ExpressionReader().read, faces, shipped_bank(), plan, progress=on_progress
        )
    content = encode_latents(built.clusters)
    write_atomically(out, content)
    document = {
        "latents": str(out),
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "drawn": count,
        "clusters": plan.clusters,
        "kept_of_each": plan.kept,
        "smallest_cluster": int(built.sizes.min()),
        "clustering_s": round(built.clustering_s, 2),
        "generator_sha256": generator.digest,
    }
    sentence = (
        f"{count} faces drawn, {plan.clusters} clusters, {plan.kept} faces kept of each in {out}\n"
        f"For the table of ppsa in weights.toml:\n"
        f'latents = "{out.name}"\nlatents_sha256 = "{document["sha256"]}"'
    )
    output.tell(document, sentence, as_json=as_json)


@app.command()
def drawn(
    data: PackedOption,
    out: Annotated[Path, typer.Option("--out", "-o", dir_okay=False, help="The file of drawn faces.")],
    count: Annotated[int, typer.Option(min=64, help="Faces to draw; not all are kept.")] = 6000,
    seed: Annotated[int, typer.Option(min=0, help="Of drawing.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Draw faces from the shipped style-based GAN and note what is known of each, for who starts from them.

    Kept is whose face a detector finds, and who is like nobody in the packed file.
    """
    from veilmesh_ml import load_engine
    from veilmesh_ml.image import write_atomically
    from veilmesh_ml.synthesis.drawn import encode_drawn
    from veilmesh_ml.synthesis.style_gan import StyleGan
    from veilmesh_ml.train.drawn import draw
    from veilmesh_ml.train.packed import read_packed
    from veilmesh_ml.weights import shipped_bank

    from veilmesh_node.cli import output
    from veilmesh_node.cli.progress import progress_bar

    people, _ = read_packed(data).require_faces()
    gan = StyleGan()
    with progress_bar("faces") as on_progress:
        made = draw(
            gan,
            load_engine(),
            shipped_bank(),
            people.features,
            count=count,
            seed=seed,
            progress=on_progress,
        )
    content = encode_drawn(made.faces)
    write_atomically(out, content)
    document = {
        "drawn_faces": str(out),
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "drawn": count,
        "kept": len(made.faces),
        "without_a_face": made.without_a_face,
        "like_somebody": made.like_somebody,
        "generator_sha256": gan.digest,
    }
    sentence = (
        f"{len(made.faces)} of {count} faces into {out}\n"
        f"For the table of stylegan in weights.toml:\n"
        f'drawn = "{out.name}"\ndrawn_sha256 = "{document["sha256"]}"'
    )
    output.tell(document, sentence, as_json=as_json)


@app.command()
@with_options(Training)
def expression(asked: Training, as_json: JsonOption = False) -> None:
    """Train the classifier of seven expressions, on FER2013."""
    _train("expression", asked, as_json=as_json)


@app.command()
@with_options(Training)
def autoencoder(asked: Training, as_json: JsonOption = False) -> None:
    """Train the autoencoder, the baseline beside which anonymizers are measured."""
    _train("autoencoder", asked, as_json=as_json)


RunOption = Annotated[
    Path, typer.Option("--run", exists=True, file_okay=False, help="The training's folder.")
]
JudgeOption = Annotated[
    list[Path],
    typer.Option(
        "--judge",
        exists=True,
        dir_okay=False,
        help="An ONNX encoder that judges beside dlib's, its description (.toml) beside it; may be repeated.",
    ),
]


@app.command()
def choose(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model, such as ciagan.")],
    run: RunOption,
    data: PackedOption,
    judges: JudgeOption = [],  # noqa: B006 (typer copies it)
    as_json: JsonOption = False,
) -> None:
    """Score every checkpoint of a training on the people held out, and name the best: least leak, then looks.

    Scores are kept in RUN/scores.jsonl, so a stopped choice goes on; RUN/choice.json and RUN/choice.svg say
    what was chosen, and why.
    """
    from veilmesh_ml.evaluate.instruments import Instruments
    from veilmesh_ml.train.choice_report import document, write_plot
    from veilmesh_ml.train.choose import load_judge, score_checkpoints, write_choice
    from veilmesh_ml.train.models import require_torch
    from veilmesh_ml.train.packed import read_packed

    from veilmesh_node.cli import output
    from veilmesh_node.cli.progress import progress_bar

    require_torch()
    judge = load_judge(model, read_packed(data), Instruments.load(judges))
    with progress_bar("checkpoints") as on_progress:
        scored = score_checkpoints(run, judge, on_progress)
    best = judge.best(scored)
    write_choice(run, best)
    plot = write_plot(run, scored, best)
    found = {**document(scored, best), "plot": str(plot)}
    names = [name for name in best.scores if not name.endswith(" high")]
    rows = [
        [f"{each.step}{' *' if each is best else ''}", *(f"{each.scores[name]:.4f}" for name in names)]
        for each in scored
    ]
    output.show(
        found,
        lambda: output.table(f"step {best.step} is best (*)", ["step", *names], rows),
        as_json=as_json,
    )


@app.command()
def ship(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="ciagan, ppsa, stylegan, stylegan_mapping, expression, ...")
    ],
    run: RunOption,
    data: PackedOption,
    out: Annotated[
        Path, typer.Option("--out", "-o", file_okay=False, help="A folder of weights; its manifest is kept.")
    ],
    terms: Annotated[
        str, typer.Option(help="Under which terms the photos may be used, in a sentence: for the card.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Export the chosen checkpoint: weights, graph, card, log, and its table in the manifest."""
    from veilmesh_ml.train.models import require_torch
    from veilmesh_ml.train.packed import read_packed

    from veilmesh_node.cli import output

    require_torch("onnx", "onnxscript")
    from veilmesh_ml.train.ship import put_together, trained, write

    shipment = put_together(model, trained(run, read_packed(data), terms))
    write(shipment, out)
    document = {
        "folder": str(out),
        "files": {name: len(content) for name, content in shipment.contents.items()},
        "table": shipment.table(),
    }
    output.tell(document, shipment.table(), as_json=as_json)


def _train(model: str, asked: Training, needed: Path | None = None, *, as_json: bool) -> None:
    from veilmesh_ml.errors import ParameterError
    from veilmesh_ml.train.models import require_torch, train_model

    from veilmesh_node.cli import output
    from veilmesh_node.cli.progress import losses_progress

    require_torch()
    from veilmesh_ml.train.trainer import Run

    wrong = [setting for setting in asked.settings if "=" not in setting]
    if wrong:
        raise ParameterError(f"setting {wrong[0]!r} is not NAME=VALUE")
    run = Run(
        asked.out,
        device=asked.device,
        max_minutes=math.inf if asked.max_minutes is None else asked.max_minutes,
        resume=asked.resume,
        every_minutes=asked.every_minutes,
    )
    with losses_progress(model) as on_step:
        outcome = train_model(
            model,
            asked.data,
            run,
            settings=dict(setting.split("=", 1) for setting in asked.settings),
            needed=needed,
            on_step=lambda report: on_step(report.done, report.steps, report.losses),
            on_notice=output.notes.print,
        )
    document = {
        "folder": str(asked.out),
        "steps": outcome.done,
        "minutes": round(outcome.minutes, 1),
        "ended_by": outcome.ended,
        "losses": dict(outcome.losses),
    }
    sentence = (
        f"{outcome.done} steps in {outcome.minutes:.1f} minutes (ended by {outcome.ended}) into {asked.out}"
    )
    output.tell(document, sentence, as_json=as_json)
