"""Which latent a face gets, and the file that keeps them."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("cv2")

from veilmesh_ml.errors import ModelError
from veilmesh_ml.surrogate.attributes import ATTRIBUTES, LIKENESS_COMPONENTS, Reading
from veilmesh_ml.surrogate.latents import DRAWN_FROM, LatentClusters, decode_latents, encode_latents

pytestmark = pytest.mark.faces

KEYS = [bytes([number]) * 32 for number in range(40)]
AGE = ATTRIBUTES.index("age")
HAPPY, SAD = np.eye(7)[3], np.eye(7)[5]


@pytest.fixture
def clusters() -> LatentClusters:
    """Three clusters of twelve: ages 30, 40 and 50; every other latent happy, the rest sad."""
    random = np.random.default_rng(0)
    likenesses = random.normal(size=(3, 12, LIKENESS_COMPONENTS))
    centres = np.zeros((3, len(ATTRIBUTES)))
    centres[:, AGE] = 30, 40, 50
    return LatentClusters(
        centres=centres,
        spread=np.ones(len(ATTRIBUTES)),
        latents=random.normal(size=(3, 12, 16)).astype(np.float32),
        likenesses=likenesses / np.linalg.norm(likenesses, axis=2, keepdims=True),
        expressions=np.tile(np.stack([HAPPY, SAD]), (3, 6, 1)),
        shapes=random.normal(size=(3, 68, 2)),
        people=np.full(3, 16),
    )


def reading(age: float, likeness: np.ndarray | None = None) -> Reading:
    attributes = np.zeros(len(ATTRIBUTES))
    attributes[AGE] = age
    return Reading(attributes, np.zeros(LIKENESS_COMPONENTS) if likeness is None else likeness)


def test_the_cluster_is_the_one_that_suits(clusters: LatentClusters) -> None:
    assert [clusters.choose(reading(age), HAPPY, KEYS[0])[0] for age in (28, 41, 70)] == [0, 1, 2]


def test_the_expression_is_kept(clusters: LatentClusters) -> None:
    """All twelve are equally unlike here, so the first six are drawn from: three happy ones and three sad."""
    happy = [clusters.choose(reading(40), HAPPY, key)[1] % 2 == 0 for key in KEYS]
    sad = [clusters.choose(reading(40), SAD, key)[1] % 2 == 0 for key in KEYS]
    assert np.mean(happy) > 0.6
    assert np.mean(sad) < 0.4


def test_who_it_is_does_not_choose_the_cluster_but_excludes_lookalikes(clusters: LatentClusters) -> None:
    double = clusters.likenesses[1, 4]
    chosen = {clusters.choose(reading(40, double), HAPPY, key) for key in KEYS}
    assert {cluster for cluster, _ in chosen} == {1}
    assert 4 not in {latent for _, latent in chosen}


def test_every_draw_is_another_latent_and_keys_differ(clusters: LatentClusters) -> None:
    draws = [clusters.choose(reading(40), HAPPY, KEYS[0], draw) for draw in range(DRAWN_FROM)]
    assert len(set(draws)) == DRAWN_FROM
    assert len({clusters.choose(reading(40), HAPPY, key) for key in KEYS}) == DRAWN_FROM


def test_the_file_keeps_them(clusters: LatentClusters) -> None:
    content = encode_latents(clusters)
    assert encode_latents(clusters) == content
    found = decode_latents(content)
    assert np.allclose(found.latents, clusters.latents, atol=2e-3)
    assert found.choose(reading(40), SAD, KEYS[1]) == clusters.choose(reading(40), SAD, KEYS[1])


def test_damage_and_shapes_of_too_few_people_are_refused(clusters: LatentClusters) -> None:
    with pytest.raises(ModelError, match="no file of latents"):
        decode_latents(encode_latents(clusters)[:-200])
    with pytest.raises(ModelError, match="too few"):
        decode_latents(encode_latents(dataclasses.replace(clusters, people=np.array([16, 15, 16]))))
    with pytest.raises(ModelError, match="expressions has shape"):
        decode_latents(encode_latents(dataclasses.replace(clusters, expressions=np.zeros((3, 12, 6)))))
