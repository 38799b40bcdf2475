"""What outputs are like, as sections of the page on anonymizers."""

import math
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from veilmesh_ml.evaluate.anonymizers import AnonymizersResult, MethodResult
from veilmesh_ml.evaluate.cells import NOTHING, between, estimate, share
from veilmesh_ml.evaluate.estimates import Estimate
from veilmesh_ml.evaluate.group_gaps import FEWEST, ByLabel, Figure, Gap
from veilmesh_ml.evaluate.instruments import ENGINE_JUDGE
from veilmesh_ml.evaluate.kept_expression import ENLARGED
from veilmesh_ml.evaluate.likeness_of_sets import SetLikeness
from veilmesh_ml.evaluate.measuring import ORIGINAL
from veilmesh_ml.evaluate.nobody import FMR, MOST_TIMES_CHANCE
from veilmesh_ml.evaluate.outputs import EXPRESSION_SPACE
from veilmesh_ml.evaluate.report import Section, Table

SPACES: Final = (ENGINE_JUDGE, EXPRESSION_SPACE)
PUBLISHED: Final = (
    "S2 gives PSNR 35.05 dB and SSIM .8898 of CIAGAN, 20.07 dB and .7894 of AnonymousNet, on data of its own."
)

F = TypeVar("F", bound=Figure)


def outputs_sections(result: AnonymizersResult) -> list[Section]:
    """Return the sections for which something was measured."""
    sections = [_whole_section(result), _likeness_section(result), _nobody_section(result)]
    if result.commonest_expression is not None:
        sections.append(_expression_section(result))
    if result.methods[0].outputs.groups is not None:
        sections.append(_groups_section(result))
    return sections


def resembling(result: AnonymizersResult) -> list[str]:
    """Return the methods whose outputs are, to some judge, like people they may have been made from."""
    return [
        row.method.name
        for row in result.anonymized
        if any(_times_chance(result, row, judge).value > MOST_TIMES_CHANCE for judge in result.thresholds)
    ]


def _times_chance(result: AnonymizersResult, row: MethodResult, judge: str) -> Estimate:
    return row.outputs.resemblance[judge].times(result.methods[0].outputs.resemblance[judge])


def _whole_section(result: AnonymizersResult) -> Section:
    columns = ("method", "SSIM", "PSNR dB", "only the face changed")
    rows = [
        [
            row.method.name,
            estimate(row.outputs.whole.ssim, 3),
            estimate(row.outputs.whole.psnr_db, 1),
            share(row.outputs.whole.untouched),
        ]
        for row in result.anonymized
    ]
    text = (
        "SSIM and PSNR over the whole picture, of which a small face is a small part. Only the face changed: "
        "outputs that are the original's bit for bit outside the windows that the method says it changed, in "
        f"percent of {result.methods[0].outputs.whole.untouched.trials:,} outputs. {PUBLISHED}"
    )
    return Section("The whole picture", text, [Table(columns, rows)])


def _likeness_section(result: AnonymizersResult) -> Section:
    columns = [
        "method",
        *(f"{space}: {what}" for space in SPACES for what in ("Fréchet distance", "precision", "recall")),
    ]
    rows = [
        [row.method.name, *(cell for space in SPACES for cell in _near(row.outputs.likeness.get(space)))]
        for row in result.methods
    ]
    people = result.methods[0].outputs.likeness[ENGINE_JUDGE].frechet.count
    text = (
        f"One output of each of {people:,} people beside an original of another photo of each, as two sets, "
        "in the feature space of dlib's encoder and, where it ships, of our classifier of expressions: "
        "squared Fréchet distance with a jackknife's interval; precision, outputs that lie among the "
        "originals, and recall, originals that lie among the outputs, in percent, by the third neighbour. "
        "The row of the originals is what another photo alone makes of the same people: lower cannot be "
        "asked for. The distance falls as sets grow. No published score of Inception's features can be laid "
        "beside these; of what S2's precision of .802 and recall of .620 are, it does not say."
    )
    return Section("Near real photos", text, [Table(columns, rows)])


def _near(likeness: SetLikeness | None) -> tuple[str, str, str]:
    if likeness is None:
        return NOTHING, NOTHING, NOTHING
    distance, covered = likeness.frechet, likeness.coverage
    shown = between(distance.value, distance.interval, 3) if math.isfinite(distance.value) else NOTHING
    return shown, share(covered.precision), share(covered.recall)


