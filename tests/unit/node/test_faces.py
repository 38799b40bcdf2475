"""The face library behind its port: what is enrolled, compared and released, and what is not."""

import asyncio
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from veilmesh_chaincode.records.policy import Terms
from veilmesh_node.domain.decision import decide
from veilmesh_node.errors import HomeError, SampleRejectedError, SurrogateRefusedError
from veilmesh_node.faces import MlFaces
from veilmesh_node.surrogate import Surrogate

from tests.unit.chaincode.consortium import TERMS
from tests.unit.ml.tiny_onnx import FEATURES, write_encoder

if TYPE_CHECKING:
    from PIL import Image

pytestmark = pytest.mark.faces

ALLOWED = TERMS.replace(threshold_micro=600_000, anonymizers=["mask", "pixelate"])


@pytest.fixture(scope="module")
def faces() -> Iterator[MlFaces]:
    pytest.importorskip("dlib", reason="install the [faces] extra")
    loaded = MlFaces()
    yield loaded
    loaded.close()


def picture(change: "Callable[[Image.Image], Image.Image]" = lambda image: image) -> bytes:
    """Return a PNG of the astronaut, changed."""
    from PIL import Image
    from skimage import data

    portrait = data.astronaut()  # type: ignore[no-untyped-call]  # no annotations
    stream = BytesIO()
    change(Image.fromarray(portrait)).save(stream, format="PNG")
    return stream.getvalue()


async def released(faces: MlFaces, photo: bytes, anonymizer: str, terms: Terms) -> Surrogate:
    return await faces.release(photo, await faces.find_sample(photo), [anonymizer], terms)


def side_by_side(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    both = Image.new("RGB", (2 * image.width, image.height))
    both.paste(image, (0, 0))
    both.paste(image, (image.width, 0))
    return both


def test_another_encoder_takes_dlibs_place(faces: MlFaces, tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path)
    plugged = MlFaces(encoder)
    try:
        assert plugged.model_digest != faces.model_digest
        assert len(asyncio.run(plugged.find_sample(picture())).features) == FEATURES
    finally:
        plugged.close()
    encoder.with_suffix(".toml").write_text("name = 'tiny'")
    with pytest.raises(HomeError, match=r"tiny\.toml: input: Field required"):
        MlFaces(encoder)


def test_pictures_of_one_person_match(faces: MlFaces) -> None:
    sample = asyncio.run(faces.find_sample(picture())).features
    probe = asyncio.run(faces.encode_probe(picture(lambda image: image.rotate(3).convert("L"))))
    assert decide(sample.dissimilarity(probe), 600_000).value == "match"


def test_a_face_that_the_detector_hardly_sees_is_compared_where_it_is_the_only_one(
    faces: MlFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thorough detection finds faces of negative confidence; only beside a clearer one are they nothing."""
    from dataclasses import replace

    from veilmesh_ml import read_image

    engine = faces._engine
    clear = engine.detect(read_image(picture()))[0]
    faint = replace(clear, confidence=-0.05)
    monkeypatch.setattr(engine, "detect", lambda _image, *, thorough=False: [faint] if thorough else [])
    probe = asyncio.run(faces.encode_probe(picture()))
    monkeypatch.setattr(engine, "detect", lambda _image, **_options: [clear, faint])
    beside = asyncio.run(faces.encode_probe(picture()))
    assert probe.dissimilarity(beside) == 0


def test_all_faces_of_a_picture(faces: MlFaces) -> None:
    found = asyncio.run(faces.find_faces(picture(side_by_side), limit=2))
    assert len(found) == 2
    left, right = sorted(found, key=lambda face: face.box.left)
    assert right.box.left - left.box.left == pytest.approx(512, abs=8)
    assert left.features.dissimilarity(right.features) < 0.3
    for face in found:
        assert len(face.landmarks) == 68
        assert 0 < face.clarity <= 1
        assert all(face.box.left - 30 < x < face.box.right + 30 for x, _ in face.landmarks)
    with pytest.raises(SampleRejectedError, match="shows 2 faces; 1 are searched for at most"):
        asyncio.run(faces.find_faces(picture(side_by_side), limit=1))
    with pytest.raises(SampleRejectedError, match="not a picture"):
        asyncio.run(faces.find_faces(b"no picture", limit=1))


@pytest.mark.parametrize("turn", [0, 180])
def test_a_face_that_the_border_cuts_has_a_clarity(faces: MlFaces, turn: int) -> None:
    cut = picture(lambda image: image.crop((180, 0, 512, 512)).rotate(turn))
    (face,) = asyncio.run(faces.find_faces(cut, limit=5))
    assert 0 < face.clarity <= 1


@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        (lambda: b"no picture", "not a picture"),
        (lambda: picture(lambda image: image.crop((0, 300, 100, 400))), "no face was found"),
        (lambda: picture(side_by_side), "2 faces were found"),
        (lambda: picture(lambda image: image.resize((230, 230))), "too small"),
    ],
    ids=["no picture", "no face", "two faces", "too small"],
)
def test_what_cannot_be_enrolled(faces: MlFaces, photo: Callable[[], bytes], reason: str) -> None:
    with pytest.raises(SampleRejectedError, match=reason):
        asyncio.run(faces.find_sample(photo()))


def test_a_surrogate_shows_the_face_alone_and_unrecognisable(faces: MlFaces) -> None:
    surrogate = asyncio.run(released(faces, picture(), "mask", ALLOWED))
    assert surrogate.anonymizer == "mask"
    assert surrogate.gate_model_digest == faces.model_digest
    from PIL import Image

    with Image.open(BytesIO(surrogate.image)) as image:
        assert image.format == "PNG"
        assert image.width * image.height < 512 * 512 / 4
    with pytest.raises(SampleRejectedError):
        asyncio.run(faces.encode_probe(surrogate.image))


def test_a_face_is_looked_for_once(faces: MlFaces, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enrolling finds it, checks its quality and encodes it; releasing trusts that."""
    sample = asyncio.run(faces.find_sample(picture()))
    monkeypatch.setattr(faces._engine, "detect", lambda *_args, **_options: pytest.fail("detected again"))
    surrogate = asyncio.run(faces.release(picture(), sample, ["mask"], ALLOWED))
    assert surrogate.anonymizer == "mask"


def test_what_the_policy_does_not_allow_is_not_released_in_its_stead(
    faces: MlFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    from veilmesh_ml.gate import Candidate, GateVerdict, ReleaseGate

    def judge_all(gate: ReleaseGate, candidates: list[Candidate]) -> list[GateVerdict]:
        methods = (candidate.anonymized.method for candidate in candidates)
        return [GateVerdict(method, gate.level, gate.threshold_dissimilarity, ()) for method in methods]

    monkeypatch.setattr(ReleaseGate, "judge_all", judge_all)
    monkeypatch.setattr(GateVerdict, "passed", property(lambda verdict: verdict.method == "mask"))
    only_pixelate = ALLOWED.replace(anonymizers=["pixelate"])
    with pytest.raises(SurrogateRefusedError, match="only mask passed"):
        asyncio.run(released(faces, picture(), "pixelate", only_pixelate))
