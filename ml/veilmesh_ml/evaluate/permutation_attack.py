"""Attacks on the key of `permute`: how large its space is, and what one known original gives away.

Brute force: every 256-bit key gives another permutation, and the recovery record's check tells the right key.
What a search of all keys takes is computed from keys tried here; nobody finishes it.

Known plaintext: the attacker holds some photos before and after. Per channel, a pixel's value in the output
tells which places of the original it may have come from; with several photos permuted alike, places that
agree in all of them remain. This is run against

- the scheme as S4 describes it, one permutation for all photos and channels of a set;
- `permute`, which draws another permutation for every photo, face and channel, so that what was learnt from
  some photos says nothing of the next, even under the same key.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.anonymizers.permute import Permute
from veilmesh_ml.anonymizers.recovery import Recovery, key_check
from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.keystream import KEY_BYTES, derive, permutation
from veilmesh_ml.regions import key_region

KEYS_TRIED = 2000
KNOWN_PHOTOS = (1, 2, 4, 8)
_SECONDS_A_YEAR = 365.25 * 86400
_CLOSE = 8  # grey levels: a restored pixel this near to the original looks right


@dataclass(frozen=True, slots=True)
class KnownPlaintext:
    """What an attacker who knows `photos_known` originals restores of a photo it does not know.

    Attributes:
        exact: pixel values restored exactly.
        close: restored to within eight grey levels.
    """

    photos_known: int
    exact: Rate
    close: Rate

    def document(self) -> Mapping[str, Any]:
        return {
            "photos_known": self.photos_known,
            "exact": self.exact.document(),
            "close": self.close.document(),
        }


@dataclass(frozen=True, slots=True)
class KeyAttack:
    """The outcome.

    Attributes:
        n: pixels permuted.
        key_bits: of the key space.
        permutation_bits: of all permutations of n pixels, three channels: what a guess of the permutation
            itself is up against.
        keys_tried, keys_found: random keys, and how many passed the check.
        keys_a_second: on one core here.
        years_for_all: for half the key space at a million million such cores.
        one_for_all: known plaintext against a single permutation for all photos.
        untouched: the same shares without any attack: the output taken for the original.
        ours: known plaintext against `permute`, one key for all photos.
    """

    n: int
    key_bits: int
    permutation_bits: float
    keys_tried: int
    keys_found: int
    keys_a_second: float
    years_for_all: float
    one_for_all: Sequence[KnownPlaintext]
    untouched: KnownPlaintext
    ours: Sequence[KnownPlaintext]

    def document(self) -> Mapping[str, Any]:
        """For a JSON report."""
        return {
            "n": self.n,
            "key_bits": self.key_bits,
            "permutation_bits": round(self.permutation_bits),
            "keys_tried": self.keys_tried,
            "keys_found": self.keys_found,
            "keys_a_second": round(self.keys_a_second),
            "years_for_half_the_keys_on_1e12_cores": self.years_for_all,
            "known_plaintext_one_permutation_for_all": [each.document() for each in self.one_for_all],
            "output_taken_for_the_original": self.untouched.document(),
            "known_plaintext_permute": [each.document() for each in self.ours],
        }


def attack_permutation(
    photos: Sequence[tuple[RgbImage, Face]], n: int, photos_known: Sequence[int] = KNOWN_PHOTOS
) -> KeyAttack:
    """Attack the key and the permutations.

    Args:
        photos: pictures with their face; the first ones are known to the attacker, the last is attacked.
        n: pixels permuted. Every face must be large enough to have that many, and its parts small enough.
        photos_known: how many the attacker knows, in turn; fewer than there are photos.
    """
    key = derive(bytes(KEY_BYTES), "attack", n)
    regions = [key_region(image.shape, face, n) for image, face in photos]
    before = [
        image[region.rows_and_columns][region.mask]
        for (image, _), region in zip(photos, regions, strict=True)
    ]
    kept = [pixels for pixels in before if len(pixels) == n]
    one = permutation(derive(key, "one for all"), n)
    alike = [pixels[one] for pixels in kept]
    results = [Permute(n=n, key=key).anonymize(image, [face]) for image, face in photos]
    ours = [
        result.image[region.rows_and_columns][region.mask]
        for result, region in zip(results, regions, strict=True)
        if region.pixels == n
    ]
    numbers = [count for count in photos_known if count < len(kept)]
    recovery = results[0].recovery
    if recovery is None:
        raise ValueError("permute gave no recovery record")
    found, per_second = _brute_force(recovery)
    return KeyAttack(
        n=n,
        key_bits=8 * KEY_BYTES,
        permutation_bits=3 * math.lgamma(n + 1) / math.log(2),
        keys_tried=KEYS_TRIED,
        keys_found=found,
        keys_a_second=per_second,
        years_for_all=2 ** (8 * KEY_BYTES - 1) / per_second / 1e12 / _SECONDS_A_YEAR,
        one_for_all=[_known_plaintext(kept, alike, count) for count in numbers],
        untouched=_restored(kept[-1], ours[-1], 0),
        ours=[_known_plaintext(kept, ours, count) for count in numbers],
    )


def _brute_force(recovery: Recovery) -> tuple[int, float]:
    """Try random keys; return how many passed the check, and keys a second."""
    draw = np.random.default_rng(0)
    started, found = time.process_time(), 0
    for _ in range(KEYS_TRIED):
        found += key_check(draw.bytes(KEY_BYTES), recovery.image_digest) == recovery.key_check
    return found, KEYS_TRIED / max(1e-9, time.process_time() - started)


def _known_plaintext(
    before: Sequence[NDArray[np.uint8]], after: Sequence[NDArray[np.uint8]], known: int
) -> KnownPlaintext:
    """Learn a permutation a channel from the first photos, and undo the last photo's by it.

    Args:
        before: pixels of the region, (n, 3), in the order of rows, of each photo.
        after: the same, permuted.
        known: how many the attacker knows.
    """
    restored = np.empty_like(after[-1])
    for channel in range(3):
        values_before = np.stack([pixels[:, channel] for pixels in before[:known]], axis=1)
        values_after = np.stack([pixels[:, channel] for pixels in after[:known]], axis=1)
        restored[_matched(values_before, values_after), channel] = after[-1][:, channel]
    return _restored(before[-1], restored, known)


def _matched(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return for each place of the output the place of the original that it came from, as a guess.

    Places whose values agree in all known photos are matched; among equals, and where nothing agrees, by
    order. (n, known) each; both are sorted by their rows, and the sorted rows paired.
    """
    order_before, order_after = (np.lexsort(values.T) for values in (before, after))
    places = np.empty(len(before), dtype=np.intp)
    places[order_after] = order_before
    return places


def _restored(truth: NDArray[np.uint8], restored: NDArray[np.uint8], known: int) -> KnownPlaintext:
    off = np.abs(truth.astype(np.int64) - restored)
    return KnownPlaintext(
        known,
        Rate(int(np.count_nonzero(off == 0)), off.size),
        Rate(int(np.count_nonzero(off <= _CLOSE)), off.size),
    )