def _nobody_section(result: AnonymizersResult) -> Section:
    judges = list(result.thresholds)
    columns = [
        "method",
        *(
            f"{judge}: {what}"
            for judge in judges
            for what in ("matches", "times chance", "outputs that match anybody, percent")
        ),
    ]
    rows = []
    for row in result.methods:
        cells = [row.method.name]
        for judge in judges:
            found = row.outputs.resemblance[judge]
            cells += [
                f"{found.comparisons.count:,}",
                "1" if row.method is ORIGINAL else _times(_times_chance(result, row, judge)),
                share(found.outputs),
            ]
        rows.append(cells)
    above = resembling(result)
    comparisons = result.methods[0].outputs.resemblance[ENGINE_JUDGE].comparisons.trials
    text = (
        "Outputs compared with photos of people from A to R, whom methods may have been made from: "
        f"{comparisons:,} comparisons, at the threshold where a share of {FMR:g} of comparisons of other "
        "originals of people from S to Z with the same photos matches. Chance is what the very photos that "
        "were anonymized match as they are, the row of the originals; up to "
        f"{MOST_TIMES_CHANCE:g} times that is allowed. "
        + (f"Above it: {', '.join(above)}." if above else "No method is above it.")
    )
    return Section("Nobody's face", text, [Table(columns, rows)])


def _times(times: Estimate) -> str:
    if math.isnan(times.low):
        return f"{times.value:.2f}"
    return between(times.value, (times.low, times.high), 2)


def _expression_section(result: AnonymizersResult) -> Section:
    rows = [
        [row.method.name, share(expression.right), share(expression.same)]
        for row in result.methods
        if (expression := row.outputs.expression) is not None
    ]
    commonest = result.commonest_expression
    text = (
        f"{0 if commonest is None else commonest.trials:,} faces of FER2013's test part, {ENLARGED} times "
        "enlarged, as many of each of seven expressions where there are so many, read by our classifier; in "
        "percent. Had every output been read as the expression that most originals are, there would seem to "
        f"be kept: {share(commonest)}."
    )
    columns = ("method", "read as labelled", "read as the original is")
    return Section("Expression", text, [Table(columns, rows)])


def _groups_section(result: AnonymizersResult) -> Section:
    of = [(row.method.name, row.outputs.groups) for row in result.methods if row.outputs.groups is not None]
    anonymized = of[1:]
    tables = [
        *(
            _class_table(
                f"recognised by {judge}", [(name, each.reidentified[judge]) for name, each in of], share
            )
            for judge in result.thresholds
        ),
        _class_table("face found again", [(name, each.found) for name, each in anonymized], share),
        _class_table("NME", [(name, each.nme) for name, each in anonymized], _error),
    ]
    text = (
        "Recognised: TPR of the output as it is, at the recalibrated threshold, by the apparent gender and "
        "group of people of LFW, as our classifier takes their originals. Face found again, by HOG, and NME: "
        "on photos of UTKFace by its labels; shipped methods may have learnt from these. All in percent with "
        "95 % intervals, and how many comparisons or photos. The gap is the largest figure minus the "
        f"smallest, of classes with at least {FEWEST} of them; among several classes luck alone makes one, "
        "which its interval does not allow for."
    )
    return Section("Groups", text, tables)


def _class_table(what: str, of: Sequence[tuple[str, ByLabel[F]]], cell: Callable[[F], str]) -> Table:
    """Columns for every class, and after those of gender and those of group their gap."""
    columns = [what]
    for label, each in of[0][1].items() if of else ():
        columns += [
            _heading(name, [figures[label].figures[name].trials for _, figures in of])
            for name in each.figures
        ]
        columns.append("gap")
    rows = []
    for method, figures in of:
        cells = [method]
        for each in figures.values():
            cells += [*map(cell, each.figures.values()), _gap(each.gap)]
        rows.append(cells)
    return Table(columns, rows)


def _heading(name: str, trials: Sequence[int]) -> str:
    """How many there are stands in the head where all methods have as many."""
    return f"{name} ({trials[0]:,})" if len(set(trials)) == 1 else name


def _error(error: Estimate) -> str:
    if math.isnan(error.value):
        return NOTHING
    return f"{between(100 * error.value, (100 * error.low, 100 * error.high))} of {error.count:,}"


def _gap(gap: Gap | None) -> str:
    if gap is None:
        return NOTHING
    low, high = gap.interval
    whose = f": {gap.largest} over {gap.smallest}" if gap.value else ""
    return between(100 * gap.value, (100 * low, 100 * high)) + whose
