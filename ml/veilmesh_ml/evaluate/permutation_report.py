"""S4's table as a document for scripts and a page for people."""

import math
from collections.abc import Callable, Mapping, Sequence

from matplotlib.figure import Figure

from veilmesh_ml.evaluate.estimates import Estimate
from veilmesh_ml.evaluate.permutation import SWEEP, PermutationResult, Published, Row
from veilmesh_ml.evaluate.plots import rendered
from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.evaluate.report import Plot, Report, Section, Table
from veilmesh_ml.evaluate.treatments import permute_method

COLUMNS = (
    "treatment",
    "SSIM",
    "S4",
    "PSNR dB",
    "S4",
    "found, HOG",
    "found, MMOD",
    "quality",
    "from the average face",
)
DEFINITIONS = (
    "SSIM and PSNR over the whole picture, as S4's formulas have it; found: of all pictures, the face "
    "that the detector finds in the original, overlapping by half or more; quality: our unified score, 0 "
    "to 100; distance to the average face along 50 principal components of pictures of 64 x 64, in grey "
    "levels a pixel."
)
DIFFERENCES = (
    "Where figures differ. S4 trained its detectors (Faster R-CNN and YOLOv3) on a thousand pictures of "
    "its collection, and reports 0.20 to 6.38 points lost at 8,000 pixels; the two here were trained by "
    "others, on untouched faces. It does not say where its noise lies: its figures are nearer to noise "
    "over the whole picture than over the face. Nor what 16 x 16 means for superpixels; here it is their "
    "side in pixels. Its CAE is an autoencoder of which it tells nothing; ours takes 64 x 64 pixels. "
    "FaceQnet is another score than ours: S4 reports 0.41 for noise of 0.2, 0.38 for superpixels, 0.49 for "
    "its CAE, and none for its own method.\n\n"
    "Its figures on AT&T cannot come from permuting so many pixels at random: the mean squared error then "
    "grows in proportion to n, so that from 4,500 to 9,360 pixels PSNR falls by 3.2 dB on even ground, "
    "whatever the size of the picture. S4's falls by 9.2 dB; and its 29.9 dB at 4,500 of 10,304 pixels "
    "would need neighbours that hardly differ. 9,360 pixels are also more than most of these faces have."
)


def permutation_report(result: PermutationResult) -> Report:
    """Return the report."""
    return Report(
        name="permutation",
        title="Pixel permutation: S4's table again",
        document={
            "photos": {name: rate.document() for name, rate in result.photos.items()},
            "rows": [row.document() for row in result.rows],
        },
        sections=(
            Section("What was measured", DEFINITIONS),
            *(_collection_section(result, name) for name in result.photos),
            Section("Differences", DIFFERENCES),
        ),
    )


def table_rows(result: PermutationResult, collection: str) -> list[list[str]]:
    """Return one collection's rows under `COLUMNS`."""
    return [_cells(row) for row in result.rows if row.collection == collection]


def _collection_section(result: PermutationResult, name: str) -> Section:
    rate = result.photos[name]
    text = f"{rate.count} of {rate.trials} pictures, in which a face was found."
    fewer = [
        f"{row.pixels.value:,.0f} for {row.treatment.removeprefix('permute ')}"
        for row in result.rows
        if row.collection == name and row.pixels is not None and _off(row)
    ]
    if fewer:
        text += f" Pixels permuted on average where faces are too small: {', '.join(fewer)}."
    return Section(name, text, [Table(COLUMNS, table_rows(result, name))], _plots(result, name))


def _off(row: Row) -> bool:
    n = int(row.treatment.removeprefix("permute "))
    return row.pixels is not None and abs(row.pixels.value - n) > 0.005 * n


def _cells(row: Row) -> list[str]:
    published = row.published
    return [
        row.treatment,
        _figure(row.ssim, 4),
        "" if published is None else f"{published.ssim:.4f}",
        _figure(row.psnr_db, 2),
        "" if published is None else f"{published.psnr_db:.2f}",
        _share(row.hog),
        _share(row.mmod),
        _figure(row.quality, 1),
        f"{_figure(row.distance, 1)}, at most {row.farthest:.1f}",
    ]


def _figure(value: Estimate, digits: int) -> str:
    if not math.isfinite(value.value):
        return "-"
    return f"{value.value:.{digits}f} ± {value.high - value.value:.{digits}f}"


def _share(rate: Rate) -> str:
    low, high = rate.interval
    return f"{rate.value:.1%} ({low:.1%} to {high:.1%})"


def _plots(result: PermutationResult, name: str) -> list[Plot]:
    rows = {row.treatment: row for row in result.rows if row.collection == name}
    swept = [(n, rows[permute_method(n).name]) for n in SWEEP if permute_method(n).name in rows]
    return [
        _sweep_plot(
            swept,
            {"SSIM": lambda row: row.ssim.value},
            lambda published: published.ssim,
            f"SSIM on {name} by pixels permuted",
        ),
        _sweep_plot(
            swept,
            {"PSNR, dB": lambda row: row.psnr_db.value},
            lambda published: published.psnr_db,
            f"PSNR on {name} by pixels permuted",
        ),
        _sweep_plot(
            swept,
            {"HOG": lambda row: row.hog.value, "MMOD": lambda row: row.mmod.value},
            None,
            f"Faces found on {name} by pixels permuted",
        ),
    ]


def _sweep_plot(
    swept: Sequence[tuple[int, Row]],
    lines: Mapping[str, Callable[[Row], float]],
    published: Callable[[Published], float] | None,
    caption: str,
) -> Plot:
    figure = Figure(figsize=(5.6, 3.4))
    axes = figure.add_subplot()
    for label, value in lines.items():
        axes.plot([n for n, _ in swept], [value(row) for _, row in swept], marker="o", label=label)
    known = [(n, row.published) for n, row in swept if row.published is not None]
    if published is not None and known:
        axes.plot(
            [n for n, _ in known],
            [published(figures) for _, figures in known],
            "s--",
            color="C3",
            label="S4",
        )
    axes.set_xlabel("pixels permuted, n")
    axes.margins(y=0.15)
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return rendered(figure, caption)
