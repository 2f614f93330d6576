"""The key table: what may vanish does, and what must stay does."""

from __future__ import annotations

import pytest

from broadcaster.core.address import Address
from broadcaster.core.errors import KeyGone
from broadcaster.core.keytable import KeyTable
from broadcaster.core.sealing import Keyring, place_of

MASTER = bytes(range(32))
ADDRESS = Address.parse("+15550100001")


def test_it_is_written_down_and_read_again():
    table = KeyTable.new().with_next_leaf(7).with_next_leaf(7).without_leaf(7, 1).with_next_index()

    again = KeyTable.from_json(table.name, table.generation, table.to_json())

    assert again == table
    assert "bytes" not in repr(table)
    assert table.generation == 4


def test_two_tables_have_nothing_in_common():
    one, other = KeyTable.new(), KeyTable.new()

    assert one.name != other.name
    assert one.tokens != other.tokens
    assert Keyring(MASTER, one).blind_index(ADDRESS) != Keyring(MASTER, other).blind_index(ADDRESS)


def test_a_key_at_a_leaf_that_is_taken_out_is_gone_and_its_neighbour_moves_on():
    keyring = Keyring(MASTER, KeyTable.new())
    gone, stays = keyring.wrap(b"g" * 32, 9), keyring.wrap(b"s" * 32, 9)
    elsewhere = keyring.wrap(b"e" * 32, 10)

    keyring.adopt(keyring.table.with_next_leaf(9))
    moved = keyring.wrap(keyring.unwrap(stays), 9)
    after = Keyring(MASTER, keyring.table.without_leaf(9, 0))

    assert (place_of(stays), place_of(moved)) == ((9, 0), (9, 1))
    assert after.unwrap(moved) == b"s" * 32
    assert after.unwrap(elsewhere) == b"e" * 32
    for wrapped in (gone, stays):
        with pytest.raises(KeyGone):
            after.unwrap(wrapped)


def test_what_a_worker_holds_under_way_opens_after_a_change():
    keyring = Keyring(MASTER, KeyTable.new())
    held = keyring.wrap(b"h" * 32, 9)

    keyring.adopt(keyring.table.with_next_leaf(9).without_leaf(9, 0))

    assert keyring.unwrap(held) == b"h" * 32


def test_a_table_that_another_process_changed_is_read_again():
    tables = [KeyTable.new()]
    here = Keyring(MASTER, tables[0], lambda: tables[-1])
    tables.append(tables[0].with_next_leaf(3))
    there = Keyring(MASTER, tables[-1])

    assert here.unwrap(there.wrap(b"k" * 32, 3)) == b"k" * 32


def test_a_leaf_without_a_newer_key_stays():
    with pytest.raises(ValueError, match="newer"):
        KeyTable.new().without_leaf(3, 0)


def test_while_the_index_is_renewed_an_address_is_found_under_both():
    table = KeyTable.new()
    old = Keyring(MASTER, table).blind_index(ADDRESS)
    both = Keyring(MASTER, table.with_next_index())
    new = both.blind_index(ADDRESS)

    assert set(both.blind_indexes(ADDRESS)) == {old, new}
    assert Keyring(MASTER, both.table.without_earlier_indexes()).blind_indexes(ADDRESS) == (new,)


def test_keys_that_followed_from_the_master_key_are_taken_over_and_then_gone():
    former = Keyring(MASTER)
    table = KeyTable.adopting(MASTER)

    assert Keyring(MASTER, table).blind_index(ADDRESS) == former.blind_index(ADDRESS)
    assert table.former
    assert table.with_next_index().without_earlier_indexes().former is None


@pytest.mark.parametrize("wrapped", [b"", b"x", b"\x00" * 60])
def test_what_is_no_key_of_ours_is_gone(wrapped):
    with pytest.raises(KeyGone):
        Keyring(MASTER, KeyTable.new()).unwrap(wrapped)
