"""What becomes of a template when new photos of the same person come: it follows them, on a leash.

The new template is the fusion of the old one and the new photos, half and half, and lies no further from the
*origin*, the template of the enrolment, than `LEASH` times the threshold. Without that bound a chain of
updates, each of them within the threshold, could walk from one person to another. The leash is shorter than
the distance from which strangers begin: at the threshold 0.6 it is 0.36, and for 99 of 100 people of LFW the
nearest of 4,844 others is further away than 0.38. Of five updates in a row with single photos it holds back
one in six, and the gain in true matches stays whole (docs/faces.md).
"""

from dataclasses import dataclass

from veilmesh_chaincode.records.authentication import Outcome

from veilmesh_node.domain.decision import MICRO, decide
from veilmesh_node.domain.fusion import fuse
from veilmesh_node.domain.secret import Features

LEASH = 0.6  # of the policy's threshold


@dataclass(frozen=True, slots=True)
class Lineage:
    """A template, and the one of the enrolment that it came from; equal where nothing was renewed yet."""

    template: Features
    origin: Features


def begin(template: Features) -> Lineage:
    """Return the lineage of a new enrolment, or of a replacement: drift is measured from here."""
    return Lineage(template, template)


def renew(old: Lineage, fresh: Features, threshold_micro: int) -> Lineage | None:
    """Return the lineage that goes on with `fresh`, the fused features of the new photos.

    Returns:
        None where `fresh` does not match the old template at the threshold.
    """
    if decide(old.template.dissimilarity(fresh), threshold_micro) is Outcome.NO_MATCH:
        return None
    limit = LEASH * threshold_micro / MICRO
    return Lineage(_within(limit, old.origin, fuse([old.template, fresh])), old.origin)


def _within(limit: float, origin: Features, template: Features) -> Features:
    """Return the point nearest to `template` that is at most `limit` away from `origin`."""
    distance = origin.dissimilarity(template)
    if distance <= limit:
        return template
    share = limit / distance
    pairs = zip(origin.values, template.values, strict=True)
    return Features(tuple(start + share * (end - start) for start, end in pairs))
