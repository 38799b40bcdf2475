"""In a video a person keeps one surrogate: the first that was chosen, whatever the face looks like later."""

import numpy as np
from veilmesh_ml import Engine, Face, RgbImage
from veilmesh_ml.anonymizers import load_anonymizer
from veilmesh_ml.anonymizers.anonymizer import Recasting
from veilmesh_ml.anonymizers.blur import Blur
from veilmesh_ml.anonymizers.replacing import Casting


def test_a_choice_is_kept_for_every_attempt() -> None:
    of_all: Casting[int] = Casting("cluster", bytes(32))
    person = of_all.for_person(b"1" * 32)
    assert [person.choose(0, lambda: 7), person.choose(0, lambda: 8), person.choose(1, lambda: 9)] == [
        7,
        7,
        9,
    ]
    assert [of_all.choose(0, lambda: 7), of_all.choose(0, lambda: 8)] == [7, 8]
    assert person.for_person(b"2" * 32).choose(0, lambda: 8) == 8


def test_a_person_has_one_key_and_two_people_have_two(
    astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    of_all: Casting[int] = Casting("cluster", bytes(32))
    one, two = of_all.for_person(b"1" * 32), of_all.for_person(b"2" * 32)
    face = astronaut_faces[0]
    elsewhere = np.roll(astronaut, 20, axis=1), face.moved(20, 0)
    darker = (astronaut // 2).astype(np.uint8)
    assert one.key_of(astronaut, face) == one.key_of(*elsewhere) == one.key_of(darker, face)
    assert one.key_of(astronaut, face) != two.key_of(astronaut, face)
    assert of_all.key_of(astronaut, face) != of_all.key_of(darker, face)


def test_a_person_keeps_the_face_when_it_moves(
    engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    cluster = load_anonymizer("cluster", key=bytes(32))
    assert isinstance(cluster, Recasting)
    person = cluster.for_person(b"1" * 32)
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])  # turned the other way: another donor would suit
    first = person.anonymize(astronaut, astronaut_faces).image
    face = engine.detect(mirrored)[0]
    kept = person.anonymize(mirrored, [face]).image
    anew = cluster.for_person(b"1" * 32).anonymize(mirrored, [face]).image
    features = [
        engine.encode(image, [found])[0]
        for image, found in ((first, astronaut_faces[0]), (kept, face), (anew, face))
    ]
    assert np.linalg.norm(features[0] - features[1]) < np.linalg.norm(features[0] - features[2])
    np.testing.assert_array_equal(person.anonymize(astronaut, astronaut_faces).image, first)


def test_what_lays_no_face_over_a_face_needs_no_casting() -> None:
    assert not isinstance(Blur(), Recasting)
