"""The log cut into tiles, as C2SP tlog-tiles lays it out for anyone to read and audit.

A tile holds up to 256 hashes. Those at level 0 are leaf hashes; each at level L + 1 is the root of a
whole tile at level L. A tile that is whole never changes; at the right edge there is one at each
level that has fewer hashes, named with its width. https://c2sp.org/tlog-tiles
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broadcaster.ledger.errors import WrongTile
from broadcaster.ledger.merkle import Subtree, complete_root

#: Levels of the tree in a tile, and the hashes in a whole one.
HEIGHT = 8
WIDTH = 1 << HEIGHT
#: The largest length of an entry: its prefix has two bytes.
LONGEST_ENTRY = 0xFFFF

_HIGHEST = 63
_GROUP = 1000
_NUMBER = r"(?:x[0-9]{3}/)*[0-9]{3}"
_PATH = re.compile(
    rf"(?P<kind>entries|0|[1-9][0-9]?)/(?P<index>{_NUMBER})(?:\.p/(?P<width>[1-9][0-9]{{0,2}}))?"
)

Hashes = Callable[[int, int, int], Sequence[bytes]]
"""Gives, of the hashes at a tile level, so many from one on; all of them in one tile."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile, or an entry bundle: its entries instead of their hashes.

    Attributes:
        level: Counted in tiles, from the leaves; None for a bundle of entries.
        index: Which of this level, from the left.
        width: How many hashes or entries; 256 in a whole one.
    """

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def first(self) -> int:
        """The first of its hashes, counted at its level."""
        return self.index * WIDTH

    def is_in(self, size: int) -> bool:
        """Tell whether a log with so many entries has all of it."""
        return self.first + self.width <= size >> HEIGHT * (self.level or 0)

    def to_path(self) -> str:
        """Give its path below ``tile/``: 1234067 is ``x001/x234/067``."""
        groups, rest = [f"{self.index % _GROUP:03}"], self.index // _GROUP
        while rest:
            groups.append(f"x{rest % _GROUP:03}")
            rest //= _GROUP
        kind = "entries" if self.level is None else str(self.level)
        part = "" if self.width == WIDTH else f".p/{self.width}"
        return f"{kind}/{'/'.join(reversed(groups))}{part}"


def parse_path(path: str) -> Tile:
    """Read what `Tile.to_path` gave; a tile has one path only.

    Raises:
        WrongTile: the path is none, or written in another way.
    """
    found = _PATH.fullmatch(path)
    if found is None:
        message = "this is no path of a tile"
        raise WrongTile(message)
    kind = found["kind"]
    tile = Tile(
        level=None if kind == "entries" else int(kind),
        index=int(found["index"].replace("x", "").replace("/", "")),
        width=int(found["width"] or WIDTH),
    )
    if (tile.level or 0) > _HIGHEST or tile.width > WIDTH or tile.to_path() != path:
        message = "this is no path of a tile"
        raise WrongTile(message)
    return tile


def edge(size: int) -> list[Tile]:
    """Give the tiles at the right edge of a log that are not whole, from the leaves upwards.

    70,000 entries end in a tile of 112 hashes at level 0, one of 17 at level 1 and one of 1 at level 2.
    """
    tiles = []
    level = 0
    while count := size >> HEIGHT * level:
        if width := count % WIDTH:
            tiles.append(Tile(level, count // WIDTH, width))
        level += 1
    return tiles


def subtrees(hashes: Hashes) -> Subtree:
    """Give complete subtrees from tiles, for `inclusion_path` and `consistency_path`."""

    def subtree(level: int, index: int) -> bytes:
        tile_level, above = divmod(level, HEIGHT)
        return complete_root(hashes(tile_level, index << above, 1 << above))

    return subtree


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """Give an entry bundle: before each entry its length, in two bytes.

    Raises:
        WrongTile: an entry is too long.
    """
    if any(len(entry) > LONGEST_ENTRY for entry in entries):
        message = f"an entry has at most {LONGEST_ENTRY} bytes"
        raise WrongTile(message)
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unpack_entries(data: bytes) -> list[bytes]:
    """Read what `pack_entries` gave.

    Raises:
        WrongTile: it is cut short.
    """
    entries, place = [], 0
    while place < len(data):
        start = place + 2
        place = start + int.from_bytes(data[place:start], "big")
        if start > len(data) or place > len(data):
            message = "the bundle of entries is cut short"
            raise WrongTile(message)
        entries.append(data[start:place])
    return entries
