"""Shapes, sizes and what each network promises beyond them."""

import pytest

pytest.importorskip("torch", reason="networks are torch's: install veilmesh with its [gan] extra")

import torch
from veilmesh_ml.expressions import EXPRESSIONS, FEATURES
from veilmesh_ml.networks.autoencoder import Autoencoder, AutoencoderConfig
from veilmesh_ml.networks.expression import DescribingClassifier, ExpressionClassifier
from veilmesh_ml.networks.layers import SelfAttention
from veilmesh_ml.networks.ppsa import Critic, Generator, PpsaConfig, draw_latents


def parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


class TestSelfAttention:
    def test_begins_as_identity(self) -> None:
        places = torch.randn(2, 8, 4, 4)
        assert torch.equal(SelfAttention(8, heads=2)(places), places)

    def test_one_head_is_the_formula_of_the_paper(self) -> None:
        attention = SelfAttention(3, heads=1)
        places = torch.randn(1, 3, 2, 2)
        with torch.no_grad():
            attention.share.fill_(1)
            found = attention(places)
        x = places[0].reshape(3, 4).T  # [T, d]
        wq, wk, wv = attention.query_key_value.weight.detach()[:, :, 0, 0].split(3)
        scores = torch.softmax((x @ wq.T) @ (x @ wk.T).T / 3**0.5, dim=1)
        output = scores @ (x @ wv.T)
        projected = output @ attention.project.weight.detach()[:, :, 0, 0].T + attention.project.bias.detach()
        assert torch.allclose(found[0].reshape(3, 4).T, x + projected, atol=1e-5)

    def test_every_place_looks_at_every_other(self) -> None:
        attention = SelfAttention(4, heads=2)
        with torch.no_grad():
            attention.share.fill_(1)
        places = torch.randn(1, 4, 3, 3, requires_grad=True)
        attention(places)[0, :, 0, 0].sum().backward()
        assert (places.grad[0].abs().sum(0) > 0).all()


@pytest.mark.parametrize("size_px", [32, 64])
class TestPpsa:
    def test_latent_to_face_to_logit(self, size_px: int) -> None:
        config = PpsaConfig(size_px)
        latents = draw_latents(config, 2, torch.Generator().manual_seed(1))
        with torch.no_grad():
            faces = Generator(config)(latents)
            judged = Critic(config)(faces)
        assert faces.shape == (2, 3, size_px, size_px)
        assert faces.abs().max() <= 1
        assert judged.shape == (2,)

    def test_small_enough_to_ship(self, size_px: int) -> None:
        assert parameters(Generator(PpsaConfig(size_px))) <= 6_000_000

    def test_equal_seeds_draw_equal_faces(self, size_px: int) -> None:
        config = PpsaConfig(size_px)
        generator = Generator(config).eval()
        with torch.no_grad():
            first, second = (
                generator(draw_latents(config, 1, torch.Generator().manual_seed(7))) for _ in range(2)
            )
        assert torch.equal(first, second)


def test_table_1_of_the_paper() -> None:
    """4 x 4 x 512 from the fully connected layer, then 256, 128 and 3 channels."""
    generator = Generator(PpsaConfig(32))
    transposed = [layer for layer in generator.modules() if isinstance(layer, torch.nn.ConvTranspose2d)]
    assert generator.begin.out_features == 8192
    assert [layer.out_channels for layer in transposed] == [256, 128, 3]


def test_table_2_of_the_paper() -> None:
    critic = Critic(PpsaConfig(32))
    convolutions = [layer for layer in critic.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [32, 64, 128]


def test_no_other_size_is_promised() -> None:
    with pytest.raises(ValueError, match="no PPSA-GAN of 48 px"):
        PpsaConfig(48)


class TestExpression:
    def test_face_to_features_to_logits(self) -> None:
        classifier = ExpressionClassifier().eval()
        faces = torch.rand(2, 1, 48, 48) * 2 - 1
        with torch.no_grad():
            assert classifier.features(faces).shape == (2, FEATURES)
            assert classifier(faces).shape == (2, len(EXPRESSIONS))

    def test_what_ships_gives_the_same_and_its_reasons(self) -> None:
        classifier, described = ExpressionClassifier().eval(), DescribingClassifier().eval()
        described.load_state_dict(classifier.state_dict())
        faces = torch.rand(2, 1, 48, 48) * 2 - 1
        with torch.no_grad():
            logits, features = described(faces)
            assert torch.equal(logits, classifier(faces))
            assert torch.equal(features, classifier.features(faces))

    def test_small(self) -> None:
        assert parameters(ExpressionClassifier()) <= 2_000_000


class TestAutoencoder:
    def test_face_to_face(self) -> None:
        with torch.no_grad():
            faces = Autoencoder(AutoencoderConfig())(torch.rand(2, 3, 64, 64) * 2 - 1)
        assert faces.shape == (2, 3, 64, 64)
        assert faces.abs().max() <= 1

    def test_the_code_is_all_that_passes(self) -> None:
        network = Autoencoder(AutoencoderConfig(code=5)).eval()
        with torch.no_grad():
            code = network.encode(torch.rand(2, 3, 64, 64))
        assert code.shape == (2, 5)
