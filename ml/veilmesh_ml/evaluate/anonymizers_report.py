"""The judgement of anonymizers as a document for scripts and a page for people."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from veilmesh_ml.evaluate.anonymizers import AVERAGED, AnonymizersResult, MethodResult
from veilmesh_ml.evaluate.cells import NOTHING, estimate, share
from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.instruments import ENGINE_JUDGE
from veilmesh_ml.evaluate.outputs_report import outputs_sections, resembling
from veilmesh_ml.evaluate.permutation_attack import KeyAttack, KnownPlaintext
from veilmesh_ml.evaluate.plots import rendered
from veilmesh_ml.evaluate.reidentification import JUDGED_FMR, Outcome
from veilmesh_ml.evaluate.report import Plot, Report, Section, Table

FAILS_ABOVE = 10 * JUDGED_FMR  # lower end of the interval of the best attack's TPR
_AS_IT_IS = ("direct", "found again")
_LEARNT = ("linear map", "own outputs", "pixels", "small CNN")
_LOWEST_DRAWN = 3e-4


def anonymizers_report(result: AnonymizersResult) -> Report:
    """Return the report."""
    judges = list(result.thresholds)
    return Report(
        name="anonymizers",
        title=f"Anonymizers before attackers: {len(result.methods) - 1} methods",
        document=_document(result),
        sections=(
            _verdict_section(result),
            *(_judge_section(result, judge) for judge in judges),
            _people_section(result),
            _utility_section(result),
            *outputs_sections(result),
            *(() if result.key is None else (_key_section(result.key),)),
            *(_attacks_section(result, judge) for judge in judges),
        ),
    )


def failing(result: AnonymizersResult) -> list[str]:
    """Return the methods that fail before any judge: some attack surely finds far more than chance would."""
    return [row.method.name for row in result.anonymized if _fails(row)]


def groups_of_attacks(row: MethodResult, judge: str) -> Mapping[str, tuple[str, Outcome] | None]:
    """Return for each kind of attack the one with the highest recalibrated TPR: its name and outcome."""
    attacks = row.attacks[judge]
    kinds = {
        "as it is": [name for name in attacks if name in _AS_IT_IS],
        "restored": [
            name for name in attacks if name not in (*_AS_IT_IS, *_LEARNT) and not name.startswith(AVERAGED)
        ],
        "ten averaged": [name for name in attacks if name.startswith(AVERAGED)],
        "learnt": [name for name in attacks if name in _LEARNT],
    }
    return {
        kind: max(((name, attacks[name]) for name in names), key=lambda item: item[1].tpr.value, default=None)
        for kind, names in kinds.items()
    }


def _fails(row: MethodResult) -> bool:
    """Whether the best attack is that good, allowing for how many were tried."""
    tried = sum(len(outcomes) for outcomes in row.attacks.values())
    return any(row.worst(judge)[1].tpr.interval_of_one_in(tried)[0] > FAILS_ABOVE for judge in row.attacks)


def _document(result: AnonymizersResult) -> Mapping[str, Any]:
    trials = result.trials
    return {
        "fmr": JUDGED_FMR,
        "people_judged": len(trials.sought),
        "gallery": len(trials.sought) + len(trials.others),
        "probes": len(trials.probes),
        "training_photos": len(trials.training),
        "people_with_labelled_outputs": result.people_known,
        "commonest_of_labelled": result.commonest_known.document(),
        "photos_without_face": result.without_face,
        "fixed_thresholds": dict(result.thresholds),
        "classifier_accuracy": {name: rate.document() for name, rate in result.accuracy.items()},
        "commonest_expression": None
        if result.commonest_expression is None
        else result.commonest_expression.document(),
        "commonest_class": {name: rate.document() for name, rate in result.guessed.items()},
        "failing": failing(result),
        "resembling_people_learnt_from": resembling(result),
        "methods": {row.method.name: _method_document(row, result.methods[0]) for row in result.methods},
        "key_of_permute": None if result.key is None else result.key.document(),
        "seconds": round(result.seconds),
    }


def _method_document(row: MethodResult, original: MethodResult) -> Mapping[str, Any]:
    return {
        "anonymizer": row.method.anonymizer,
        "parameters": dict(row.method.parameters),
        "attacks": {
            judge: {name: outcome.document() for name, outcome in outcomes.items()}
            for judge, outcomes in row.attacks.items()
        },
        "worst_attack": {judge: row.worst(judge)[0] for judge in row.attacks},
        "linked": {judge: outcome.document() for judge, outcome in row.linked.items()},
        "named_with_labelled_outputs": None if row.named is None else row.named.document(),
        "utility": row.utility.document(),
        **row.outputs.document(original.outputs),
    }


def _verdict_section(result: AnonymizersResult) -> Section:
    failed = failing(result)
    held = [row.method.name for row in result.anonymized if row.method.name not in failed]
    sentences = []
    if failed:
        sentences.append(
            f"These fail: {', '.join(failed)}. Some attacker finds the person in more than "
            f"{FAILS_ABOVE:.0%} of comparisons at a false match rate of {JUDGED_FMR:g}: the lower end of the "
            "interval is above that, widened for the number of attacks tried."
        )
    if held:
        sentences.append(f"Of these that could not be shown here: {', '.join(held)}.")
    sentences.append(
        "Blur and squares have been known to fail since McPherson, Shokri and Shmatikov (2016), whose "
        "networks named 57 to 71 % of such faces when trained on the same people; the column of labelled "
        "outputs repeats that setting. What the mask leaves is hair, clothes and background: its row is what "
        "these give away by themselves."
    )
    return Section(
        "What fails",
        "\n\n".join(sentences),
        plots=[_tpr_plot(result), _trade_plot(result)],
    )


def _judge_section(result: AnonymizersResult, judge: str) -> Section:
    rows = []
    for row in result.methods:
        groups = groups_of_attacks(row, judge)
        direct = row.attacks[judge]["direct"]
        rows.append(
            [
                row.method.name,
                share(direct.tpr_fixed),
                *(_best(groups[kind]) for kind in groups),
                share(row.linked[judge].tpr),
                share(direct.rank1),
                share(_best_rank1(row, judge)),
                share(row.named) if judge == ENGINE_JUDGE else "",
            ]
        )
    columns = [
        "method",
        "fixed threshold",
        "as it is",
        "restored",
        "ten averaged",
        "learnt",
        "two outputs linked",
        "rank 1 as it is",
        "rank 1, best attack",
        "named, labelled outputs",
    ]
    if judge != ENGINE_JUDGE:
        columns, rows = columns[:-1], [cells[:-1] for cells in rows]
    direct = result.methods[0].attacks[judge]["direct"]
    text = (
        f"TPR at FMR {JUDGED_FMR:g} of comparisons of an output with other originals of its person, in "
        f"percent with 95 % intervals: {direct.tpr.trials:,} mated and {direct.non_mated:,} non-mated "
        f"comparisons, {direct.gallery:,} people searched. All but the first column at the threshold "
        "recalibrated on comparisons of that very kind. Of each kind of attack the best is shown, which "
        "flatters the attacker a little."
    )
    return Section(f"Judged by {judge}", text, [Table(columns, rows)])


def _best_rank1(row: MethodResult, judge: str) -> ClusteredRate | None:
    """Of the attacks that search the whole gallery."""
    whole = row.attacks[judge]["direct"].gallery
    rates = [each.rank1 for each in row.attacks[judge].values() if each.rank1 and each.gallery == whole]
    return max(rates, key=lambda rate: rate.value, default=None)


def _best(attack: tuple[str, Outcome] | None) -> str:
    if attack is None:
        return NOTHING
    name, outcome = attack
    how = "" if name == "direct" else f" {name.removeprefix(AVERAGED)}"
    return share(outcome.tpr) + how


def _people_section(result: AnonymizersResult) -> Section:
    trials = result.trials
    text = (
        f"{len(trials.sought):,} people from S to Z are judged, whom no method was fitted on: "
        f"{len(trials.probes):,} photos of theirs are anonymized, other originals of theirs are compared, "
        f"and a gallery of {len(trials.sought) + len(trials.others):,} people is searched. Attackers learn "
        f"from {len(trials.training):,} outputs of people from A to R that they made themselves. "
        f"{result.people_known} people have enough photos for the attacker with labelled outputs; calling "
        f"all of these by the commonest name is right in {share(result.commonest_known)} %. "
        f"In {result.without_face} of {len(trials.photos):,} photos no face was found; they take no part.\n\n"
        "Several comparisons of one person are not independent: intervals are Wilson's for the effective "
        "number of comparisons, and where there was no hit at all, for the number of people."
    )
    return Section("Who was compared with whom", text)


def _utility_section(result: AnonymizersResult) -> Section:
    columns = (
        "method",
        "found, HOG",
        "found, MMOD",
        "NME",
        "smile kept, r",
        "mouth opening, r",
        "gender kept",
        "group kept",
        "SSIM",
        "PSNR dB",
        "changed",
        "ms a face",
    )
    rows = [
        [
            row.method.name,
            *(share(rate) for rate in row.utility.found.values()),
            estimate(row.utility.nme, 3),
            estimate(row.utility.mouth_width),
            estimate(row.utility.mouth_opening),
            share(row.utility.gender),
            share(row.utility.group),
            estimate(row.utility.ssim),
            estimate(row.utility.psnr_db, 1),
            f"{100 * row.utility.changed.value:.1f}",
            f"{row.utility.cpu_ms:.1f}",
        ]
        for row in result.anonymized
    ]
    text = (
        "Shares in percent. Found: of the faces that the detector finds in the originals. NME: distance of "
        "landmarks over that "
        "of the outer eye corners, where a face is found. Smile: width of the mouth over that distance, "
        "correlated with the original's. SSIM and PSNR over the face. Milliseconds: median, one core, after "
        "detection."
    )
    if result.accuracy:
        accuracy = ", ".join(f"{name} {share(rate)} %" for name, rate in result.accuracy.items())
        guessed = ", ".join(f"{name} {rate.value:.0%}" for name, rate in result.guessed.items())
        text += (
            "\n\nApparent gender and group by a classifier of our own, which is right on photos held out in: "
            f"{accuracy}. Had all been put into the commonest class, there would seem to be kept: {guessed}."
        )
    return Section("What is left of use", text, [Table(columns, rows)])


def _key_section(key: KeyAttack) -> Section:
    text = (
        f"The key has {key.key_bits} bits. {key.keys_tried:,} random keys were tried, {key.keys_found} "
        f"fitted, at {key.keys_a_second:,.0f} keys a second; half of all keys on a million million such "
        f"cores take {key.years_for_all:.0e} years. Guessing the permutation itself is up against "
        f"{key.permutation_bits:,.0f} bits at n = {key.n:,}.\n\n"
        "Known plaintext: with one permutation for all photos, as the paper has it, a few originals give it "
        "away. Here every photo has its own, and what was learnt from some restores no more of another than "
        "its output shows already."
    )
    rows = [
        ["no attack: output as it is", *_restored(key.untouched)],
        *(
            [f"one permutation for all, {each.photos_known} known", *_restored(each)]
            for each in key.one_for_all
        ),
        *([f"permute, {each.photos_known} known", *_restored(each)] for each in key.ours),
    ]
    columns = ("attack", "pixels exact, percent", "within eight grey levels, percent")
    return Section("The key of permute", text, [Table(columns, rows)])


def _restored(attack: KnownPlaintext) -> tuple[str, str]:
    return share(attack.exact), share(attack.close)


def _attacks_section(result: AnonymizersResult, judge: str) -> Section:
    columns = ("method", "attack", "TPR", "TPR, fixed threshold", "its FMR", "rank 1", "gallery")
    rows = [
        [
            row.method.name,
            name,
            share(outcome.tpr),
            share(outcome.tpr_fixed),
            NOTHING if outcome.fmr_fixed is None else f"{100 * outcome.fmr_fixed.value:.2f}",
            share(outcome.rank1),
            f"{outcome.gallery:,}" if outcome.gallery else NOTHING,
        ]
        for row in result.methods
        for name, outcome in {**row.attacks[judge], "two outputs linked": row.linked[judge]}.items()
    ]
    return Section(f"Every attack, judged by {judge}", "In percent.", tables=[Table(columns, rows)])


def _tpr_plot(result: AnonymizersResult) -> Plot:
    """Bars on a logarithmic axis: as it is, and after the best attack, for each judge."""
    judges, rows = list(result.thresholds), result.anonymized
    height_inches = 0.9 + 0.28 * len(judges) * 2 * len(rows)
    figure = Figure(figsize=(7.2, height_inches))
    axes = figure.add_subplot()
    series = [(judge, best) for judge in judges for best in (False, True)]
    for place, (judge, best) in enumerate(series):
        rates = [(row.worst(judge)[1] if best else row.attacks[judge]["direct"]).tpr for row in rows]
        heights = [index + (place - (len(series) - 1) / 2) * 0.8 / len(series) for index in range(len(rows))]
        values = [max(rate.value, _LOWEST_DRAWN) for rate in rates]
        errors = [
            [value - max(rate.interval[0], _LOWEST_DRAWN) for value, rate in zip(values, rates, strict=True)],
            [rate.interval[1] - value for value, rate in zip(values, rates, strict=True)],
        ]
        axes.errorbar(
            values,
            heights,
            xerr=errors,
            fmt="D" if best else "o",
            markersize=5,
            capsize=2,
            color=f"C{judges.index(judge)}",
            markerfacecolor=f"C{judges.index(judge)}" if best else "white",
            label=f"{judge}, {'best attack' if best else 'as it is'}",
        )
    axes.set_xscale("log")
    axes.set_xlim(_LOWEST_DRAWN * 0.9, 1)
    axes.axvline(JUDGED_FMR, color="0.5", linestyle=":", label="chance")
    axes.axvline(FAILS_ABOVE, color="C3", linestyle="--", linewidth=1, label="fails")
    axes.set_yticks(range(len(rows)), [row.method.name for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel(f"TPR at FMR {JUDGED_FMR:g}, threshold recalibrated")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.6 / height_inches), ncols=3, fontsize="small")
    return rendered(figure, "How often an output is matched with its person, with 95 % intervals")


def _trade_plot(result: AnonymizersResult) -> Plot:
    """Privacy against use: the best attack of all judges, and whether a face is still found."""
    figure = Figure(figsize=(6.4, 4.2))
    axes = figure.add_subplot()
    for place, row in enumerate(result.anonymized):
        worst = max(row.worst(judge)[1].tpr.value for judge in row.attacks)
        found = row.utility.found["hog"].value
        axes.plot(max(worst, _LOWEST_DRAWN), found, "o", color="C0")
        axes.annotate(
            row.method.name,
            (max(worst, _LOWEST_DRAWN), found),
            textcoords="offset points",
            xytext=(6, 5 if place % 2 else -11),
            fontsize="small",
        )
    axes.set_xscale("log")
    axes.set_xlim(_LOWEST_DRAWN * 0.9, 1.6)
    axes.set_ylim(-0.12, 1.12)
    axes.set_xlabel(f"TPR at FMR {JUDGED_FMR:g} of the best attack, any judge (left is private)")
    axes.set_ylabel("face still found by HOG (up is useful)")
    axes.grid(visible=True, alpha=0.3)
    return rendered(figure, "Privacy against use")


def summary_rows(result: AnonymizersResult) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return columns and rows of a table narrow enough for a terminal."""
    judges = list(result.thresholds)
    columns = [
        "method",
        *(f"{judge}: {what}" for judge in judges for what in ("as it is", "best attack", "rank 1")),
        "named",
        "found",
        "NME",
        "smile r",
        "ms",
    ]
    rows = []
    for row in result.methods:
        cells = [row.method.name]
        for judge in judges:
            (name, outcome), rank1 = row.worst(judge), _best_rank1(row, judge)
            cells += [
                f"{row.attacks[judge]['direct'].tpr.value:.1%}",
                f"{outcome.tpr.value:.1%} {name}",
                "" if rank1 is None else f"{rank1.value:.1%}",
            ]
        use = row.utility
        cells += [
            "" if row.named is None or not row.named.trials else f"{row.named.value:.0%}",
            f"{use.found['hog'].value:.1%}",
            "" if math.isnan(use.nme.value) else f"{use.nme.value:.3f}",
            "" if math.isnan(use.mouth_width.value) else f"{use.mouth_width.value:.2f}",
            f"{use.cpu_ms:.1f}",
        ]
        rows.append(cells)
    return columns, rows
