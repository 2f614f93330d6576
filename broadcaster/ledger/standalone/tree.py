"""The Merkle tree of RFC 9162: growing it, and inclusion proofs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from broadcaster.ledger.standalone.refusal import need


def leaf_hash(leaf: bytes) -> bytes:
    """Hash an entry."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that grows leaf by leaf."""

    def __init__(self) -> None:
        self.size = 0
        self.stack: list[bytes] = []

    def grow(self, leaf: bytes) -> None:
        """Add an entry."""
        node, bits = leaf_hash(leaf), self.size
        while bits & 1:
            node, bits = node_hash(self.stack.pop(), node), bits >> 1
        self.stack.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Give the root over all entries so far."""
        nodes = self.stack or [hashlib.sha256(b"").digest()]
        root = nodes[-1]
        for left in nodes[-2::-1]:
            root = node_hash(left, root)
        return root


def proven_root(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """Give the root to which an inclusion proof leads (RFC 9162 section 2.1.3.2)."""
    need(0 <= index < size, f"leaf {index} is not in a tree of size {size}")
    node, last, found = index, size - 1, leaf_hash(leaf)
    for item in proof:
        need(last, "the proof has too many hashes")
        if node & 1 or node == last:
            found = node_hash(item, found)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, item)
        node, last = node >> 1, last >> 1
    need(last == 0, "the proof has too few hashes")
    return found
