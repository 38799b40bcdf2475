"""What the style-based GAN's networks promise beyond their shapes."""

import pytest

pytest.importorskip("torch", reason="networks are torch's: install veilmesh with its [gan] extra")

import torch
from torch.nn import functional
from veilmesh_ml.networks.stylegan import (
    Critic,
    Mapping,
    StyledConvolution,
    StyleganConfig,
    Synthesis,
    blurred,
    draw_latents,
)

CONFIG = StyleganConfig()
SMALL = StyleganConfig(channels=(8, 8, 4), latent=6, mapping_layers=2)  # 16 px


def parameters(*networks: torch.nn.Module) -> int:
    return sum(parameter.numel() for network in networks for parameter in network.parameters())


def styles_and_noise(config: StyleganConfig, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    latents, noise = draw_latents(config, count, torch.Generator().manual_seed(1))
    styles = Mapping(config)(latents, torch.ones(count, 1))
    return styles[:, None].repeat(1, config.styles, 1).detach(), noise


def test_ten_styles_at_64_px() -> None:
    assert CONFIG.size_px == 64
    assert CONFIG.convolutions_px == (4, 8, 8, 16, 16, 32, 32, 64, 64)
    assert CONFIG.styles == 10


def test_small_enough_to_ship() -> None:
    assert parameters(Mapping(CONFIG), Synthesis(CONFIG)) <= 6_000_000


def test_latent_to_face_to_logit() -> None:
    with torch.no_grad():
        faces = Synthesis(CONFIG)(*styles_and_noise(CONFIG, 2))
        judged = Critic(CONFIG)(faces)
    assert faces.shape == (2, 3, 64, 64)
    assert judged.shape == (2,)


class TestMapping:
    def test_no_truncation_leaves_the_style(self) -> None:
        mapping = Mapping(SMALL)
        mapping.mean_style.fill_(3)
        latents = torch.randn(4, 6)
        assert torch.allclose(mapping(latents, torch.ones(4, 1)), mapping.styles(latents), atol=1e-5)

    def test_full_truncation_is_the_mean_style(self) -> None:
        mapping = Mapping(SMALL)
        mapping.mean_style.fill_(3)
        assert torch.equal(mapping(torch.randn(4, 6), torch.zeros(4, 1)), torch.full((4, 6), 3.0))

    def test_a_latents_length_does_not_matter(self) -> None:
        mapping, latents = Mapping(SMALL), torch.randn(4, 6)
        assert torch.allclose(mapping.styles(latents), mapping.styles(5 * latents), atol=1e-4)


class TestStyledConvolution:
    def test_is_a_convolution_by_each_pictures_own_weights(self) -> None:
        """2020, equations 1 and 3, to the letter."""
        convolution = StyledConvolution(SMALL, 5, 4, double=False)
        places, style = torch.randn(2, 5, 6, 6), torch.randn(2, 6)
        with torch.no_grad():
            found = convolution(places, style, torch.zeros(2, 1, 6, 6))
            for index in range(2):
                scales = convolution.style(style[index : index + 1])[0]
                weights = convolution.weight * convolution.scale * scales[None, :, None, None]
                weights = weights / (weights.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
                wanted = functional.conv2d(places[index : index + 1], weights, padding=1)
                wanted = functional.leaky_relu(wanted, 0.2) * 2**0.5
                assert torch.allclose(found[index : index + 1], wanted, atol=1e-5)

    def test_doubling_keeps_what_is_even_even(self) -> None:
        """A kernel that hands its input on: the doubled plane is flat away from the border."""
        convolution = StyledConvolution(SMALL, 1, 1, double=True)
        with torch.no_grad():
            convolution.weight.zero_()
            convolution.weight[..., 1, 1] = 1
            convolution.style.weight.zero_()
            doubled = convolution(torch.ones(1, 1, 8, 8), torch.zeros(1, 6), torch.zeros(1, 1, 16, 16))
        assert doubled.shape == (1, 1, 16, 16)
        inner = doubled[..., 3:-3, 3:-3]
        assert torch.allclose(inner, inner[..., :1, :1].expand_as(inner), atol=1e-5)

    def test_noise_counts_once_it_has_a_strength(self) -> None:
        convolution = StyledConvolution(SMALL, 3, 3, double=False)
        places, style = torch.randn(1, 3, 4, 4), torch.randn(1, 6)
        with torch.no_grad():
            quiet, also_quiet = (convolution(places, style, torch.randn(1, 1, 4, 4)) for _ in range(2))
            convolution.noise.fill_(1)
            loud = convolution(places, style, torch.randn(1, 1, 4, 4))
        assert torch.equal(quiet, also_quiet)
        assert not torch.allclose(quiet, loud)


class TestSynthesis:
    def test_a_style_reaches_the_picture_from_its_place_on(self) -> None:
        synthesis = Synthesis(SMALL)
        styles, noise = styles_and_noise(SMALL, 1)
        with torch.no_grad():
            before = synthesis(styles, noise)
            for place in range(SMALL.styles):
                changed = styles.clone()
                changed[:, place] += 1
                assert not torch.allclose(before, synthesis(changed, noise)), place

    def test_pictures_of_a_batch_do_not_touch(self) -> None:
        synthesis = Synthesis(SMALL)
        styles, noise = styles_and_noise(SMALL, 3)
        with torch.no_grad():
            together, alone = synthesis(styles, noise), synthesis(styles[1:2], noise[1:2])
        assert torch.allclose(together[1:2], alone, atol=1e-5)


class TestCritic:
    def test_sees_how_much_a_group_differs(self) -> None:
        """A picture gets another judgement among its copies than among others (minibatch statistics)."""
        critic, faces = Critic(SMALL), torch.randn(4, 3, 16, 16)
        with torch.no_grad():
            among_others, among_copies = critic(faces), critic(faces[:1].expand(4, -1, -1, -1))
        assert not torch.allclose(among_others[0], among_copies[0])

    def test_the_groups_of_a_batch_are_told_apart(self) -> None:
        """Of eight pictures every other one belongs to one group of four."""
        critic, faces = Critic(SMALL), torch.randn(8, 3, 16, 16)
        with torch.no_grad():
            together, evens = critic(faces), critic(faces[::2])
        assert torch.allclose(together[::2], evens, atol=1e-5)

    def test_takes_any_batch(self) -> None:
        with torch.no_grad():
            assert Critic(SMALL)(torch.randn(5, 3, 16, 16)).shape == (5,)


def test_a_blur_keeps_brightness() -> None:
    flat = blurred(torch.ones(1, 2, 9, 9), margin=0)
    assert flat.shape == (1, 2, 6, 6)
    assert torch.allclose(flat, torch.ones_like(flat))
