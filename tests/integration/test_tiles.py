"""The ledger's tiles in the database: whole ones kept, proofs made from them alone."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from broadcaster.core.errors import LedgerBroken
from broadcaster.ledger import merkle, proof
from broadcaster.ledger.tiles import Tile, edge
from broadcaster.storage import ledger, schema, tiles
from broadcaster.storage.ledger import Leaf
from broadcaster.storage.models import LedgerTile

SIZE = 256 * 257 + 300
SIZES = (1, 2, 255, 256, 257, 511, 512, 600, 65_535, 65_536, 65_537, 66_000, SIZE)
LEAVES = [merkle.leaf_hash(b"%d" % number) for number in range(SIZE)]


def _append(runtime, start, end):
    with runtime.transaction() as session:
        leaves = [Leaf(data=b"%d" % number) for number in range(start, end)]
        ledger.append(session, leaves, runtime.clock.now())


@pytest.fixture
def full(runtime):
    """A log with three levels of tiles, grown in steps of many lengths."""
    start = 0
    for end in (1, 200, 256, 257, 511, 1030, 40_000, 65_535, 65_536, SIZE):
        _append(runtime, start, end)
        start = end
    return runtime


def test_proofs_from_the_database_are_those_from_all_leaves(full):
    subtree = _SubtreesOfAll()
    with full.reading() as session:
        for size in SIZES:
            root = merkle.range_root(0, size, subtree)
            read = tiles.subtrees(session)
            for index in {0, 1, 255, 256, size // 2, size - 2, size - 1} & set(range(size)):
                path = merkle.inclusion_path(index, size, read)
                proof.verify_inclusion(index, size, LEAVES[index], path, root)
            for earlier in [one for one in SIZES if one <= size]:
                path = merkle.consistency_path(earlier, size, read)
                before = merkle.range_root(0, earlier, subtree)
                proof.verify_consistency(earlier, size, before, root, path)


class _SubtreesOfAll:
    """Subtrees straight from the leaves, each worked out once."""

    def __init__(self):
        self._known = {}

    def __call__(self, level, index):
        if level == 0:
            return LEAVES[index]
        key = (level, index)
        if key not in self._known:
            halves = self(level - 1, 2 * index), self(level - 1, 2 * index + 1)
            self._known[key] = merkle.node_hash(*halves)
        return self._known[key]


def test_every_tile_holds_what_its_place_says(full):
    with full.reading() as session:
        kept = session.execute(sa.select(LedgerTile)).scalars().all()
        by_level = {level: [one for one in kept if one.level == level] for level in (0, 1, 2)}
        assert [len(by_level[level]) for level in (0, 1, 2)] == [SIZE // 256, 1, 0]
        for one in by_level[0]:
            assert one.hashes == b"".join(LEAVES[one.idx * 256 : one.idx * 256 + 256])
            assert one.root == merkle.root(LEAVES[one.idx * 256 : one.idx * 256 + 256])
        roots = b"".join(one.root for one in by_level[0])
        assert by_level[1][0].hashes == roots[: 256 * 32]
        widths = {one.level: one for one in edge(SIZE)}
        assert tiles.of(session, widths[0]) == b"".join(LEAVES[-44:])
        assert tiles.of(session, widths[1]) == roots[256 * 32 :]
        assert tiles.of(session, widths[2]) == by_level[1][0].root
        assert tiles.entries(session, Tile(None, 1, 3)) == [b"256", b"257", b"258"]


@pytest.mark.parametrize("verb", ["UPDATE", "DELETE", "replace"])
def test_tiles_refuse_change_and_removal(runtime, verb):
    _append(runtime, 0, 256)
    every = {
        "sqlite": "REPLACE INTO ledger_tiles SELECT level, idx, root, hashes FROM ledger_tiles"
    }
    statements = {
        "UPDATE": "UPDATE ledger_tiles SET root = hashes",
        "DELETE": "DELETE FROM ledger_tiles",
        "replace": every.get(runtime.database.dialect.name, "TRUNCATE ledger_tiles"),
    }
    with (
        pytest.raises(sa.exc.DBAPIError, match="cannot be changed or deleted"),
        runtime.transaction() as session,
    ):
        session.execute(sa.text(statements[verb]))


def test_a_tree_whose_tile_is_gone_gives_no_proof(full):
    disarm = "ALTER TABLE ledger_tiles DISABLE TRIGGER ALL"
    if full.database.dialect.name == "sqlite":
        disarm = "DROP TRIGGER ledger_tiles_refuse_delete"
    with full.transaction() as session:
        session.execute(sa.text(disarm))
        session.execute(sa.text("DELETE FROM ledger_tiles WHERE level = 0 AND idx = 256"))
    with full.reading() as session, pytest.raises(LedgerBroken, match="missing"):
        merkle.inclusion_path(0, SIZE, tiles.subtrees(session))


def test_a_ledger_from_before_there_were_tiles_gets_them(runtime):
    _append(runtime, 0, 256 * 258)
    kept = _kept(runtime)
    assert len(kept) == 259
    schema.downgrade(runtime.database, "0002")
    schema.upgrade(runtime.database)
    assert _kept(runtime) == kept


def _kept(runtime):
    with runtime.reading() as session:
        rows = session.execute(sa.select(LedgerTile)).scalars()
        return sorted((one.level, one.idx, one.hashes, one.root) for one in rows)
