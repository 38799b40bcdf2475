"""Who is compared with whom: people are split by letter, and nobody is on two sides."""

from pathlib import Path

import pytest

pytest.importorskip("cv2")

from veilmesh_ml.errors import ParameterError
from veilmesh_ml.evaluate.trials import (
    GALLERY_PEOPLE,
    PHOTOS_A_JUDGED_PERSON,
    held_out,
    is_judged,
    plan_trials,
)


def _people(folder: Path, photos_of: dict[str, int]) -> Path:
    for name, count in photos_of.items():
        (folder / "lfw" / name).mkdir(parents=True)
        for number in range(count):
            (folder / "lfw" / name / f"{name}_{number:04}.jpg").touch()
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    judged = {f"S{number:02}": 1 + number % 12 for number in range(40)}
    others = {f"B{number:02}": 1 + number % 4 for number in range(60)}
    return _people(tmp_path_factory.mktemp("data"), judged | others)


def test_only_people_from_s_on_are_judged_and_none_of_them_trains(folder: Path) -> None:
    trials = plan_trials(folder, folder / "lfw", 100)
    assert {photo.person[0] for photo in (*trials.sought, *trials.probes, *trials.known)} == {"S"}
    assert {photo.person[0] for photo in trials.training} == {"B"}
    trained = {photo.person for photo in trials.training}
    assert not trained & {photo.person for photo in trials.others}


def test_the_gallery_has_one_photo_a_person_and_no_probe(folder: Path) -> None:
    trials = plan_trials(folder, folder / "lfw", 100)
    gallery = [photo.person for photo in (*trials.sought, *trials.others)]
    assert len(gallery) == len(set(gallery)) <= GALLERY_PEOPLE
    assert not set(trials.probes) & {*trials.sought, *trials.others}
    sought = {photo.person for photo in trials.sought}
    assert {photo.person for photo in trials.probes} == sought
    for person in sought:
        probes = sum(photo.person == person for photo in trials.probes)
        assert 1 <= probes < PHOTOS_A_JUDGED_PERSON


def test_people_from_s_on_fill_the_gallery_first(folder: Path) -> None:
    others = [is_judged(photo.person) for photo in plan_trials(folder, folder / "lfw", 100).others]
    assert others == sorted(others, reverse=True)
    assert True in others
    assert False in others


def test_a_plan_for_fewer_is_the_beginning_of_one_for_more(folder: Path) -> None:
    few, many = (plan_trials(folder, folder / "lfw", people) for people in (5, 20))
    assert many.sought[: len(few.sought)] == few.sought
    assert many.probes[: len(few.probes)] == few.probes
    assert many.training[: len(few.training)] == few.training


def test_paths_are_relative_to_the_data(folder: Path) -> None:
    assert all((folder / photo.path).exists() for photo in plan_trials(folder, folder / "lfw", 3).photos)


def test_nobody_to_judge_is_an_error(tmp_path: Path) -> None:
    data = _people(tmp_path, {f"B{number}": 2 for number in range(9)})
    with pytest.raises(ParameterError, match="0 people from S to Z"):
        plan_trials(data, data / "lfw", 5)


def test_a_person_is_held_out_wholly() -> None:
    people = ["a", "a", "b", "c", "d", "e", "f", "f", "b"]
    kept = held_out(people)
    assert kept == [person in {"a", "f"} for person in people]
