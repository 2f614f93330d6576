"""A tree of keys from one seed, out of which single leaves can be taken so that nobody finds them again.

From a node's seed follow those of its 16 children, and so on down to the leaves; never the other
way round. To take a leaf out, the nodes above it are replaced by all their other children. What is
left is small, gives every other leaf as before, and the leaf that was taken out to nobody.

Source: Goldreich, Goldwasser, Micali, "How to construct random functions", 1986; taking leaves out:
Boneh, Waters 2013; Kiayias et al. 2013; Boyle, Goldwasser, Ivan 2014.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

_DIGITS = "0123456789abcdef"
_LABELS = {digit: f"broadcaster/key-tree/1/{digit}".encode() for digit in _DIGITS}
#: How many digits lead to a leaf; there are 65,536.
DEPTH = 4
LEAVES = 16**DEPTH


def path_of(leaf: int) -> str:
    """Return the way to a leaf, a hexadecimal digit for each branch."""
    return f"{leaf:0{DEPTH}x}"


def derive(nodes: Mapping[str, bytes], leaf: int) -> bytes | None:
    """Return a leaf's key; None if it was taken out.

    Args:
        nodes: seeds by their paths; the root's path is empty.
        leaf: which.
    """
    return descend(nodes, path_of(leaf))


def descend(nodes: Mapping[str, bytes], path: str) -> bytes | None:
    """Return the seed of the node that a path leads to; None if anything below it was taken out."""
    for length in range(len(path) + 1):
        seed = nodes.get(path[:length])
        if seed is not None:
            for digit in path[length:]:
                seed = child(seed, digit)
            return seed
    return None


def take_out(nodes: Mapping[str, bytes], leaf: int) -> dict[str, bytes]:
    """Return the tree without a leaf; without one that is gone it stays as it is."""
    path = path_of(leaf)
    left = dict(nodes)
    start = next((n for n in range(DEPTH + 1) if path[:n] in left), None)
    if start is None:
        return left
    seed = left.pop(path[:start])
    for length in range(start, DEPTH):
        for digit in _DIGITS:
            if digit != path[length]:
                left[path[:length] + digit] = child(seed, digit)
        seed = child(seed, path[length])
    return left


def child(seed: bytes, digit: str) -> bytes:
    """Return the seed of one of a node's children."""
    # Both are of one length, so a plain hash will do; an HMAC takes ten times as long.
    return hashlib.sha256(_LABELS[digit] + seed).digest()
