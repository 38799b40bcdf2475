"""Draw the pictures that README and documentation show: `docs/pictures`.

    python scripts/draw_pictures.py

A portrait in the public domain, which comes with scikit-image, by every anonymizer that is offered, with
fixed keys: equal weights give equal pictures.
"""

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw
from skimage import data
from veilmesh_ml import load_anonymizer, load_engine
from veilmesh_ml.anonymizers import ANONYMIZER_NAMES
from veilmesh_ml.contact_sheet import contact_sheet
from veilmesh_ml.image import RgbImage

PICTURES: Final = Path(__file__).resolve().parent.parent / "docs" / "pictures"
HEAD: Final = slice(10, 230), slice(110, 330)  # of the portrait
SURROGATES: Final = ("ciagan", "cluster", "ppsa", "stylegan")
KEYLESS: Final = ("blur", "pixelate", "mask", "superpixel")
DRAWS: Final = 5
CAPTION_PX: Final = 16


def main() -> None:
    """Draw all."""
    portrait = np.ascontiguousarray(data.astronaut()[HEAD])  # type: ignore[no-untyped-call]  # scikit-image has no annotations
    faces = load_engine().detect(portrait)

    def by(name: str, draw: int) -> RgbImage:
        key = {} if name in KEYLESS else {"key": bytes([draw]) * 32}
        anonymizer = load_anonymizer(name, **key)
        return captioned(anonymizer.anonymize(portrait, faces).image, name)

    original = captioned(portrait, "original")
    save("methods.jpg", [original, *(by(name, 0) for name in ANONYMIZER_NAMES)], columns=4)
    rows = [
        [original, *(by(name, draw) for draw in range(DRAWS))]
        for name in SURROGATES
        if name in ANONYMIZER_NAMES
    ]
    save("surrogates.jpg", [picture for row in rows for picture in row], columns=1 + DRAWS)


def captioned(picture: RgbImage, caption: str) -> RgbImage:
    """Return a picture with words below it."""
    sheet = Image.new("RGB", (picture.shape[1], picture.shape[0] + CAPTION_PX), "white")
    sheet.paste(Image.fromarray(picture))
    ImageDraw.Draw(sheet).text((4, picture.shape[0] + 2), caption, fill="black")
    return np.asarray(sheet)


def save(name: str, pictures: list[RgbImage], columns: int) -> None:
    """Write pictures in rows."""
    PICTURES.mkdir(exist_ok=True)
    Image.fromarray(contact_sheet(pictures, columns)).save(PICTURES / name, quality=88)


if __name__ == "__main__":
    main()
