"""How alike two faces are, for people to read."""

from collections.abc import Sequence
from math import hypot


def cosine(probe: Sequence[float], template: Sequence[float]) -> float:
    """Return the cosine similarity of two feature vectors of one encoder: -1 to 1, higher is more alike.

    S = p . t / (|p| |t|); 0 where either has no length. It decides nothing here.

    Source: algorithm 2 of the StyleGAN, Ray cluster and IPFS paper, step 3a.
    """
    lengths = hypot(*probe) * hypot(*template)
    product = sum(one * other for one, other in zip(probe, template, strict=True))
    return max(-1.0, min(1.0, product / lengths)) if lengths else 0.0
