"""What is drawn, mixed and found again; by a GAN that draws blots."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")

from veilmesh_ml import Engine, Face, RgbImage, read_image
from veilmesh_ml.contact_sheet import contact_sheet
from veilmesh_ml.errors import ModelError
from veilmesh_ml.image import write_image
from veilmesh_ml.inpainting.cutting import cut_out
from veilmesh_ml.surrogate.attributes import ATTRIBUTES, Reading
from veilmesh_ml.surrogate.choice import choose
from veilmesh_ml.synthesis import variations
from veilmesh_ml.synthesis.drawn import DrawnFaces, decode_drawn, encode_drawn, grain_of
from veilmesh_ml.synthesis.frame import FACE_PX, mean_points, onto_picture
from veilmesh_ml.synthesis.onlooker import ENLARGED_PX, enlarged, face_in, features_of
from veilmesh_ml.synthesis.projection import Projector, thumbnail
from veilmesh_ml.synthesis.style_gan import (
    COARSE,
    FINE,
    LATENT,
    MIDDLE,
    NOISE,
    STYLES,
    StyleGan,
    face_random,
    noise,
)
from veilmesh_ml.synthesis.synthesize import draw_faces
from veilmesh_ml.synthesis.variations import SAME_PERSON, TRIES, Sitter, vary
from veilmesh_ml.weights import shipped_bank
from veilmesh_node.cli.main import main

from tests.integration.ml.synthesis.blots import VECTORS

pytestmark = pytest.mark.faces


def quiet(_done: int, _all: int) -> None:
    """No progress."""


def somebody(gan: StyleGan, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    random = face_random(seed, 0)
    return gan.styles(random, 1.0), noise(random)


class TestNetworks:
    """Both on onnxruntime, held to what torch gave (tests/vectors/stylegan/generate.py)."""

    def test_faces_are_torchs(self, gan: StyleGan) -> None:
        with np.load(VECTORS / "stylegan.npz") as recorded:
            found = gan._synthesis(recorded["styles"], recorded["noise"])
            wanted = recorded["output"].astype(np.float64)
        assert np.abs(found - wanted).max() < 2e-3 * np.abs(wanted).max()  # kept as halves

    def test_styles_are_torchs(self, gan: StyleGan) -> None:
        with np.load(VECTORS / "stylegan_mapping.npz") as recorded:
            found = gan._mapping(recorded["latents"], recorded["truncation"])
            wanted = recorded["output"].astype(np.float64)
        assert np.abs(found - wanted).max() < 2e-3 * np.abs(wanted).max()

    def test_full_truncation_draws_the_mean_face(self, gan: StyleGan) -> None:
        one, other = (gan.styles(face_random(seed, 0), 0.0) for seed in (1, 2))
        assert np.allclose(one, other, atol=1e-6)

    def test_a_face_does_not_depend_on_its_batch(self, gan: StyleGan) -> None:
        styles, grain = zip(*(somebody(gan, seed) for seed in range(35)), strict=True)
        together = gan.faces(np.stack(styles), np.stack(grain))
        assert together.shape == (35, FACE_PX, FACE_PX, 3)
        for number in (0, 34):
            alone = gan.faces(styles[number][np.newaxis], grain[number][np.newaxis])
            assert np.abs(alone[0].astype(int) - together[number]).max() <= 1

    def test_the_bands_are_all_styles(self) -> None:
        assert [*range(STYLES)[COARSE], *range(STYLES)[MIDDLE], *range(STYLES)[FINE]] == list(range(STYLES))


class TestFrame:
    def test_the_mean_face_fills_the_picture(self) -> None:
        points = mean_points(shipped_bank().frame.mean_shape)
        assert points.min() > 2
        assert points.max() < 61

    def test_a_photo_face_lands_on_it(self, astronaut_faces: list[Face]) -> None:
        mean_shape = shipped_bank().frame.mean_shape
        onto = onto_picture(astronaut_faces[0].landmarks, mean_shape)
        placed = onto.apply(astronaut_faces[0].landmarks.astype(np.float64))
        assert np.abs(placed - mean_points(mean_shape)[:68]).mean() < 3

    def test_who_it_is_survives(
        self, engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]
    ) -> None:
        """64 px keep a face recognisable: what a generator of this size can reach."""
        onto = onto_picture(astronaut_faces[0].landmarks, shipped_bank().frame.mean_shape)
        picture = cut_out(astronaut, onto, FACE_PX)
        of_photo = engine.encode(astronaut, astronaut_faces[:1])
        assert np.linalg.norm(features_of(engine, picture[np.newaxis]) - of_photo) < 0.35

    def test_landmarks_lie_where_a_detector_would_put_them(
        self, engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]
    ) -> None:
        onto = onto_picture(astronaut_faces[0].landmarks, shipped_bank().frame.mean_shape)
        picture = enlarged(cut_out(astronaut, onto, FACE_PX))
        (detected,) = engine.detect(picture)
        apart = face_in(engine, picture).landmarks.astype(float) - detected.landmarks
        assert np.abs(apart).mean() < 0.02 * ENLARGED_PX


class TestVariations:
    def test_are_all_the_same_person_to_the_encoder(self, gan: StyleGan, engine: Engine) -> None:
        styles, grain = somebody(gan)
        (own,) = features_of(engine, gan.faces(styles[np.newaxis], grain[np.newaxis]))
        found = vary(gan, engine, Sitter(styles, grain, own), 4, random=np.random.default_rng(0))
        assert found.faces.shape == (4, FACE_PX, FACE_PX, 3)
        assert np.linalg.norm(found.features - own, axis=1).max() <= SAME_PERSON
        assert np.allclose(found.features, features_of(engine, found.faces))
        assert len(np.unique(found.faces.reshape(4, -1), axis=0)) == 4

    def test_give_up_on_somebody_nobody_is_like(self, gan: StyleGan, engine: Engine) -> None:
        styles, grain = somebody(gan)
        found = vary(
            gan, engine, Sitter(styles, grain, np.full(128, 9.0)), 2, random=np.random.default_rng(0)
        )
        assert (len(found.faces), found.features.shape, found.tried) == (0, (0, 128), 2 * TRIES)

    def test_mix_in_a_share_of_another_at_each_band(
        self, gan: StyleGan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(variations, "_MOST", ((COARSE, 1.0), (FINE, 0.0)))
        styles, _ = somebody(gan)
        mixed = variations._mixed(gan, styles, np.random.default_rng(0))
        assert not np.allclose(mixed[COARSE], styles[COARSE])
        assert np.array_equal(mixed[MIDDLE], styles[MIDDLE])
        assert np.array_equal(mixed[FINE], styles[FINE])


class TestProjection:
    def test_a_search_gets_nearer_than_the_guess(
        self, gan: StyleGan, engine: Engine, drawn: DrawnFaces
    ) -> None:
        """Of a face that no one style makes: the outline is one person's, all else another's."""
        grain = grain_of(drawn.seed, 5)
        styles = np.repeat(drawn.styles[5:6], STYLES, axis=0)
        styles[COARSE] = drawn.styles[9]
        (face,) = gan.faces(styles[np.newaxis], grain[np.newaxis])
        (own,) = features_of(engine, face[np.newaxis])
        projector = Projector(gan, drawn, engine)
        guess = projector.project(face, own, grain, np.random.default_rng(0), generations=0)
        found = projector.project(face, own, grain, np.random.default_rng(0), generations=3)
        assert found.styles.shape == (STYLES, LATENT)
        assert found.dissimilarity < guess.dissimilarity
        again = gan.faces(found.styles[np.newaxis], grain[np.newaxis])
        assert np.linalg.norm(features_of(engine, again) - own) == pytest.approx(
            found.dissimilarity, abs=1e-3
        )

    def test_styles_differ_by_band_alone(self, gan: StyleGan, engine: Engine, drawn: DrawnFaces) -> None:
        face = np.full((FACE_PX, FACE_PX, 3), 90, np.uint8)
        projector = Projector(gan, drawn, engine)
        random = np.random.default_rng(1)
        found = projector.project(face, drawn.features[0], np.zeros(NOISE, np.float32), random, 1)
        for band in (COARSE, MIDDLE, FINE):
            assert (found.styles[band] == found.styles[band][:1]).all()

    def test_a_thumbnail_is_means_of_blocks(self) -> None:
        face = np.random.default_rng(0).integers(0, 256, (FACE_PX, FACE_PX, 3), dtype=np.uint8)
        assert thumbnail(face)[:3] == pytest.approx(face[:8, :8].mean(axis=(0, 1)), abs=0.5)


class TestDrawnFaces:
    def test_the_file_keeps_them(self, drawn: DrawnFaces) -> None:
        again = decode_drawn(encode_drawn(drawn))
        assert np.array_equal(again.styles, drawn.styles)
        assert np.array_equal(again.landmarks, drawn.landmarks)
        assert np.allclose(again.features, drawn.features, atol=1e-3)
        assert (again.seed, len(again)) == (drawn.seed, len(drawn))
        assert encode_drawn(drawn) == encode_drawn(drawn)

    def test_spoilt_files_are_refused(self, drawn: DrawnFaces) -> None:
        short = dataclasses.replace(drawn, landmarks=drawn.landmarks[1:])
        few = dataclasses.replace(
            drawn,
            **{
                field.name: getattr(drawn, field.name)[:9]
                for field in dataclasses.fields(drawn)
                if field.name not in ("seed", "spread")
            },
        )
        content = encode_drawn(drawn)
        for spoilt in (b"", content[:1000], encode_drawn(short), encode_drawn(few)):
            with pytest.raises(ModelError, match="drawn faces is no file of drawn faces"):
                decode_drawn(spoilt)

    def test_somebody_suitable_but_not_alike_is_chosen(self, drawn: DrawnFaces) -> None:
        age = ATTRIBUTES.index("age")
        attributes = np.zeros_like(drawn.attributes)
        attributes[:, age] = np.where(np.arange(len(drawn)) < 20, 30, 60)
        people = dataclasses.replace(drawn, attributes=attributes)
        wanted = np.zeros(len(ATTRIBUTES))
        wanted[age] = 31
        face = Reading(wanted, drawn.likenesses[3])
        keys = [bytes([number]) * 32 for number in range(30)]
        chosen = {choose(people, face, 20, key) for key in keys}
        assert 3 not in chosen
        assert max(chosen) < 20
        assert 4 < len(chosen) <= 8
        assert len({choose(people, face, 20, keys[0], draw) for draw in range(8)}) == 8


class TestSheet:
    def test_pictures_lie_in_rows(self) -> None:
        pictures = [np.full((2, 3, 3), number, np.uint8) for number in range(3)]
        sheet = contact_sheet(pictures, columns=2)
        assert sheet.shape == (2 * (2 + 4) + 4, 2 * (3 + 4) + 4, 3)
        assert [int(sheet[4, 4, 0]), int(sheet[4, 11, 0]), int(sheet[10, 4, 0])] == [0, 1, 2]
        assert sheet[10, 11].tolist() == [255, 255, 255]


class TestCommands:
    @pytest.mark.usefixtures("gan")
    def test_more_faces_of_a_seed_begin_with_fewer(self, tmp_path: Path) -> None:
        few = draw_faces(tmp_path / "few", 2, 7, 0.7, quiet)
        many = draw_faces(tmp_path / "many", 3, 7, 0.7, quiet)
        assert [path.name for path in many.pictures] == ["face-0000.png", "face-0001.png", "face-0002.png"]
        for one, other in zip(few.pictures, many.pictures, strict=False):
            assert one.read_bytes() == other.read_bytes()
        assert (
            draw_faces(tmp_path / "other", 1, 8, 0.7, quiet).pictures[0].read_bytes()
            != few.pictures[0].read_bytes()
        )

    @pytest.mark.usefixtures("gan")
    def test_faces_as_json(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as leaving:
            main(["synthesize", "faces", "-n", "2", "--seed", "3", "-o", str(tmp_path), "--json"])
        assert not leaving.value.code
        document = json.loads(capsys.readouterr().out)
        assert [Path(path).name for path in document["pictures"]] == ["face-0000.png", "face-0001.png"]
        assert (document["seed"], document["truncation"]) == (3, 0.7)
        assert read_image(tmp_path / "face-0000.png").shape == (FACE_PX, FACE_PX, 3)
        assert read_image(document["sheet"]).shape == (FACE_PX + 8, 2 * (FACE_PX + 4) + 4, 3)

    def test_without_weights_it_says_what_to_do(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], shipped: Path
    ) -> None:
        (shipped / "weights.toml").write_text("", encoding="utf-8")
        with pytest.raises(SystemExit) as leaving:
            main(["synthesize", "faces", "-n", "1", "-o", str(tmp_path / "out")])
        assert leaving.value.code == 1
        said = capsys.readouterr().err
        assert "without weights of the style-based GAN" in said
        assert "veilmesh train stylegan" in said
        assert not (tmp_path / "out").exists()

    @pytest.mark.usefixtures("gan")
    def test_a_photo_of_nobody(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        photo = tmp_path / "photo.png"
        write_image(photo, np.full((200, 200, 3), 128, np.uint8))
        with pytest.raises(SystemExit) as leaving:
            main(["synthesize", "variations", str(photo), "-o", str(tmp_path / "out")])
        assert leaving.value.code == 1
        assert f"{photo} shows 0 faces, not one" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()

    def test_a_photo_or_a_seed(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for words in ([], [__file__, "--seed", "1"]):
            with pytest.raises(SystemExit) as leaving:
                main(["synthesize", "variations", *words, "-o", str(tmp_path)])
            assert leaving.value.code == 2
            assert "either a PHOTO or --seed" in capsys.readouterr().err
