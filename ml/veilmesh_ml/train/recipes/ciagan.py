"""Trains CIAGAN (S2, section III.B): paint a face into a photo without one, as somebody who is nobody.

A quarter of a batch is painted over the mean face with the person's own code, and the person's photo says
how it should look; the rest over a donor with a code of nobody, as in use. There the donor's features stay as
they are (`inpainting.conditions`); how the rest should look is said by the photo, the critic and the coarse
colours.

The landmarks that the generator is given are de-identified, in training as in use. So that photo and
landmarks agree, the photo is warped to them, inside the mask alone. The prior has the tone of the skin, as in
use: where it had not, faces came out too dark or too yellow for the neck below them.

| loss | on | weight in the config |
|---|---|---|
| critic, least squares, painted above photo (relativistic), where the mask is | all | `critic` |
| pixels, L1, inside the mask and (a tenth) outside | all; code of nobody: but for the features | `pixels` |
| maps of the siamese network | own code | `maps` |
| identity: squared distance of embeddings, none below `near` | own code | `identity` |
| colours at 1/16 of the resolution | code of nobody | `colours` |

Departures from S2. Adam at 1e-4 is what S2 trained 162,000 photos with; here the steps are few and batches
small, hence 2e-4, falling to a tenth over the last third, and more for the critic, which was beaten at once
by a generator of 4e-4. The code is not one of N people of the training: such a generator paints people who
exist. It is drawn (`train.identities`). The critic compares a painting with the photo that it is painted into
(relativistic pairs: Jolicoeur-Martineau 2019; Huang et al. 2024). Asked about one canvas at a time it could
tell nothing: trained from scratch on 720 paintings of one generator and their photos it placed 240 others no
better than chance after 200 steps; as pairs, it placed 70 % of them. It has spectral normalisation, and sees
what it judges shifted at random, with a gradient penalty on real photos every few steps (R1, Mescheder et al.
2018): there are few photos. Both are slight. With a penalty of 1 for 0.01 it said 0.5 to everything after 500
steps, and faces stayed blurred; recoloured at random as well (DiffAugment, Zhao et al. 2020), it told
paintings of one generator from photos a third as well after 200 steps. Most of a canvas is the photo itself,
which tells a critic nothing; it is asked inside the mask alone. Weighed as much as the pixels it pulls 25
times as hard, and rims came out in tints that changed from step to step; at a tenth, about twice as hard, it
still had a mark painted on many foreheads. Below `near` identity costs nothing: unbounded, this loss beat the
critic. A donor is a face already, which code and critic alone made crooked within 5,000 steps; held to it by
a loss it still came out blurred at the brows, and its code was written on the forehead, a dark spot. The
critic sees a donor's features no more than the photo's in their place: donors are means and smoother than
photos, so that it knew them at once, and to fool it the rim was painted in glaring strokes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from veilmesh_ml.inpainting.conditions import conditions, mask_outline
from veilmesh_ml.inpainting.smooth_warp import warp_picture
from veilmesh_ml.inpainting.tone import face_tone
from veilmesh_ml.networks.ciagan import CiaganConfig, Critic, Generator
from veilmesh_ml.networks.siamese import Siamese, SiameseConfig
from veilmesh_ml.surrogate.points import with_forehead
from veilmesh_ml.surrogate.shape import deidentified
from veilmesh_ml.train.identities import Identities
from veilmesh_ml.train.packed import Packed, decode
from veilmesh_ml.train.pictures import to_network
from veilmesh_ml.train.recipes.faces_only import face_masks, rows_sheet, shares
from veilmesh_ml.train.trainer import Batch, Compute, Losses, Model

CAUTION: Final = 20.0  # of the shape filter, as the anonymizer's mode `natural`
_OWN: Final = 4  # one of so many is painted with the person's own code
_SHOWN: Final = 12  # faces in a grid
_EMBEDDED_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class CiaganTrainingConfig:
    """Weights are in the module's table.

    Attributes:
        near: squared distance of embeddings below which identity costs nothing: two photos of one person are
            as near (.07, of two people .22).
        critic_rate: the critic's learning rate; it falls as the generator's.
        penalty, penalty_every: weight of R1, and steps between.
        keep: of the average, at each step.
    """

    batch: int = 16
    seed: int = 0
    steps: int = 60_000
    learning_rate: float = 2e-4
    critic_rate: float = 5e-4
    critic: float = 0.03
    pixels: float = 2.0
    maps: float = 0.5
    identity: float = 0.5
    near: float = 0.08
    colours: float = 2.0
    penalty: float = 0.01
    penalty_every: int = 16
    keep: float = 0.999


class CiaganTraining:
    """A `Recipe`."""

    def __init__(
        self, config: CiaganTrainingConfig, packed: Packed, compute: Compute, siamese: Mapping[str, Any]
    ) -> None:
        self._config, self._compute = config, compute
        self._faces, self._surrogates = packed.require_faces()
        networks = CiaganConfig()
        self._generator = compute.place(Generator(networks))
        self._critic = compute.place(Critic(networks))
        self._siamese = compute.place(Siamese(SiameseConfig()))
        self._siamese.load_state_dict(siamese)
        self._siamese.requires_grad_(False).eval()
        self._to_paint = torch.optim.Adam(self._generator.parameters(), config.learning_rate, (0.5, 0.99))
        # Momentum of the critic 0, as is usual beside R1 (Karras et al. 2019).
        self._to_judge = torch.optim.Adam(self._critic.parameters(), config.critic_rate, (0.0, 0.99))
        self._pixels = decode(self._faces.pictures)
        self._textures = decode(self._surrogates.textures)
        self._mean_texture = self._textures.mean(axis=0).astype(np.uint8)
        self._train = np.flatnonzero(~self._faces.held_out)
        self._judging = np.flatnonzero(self._faces.held_out)
        self._identities = Identities(self._faces)
        self._embeddings = self._embed_all()

    @property
    def modules(self) -> Mapping[str, Any]:
        return {"generator": self._generator, "critic": self._critic}

    @property
    def averaged(self) -> Mapping[str, float]:
        return {"generator": self._config.keep}

    @property
    def optimizers(self) -> Mapping[str, Any]:
        return {"generator": self._to_paint, "critic": self._to_judge}

    def batch(self, random: np.random.Generator) -> Batch:
        """The first with own codes, the rest with nobody's."""
        count = self._config.batch
        chosen = random.choice(self._train, count)
        drawn = self._drawn(chosen, random, own=np.arange(count) < count // _OWN)
        return drawn | {"mirrored": random.random(count) < 0.5}

    def step(self, batch: Batch, done: int) -> Losses:
        config = self._config
        rates = (self._to_paint, config.learning_rate), (self._to_judge, config.critic_rate)
        for optimizer, rate in rates:
            for group in optimizer.param_groups:
                group["lr"] = rate * _rate(done / config.steps)
        scene = _Scene.of(batch, self._compute)
        photo, mask, seen = scene.photo, scene.mask, scene.seen
        with self._compute.autocast():
            painted = scene.with_features(self._generator(seen, batch["code"]).float())
            pasted = photo * (1 - mask) + painted * mask
            own = len(photo) // _OWN
            canvases = torch.cat([scene.as_judged(pasted), scene.as_judged(photo)])
            shown, real = _shifted(canvases).chunk(2)
            with torch.no_grad():
                judged_real = self._critic(real)
            fooled = _missed(self._critic(shown) - judged_real, real)
            embedded, maps = self._siamese(pasted[:own] * scene.face[:own])
            with torch.no_grad():
                _, wanted_maps = self._siamese(photo[:own] * scene.face[:own])
        told = (mask + 0.1 * (1 - mask)) * (1 - scene.features)
        apart = (embedded.float() - batch["embedding"][:own]).square().sum(1)
        losses = {
            "fooled": fooled,
            "pixels": ((painted - photo).abs() * told).sum() / told.sum() / 3,
            "maps": sum(
                functional.l1_loss(map_.float(), wanted.float())
                for map_, wanted in zip(maps, wanted_maps, strict=True)
            ),
            "identity": functional.relu(apart - config.near).mean(),
            "colours": _coarse(painted - photo, mask * (1 - scene.features))[own:].abs().mean(),
        }
        weights = (config.critic, config.pixels, config.maps, config.identity, config.colours)
        together = sum(weight * loss for weight, loss in zip(weights, losses.values(), strict=True))
        self._to_paint.zero_grad(set_to_none=True)
        together.backward()
        self._to_paint.step()
        losses |= self._judge(real.detach(), shown.detach(), done)
        return {name: loss.detach() for name, loss in losses.items()}

    def _judge(self, real: Any, painted: Any, done: int) -> dict[str, Any]:
        with self._compute.autocast():
            losses = {"judged": _missed(self._critic(real) - self._critic(painted), real)}
        together = losses["judged"]
        if done % self._config.penalty_every == 0:
            few = real[: len(real) // 2].requires_grad_()
            slope = torch.autograd.grad(self._critic(few).sum(), few, create_graph=True)[0]
            losses["slope"] = slope.square().sum((1, 2, 3)).mean()
            together = together + self._config.penalty * self._config.penalty_every / 2 * losses["slope"]
        self._to_judge.zero_grad(set_to_none=True)
        together.backward()
        self._to_judge.step()
        return losses

    def paint(self, batch: Batch) -> Any:
        """Return what the generator makes of a batch on the device, [batch, 3, 128, 128]."""
        scene = _Scene.of(batch, self._compute)
        with self._compute.autocast():
            return scene.with_features(self._generator(scene.seen, batch["code"]).float())

    def samples(self, averages: Mapping[str, Any]) -> NDArray[np.uint8]:
        """Rows: photo, what is seen, then priors and what is painted: own code once, then codes of nobody."""
        random = np.random.default_rng(1)
        chosen = self._judging[:: max(1, len(self._judging) // _SHOWN)][:_SHOWN]
        rows = []
        for own in (True, False, False, False):
            drawn = self._drawn(chosen, random, own=np.full(len(chosen), own))
            parts = {name: self._compute.place(torch.as_tensor(values)) for name, values in drawn.items()}
            scene = _Scene.of(parts, self._compute)
            with self._compute.autocast():
                painted = scene.with_features(averages["generator"](scene.seen, parts["code"]).float())
            photo = self._compute.place(to_network(self._pixels[chosen]))
            if own:
                rows += [photo, scene.seen[:, :3]]
            rows += [scene.seen[:, 5:], photo * (1 - scene.mask) + painted * scene.mask]
        return rows_sheet(rows)

    def _drawn(
        self,
        chosen: NDArray[np.intp],
        random: np.random.Generator,
        *,
        own: NDArray[np.bool_],
    ) -> dict[str, NDArray[Any]]:
        """What the generator is given for these faces, and what it is held to."""
        drawn = [
            self._one(int(index), random, of_donor=not mine) for index, mine in zip(chosen, own, strict=True)
        ]
        codes = [self._code(int(index), random, own=mine) for index, mine in zip(chosen, own, strict=True)]
        names = ("photo", "mask", "lines", "prior", "face", "features")
        pictures = {name: np.stack(part) for name, part in zip(names, zip(*drawn, strict=True), strict=True)}
        return {
            **pictures,
            "mirrored": np.zeros(len(chosen), dtype=np.bool_),
            "code": np.stack(codes),
            "embedding": self._embeddings[chosen],
        }

    def _one(
        self, index: int, random: np.random.Generator, *, of_donor: bool
    ) -> tuple[NDArray[np.uint8], ...]:
        """The photo warped to a surrogate's landmarks, mask, lines, prior, where face and features are.

        Of the mean face no features stay.
        """
        faces, surrogates = self._faces, self._surrogates
        landmarks = faces.landmarks[index].astype(np.float64)
        donor = int(random.choice(faces.donors[index]))
        own = with_forehead(landmarks)
        new = deidentified(landmarks, surrogates.shapes[donor], surrogates.shape_model, CAUTION, 1.0)
        texture = self._textures[donor] if of_donor else self._mean_texture
        photo = self._pixels[index]
        given = conditions(photo, own, new, texture, surrogates.mean_shape, tone=face_tone(photo, own))
        rim = mask_outline(own, new)
        warped = warp_picture(photo, np.concatenate([new, rim]), np.concatenate([own, rim]), len(photo))
        share = given.mask[..., np.newaxis] / np.float32(255)
        moved = np.rint(photo + (warped - photo.astype(np.float32)) * share).astype(np.uint8)
        face = face_masks(new[np.newaxis, :68])[0]
        features = given.features if of_donor else np.zeros_like(given.features)
        return moved, given.mask, given.lines, given.prior, face, features

    def _code(self, index: int, random: np.random.Generator, *, own: bool) -> NDArray[np.float32]:
        if own:
            return self._identities.code(self._identities.features[index])
        return self._identities.code(self._identities.nobody(self._faces.peers[index], random)[0])

    def _embed_all(self) -> NDArray[np.float32]:
        masks = face_masks(self._faces.landmarks)
        parts = []
        for start in range(0, len(masks), _EMBEDDED_AT_ONCE):
            part = slice(start, start + _EMBEDDED_AT_ONCE)
            faces = self._compute.place(to_network(self._pixels[part]) * shares(masks[part]))
            with torch.no_grad(), self._compute.autocast():
                parts.append(self._siamese(faces)[0].float().cpu().numpy())
        return np.concatenate(parts)


@dataclass(frozen=True, slots=True)
class _Scene:
    """A batch as networks take it: floats on the device, [batch, channels, 128, 128].

    Attributes:
        photo: how it should look, -1 to 1.
        mask: where to paint, 0 to 1.
        seen: what the generator is given.
        face: where the face is, 0 to 1.
        features: how far the prior stays, 0 to 1.
    """

    photo: Any
    mask: Any
    seen: Any
    face: Any
    features: Any

    def with_features(self, painted: Any) -> Any:
        """What was painted, with the features of the prior."""
        return painted + (self.seen[:, 5:] - painted) * self.features

    def as_judged(self, pictures: Any) -> Any:
        """What the critic is shown of pictures: not the features, and where the rest of the mask is."""
        visible = 1 - self.features
        return torch.cat([pictures * visible, self.mask * visible, self.seen[:, 4:5]], 1)

    @classmethod
    def of(cls, batch: Batch, compute: Compute) -> "_Scene":
        """Of uint8 pictures on the device."""
        turned = batch["mirrored"][:, None, None, None]
        photo, prior = (batch[name].permute(0, 3, 1, 2).float() / 127.5 - 1 for name in ("photo", "prior"))
        names = ("mask", "lines", "face", "features")
        mask, lines, face, features = (batch[name][:, None].float() / 255 for name in names)
        # What lies beneath the mask's soft edge is not seen either.
        seen = torch.cat([photo * (mask == 0), mask, lines * 2 - 1, prior], 1)
        return cls(
            *(
                compute.place(torch.where(turned, part.flip(3), part))
                for part in (photo, mask, seen, face, features)
            )
        )


def _rate(share: float) -> float:
    """The learning rate's course: whole for two thirds, then down to a tenth."""
    return min(1.0, max(0.1, 1 - 2.7 * (share - 2 / 3)))


def _missed(above: Any, shown: Any) -> Any:
    """How far the critic is from finding one canvas by 1 more real than the other, squared.

    Args:
        above: how much more real it finds it, [batch, 1, 8, 8].
        shown: one of them; counted is where its mask, the fourth channel, is.
    """
    share = functional.adaptive_avg_pool2d(shown[:, 3:4].float(), above.shape[2:])
    return ((above.float() - 1).square() * share).sum() / share.sum()


def _coarse(difference: Any, mask: Any) -> Any:
    """Means over 16 x 16 px of what lies inside the mask."""
    return functional.avg_pool2d(difference * mask, 16)


def _shifted(canvas: Any) -> Any:
    """Shift all by up to 8 px either way."""
    down, across = torch.randint(-8, 9, (2,)).tolist()
    return torch.roll(canvas, (down, across), (2, 3))


MODEL: Final = Model(CiaganTrainingConfig, CiaganTraining, needs="siamese")
