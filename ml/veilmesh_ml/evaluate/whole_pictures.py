"""The whole output beside the whole original: how alike they are, and whether only the face was changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from veilmesh_ml.evaluate.blocks import Arrays
from veilmesh_ml.evaluate.estimates import Estimate
from veilmesh_ml.evaluate.measuring import Method, Subject, psnr_db, read_photo, ssim
from veilmesh_ml.evaluate.rates import Rate


def measure_whole_pictures(subjects: Sequence[Subject], method: Method) -> Arrays:
    """Anonymize each photo and compare; called in a worker.

    Returns:
        ssim, psnr (n,) over the whole picture;
        outside (n,): pixels in none of the windows that the anonymizer says it changed; and
        altered (n,): those of them that are not the original's, bit for bit.
    """
    measured = []
    for subject in subjects:
        original = read_photo(subject.photo)
        output = method.anonymize(original, subject.face, "probe", subject.photo.path)
        outside = np.ones(original.shape[:2], dtype=np.bool_)
        for area in output.changed:
            window = area.window
            outside[window.top : window.bottom, window.left : window.right] = False
        differs = (output.image != original).any(axis=2)
        measured.append(
            (
                ssim(original, output.image),
                psnr_db(original, output.image),
                outside.sum(),
                (outside & differs).sum(),
            )
        )
    return dict(zip(("ssim", "psnr", "outside", "altered"), np.array(measured).T, strict=True))


@dataclass(frozen=True, slots=True)
class WholePictures:
    """Of the probes' outputs.

    Attributes:
        ssim, psnr_db: over the whole picture.
        untouched: of the outputs whose windows leave some pixels out, those that are the original's there.
    """

    ssim: Estimate
    psnr_db: Estimate
    untouched: Rate

    @classmethod
    def of(cls, measured: Arrays) -> Self:
        """Sum up what `measure_whole_pictures` returned."""
        altered = measured["altered"][measured["outside"] > 0]
        return cls(
            ssim=Estimate.mean(measured["ssim"]),
            psnr_db=Estimate.mean(measured["psnr"]),
            untouched=Rate(int((altered == 0).sum()), len(altered)),
        )

    def document(self) -> Mapping[str, Any]:
        """For a JSON report."""
        return {
            "ssim": self.ssim.document(),
            "psnr_db": self.psnr_db.document(),
            "untouched_outside": self.untouched.document(),
        }
