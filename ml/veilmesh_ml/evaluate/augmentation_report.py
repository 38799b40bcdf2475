"""S1's accuracies beside ours, as a document for scripts and a page for people."""

from collections.abc import Mapping
from typing import Final

from matplotlib.figure import Figure

from veilmesh_ml.evaluate.augmentation import PER_PHOTO, REAL, RULES, AugmentationResult, Row
from veilmesh_ml.evaluate.plots import rendered
from veilmesh_ml.evaluate.report import Plot, Report, Section, Table

COLUMNS: Final = (
    "added to the gallery",
    "real photos",
    "accuracy",
    "95 %",
    "gained",
    "lost",
    "pictures added",
)
PUBLISHED: Final[Mapping[str, float]] = {  # S1, table 3, in percent
    "StyleGAN": 93.84,
    "ResNet20": 92.43,
    "ProGAN": 90.27,
    "CycleGAN": 89.80,
    "CNN": 89.32,
    "VGG": 83.0,
    "MGAN": 80.80,
}
DEFINITIONS: Final = (
    "Accuracy: probes whose nearest picture in the gallery, or nearest mean of a person's pictures, is of "
    "the right person, by dlib's features, among everybody; a probe without a face that is found is wrong. "
    "The interval is Wilson's for the effective number of probes, since one person's are alike. Gained and "
    "lost: probes decided otherwise than with real photos alone.\n\n"
    f"To each real photo up to {PER_PHOTO} pictures are added. A variation is added only where the encoder "
    "takes it for the same person as the photo."
)
DIFFERENCES: Final = (
    "S1's figures are of its own data (it names CelebA-HQ and 70,000 pictures of 1,024 px), and it does not "
    "say what the accuracy is of, with how many people, nor what it is without synthetic pictures. They "
    "stand here for comparison's sake, not as the same measurement."
)


def augmentation_report(result: AugmentationResult) -> Report:
    """Return the report."""
    return Report(
        name="augmentation",
        title="Synthetic pictures in the gallery: S1's use of its generators",
        document={
            "people_sought": result.sought,
            "people_enrolled": result.enrolled,
            "rows": [row.document() for row in result.rows],
            "missing": result.missing,
            "published_percent": dict(PUBLISHED),
            "verdict": verdict(result),
        },
        sections=(
            Section("What was measured", f"{DEFINITIONS}\n\n{result.missing}".strip()),
            *(
                Section(
                    f"By {rule}",
                    f"{result.sought} people looked for among {result.enrolled}.",
                    tables=[Table(COLUMNS, table_rows(result, rule))],
                    plots=[_plot(result, rule)],
                )
                for rule in RULES
            ),
            Section("What it says", verdict(result)),
            Section(
                "Beside S1",
                DIFFERENCES,
                tables=[
                    Table(("model", "accuracy in S1"), [(n, f"{v:.2f} %") for n, v in PUBLISHED.items()])
                ],
            ),
        ),
    )


def table_rows(result: AugmentationResult, rule: str) -> list[list[str]]:
    """Return one rule's rows under `COLUMNS`."""
    return [_cells(row) for row in result.rows if row.rule == rule]


def verdict(result: AugmentationResult) -> str:
    """Say, for everything that was added, whether it helps: more gained than lost beyond what chance does."""
    said = []
    for row in result.rows:
        if not row.gained + row.lost:
            continue
        # A sign test: by chance, gained and lost would be within two standard deviations of each other.
        off, chance = row.gained - row.lost, 2 * (row.gained + row.lost) ** 0.5
        if abs(off) >= chance and row.gained + row.lost >= 6:
            does = "helps" if off > 0 else "harms"
            counted = f"({row.gained} gained, {row.lost} lost)"
            said.append(f"{row.added} {does} with {row.real} real photos, by {row.rule} {counted}.")
    return " ".join(said) or "Nothing that was added changes the accuracy beyond chance."


def _cells(row: Row) -> list[str]:
    low, high = row.accuracy.interval
    return [
        row.added,
        str(row.real),
        f"{row.accuracy.value:.2%} ({row.accuracy.count}/{row.accuracy.trials})",
        f"{low:.2%} to {high:.2%}",
        str(row.gained),
        str(row.lost),
        f"{row.synthetic:,}",
    ]


def _plot(result: AugmentationResult, rule: str) -> Plot:
    figure = Figure(figsize=(6.4, 4.0))
    axes = figure.add_subplot()
    names = list(dict.fromkeys(row.added for row in result.rows))
    for place, name in enumerate(names):
        rows = [row for row in result.rows if (row.added, row.rule) == (name, rule)]
        values = [100 * row.accuracy.value for row in rows]
        intervals = [row.accuracy.interval for row in rows]
        axes.errorbar(
            [row.real + 0.06 * (place - (len(names) - 1) / 2) for row in rows],
            values,
            yerr=[
                [max(0.0, value - 100 * low) for value, (low, _) in zip(values, intervals, strict=True)],
                [max(0.0, 100 * high - value) for value, (_, high) in zip(values, intervals, strict=True)],
            ],
            fmt="o-",
            capsize=3,
            label=name,
        )
    axes.set_xticks(REAL)
    axes.set_xlabel("real photos of a person in the gallery")
    axes.set_ylabel("accuracy, %")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return rendered(figure, f"Accuracy by {rule}, with 95 % intervals.")
