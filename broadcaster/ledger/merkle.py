"""The Merkle tree of RFC 9162 (the tree of RFC 6962): growing it, proving, and its hashes.

Verification is in `proof` and needs none of this. A *subtree* here is always complete: at level L,
index i, it covers the 2^L leaves from i * 2^L on; level 0 are the leaf hashes themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from typing import Self

from broadcaster.ledger.errors import FrontierError, WrongHashLength, WrongRange

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
_SIZE_BYTES = 8
_AT_ONCE = 1 << 12

Subtree = Callable[[int, int], bytes]
"""Gives the hash of the complete subtree at (level, index)."""


def leaf_hash(leaf: bytes) -> bytes:
    """Hash an entry: SHA-256(0x00 ‖ entry)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def leaf_hashes(leaves: Iterable[bytes]) -> list[bytes]:
    """Hash many entries; the same as `leaf_hash` of each."""
    sha256 = hashlib.sha256
    return [sha256(b"\x00" + leaf).digest() for leaf in leaves]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """All that is needed to go on growing a tree: its size and O(log n) hashes.

    Attributes:
        size: Number of leaves.
        hashes: Roots of the complete subtrees the tree falls into, the largest first.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            message = f"a tree of size {self.size} cannot have {len(self.hashes)} subtrees"
            raise FrontierError(message)
        if any(len(item) != HASH_SIZE for item in self.hashes):
            message = f"every subtree hash has {HASH_SIZE} bytes"
            raise FrontierError(message)

    def append(self, leaf: bytes) -> Frontier:
        """Give the frontier after one more leaf hash.

        Raises:
            WrongHashLength: the argument is an entry rather than its hash.
        """
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> Frontier:
        """Give the frontier after more leaf hashes, in their order.

        Raises:
            WrongHashLength: one of them is no SHA-256 hash.
        """
        stack, size, rest = list(self.hashes), self.size, iter(leaves)
        while some := list(islice(rest, _AT_ONCE)):
            if wrong := [len(leaf) for leaf in some if len(leaf) != HASH_SIZE]:
                message = f"a leaf hash has {HASH_SIZE} bytes, not {wrong[0]}"
                raise WrongHashLength(message)
            for level, node in complete_subtrees(size, some):
                size = _push(stack, size, level, node)
        return Frontier(size=size, hashes=tuple(stack))

    def extend_by(self, subtrees: Iterable[tuple[int, bytes]]) -> Frontier:
        """Give the frontier after more leaves, of which the subtrees are known already.

        Args:
            subtrees: What `complete_subtrees` gave for the leaves from here on.

        Raises:
            WrongRange: they do not begin here.
        """
        stack, size = list(self.hashes), self.size
        for level, node in subtrees:
            if size % (1 << level):
                message = f"no subtree of level {level} begins at {size}"
                raise WrongRange(message)
            size = _push(stack, size, level, node)
        return Frontier(size=size, hashes=tuple(stack))

    def root(self) -> bytes:
        """Give the root hash of the tree."""
        return _fold(self.hashes) if self.hashes else EMPTY_ROOT

    @classmethod
    def of(cls, size: int, subtree: Subtree) -> Self:
        """Give the frontier of a tree whose complete subtrees are known.

        Args:
            size: Number of its leaves.
            subtree: Gives each of them.
        """
        hashes, start = [], 0
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                hashes.append(subtree(level, start >> level))
                start += 1 << level
        return cls(size=size, hashes=tuple(hashes))

    def to_bytes(self) -> bytes:
        """Give the bytes to store: the size (8 bytes, big-endian), then the hashes."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` gave.

        Raises:
            FrontierError: the bytes are damaged.
        """
        if len(data) < _SIZE_BYTES or (len(data) - _SIZE_BYTES) % HASH_SIZE:
            message = f"{len(data)} bytes are no stored frontier"
            raise FrontierError(message)
        starts = range(_SIZE_BYTES, len(data), HASH_SIZE)
        hashes = tuple(data[start : start + HASH_SIZE] for start in starts)
        return cls(size=int.from_bytes(data[:_SIZE_BYTES], "big"), hashes=hashes)


def complete_subtrees(start: int, leaves: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the complete subtrees that leaf hashes fall into, level and root of each, in order.

    Args:
        start: The index of the first.
        leaves: The hashes.
    """
    at, size = 0, start
    while at < len(leaves):
        level = (len(leaves) - at).bit_length() - 1
        if size:
            level = min(level, (size & -size).bit_length() - 1)
        yield level, complete_root(leaves[at : at + (1 << level)])
        size, at = size + (1 << level), at + (1 << level)


