"""Whole folders, with worker processes."""

import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dlib")

import numpy as np
from veilmesh_ml import Engine, RgbImage, dissimilarity, read_image, write_image
from veilmesh_ml.anonymizers.permute import restore
from veilmesh_ml.anonymizers.recovery import Recovery
from veilmesh_ml.errors import ParameterError
from veilmesh_ml.folder import _work, anonymize_folder
from veilmesh_ml.folder_job import FileResult, FileStatus, FolderJob, FolderSettings
from veilmesh_ml.manifest import MANIFEST_NAME
from veilmesh_node.sealed_key import Keeper, SealedKey
from veilmesh_node.sealing import SealingKey

pytestmark = pytest.mark.faces

KEY = bytes(range(32))
MASK = FolderSettings(method="mask")


@pytest.fixture
def head(astronaut: RgbImage) -> RgbImage:
    return np.ascontiguousarray(astronaut[20:250, 110:330])


@pytest.fixture
def album(tmp_path: Path, head: RgbImage) -> Path:
    """Three good pictures in two folders, and one file each of much that can be wrong."""
    folder = tmp_path / "album"
    write_image(folder / "one.jpg", head)
    write_image(folder / "trip" / "two.png", np.ascontiguousarray(head[:, ::-1]))
    write_image(folder / "trip" / "day 2" / "drei.WEBP", head)
    (folder / "broken.jpg").write_bytes((folder / "one.jpg").read_bytes()[:3000])
    (folder / "text.jpg").write_text("not a picture")
    (folder / "empty.png").touch()
    write_image(folder / "landscape.png", np.full((60, 80, 3), 120, dtype=np.uint8))
    (folder / "phone.heic").write_bytes(b"\x00\x00\x00\x18ftypheic")
    (folder / "notes.txt").write_text("left alone")
    (folder / ".hidden.jpg").write_text("left alone")
    return folder


def by_name(results: tuple[FileResult, ...]) -> dict[str, FileResult]:
    return {result.source.name: result for result in results}


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_one_bad_file_never_stops_the_rest(
    album: Path, tmp_path: Path, engine: Engine, head: RgbImage
) -> None:
    out = tmp_path / "out"
    seen: list[tuple[str, int, int]] = []
    report = anonymize_folder(
        [album],
        out,
        workers=2,
        progress=lambda result, done, total: seen.append((result.source.name, done, total)),
    )
    assert tree(out) == [MANIFEST_NAME, "one.jpg", "trip/day 2/drei.WEBP", "trip/two.png"]
    results = by_name(report.results)
    assert {name for name, result in results.items() if result.status is FileStatus.RELEASED} == {
        "one.jpg",
        "two.png",
        "drei.WEBP",
    }
    assert {result.source.name for result in report.failures} == {
        "broken.jpg",
        "text.jpg",
        "empty.png",
        "landscape.png",
        "phone.heic",
    }
    assert "cut short" in results["broken.jpg"].error
    assert "not a picture" in results["text.jpg"].error
    assert "no face was found" in results["landscape.png"].error
    assert all(result.hint for result in report.failures)
    assert [done for _, done, _ in seen] == list(range(1, 9))
    assert {total for _, _, total in seen} == {8}
    original = engine.encode(head, engine.detect(head))[0]
    anonymized = read_image(out / "one.jpg")
    assert dissimilarity(engine.encode(anonymized, engine.detect(head))[0], original) > 0.62
    assert results["one.jpg"].faces >= 1
    assert results["one.jpg"].model_digest == engine.model_digest


def test_next_run_repeats_only_what_changed(tmp_path: Path, head: RgbImage) -> None:
    album, out = tmp_path / "album", tmp_path / "out"
    for name in ("a.png", "b.png", "sub/c.png"):
        write_image(album / name, head)
    anonymize_folder([album], out, MASK, workers=1)
    written = (out / "sub" / "c.png").stat().st_mtime_ns
    (out / "b.png").write_bytes(b"damaged since")
    write_image(album / "a.png", np.ascontiguousarray(head[5:]))
    results = by_name(anonymize_folder([album], out, MASK, workers=1).results)
    assert {name: result.status for name, result in results.items()} == {
        "a.png": FileStatus.RELEASED,
        "b.png": FileStatus.RELEASED,
        "c.png": FileStatus.KEPT,
    }
    assert (out / "sub" / "c.png").stat().st_mtime_ns == written
    assert results["c.png"].method == "mask"
    assert len(results["c.png"].input_sha256) == 64


def test_manifest_cut_short_and_other_settings(tmp_path: Path, head: RgbImage) -> None:
    write_image(tmp_path / "in" / "a.png", head)
    out = tmp_path / "out"

    def status(settings: FolderSettings) -> FileStatus:
        return anonymize_folder([tmp_path / "in"], out, settings, workers=1).results[0].status

    assert status(MASK) is FileStatus.RELEASED
    manifest = out / MANIFEST_NAME
    manifest.write_bytes(manifest.read_bytes()[:-40])  # as a crash may leave it
    assert status(MASK) is FileStatus.RELEASED
    assert status(MASK) is FileStatus.KEPT
    assert status(FolderSettings(method="mask", parameters={"grey": 9})) is FileStatus.RELEASED
    assert manifest.stat().st_mode & 0o077 == 0


