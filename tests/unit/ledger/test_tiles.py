"""The log in tiles, after C2SP tlog-tiles."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.ledger import merkle, tiles
from broadcaster.ledger.errors import WrongTile
from broadcaster.ledger.tiles import Tile

_HASHES = [hashlib.sha256(b"%d" % number).digest() for number in range(1000)]

PATHS = {
    # The examples of the specification.
    Tile(0, 1234067): "0/x001/x234/067",
    Tile(0, 273, 112): "0/273.p/112",
    Tile(1, 1, 17): "1/001.p/17",
    Tile(2, 0, 1): "2/000.p/1",
    Tile(None, 0): "entries/000",
    Tile(None, 999_999, 1): "entries/x999/999.p/1",
    Tile(63, 1000): "63/x001/000",
}


@pytest.mark.parametrize(("tile", "path"), PATHS.items())
def test_a_tile_has_the_path_of_the_specification(tile, path):
    assert tile.to_path() == path
    assert tiles.parse_path(path) == tile


@given(
    st.builds(
        Tile,
        level=st.none() | st.integers(0, 63),
        index=st.integers(0, 2**56),
        width=st.integers(1, 256),
    )
)
def test_every_path_is_read_as_what_it_was_written_from(tile):
    assert tiles.parse_path(tile.to_path()) == tile


@pytest.mark.parametrize(
    "path",
    [
        *("", "0", "0/", "0/0", "0/00", "0/0000", "0/-01", "00/000", "01/000", "64/000", "100/000"),
        *("0/000.p/0", "0/000.p/256", "0/000.p/257", "0/000.p/01", "0/000.p/", "0/000.p/1/"),
        *("0/x000/001", "0/001/000", "0/x001/x000", "data/000", "entries/x0/000", "0/000\n"),
        *("0/\u0660\u0660\u0660", "0/000.p/1 ", "/0/000", "0//000", "0/../000", "x0/000"),
    ],
)
def test_nothing_else_is_a_path(path):
    with pytest.raises(WrongTile):
        tiles.parse_path(path)


def test_the_right_edge_is_that_of_the_specification():
    assert tiles.edge(70_000) == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert tiles.edge(0) == []
    assert tiles.edge(256) == [Tile(1, 0, 1)]


@given(st.integers(1, 2**40), st.data())
def test_a_log_has_exactly_the_tiles_up_to_its_edge(size, data):
    for last in tiles.edge(size):
        assert last.is_in(size)
        assert not Tile(last.level, last.index, last.width + 1).is_in(size)
    tile = Tile(data.draw(st.integers(0, 6)), data.draw(st.integers(0, 2**33)))
    assert tile.is_in(size) == ((tile.index + 1) * 256 ** (tile.level + 1) <= size)


@given(st.integers(1, 1000), st.data())
def test_proofs_from_tiles_are_those_from_all_leaves(size, data):
    """Hashes come tile by tile: level 0 are the leaves, level 1 the roots of whole tiles."""
    leaves = _HASHES[:size]
    roots = [merkle.root(leaves[at : at + 256]) for at in range(0, size - size % 256, 256)]

    def hashes(level, first, count):
        assert first // 256 == (first + count - 1) // 256, "all in one tile"
        return (leaves, roots)[level][first : first + count]

    subtrees = tiles.subtrees(hashes)
    index = data.draw(st.integers(0, size - 1))
    assert merkle.inclusion_path(index, size, subtrees) == merkle.inclusion_proof(index, leaves)
    earlier = data.draw(st.integers(1, size))
    assert merkle.consistency_path(earlier, size, subtrees) == merkle.consistency_proof(
        earlier, leaves
    )


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_a_bundle_of_entries_is_read_as_it_was_written(entries):
    assert tiles.unpack_entries(tiles.pack_entries(entries)) == entries


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=9), st.data())
def test_a_bundle_of_entries_that_is_cut_short_is_refused_or_shorter(entries, data):
    whole = tiles.pack_entries(entries)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with contextlib.suppress(WrongTile):
        assert tiles.unpack_entries(cut) == entries[: len(tiles.unpack_entries(cut))] != entries


def test_an_entry_that_is_too_long_is_refused():
    assert tiles.unpack_entries(tiles.pack_entries([b"x" * 0xFFFF])) == [b"x" * 0xFFFF]
    with pytest.raises(WrongTile):
        tiles.pack_entries([b"x" * 0x10000])
