"""Real photos of real people, where the folder is there."""

import itertools
from pathlib import Path

import pytest

pytest.importorskip("dlib")

import numpy as np
from veilmesh_ml import Engine, decide, dissimilarity, read_image
from veilmesh_ml.comparison import Decision
from veilmesh_ml.gate import ReleaseGate
from veilmesh_ml.quality import assess_for_enrolment
from veilmesh_ml.release import release

pytestmark = [pytest.mark.faces, pytest.mark.photos]


def test_five_people_are_told_apart_and_all_their_photos_may_be_enrolled(
    photos: Path, engine: Engine
) -> None:
    """Eleven photos each. Counts, so that a change of engine shows which way it moved."""
    features: dict[tuple[str, str], np.ndarray] = {}
    for path in sorted((photos / "photos" / "johns").glob("*/*.jpg")):
        image = read_image(path)
        faces = engine.detect(image)
        assert assess_for_enrolment(image, faces).reasons == ()
        features[path.parent.name, path.name] = engine.encode(image, faces)[0]
    assert len(features) == 55
    outcomes: dict[bool, list[Decision]] = {True: [], False: []}
    for (one, probe), (other, reference) in itertools.combinations(features.items(), 2):
        outcomes[one[0] == other[0]].append(decide(dissimilarity(probe, reference)))
    assert len(outcomes[True]) == 275
    false_non_matches = outcomes[True].count(Decision.NO_MATCH)
    false_matches = outcomes[False].count(Decision.MATCH)
    assert (false_non_matches, false_matches) == (0, 0)


def test_released_photos_do_not_match_their_originals(photos: Path, engine: Engine) -> None:
    gate = ReleaseGate(engine)
    people = sorted(path for path in (photos / "lfw").iterdir() if path.is_dir())[::1200]
    assert len(people) >= 5
    for person in people:
        image = read_image(next(iter(sorted(person.glob("*.jpg")))))
        faces = engine.detect(image)
        released = release(image, faces, gate)
        pairs = zip(engine.encode(released.image, faces), engine.encode(image, faces), strict=True)
        for index, (after, before) in enumerate(pairs):
            covered = released.faces[index].verdict.closest_dissimilarity is None
            assert covered or dissimilarity(after, before) > gate.limit_dissimilarity, person.name
