"""How often a search finds the right person, counted on photos in LFW's layout (a folder a person).

Everybody's first photo is the gallery; the second photo of everybody who has one is searched for, so
everybody who is searched for is there ("closed set"). A photo without a usable face is a failure to acquire,
and counted as that; a probe whose own reference is missing for that reason cannot be found, and is counted as
a miss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from veilmesh_node.domain.secret import Features
from veilmesh_node.errors import InvalidRequestError
from veilmesh_node.vault.gallery import Candidate, Rows

if TYPE_CHECKING:  # it comes with the faces
    from veilmesh_ml.comparison import Features as FeatureRow

THRESHOLDS = (0.5, 0.6)


@dataclass(frozen=True, slots=True)
class Split:
    """Which photos are enrolled and which are searched for, by person."""

    gallery: Mapping[str, Path]
    probes: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class NamedAt:
    """What searches answered at one threshold."""

    threshold: float
    right: int
    wrong: int
    nobody: int


@dataclass(frozen=True, slots=True)
class ClosedSet:
    """Counts."""

    gallery: int  # references
    probes: int  # that were searched for
    gallery_failures: int  # to acquire
    probe_failures: int
    top_1: int  # probes whose nearest reference is their person's
    top_5: int
    named: Sequence[NamedAt]


def split(data: Path) -> Split:
    """Return the first and the second photo of every folder of `data`.

    Raises:
        InvalidRequestError: there is nobody with two photos.
    """
    photos = {
        folder.name: sorted(folder.glob("*.jpg")) for folder in sorted(data.iterdir()) if folder.is_dir()
    }
    found = Split(
        gallery={person: paths[0] for person, paths in photos.items() if paths},
        probes={person: paths[1] for person, paths in photos.items() if len(paths) > 1},
    )
    if not found.probes:
        raise InvalidRequestError(f"{data} has no folder with two photos, NAME/*.jpg")
    return found


def search_all(of: Split, features: "Mapping[Path, FeatureRow | None]") -> ClosedSet:
    """Search for every probe; `features` has each photo's, None where it has no usable face."""
    rows = Rows()
    enrolled = {person: features[path] for person, path in of.gallery.items()}
    for person, row in enrolled.items():
        if row is not None:
            rows.add([(person, 1)], row[None])
    probes = {person: features[path] for person, path in of.probes.items()}
    found = {
        person: rows.nearest([Features(tuple(row.tolist()))], 5)[0]
        for person, row in probes.items()
        if row is not None
    }
    return ClosedSet(
        gallery=len(rows),
        probes=len(found),
        gallery_failures=len(enrolled) - len(rows),
        probe_failures=len(probes) - len(found),
        top_1=sum(near[0].reference_id == person for person, near in found.items()),
        top_5=sum(person in {each.reference_id for each in near} for person, near in found.items()),
        named=[_named(found, threshold) for threshold in THRESHOLDS],
    )


def _named(found: Mapping[str, Sequence[Candidate]], threshold: float) -> NamedAt:
    within = {person: near[0] for person, near in found.items() if near[0].dissimilarity <= threshold}
    right = sum(nearest.reference_id == person for person, nearest in within.items())
    return NamedAt(threshold, right, len(within) - right, len(found) - len(within))
