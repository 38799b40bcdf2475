"""S3's tables beside ours, as a document for scripts and a page for people."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from veilmesh_ml.evaluate.distributions import Coverage
from veilmesh_ml.evaluate.estimates import Estimate
from veilmesh_ml.evaluate.pixel_statistics import RANDOM_NPCR, RANDOM_UACI
from veilmesh_ml.evaluate.plots import rendered
from veilmesh_ml.evaluate.ppsa import PpsaResult
from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.evaluate.real_or_synthetic import ToldApart
from veilmesh_ml.evaluate.report import Plot, Report, Section, Table

COLUMNS: Final = ("figure", "S3", "here")
S3_IMAGES: Final = 202_599
DEFINITIONS: Final = (
    "Real faces are of people of LFW with initials S to Z, whom no training saw, warped as the generator was "
    "taught faces. The class score has the Inception score's formula and our classifier of seven expressions "
    "(at most 7; S3's is of Inception's thousand classes); Fréchet distances are of dlib's features and of "
    "that classifier's. They cannot be laid beside S3's IS and FID: what they can be laid beside is the same "
    "figure of real faces. Precision, recall, F1, accuracy and AUC are of a small network that tells "
    "generated from real, on faces that taught it nothing; generated is positive, as in S3."
)
DIFFERENCES: Final = (
    "Where figures differ. S3 takes it for a success that its faces are told from real ones (accuracy .947, "
    "AUC .991): that is how well they are recognised as fakes. It counts faces that its generator learnt "
    "from, 202,599 of CelebA; ours taught nothing. Its UACI of .345 between generated and real pictures is "
    "read as likeness, but random bytes have .335: on average its pairs are as unlike as noise. Its mean "
    "squared error of .0037 and its average loss of 2.83 are of a training with no picture to compare "
    "with, and have no like here. Its encoding and decoding, of which it tells nothing, are here a PNG file "
    "and its encryption; its ledger mines blocks of a chain of its own, ours is a change that a majority of "
    "organisations endorse.\n\n"
    "NPCR and UACI of the ciphertext say nothing about the cipher beyond that its bytes look random: the "
    "identity test, one picture encrypted twice, scores the same, since every encryption draws a nonce."
)


@dataclass(frozen=True, slots=True)
class LedgerTime:
    """What the ledger takes for an image's receipt.

    Attributes:
        ledger: its name.
        single_ms: a receipt anchored by itself, median until it is committed.
        batched_ms: in batches of `batch`, from hashing to the commit.
        batch: receipts.
    """

    ledger: str
    single_ms: float
    batched_ms: float
    batch: int


def ppsa_report(result: PpsaResult, ledger: LedgerTime) -> Report:
    """Return the report."""
    realism, pixels, stored = result.realism, result.pixels, result.stored
    return Report(
        name="ppsa",
        title="PPSA-GAN: S3's tables again",
        document={
            "photos": result.photos,
            "faces": result.faces,
            "generator_sha256": result.generator,
            "class_score": {"generated": realism.score, "real": realism.score_of_real},
            "frechet_distance": {"generated": realism.distance, "halves_of_real": realism.distance_of_real},
            "coverage": {name: _coverage(each) for name, each in realism.coverage.items()},
            "told_apart": _told_apart(realism.told_apart),
            "histogram": {"real": pixels.real.document(), "generated": pixels.generated.document()},
            "entropy_bits": {
                "real": pixels.real_entropy.document(),
                "generated": pixels.generated_entropy.document(),
                "differ_p": pixels.entropies_differ_p,
            },
            "uaci_of_pictures": pixels.pairs.uaci.document(),
            "stored": {
                "by": result.storage,
                "one_pixel": stored.one_pixel.document(),
                "identity": stored.identity.document(),
                "plain_identity": stored.plain_identity.document(),
                "entropy_bits": stored.entropy.document(),
                "histogram": stored.histogram.document(),
            },
            "encode_ms": stored.encode_ms,
            "decode_ms": stored.decode_ms,
            "generation_ms": {f"batch {batch}": ms for batch, ms in result.generation_ms.items()},
            "clustering_s": result.clustering_s,
            "clusters": result.clusters,
            "ledger": {
                "name": ledger.ledger,
                "single_ms": ledger.single_ms,
                "batched_ms": ledger.batched_ms,
                "batch": ledger.batch,
            },
        },
        sections=(
            Section(
                "What was measured",
                f"{result.faces} faces found in {result.photos} photos, and as many drawn. {DEFINITIONS}",
                plots=[Plot("Generated faces", "image/png", _png(result.sheet))],
            ),
            Section(
                "Realism (S3's tables 3 and 4)",
                tables=[Table(COLUMNS, realism_rows(result))],
                plots=[_roc_plot(realism.told_apart)],
            ),
            Section("Time (table 5)", tables=[Table(COLUMNS, time_rows(result, ledger))]),
            Section(
                "Pixels and ciphertext (tables 6 to 8)",
                tables=[Table(COLUMNS, pixel_rows(result))],
                plots=[_histogram_plot(pixels.real_shares, pixels.generated_shares)],
            ),
            Section("Differences", DIFFERENCES),
        ),
    )


def realism_rows(result: PpsaResult) -> list[list[str]]:
    """Return rows under `COLUMNS`."""
    realism = result.realism
    told = realism.told_apart
    distances = [
        [
            f"Fréchet distance, {name}'s features",
            "FID 35.50",
            f"{realism.distance[name]:.4g}; of two halves of the real {realism.distance_of_real[name]:.4g}",
        ]
        for name in realism.distance
    ]
    covered = [
        [
            f"generated among real, real among generated, {name}'s features",
            "",
            f"{_share(each.precision)}; {_share(each.recall)}",
        ]
        for name, each in realism.coverage.items()
    ]
    return [
        [
            "class score, expressions",
            "IS 13.99",
            f"{realism.score:.2f}; of real faces {realism.score_of_real:.2f}",
        ],
        *distances,
        *covered,
        ["told from real: precision", ".948", _share(told.precision)],
        ["told from real: recall", ".938", _share(told.recall)],
        ["told from real: F1", ".943", f"{told.f1:.3f}"],
        ["told from real: accuracy", ".947", _share(told.accuracy)],
        ["told from real: AUC", ".991", f"{told.auc:.3f}"],
    ]


def time_rows(result: PpsaResult, ledger: LedgerTime) -> list[list[str]]:
    """Return rows under `COLUMNS`."""
    a_face = 1000 * result.clustering_s / result.faces
    return [
        *(
            [f"a generated face, ms, batch of {batch}", "24.8 (32 px)", f"{ms:.2f} (64 px)"]
            for batch, ms in result.generation_ms.items()
        ),
        ["encoding, ms a picture", "11.6", f"{result.stored.encode_ms:.2f}"],
        ["decoding, ms a picture", "18.2", f"{result.stored.decode_ms:.2f}"],
        [
            "mini-batch k-means, 125 clusters",
            f"32 min, {1000 * 32 * 60 / S3_IMAGES:.1f} ms a picture",
            (
                f"{result.clustering_s:.1f} s of {result.faces} pictures, {a_face:.1f} ms each, "
                f"{result.clusters} clusters"
            ),
        ],
        [
            "ledger, ms a picture",
            f"{1000 * 74 * 60 / S3_IMAGES:.1f} (mining)",
            (
                f"{ledger.single_ms:.1f} alone, {ledger.batched_ms:.3f} in batches of {ledger.batch:,} "
                f"({ledger.ledger})"
            ),
        ],
    ]


def pixel_rows(result: PpsaResult) -> list[list[str]]:
    """Return rows under `COLUMNS`."""
    pixels, stored = result.pixels, result.stored
    moments = [
        [
            f"{name} of values, real and generated",
            published,
            f"{getattr(pixels.real, field):.2f}; {getattr(pixels.generated, field):.2f}",
        ]
        for name, field, published in (
            ("mean", "mean", "127.54; 126.89"),
            ("standard deviation", "standard_deviation", "62.17; 61.93"),
            ("skewness", "skewness", "-0.21; -0.19"),
            ("kurtosis", "kurtosis", "2.87; 2.92"),
        )
    ]
    return [
        *moments,
        [
            "entropy, bits, mean and deviation, real and generated",
            "7.28, .17; 7.31, .19; p > .05",
            (
                f"{pixels.real_entropy.value:.2f}, {pixels.real_entropy_deviation:.2f}; "
                f"{pixels.generated_entropy.value:.2f}, {pixels.generated_entropy_deviation:.2f}; "
                f"p = {pixels.entropies_differ_p:.2g}"
            ),
        ],
        [
            "UACI of a generated and a real picture, mean and deviation",
            ".345, .027",
            f"{pixels.pairs.uaci.value:.3f}, {pixels.pairs_uaci_deviation:.3f}",
        ],
        [
            f"NPCR of the ciphertexts ({result.storage}), one pixel changed",
            f"random: {RANDOM_NPCR:.4f}",
            _figure(stored.one_pixel.npcr),
        ],
        ["UACI of the same", f"random: {RANDOM_UACI:.4f}", _figure(stored.one_pixel.uaci)],
        [
            "identity test: NPCR and UACI of one picture stored twice",
            "",
            f"{_figure(stored.identity.npcr)}; {_figure(stored.identity.uaci)}",
        ],
        [
            "the same unencrypted",
            "",
            f"{stored.plain_identity.npcr.value:.4f}; {stored.plain_identity.uaci.value:.4f}",
        ],
        ["entropy of the ciphertext, bits", "", _figure(stored.entropy)],
    ]


def _told_apart(told: ToldApart) -> Mapping[str, Any]:
    return {
        "generated": len(told.generated_scores),
        "generated_as_generated": told.true_positives,
        "real": len(told.real_scores),
        "real_as_generated": told.false_positives,
        "precision": told.precision.document(),
        "recall": told.recall.document(),
        "f1": told.f1,
        "accuracy": told.accuracy.document(),
        "auc": told.auc,
    }


def _coverage(found: Coverage) -> Mapping[str, Any]:
    return {"precision": found.precision.document(), "recall": found.recall.document()}


def _figure(found: Estimate) -> str:
    return f"{found.value:.4f} ± {found.high - found.value:.4f}"


def _share(rate: Rate) -> str:
    if not rate.trials:
        return "-"
    low, high = rate.interval
    return f"{rate.value:.3f} ({low:.3f} to {high:.3f}, n = {rate.trials})"


def _roc_plot(told: ToldApart) -> Plot:
    figure = Figure(figsize=(4.4, 4))
    axes = figure.add_subplot()
    axes.plot(*told.roc, label=f"AUC {told.auc:.3f}")
    axes.plot([0, 1], [0, 1], "--", color="C7", label="guessing")
    axes.set_xlabel("real faces called generated")
    axes.set_ylabel("generated faces called generated")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return rendered(figure, "Generated faces told from real ones")


def _histogram_plot(real: NDArray[np.float64], generated: NDArray[np.float64]) -> Plot:
    figure = Figure(figsize=(5.6, 3.4))
    axes = figure.add_subplot()
    shown: Sequence[tuple[str, NDArray[np.float64]]] = (("real", real), ("generated", generated))
    for name, shares in shown:
        axes.plot(np.arange(256), shares, label=name)
    axes.set_xlabel("value of a colour channel")
    axes.set_ylabel("share")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return rendered(figure, "Values of all pixels")


def _png(picture: NDArray[np.uint8]) -> bytes:
    target = io.BytesIO()
    Image.fromarray(picture).save(target, format="PNG")
    return target.getvalue()
