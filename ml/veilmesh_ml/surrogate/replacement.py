"""Replaces one face of a picture by a surrogate.

1. bring the face into the bank's frame and read its attributes, by which a donor is chosen;
2. place the donor's landmarks: pose and expression of the person, identity of nobody (`shape`);
3. warp the picture around it so that the jaw becomes the donor's, and the donor there;
4. decide which pixels are not skin and stay (`occlusion`);
5. match tone, light, sharpness and grain (`blend`), and lay the surrogate in with a narrow feather.

What leaks is, in this order, the person's own pixels at rim and hairline, and the landmarks; hence the whole
forehead and cheeks are covered, with a narrow feather.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.image import RgbImage
from veilmesh_ml.keystream import derive
from veilmesh_ml.surrogate.attributes import Reading
from veilmesh_ml.surrogate.bank import Bank, Donor
from veilmesh_ml.surrogate.blend import (
    ToneMatch,
    add_grain,
    coarsely_blurred,
    match_sharpness,
    match_tone,
    smooth_field,
    smoothstep,
)
from veilmesh_ml.surrogate.frame import Frame
from veilmesh_ml.surrogate.geometry import Plane, piecewise_affine
from veilmesh_ml.surrogate.occlusion import Lab, fall_off, follow_edges, learn_skin, reaching_in
from veilmesh_ml.surrogate.points import OUTLINE, Points, with_forehead
from veilmesh_ml.surrogate.samples import middle, sampled
from veilmesh_ml.surrogate.shape import aligned, deidentified

DECIDED_AT_PX: Final = 80  # width of the face at which pixels are judged; larger faces are scaled down
RIM: Final = 0.10  # widths of the face: skin this near to the outline tells what the surrogate meets there
FADE: Final = 0.05  # widths of the face: how fast the correction at the rim fades inwards
REACH: Final = (
    0.35  # of `lay_over` around the points, in widths of the face: so far the warp of a jaw reaches
)
MARGIN: Final = 0.06  # widths of the face: what is looked at around it
RING: Final = 1.45  # of the face: how far the warp of the jaw reaches into its surroundings
LEAST_SKIN_PX: Final = 50
# Standard deviations of the skin's colour: beyond them a pixel of the forehead is hair, or one of the
# lower face something held before it.
HAIR: Final = 5.5
LIKE_HAIR: Final = 3.2  # beside hair, this is hair as well
OBSTACLE: Final = 5.0
BROW: Final = 0.09  # widths of the face: room about the landmarks of the brows


@dataclass(frozen=True, slots=True)
class Setting:
    """How much of the person stays.

    Attributes:
        caution: of the shape filter, 1 and more: the higher, the less of the person's landmarks.
        suitable: among how many donors the least alike are looked for; see `choose`.
        jaw: how far the jaw becomes the donor's, 0 to 1; the picture around it is warped as far.
        feather: width of the transition, in widths of the face.
        keeps_hair: whether hair and hats over the forehead stay.
        keeps_obstacles: whether things before the lower face stay.
    """

    caution: float
    suitable: int
    jaw: float
    feather: float = 0.025
    keeps_hair: bool = True
    keeps_obstacles: bool = True


def read_face(window: RgbImage, landmarks: Points, bank: Bank) -> Reading:
    """Return what a surrogate has to have in common with a face, and what not.

    Args:
        window: the face, uint8 (height, width, 3).
        landmarks: float (68, 2) in the window.
        bank: of the attribute model and its frame.
    """
    points = with_forehead(landmarks)
    texture = np.asarray(bank.frame.warp_from(points).pull(window), dtype=np.uint8)
    texture[~bank.frame.face] = 0
    upright = aligned(landmarks, bank.frame.mean_shape)
    return bank.attribute_model.read(texture, landmarks, upright, bank.frame)


def lay_over(
    window: RgbImage, landmarks: Points, donor: Donor, bank: Bank, setting: Setting, *, key: bytes
) -> RgbImage:
    """Return the window with the donor in the face's place.

    Args:
        window: the face and what is around it, uint8 (height, width, 3).
        landmarks: float (68, 2) in the window.
        donor: in the bank's frame, of the bank or not.
        bank: of the frame and the shape model.
        setting: how.
        key: 32 bytes, of this face alone.
    """
    points = with_forehead(landmarks)
    width_px = max(8.0, float(np.hypot(*(landmarks[16] - landmarks[0]))))
    placed = deidentified(landmarks, donor.shape, bank.shape_model, setting.caution, setting.jaw)
    base = _with_jaw(window, points, placed) if setting.jaw else window
    corner, part = _around(placed, MARGIN * width_px, base)
    result = base.copy()
    result[part] = _compose(
        np.ascontiguousarray(base[part]),
        placed - corner,
        landmarks[17:27] - corner,
        width_px,
        frame=bank.frame,
        donor=donor,
        setting=setting,
        key=derive(key, "noise"),
    )
    return result


def _around(
    points: Points, margin_px: float, image: RgbImage
) -> tuple[NDArray[np.int64], tuple[slice, slice]]:
    """Return the part of the picture about these points: its upper left corner, x and y, and its slices."""
    limit = np.array([image.shape[1], image.shape[0]])
    low = np.clip(np.floor(points.min(axis=0) - margin_px), 0, limit).astype(np.int64)
    high = np.clip(np.ceil(points.max(axis=0) + margin_px) + 1, 0, limit).astype(np.int64)
    return low, (slice(low[1], high[1]), slice(low[0], high[0]))


def _with_jaw(window: RgbImage, points: Points, placed: Points) -> RgbImage:
    """Warp the surroundings so that the outline of the face becomes the surrogate's.

    The face itself follows from its middle on: what of it shows through the feather is skin, not background.
    """
    before, after = points[OUTLINE], placed[OUTLINE]
    middle, old_middle = after.mean(axis=0), before.mean(axis=0)
    ring = old_middle + (before - old_middle) * RING
    n = len(OUTLINE)
    following = np.roll(np.arange(n), -1)
    strip = np.concatenate(
        [
            np.column_stack([np.arange(n), following, np.arange(n) + n]),
            np.column_stack([following, following + n, np.arange(n) + n]),
            np.column_stack([np.arange(n), following, np.full(n, 2 * n)]),
        ]
    )
    warp = piecewise_affine(
        np.concatenate([after, ring, [middle]]),
        np.concatenate([before, ring, [old_middle]]),
        strip,
        *window.shape[:2],
    )
    moved = np.asarray(warp.pull(window), dtype=np.uint8)
    return np.where(warp.inside[..., np.newaxis], moved, window)


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """Photo and donor over each other at one resolution.

    Attributes:
        photo, donor: LAB, the donor warped to its place.
        inside, skin, features, forehead: where the surrogate is, and which part of it.
        depth: pixels to the surrogate's outline.
        width_px: of the face.
    """

    photo: Lab
    donor: Lab
    inside: NDArray[np.bool_]
    skin: NDArray[np.bool_]
    features: NDArray[np.bool_]
    forehead: NDArray[np.bool_]
    depth: Plane
    width_px: float

    @property
    def guide(self) -> Plane:
        """Lightness, 0 to 1: what the edge of hair follows."""
        return np.asarray(self.photo[..., 0] / np.float32(255))


def _scene(image: RgbImage, placed: Points, width_px: float, frame: Frame, donor: Donor) -> _Scene:
    height, width = image.shape[:2]
    warp = frame.warp_to(placed, height, width)
    texture = np.asarray(warp.pull(donor.texture, cv2.INTER_CUBIC), dtype=np.uint8)
    zones = (np.asarray(warp.pull(frame.zones)) > 127) & warp.inside[..., np.newaxis]
    skin, features, forehead = np.moveaxis(zones, 2, 0)
    if skin.sum() < LEAST_SKIN_PX:
        skin = warp.inside
    depth = _depth(placed, height, width)
    laid = _lab(texture)
    laid[~warp.inside] = middle(laid.reshape(-1, 3)[sampled(skin)])  # blurs meet skin there, not black
    return _Scene(_lab(image), laid, warp.inside, skin, features, forehead, depth, width_px)


def _compose(
    base: RgbImage,
    placed: Points,
    own_brows: Points,
    width_px: float,
    *,
    frame: Frame,
    donor: Donor,
    setting: Setting,
    key: bytes,
) -> RgbImage:
    """Return the window with the donor laid into it."""
    scene = _scene(base, placed, width_px, frame, donor)
    judged = _scaled_down(scene)
    decision = _decide(judged, own_brows * (judged.width_px / width_px), setting)
    surrogate = decision.match.apply(scene.donor) + _enlarged(decision.correction, scene)
    if scene.features.sum() >= LEAST_SKIN_PX:
        light = match_sharpness(scene.photo[..., 0], surrogate[..., 0], scene.features, width_px / 100)
        surrogate[..., 0] = add_grain(scene.photo[..., 0], light, scene.skin, key)
    if _is_grey(base):
        surrogate[..., 1:] = 128
    matte = _enlarged(decision.slope, scene) * scene.guide + _enlarged(decision.offset, scene)
    staying = smoothstep((matte - 0.35) / 0.3)
    alpha = (
        smoothstep(scene.depth / np.float32(max(1.0, setting.feather * width_px)))
        * scene.inside
        * (1 - staying)
    )
    colour = cv2.cvtColor(np.clip(np.rint(surrogate), 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)
    mixed = base + (colour.astype(np.float32) - base) * alpha[..., np.newaxis]
    return np.asarray(np.rint(mixed), dtype=np.uint8)


def _scaled_down(scene: _Scene) -> _Scene:
    """The scene at which pixels are judged: itself, or a smaller one where the face is large."""
    scale = DECIDED_AT_PX / scene.width_px
    if scale >= 1:
        return scene
    height, width = scene.depth.shape
    size = max(1, round(width * scale)), max(1, round(height * scale))
    parts = cv2.merge(
        [part.astype(np.uint8) for part in (scene.inside, scene.skin, scene.features, scene.forehead)]
    )
    nearest = cv2.resize(parts, size, interpolation=cv2.INTER_NEAREST) > 0
    inside, skin, features, forehead = np.moveaxis(nearest, 2, 0)
    photo, donor, depth = (
        np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
        for values in (scene.photo, scene.donor, scene.depth)
    )
    if skin.sum() < LEAST_SKIN_PX:
        return scene
    return _Scene(
        photo, donor, inside, skin, features, forehead, depth * np.float32(scale), scene.width_px * scale
    )


def _enlarged(values: NDArray[np.float32], scene: _Scene) -> NDArray[np.float32]:
    height, width = scene.depth.shape
    if values.shape[:2] == (height, width):
        return values
    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Decision:
    """How the donor is toned, and what of the photo stays.

    Attributes:
        match, correction: the surrogate is match.apply(donor) + correction, LAB.
        slope, offset: the matte of what stays is slope * lightness / 255 + offset.
    """

    match: ToneMatch
    correction: Lab
    slope: Plane
    offset: Plane


def _decide(scene: _Scene, own_brows: Points, setting: Setting) -> _Decision:
    unlike = learn_skin(scene.photo, scene.skin).unlikeness(scene.photo)
    kept = _kept(scene, unlike, own_brows, setting)
    radius = max(1, round(0.03 * scene.width_px))
    slope, offset = follow_edges(kept.astype(np.float32), scene.guide, radius, 2e-3)
    usable = scene.skin & ~kept
    if usable.sum() < LEAST_SKIN_PX:
        usable = scene.skin
    match = match_tone(scene.photo, scene.donor, usable)
    correction = _correction(scene, match.apply(scene.donor), unlike, usable, kept)
    return _Decision(match, correction, slope, offset)


def _kept(scene: _Scene, unlike: Plane, own_brows: Points, setting: Setting) -> NDArray[np.bool_]:
    """Which pixels stay: hair and hats over the forehead, and things before the face."""
    inside, width_px = scene.depth > 0, scene.width_px
    brows = np.zeros(inside.shape, dtype=np.uint8)
    for centre in np.rint(own_brows).astype(np.int32):
        cv2.circle(brows, (int(centre[0]), int(centre[1])), max(1, round(BROW * width_px)), 1, cv2.FILLED)
    inside &= brows == 0  # the person's own brows are no hair over the forehead
    kept = np.zeros(inside.shape, dtype=np.bool_)
    rim_px = max(1.5, 0.03 * width_px)
    if setting.keeps_hair:
        may_be = inside & scene.forehead & ~scene.features
        least_px = round(0.002 * width_px**2)
        kept |= reaching_in(may_be & (unlike > LIKE_HAIR), unlike > HAIR, scene.depth, rim_px, least_px)
    if setting.keeps_obstacles:
        obstacle = inside & (unlike > OBSTACLE) & ~scene.features
        kept |= reaching_in(obstacle, obstacle, scene.depth, rim_px, round(0.03 * width_px**2))
    return kept


def _correction(
    scene: _Scene, toned: Lab, unlike: Plane, usable: NDArray[np.bool_], kept: NDArray[np.bool_]
) -> Lab:
    """The fall-off of light across the face, the forehead's tone, and what is then still wrong at the rim."""
    falling = np.zeros_like(toned)
    falling[..., 0] = fall_off(scene.photo[..., 0], usable) - fall_off(toned[..., 0], usable)
    difference = scene.photo - toned - falling
    likely = np.exp(unlike * unlike * np.float32(-0.16)) * ~kept
    bare = sampled(scene.forehead & (likely > 0.3))
    if len(bare) >= LEAST_SKIN_PX:
        tone = np.clip(middle(difference.reshape(-1, 3)[bare]), -25, 25).astype(np.float32)
        above = (
            coarsely_blurred(scene.forehead.astype(np.float32), 0.08 * scene.width_px)[..., np.newaxis] * tone
        )
        falling += above
        difference -= above
    band = likely * (scene.depth > 0) * (scene.depth < RIM * scene.width_px) * ~scene.features
    close = np.clip(smooth_field(np.clip(difference, -60, 60), band, 0.08 * scene.width_px), -40, 40)
    fade = np.exp(scene.depth * np.float32(-1 / (FADE * scene.width_px)))[..., np.newaxis]
    return np.asarray(falling + close * fade, dtype=np.float32)


def _lab(image: RgbImage) -> Lab:
    return cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)


def _depth(points: Points, height: int, width: int) -> Plane:
    """Distance of every pixel to the outline of the face, 0 outside."""
    pad = max(height, width) // 8 + 2  # a face goes on beyond the picture's border: that is no outline
    mask = np.zeros((height + 2 * pad, width + 2 * pad), dtype=np.uint8)
    cv2.fillPoly(mask, [np.rint(np.clip(points[OUTLINE], -16384, 16384)).astype(np.int32) + pad], 1)
    inner = cv2.distanceTransform(mask, cv2.DIST_L2, 5)[pad:-pad, pad:-pad]
    return np.asarray(inner, dtype=np.float32)


def _is_grey(image: RgbImage) -> bool:
    red, green, blue = cv2.split(image)
    return bool(cv2.absdiff(red, green).max() <= 2 and cv2.absdiff(green, blue).max() <= 2)
