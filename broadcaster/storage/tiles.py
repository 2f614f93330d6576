"""The ledger's tiles: kept as they become whole, and read for proofs and for whoever audits the log."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.orm import Session

from broadcaster.core.errors import LedgerBroken
from broadcaster.ledger import tiles
from broadcaster.ledger.merkle import HASH_SIZE, Frontier, Subtree, complete_root
from broadcaster.ledger.tiles import HEIGHT, WIDTH, Tile
from broadcaster.storage.models import LedgerEntry, LedgerTile


def complete(session: Session, before: int, after: int) -> None:
    """Keep every tile that has become whole while the log grew.

    Args:
        session: the transaction that appends; the entries are there already.
        before: how many entries the log had.
        after: how many it has now.
    """
    level = 0
    while before >> HEIGHT < after >> HEIGHT:
        before, after = before >> HEIGHT, after >> HEIGHT
        for index in range(before, after):
            hashes = _below(session, level, index * WIDTH, WIDTH)
            session.connection().execute(
                _KEEP,
                {
                    "level": level,
                    "idx": index,
                    "hashes": b"".join(hashes),
                    "root": complete_root(hashes),
                },
            )
        level += 1


def subtrees(session: Session) -> Subtree:
    """Give complete subtrees of the log, for proofs; each tile is read once."""
    read: dict[tuple[int, int], bytes] = {}

    def hashes(level: int, first: int, count: int) -> Sequence[bytes]:
        index, place = divmod(first, WIDTH)
        key = (level, index)
        if key not in read or len(read[key]) < (place + count) * HASH_SIZE:
            read[key] = of(session, Tile(level, index, place + count))
        return _cut(read[key][place * HASH_SIZE : (place + count) * HASH_SIZE])

    return tiles.subtrees(hashes)


def frontier(session: Session) -> Frontier:
    """Work the frontier of the log out, from its tiles and the entries after them.

    Raises:
        LedgerBroken: some of them are missing.
    """
    last = session.execute(select(func.coalesce(func.max(LedgerEntry.idx), -1))).scalar_one()
    return Frontier.of(last + 1, subtrees(session))


def of(session: Session, tile: Tile) -> bytes:
    """Return the hashes of a tile that the log has: of a whole one all, whatever its width.

    Raises:
        LedgerBroken: some are missing.
    """
    level = tile.level or 0
    key = {"of_level": level, "of_index": tile.index}
    kept = session.connection().execute(_KEPT, key).scalar_one_or_none()
    if kept is not None:
        return bytes(kept)
    return b"".join(_below(session, level, tile.first, tile.width))


def entries(session: Session, tile: Tile) -> list[bytes]:
    """Return the entries of a bundle."""
    span = {"first": tile.first, "last": tile.first + tile.width - 1}
    return [bytes(leaf) for leaf in session.connection().execute(_ENTRIES, span).scalars()]


_KEEP = insert(LedgerTile)
_KEPT = select(LedgerTile.hashes).where(
    LedgerTile.level == bindparam("of_level"), LedgerTile.idx == bindparam("of_index")
)
_IN_SPAN = LedgerEntry.idx.between(bindparam("first"), bindparam("last"))
_ENTRIES = select(LedgerEntry.leaf).where(_IN_SPAN).order_by(LedgerEntry.idx)
_LEAF_HASHES = select(LedgerEntry.leaf_hash).where(_IN_SPAN).order_by(LedgerEntry.idx)
_ROOTS = (
    select(LedgerTile.root)
    .where(
        LedgerTile.level == bindparam("of_level"),
        LedgerTile.idx.between(bindparam("first"), bindparam("last")),
    )
    .order_by(LedgerTile.idx)
)


def _below(session: Session, level: int, first: int, count: int) -> list[bytes]:
    """Return hashes at a tile level from what is under it: entries, or the roots of tiles."""
    span = {"first": first, "last": first + count - 1}
    connection = session.connection()
    rows = (
        connection.execute(_ROOTS, {**span, "of_level": level - 1})
        if level
        else connection.execute(_LEAF_HASHES, span)
    )
    found = [bytes(one) for one in rows.scalars().all()]
    if len(found) != count or any(len(one) != HASH_SIZE for one in found):
        place = f"tile level {level}, hashes {first} to {first + count - 1}"
        message = f"The ledger is damaged: hashes of the tree are missing or cut short ({place})."
        raise LedgerBroken(message)
    return found


def _cut(data: bytes) -> list[bytes]:
    return [data[start : start + HASH_SIZE] for start in range(0, len(data), HASH_SIZE)]
