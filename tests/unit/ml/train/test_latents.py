"""Latents of a tiny generator: clusters look alike, shapes are of real people, and nothing else is needed."""

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2")
pytest.importorskip("sklearn")

import cv2
from veilmesh_ml.errors import ModelError
from veilmesh_ml.inpainting.canvas import CANVAS_PX, FACE_SCALE, canvas_shape
from veilmesh_ml.surrogate.attributes import ATTRIBUTES
from veilmesh_ml.surrogate.bank import MIN_PEOPLE, Bank
from veilmesh_ml.surrogate.latents import LatentClusters, decode_latents, encode_latents
from veilmesh_ml.train.latents import HIDDEN, BuiltLatents, LatentsPlan, build_latents
from veilmesh_ml.train.packed import DONORS, PEERS, PackedFaces, compress
from veilmesh_ml.weights import shipped_bank

pytestmark = pytest.mark.faces

PEOPLE = 40
PLAN = LatentsPlan(count=96, clusters=4, kept=8, latent=6, seed=3)
LIGHTNESS = ATTRIBUTES.index("lightness")


@pytest.fixture(scope="module")
def bank() -> Bank:
    return shipped_bank()


@pytest.fixture(scope="module")
def faces(bank: Bank) -> PackedFaces:
    """Donors of the bank in place of people; the last four are held out, and nobody knows where they lie."""
    landmarks = np.stack([canvas_shape(shape) for shape in bank.shapes[:PEOPLE]]).astype(np.float32)
    held_out = np.arange(PEOPLE) >= PEOPLE - 4
    landmarks[held_out] = np.nan
    return PackedFaces(
        pictures=[_on_canvas(bank, number) for number in range(PEOPLE)],
        landmarks=landmarks,
        people=np.arange(PEOPLE, dtype=np.int32),
        held_out=held_out,
        labels=np.full((PEOPLE, 3), -1, dtype=np.int16),
        features=np.zeros((PEOPLE, 128), dtype=np.float32),
        donors=np.zeros((PEOPLE, DONORS), dtype=np.uint16),
        peers=np.zeros((PEOPLE, PEERS), dtype=np.int32),
    )


def _on_canvas(bank: Bank, number: int) -> bytes:
    shift = canvas_shape(bank.frame.mean_shape)[0] - FACE_SCALE * bank.frame.mean_shape[0]
    onto = np.array([[FACE_SCALE, 0, shift[0]], [0, FACE_SCALE, shift[1]]])
    canvas = cv2.warpAffine(bank.textures[number], onto, (CANVAS_PX, CANVAS_PX))
    return compress(np.asarray(canvas, dtype=np.uint8), 90)


def generate(latents: NDArray[np.float32]) -> NDArray[np.float32]:
    """Between two donors' faces: how near to which says the second number, how light it is the first."""
    two = [cv2.resize(texture, (64, 64)) / 127.5 - 1 for texture in shipped_bank().textures[:2]]
    light, share = latents[:, :2].T[..., np.newaxis, np.newaxis, np.newaxis]
    share = 1 / (1 + np.exp(-3 * share))
    lit = np.clip((1 - share) * two[0] + share * two[1] + 0.2 * light, -1, 1)
    return np.asarray(lit.transpose(0, 3, 1, 2), dtype=np.float32)


def read_expressions(chips: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Light faces are happy, dark ones sad."""
    light = chips.mean(axis=(1, 2)) / 255
    expressions = np.zeros((len(chips), 7))
    expressions[:, 3], expressions[:, 5] = light, 1 - light
    return expressions


@pytest.fixture(scope="module")
def built(faces: PackedFaces, bank: Bank) -> BuiltLatents:
    return build_latents(generate, read_expressions, faces, bank, PLAN)


@pytest.fixture(scope="module")
def clusters(built: BuiltLatents) -> LatentClusters:
    return built.clusters


def test_faces_of_a_cluster_look_alike(clusters: LatentClusters) -> None:
    nearer = 1 / (1 + np.exp(-3 * clusters.latents[..., 1]))
    assert nearer.std(axis=1).mean() < 0.5 * nearer.std()


def test_centres_say_how_their_faces_look(clusters: LatentClusters) -> None:
    light = clusters.latents[..., 0].mean(axis=1)
    assert np.corrcoef(light, clusters.centres[:, LIGHTNESS])[0, 1] > 0.7


def test_expressions_are_those_of_the_kept_faces(clusters: LatentClusters) -> None:
    light, happy = clusters.latents[..., 0].ravel(), clusters.expressions[..., 3].ravel()
    assert np.corrcoef(light, happy)[0, 1] > 0.8


def test_every_latent_drawn_is_in_one_cluster(built: BuiltLatents) -> None:
    assert built.sizes.sum() == PLAN.count
    assert built.sizes.shape == (PLAN.clusters,)
    assert built.clustering_s > 0


def test_pose_and_mouth_are_read_off_the_texture(clusters: LatentClusters) -> None:
    """All landmarks lie at the mean shape: measured off them, these would be equal."""
    for name in HIDDEN:
        assert clusters.centres[:, ATTRIBUTES.index(name)].std() > 1e-4


def test_shapes_are_means_of_people_who_teach(clusters: LatentClusters, bank: Bank) -> None:
    assert (clusters.people >= MIN_PEOPLE).all()
    assert np.isfinite(clusters.shapes).all()
    assert np.abs(clusters.shapes - bank.frame.mean_shape[:68]).max() < 12


def test_the_file_holds_them(clusters: LatentClusters) -> None:
    found = decode_latents(encode_latents(clusters))
    assert np.array_equal(found.latents, clusters.latents)


def test_equal_seeds_give_equal_clusters_and_others_do_not(
    faces: PackedFaces, bank: Bank, clusters: LatentClusters
) -> None:
    again, other = (
        build_latents(generate, read_expressions, faces, bank, dataclasses.replace(PLAN, seed=seed)).clusters
        for seed in (3, 4)
    )
    assert encode_latents(again) == encode_latents(clusters)
    assert not np.array_equal(other.latents, clusters.latents)


@pytest.mark.parametrize(
    "plan", [dataclasses.replace(PLAN, count=3), dataclasses.replace(PLAN, kept=2)], ids=["clusters", "kept"]
)
def test_too_few_latents_are_refused(faces: PackedFaces, bank: Bank, plan: LatentsPlan) -> None:
    with pytest.raises(ModelError, match="latents are too few for 4 clusters") as told:
        build_latents(generate, read_expressions, faces, bank, plan)
    assert told.value.hint == "draw more"


def test_too_few_people_are_refused(faces: PackedFaces, bank: Bank) -> None:
    few = dataclasses.replace(faces, people=np.zeros(PEOPLE, dtype=np.int32))
    with pytest.raises(ModelError, match="fewer than 16 people"):
        build_latents(generate, read_expressions, few, bank, PLAN)
