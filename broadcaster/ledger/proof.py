"""Verification of Merkle proofs after RFC 9162: only numbers and bytes go in.

Each function returns nothing when the proof holds and raises otherwise, so that a result cannot be
overlooked.
"""

from __future__ import annotations

from collections.abc import Sequence

from broadcaster.ledger.errors import RootMismatch, WrongHashLength, WrongProofLength, WrongRange
from broadcaster.ledger.merkle import HASH_SIZE, node_hash


def verify_inclusion(
    index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that a leaf is in a tree (RFC 9162 section 2.1.3.2).

    Args:
        index: Position of the leaf, counted from 0.
        size: Number of leaves of the tree.
        leaf_hash: Hash of the leaf.
        proof: Hashes from the leaf's neighbour up to the root's child.
        root: Root hash of the tree.

    Raises:
        WrongRange: there is no such leaf in such a tree.
        WrongHashLength: a hash has not 32 bytes.
        WrongProofLength: the proof has too many or too few hashes.
        RootMismatch: the proof leads to another root.
    """
    if not 0 <= index < size:
        message = f"leaf {index} is not in a tree of size {size}"
        raise WrongRange(message)
    _check_lengths((leaf_hash, root, *proof))
    node, last, calculated = index, size - 1, leaf_hash
    for item in proof:
        _check_not_done(last)
        if node & 1 or node == last:
            calculated = node_hash(item, calculated)
            node, last = _climb_right_edge(node, last)
        else:
            calculated = node_hash(calculated, item)
        node, last = node >> 1, last >> 1
    _check_done(last)
    _check_root("the proof leads to another root", expected=root, calculated=calculated)


def verify_consistency(
    size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]
) -> None:
    """Check that a tree extends an earlier one (RFC 9162 section 2.1.4.2).

    Args:
        size1: Size of the earlier tree.
        size2: Size of the later tree.
        root1: Root hash of the earlier tree.
        root2: Root hash of the later tree.
        proof: Hashes as `consistency_path` gives them; empty where both sizes are equal.

    Raises:
        WrongRange: the earlier tree is empty (which proves nothing) or larger than the later.
        WrongHashLength: a hash has not 32 bytes.
        WrongProofLength: the proof has too many or too few hashes.
        RootMismatch: the proof leads to another earlier or later root.
    """
    if not 0 < size1 <= size2:
        message = f"no proof leads from size {size1} to size {size2}"
        raise WrongRange(message)
    _check_lengths((root1, root2, *proof))
    if size1 == size2:
        _check_same_tree(root1, root2, proof)
        return
    if not proof:
        message = "an empty proof cannot join two sizes"
        raise WrongProofLength(message)
    # Where the earlier tree is one complete subtree its root is left out of the proof.
    path = [root1, *proof] if size1.bit_count() == 1 else list(proof)
    earlier, later = _walk_consistency(size1, size2, path)
    _check_root("the proof leads to another earlier root", expected=root1, calculated=earlier)
    _check_root("the proof leads to another later root", expected=root2, calculated=later)


def _walk_consistency(size1: int, size2: int, path: list[bytes]) -> tuple[bytes, bytes]:
    node, last = size1 - 1, size2 - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    earlier = later = path[0]
    for item in path[1:]:
        _check_not_done(last)
        if node & 1 or node == last:
            earlier, later = node_hash(item, earlier), node_hash(item, later)
            node, last = _climb_right_edge(node, last)
        else:
            later = node_hash(later, item)
        node, last = node >> 1, last >> 1
    _check_done(last)
    return earlier, later


def _climb_right_edge(node: int, last: int) -> tuple[int, int]:
    """Skip the levels at which the last node has no neighbour."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _check_same_tree(root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        message = "equal sizes need an empty proof"
        raise WrongProofLength(message)
    _check_root("equal sizes, but the roots differ", expected=root1, calculated=root2)


def _check_lengths(hashes: Sequence[bytes]) -> None:
    for item in hashes:
        if len(item) != HASH_SIZE:
            message = f"a hash has {HASH_SIZE} bytes, not {len(item)}"
            raise WrongHashLength(message)


def _check_not_done(last: int) -> None:
    if last == 0:
        message = "the proof has too many hashes"
        raise WrongProofLength(message)


def _check_done(last: int) -> None:
    if last != 0:
        message = "the proof has too few hashes"
        raise WrongProofLength(message)


def _check_root(what: str, *, expected: bytes, calculated: bytes) -> None:
    if expected != calculated:
        raise RootMismatch(what, expected=expected, calculated=calculated)
