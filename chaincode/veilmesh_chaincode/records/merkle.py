"""The hash tree of Certificate Transparency (RFC 9162, section 2.1; the same as RFC 6962's), over SHA-256.

Leaves are hashed with a leading 0x00 and inner nodes with 0x01, so that neither passes for the other. A tree
of n leaves splits at the largest power of two below n; level by level that is: pair neighbours, and carry an
odd last one up unchanged, which is how `MerkleTree` builds it.

Every hash is 32 bytes. What a leaf is made of, the caller decides.
"""

import hashlib
from collections.abc import Sequence

Hash = bytes


def leaf_hash(leaf: bytes) -> Hash:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: Hash, right: Hash) -> Hash:
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """A tree over leaf hashes, kept whole so that a million proofs cost a million walks, not rebuilds."""

    def __init__(self, leaf_hashes: Sequence[Hash]) -> None:
        self._levels: list[list[Hash]] = [list(leaf_hashes)]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            level = [node_hash(left, right) for left, right in zip(below[::2], below[1::2], strict=False)]
            if len(below) % 2:
                level.append(below[-1])
            self._levels.append(level)

    def __len__(self) -> int:
        return len(self._levels[0])

    @property
    def root(self) -> Hash:
        """The root; of no leaves at all, the hash of the empty string (RFC 9162, 2.1.1)."""
        return self._levels[-1][0] if self._levels[0] else hashlib.sha256(b"").digest()

    def inclusion_proof(self, leaf_index: int) -> list[Hash]:
        """Return the siblings on the way from a leaf to the root, bottom up (RFC 9162, 2.1.3.1).

        Raises:
            IndexError: there is no such leaf.
        """
        if not 0 <= leaf_index < len(self):
            raise IndexError(f"leaf {leaf_index} of a tree of {len(self)}")
        proof = []
        for level in self._levels[:-1]:
            sibling = leaf_index ^ 1
            if sibling < len(level):
                proof.append(level[sibling])
            leaf_index //= 2
        return proof


def verify_inclusion(leaf: Hash, leaf_index: int, leaf_count: int, proof: Sequence[Hash], root: Hash) -> bool:
    """Tell whether `proof` leads from this leaf hash to `root` (RFC 9162, 2.1.3.2, with its names)."""
    if not 0 <= leaf_index < leaf_count:
        return False
    fn, sn, r = leaf_index, leaf_count - 1, leaf
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root