def test_permuted_with_a_key_is_lossless_and_restorable(tmp_path: Path, head: RgbImage) -> None:
    written = write_image(tmp_path / "in" / "a.jpg", head)
    settings = FolderSettings(method="permute", parameters={"n": 6000}, key=KEY)
    (result,) = anonymize_folder([tmp_path / "in"], tmp_path / "out", settings, workers=1).results
    assert result.target == tmp_path / "out" / "a.jpg.png"
    assert result.method == "permute"
    released = read_image(tmp_path / "out" / "a.jpg.png")
    assert np.array_equal(restore(released, Recovery.from_json(result.recovery), KEY), read_image(written))
    assert KEY.hex() not in (tmp_path / "out" / MANIFEST_NAME).read_text()
    assert KEY.hex() not in repr(result) + repr(settings)


def test_every_sealed_picture_has_a_key_of_its_own(tmp_path: Path, head: RgbImage) -> None:
    for name in ("a.jpg", "b.jpg"):
        write_image(tmp_path / "in" / name, head)
    sealing_key = SealingKey.generate()
    settings = FolderSettings(method="permute", seal=Keeper("org1-node", sealing_key.public_hex()))
    done = anonymize_folder([tmp_path / "in"], tmp_path / "out", settings, workers=2).results
    keys = set()
    for result in done:
        assert result.target is not None
        sealed = SealedKey.parse(result.sealed_key.encode())
        assert (sealed.output_sha256, result.recovery) == (result.output_sha256, "")
        opened = sealed.open(sealing_key)
        restored = restore(
            read_image(result.target), Recovery.from_json(opened.recovery), opened.key.reveal()
        )
        assert np.array_equal(restored, read_image(result.source))
        keys.add(opened.key.reveal())
    assert len(keys) == 2
    again = anonymize_folder([tmp_path / "in"], tmp_path / "out", settings, workers=1).results
    assert [result.status for result in again] == [FileStatus.KEPT] * 2
    assert [result.sealed_key for result in again] == [result.sealed_key for result in done]


def test_originals_are_never_overwritten(tmp_path: Path, head: RgbImage) -> None:
    write_image(tmp_path / "in" / "a.png", head)
    with pytest.raises(ParameterError, match="input and output at once"):
        anonymize_folder([tmp_path / "in"], tmp_path / "in")
    report = anonymize_folder([tmp_path / "in" / "a.png"], tmp_path / "in", workers=1)
    assert "is an input too" in report.failures[0].error
    assert np.array_equal(read_image(tmp_path / "in" / "a.png"), head)


def test_two_inputs_for_one_name(tmp_path: Path, head: RgbImage) -> None:
    for folder in ("x", "y"):
        write_image(tmp_path / folder / "a.png", head)
    report = anonymize_folder([tmp_path / "x", tmp_path / "y"], tmp_path / "out", MASK, workers=1)
    assert [result.status for result in report.results] == [FileStatus.RELEASED, FileStatus.FAILED]
    assert "another input is written to" in report.failures[0].error


def test_output_inside_the_input_is_not_read_again(tmp_path: Path, head: RgbImage) -> None:
    write_image(tmp_path / "a.png", head)
    for _ in range(2):
        report = anonymize_folder([tmp_path], tmp_path / "out", MASK, workers=1)
        assert [result.source.name for result in report.results] == ["a.png"]


def test_missing_input(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="does not exist"):
        anonymize_folder([tmp_path / "absent"], tmp_path / "out")


def test_unknown_method_fails_every_file_by_name(tmp_path: Path, head: RgbImage) -> None:
    write_image(tmp_path / "in" / "a.png", head)
    report = anonymize_folder([tmp_path / "in"], tmp_path / "out", FolderSettings(method="blurr"), workers=1)
    assert "no anonymizer called 'blurr'" in report.failures[0].error


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_output(tmp_path: Path, head: RgbImage) -> None:
    write_image(tmp_path / "in" / "a.png", head)
    (tmp_path / "out").mkdir(mode=0o500)
    report = anonymize_folder([tmp_path / "in"], tmp_path / "out", MASK, workers=1)
    assert "cannot write" in report.failures[0].error


class Poison(type(Path())):  # type: ignore[misc]  # the concrete class of Path depends on the platform
    """A path that kills the process it is sent to."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os._exit, (9,))


def test_a_file_that_kills_its_process_is_reported_and_the_others_are_done(
    tmp_path: Path, head: RgbImage
) -> None:
    sources = [tmp_path / f"{index}.png" for index in range(4)]
    for source in sources:
        write_image(source, head)
    sources[1] = Poison(sources[1])
    jobs = [FolderJob(source, tmp_path / "out" / source.name, MASK) for source in sources]
    results = {result.source.name: result for result in _work(jobs, 2)}
    assert len(results) == 4
    assert results["1.png"].error == "the process that worked on it died"
    assert all(results[f"{index}.png"].status is FileStatus.RELEASED for index in (0, 2, 3))