def _push(stack: list[bytes], size: int, level: int, node: bytes) -> int:
    """Add a complete subtree to the roots of those before it; return the new size."""
    above = size >> level
    while above & 1:
        node = node_hash(stack.pop(), node)
        above >>= 1
    stack.append(node)
    return size + (1 << level)


def root(leaves: Iterable[bytes]) -> bytes:
    """Give the root hash over leaf hashes, holding only O(log n) of them."""
    return Frontier().extend(leaves).root()


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """Give the root over hashes whose number is a power of two; faster than `root`.

    Args:
        hashes: Hashes of one level, 1, 2, 4, … of them.
    """
    sha256 = hashlib.sha256
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return hashes[0]


def range_root(start: int, end: int, subtree: Subtree) -> bytes:
    """Give the hash of the leaves from `start` to before `end`, as RFC 9162 splits them.

    Args:
        start: First leaf; a multiple of the largest power of two below `end - start`.
        end: One past the last leaf; larger than `start`.
        subtree: Where complete subtrees come from.
    """
    hashes = []
    for level in range((end - start).bit_length() - 1, -1, -1):
        if (end - start) >> level & 1:
            hashes.append(subtree(level, start >> level))
            start += 1 << level
    return _fold(hashes)


def inclusion_path(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Make the proof that leaf `index` is in the tree of `size` leaves (RFC 9162 section 2.1.3.1).

    Raises:
        WrongRange: there is no such leaf.
    """
    if not 0 <= index < size:
        message = f"leaf {index} is not in a tree of size {size}"
        raise WrongRange(message)
    path, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_root(middle, end, subtree))
            end = middle
        else:
            path.append(range_root(start, middle, subtree))
            start = middle
    return path[::-1]


def consistency_path(size1: int, size2: int, subtree: Subtree) -> list[bytes]:
    """Make the proof that the tree of `size2` leaves extends that of `size1` (section 2.1.4.1).

    Raises:
        WrongRange: `size1` is 0 or larger than `size2`.
    """
    if not 0 < size1 <= size2:
        message = f"no proof leads from size {size1} to size {size2}"
        raise WrongRange(message)
    path, start, end = [], 0, size2
    while size1 != end:
        middle = start + _split(end - start)
        if size1 <= middle:
            path.append(range_root(middle, end, subtree))
            end = middle
        else:
            path.append(range_root(start, middle, subtree))
            start = middle
    if start:
        path.append(range_root(start, end, subtree))
    return path[::-1]


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Make an inclusion proof for one of these leaf hashes in the tree over all of them.

    Raises:
        WrongRange: there is no such leaf.
    """
    return inclusion_path(index, len(leaves), _subtrees_of(leaves))


def consistency_proof(size1: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Make the proof that the tree over these leaf hashes extends that over the first `size1`.

    Raises:
        WrongRange: `size1` is 0 or larger than the tree.
    """
    return consistency_path(size1, len(leaves), _subtrees_of(leaves))


def _subtrees_of(leaves: Sequence[bytes]) -> Subtree:
    def subtree(level: int, index: int) -> bytes:
        return root(leaves[index << level : (index + 1) << level])

    return subtree


def _split(count: int) -> int:
    """Give the largest power of two smaller than `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def _fold(hashes: Sequence[bytes]) -> bytes:
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes))
