"""The tree of RFC 6962 / RFC 9162, held to the vectors of Certificate Transparency's own implementation."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from veilmesh_chaincode.records.merkle import MerkleTree, leaf_hash, verify_inclusion

# google/certificate-transparency, cpp/merkletree/merkle_tree_test.cc
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
PROOFS = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def tree_of(count: int) -> MerkleTree:
    return MerkleTree([leaf_hash(leaf) for leaf in LEAVES[:count]])


@pytest.mark.parametrize("count", ROOTS)
def test_root_vectors(count: int) -> None:
    assert tree_of(count).root.hex() == ROOTS[count]


@pytest.mark.parametrize(("index", "count"), PROOFS)
def test_inclusion_vectors(index: int, count: int) -> None:
    tree = tree_of(count)
    proof = tree.inclusion_proof(index)
    assert [sibling.hex() for sibling in proof] == PROOFS[index, count]
    assert verify_inclusion(leaf_hash(LEAVES[index]), index, count, proof, tree.root)


def recursive_root(leaves: list[bytes]) -> bytes:
    """MTH as RFC 9162, 2.1.1 writes it."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = recursive_root(leaves[:split]), recursive_root(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


@settings(deadline=None)
@given(count=st.integers(1, 70), data=st.data())
def test_every_leaf_and_nothing_else_is_included(count: int, data: st.DataObject) -> None:
    leaves = [index.to_bytes(2, "big") for index in range(count)]
    tree = MerkleTree([leaf_hash(leaf) for leaf in leaves])
    assert tree.root == recursive_root(leaves)

    index = data.draw(st.integers(0, count - 1))
    leaf, proof = leaf_hash(leaves[index]), tree.inclusion_proof(index)
    assert verify_inclusion(leaf, index, count, proof, tree.root)
    assert not verify_inclusion(leaf_hash(b"another"), index, count, proof, tree.root)
    assert not verify_inclusion(leaf, index, count, [*proof, leaf], tree.root)
    other = data.draw(st.integers(-2, count + 2).filter(lambda other: other != index))
    assert not verify_inclusion(leaf, other, count, proof, tree.root)
    if proof:
        assert not verify_inclusion(leaf, index, count, proof[:-1], tree.root)
        place = data.draw(st.integers(0, len(proof) - 1))
        proof[place] = bytes(32)
        assert not verify_inclusion(leaf, index, count, proof, tree.root)


def test_an_inner_node_is_no_leaf() -> None:
    tree = tree_of(4)
    inner = [tree_of(2).root, MerkleTree([leaf_hash(leaf) for leaf in LEAVES[2:4]]).root]
    # A tree without domain separation would take the two inner nodes for the leaves of a tree of two.
    assert MerkleTree([leaf_hash(node) for node in inner]).root != tree.root


@pytest.mark.parametrize("index", [-1, 4])
def test_no_proof_of_what_is_not_there(index: int) -> None:
    with pytest.raises(IndexError):
        tree_of(4).inclusion_proof(index)
