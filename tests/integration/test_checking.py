"""Any byte of the ledger's tables that is changed is found, and the row is named."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import sqlalchemy as sa

from broadcaster.services import audit, checking
from broadcaster.storage import ledger
from broadcaster.storage.ledger import Leaf
from broadcaster.storage.models import (
    Checkpoint,
    Document,
    LedgerEntry,
    LedgerHead,
    LedgerTile,
    Subscriber,
)
from tests.unit.ledger.conftest import CONSENT
from tests.world import phone

TABLES = (LedgerEntry, LedgerHead, LedgerTile, Checkpoint, Document)
#: What the ledger does not speak of: when a checkpoint was kept here.
#: And there is one head, by a constraint.
UNCOVERED = {("checkpoints", "created"), ("ledger_head", "id")}


def _found(runtime):
    return [(one.where, one.what) for one in checking.check(runtime)]


@pytest.fixture
def busy(world):
    """A ledger with one whole tile, a part of another, documents and checkpoints."""
    audit.sign_what_is_new(world.runtime)
    for number in range(4):
        world.text(phone(number), "NRC AAN")
    audit.sign_what_is_new(world.runtime)
    _append_others(world.runtime, 270)
    audit.sign_what_is_new(world.runtime)
    world.text(phone(3), "STOP")
    _disarm(world.runtime)
    return world


def _append_others(runtime, count):
    """Append an entry for each of many people, who are at no address."""
    now = runtime.clock.now()
    leaves = [
        Leaf(
            data=replace(CONSENT, subject=f"{number:032x}", recorded=now).to_bytes(),
            subject=f"{number:032x}",
        )
        for number in range(count)
    ]
    with runtime.transaction() as session:
        ledger.append(session, leaves, now)


def _disarm(runtime):
    """Take the triggers away: whoever changes history does that first."""
    with runtime.transaction() as session:
        if runtime.database.dialect.name == "sqlite":
            wanted = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'ledger%'"
            for name in session.execute(sa.text(wanted)).scalars().all():
                session.execute(sa.text(f'DROP TRIGGER "{name}"'))
        else:
            for table in ("ledger_entries", "ledger_tiles"):
                session.execute(sa.text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))


def test_a_ledger_that_nobody_touched_has_nothing_wrong(busy):
    assert _found(busy.runtime) == []


def _free(session, kind):
    """Return the rows that no other table holds fast."""
    rows = session.execute(sa.select(kind.__table__)).mappings().all()
    return [one for one in rows if kind is not Document or one["kind"] == "config"]


def _columns(kind):
    table = kind.__table__
    return [one for one in table.columns if (table.name, one.name) not in UNCOVERED]


def _changed(value, rng):
    """Change one byte, one letter, one digit or one moment."""
    if value is None:
        return "0" * 32
    if isinstance(value, int):
        return value + 1_000_000
    if isinstance(value, bytes):
        place = rng.randrange(len(value))
        return value[:place] + bytes([value[place] ^ (1 << rng.randrange(8))]) + value[place + 1 :]
    if isinstance(value, str):
        place = rng.randrange(len(value))
        other = "x" if value[place] != "x" else "y"
        return value[:place] + other + value[place + 1 :]
    return value.replace(year=value.year - 1)


@pytest.mark.parametrize("kind", TABLES, ids=lambda one: one.__tablename__)
def test_a_change_anywhere_is_found_and_the_row_is_named(busy, kind):
    table, rng = kind.__table__, random.Random(kind.__name__)  # noqa: S311 - the same each time
    with busy.runtime.reading() as session:
        rows = _free(session, kind)
    for column in _columns(kind):
        row = rng.choice(rows)
        new = _changed(row[column.name], rng)
        _set(busy, table, row, {column.name: new})
        named = {where.split()[0] for where, _what in _found(busy.runtime)}
        assert table.name in named, column.name
        _set(busy, table, {**row, column.name: new}, {column.name: row[column.name]})
    assert _found(busy.runtime) == []


def _set(world, table, row, values):
    this = [column == row[column.name] for column in table.primary_key]
    with world.runtime.transaction() as session:
        session.execute(sa.update(table).where(*this).values(values))


@pytest.mark.parametrize(
    "kind", [LedgerEntry, LedgerTile, Document], ids=lambda one: one.__tablename__
)
def test_a_row_that_is_gone_is_found(busy, kind):
    with busy.runtime.transaction() as session:
        rows = _free(session, kind)
        row = rows[len(rows) // 2]
        keys = [column == row[column.name] for column in kind.__table__.primary_key]
        session.execute(sa.delete(kind.__table__).where(*keys))
    assert any(
        "missing" in what for where, what in _found(busy.runtime) if kind.__tablename__ in where
    )


def test_entries_that_changed_places_are_found(busy):
    with busy.runtime.transaction() as session:
        for old, new in ((40, -1), (41, 40), (-1, 41)):
            session.execute(sa.update(LedgerEntry).where(LedgerEntry.idx == old).values(idx=new))
    found = _found(busy.runtime)
    assert [where for where, _ in found if where.startswith("ledger_entries 4")]


def test_an_entry_put_in_at_the_end_is_found(busy):
    with busy.runtime.transaction() as session:
        size = session.execute(sa.select(LedgerHead.size)).scalar_one()
        row = session.execute(
            sa.select(LedgerEntry.__table__).where(LedgerEntry.idx == 30)
        ).mappings()
        session.execute(sa.insert(LedgerEntry).values({**row.one(), "idx": size}))
    assert (
        "ledger_head",
        f"says {size:,} entries and another tree than the {size + 1:,} that are there",
    ) in (_found(busy.runtime))


def test_the_newest_entries_cannot_be_taken_off_under_a_checkpoint(busy):
    audit.sign_what_is_new(busy.runtime)
    with busy.runtime.transaction() as session:
        size = session.execute(sa.select(LedgerHead.size)).scalar_one()
        session.execute(sa.delete(LedgerEntry).where(LedgerEntry.idx == size - 1))
        tree = ledger.Frontier().extend(
            session.execute(sa.select(LedgerEntry.leaf_hash).order_by(LedgerEntry.idx)).scalars()
        )
        session.execute(sa.update(LedgerHead).values(size=tree.size, frontier=tree.to_bytes()))
    what = f"was signed over more entries than the {size - 1:,} that are there"
    assert _found(busy.runtime) == [(f"checkpoints {size}", what)]


def test_a_place_far_beyond_the_end_is_said_at_once(busy):
    with busy.runtime.transaction() as session:
        last = sa.select(sa.func.max(LedgerEntry.idx)).scalar_subquery()
        session.execute(sa.update(LedgerEntry).where(LedgerEntry.idx == last).values(idx=2**50))
    found = _found(busy.runtime)
    assert any("missing" in what for _where, what in found)
    assert len(found) < 10


def test_people_are_no_part_of_it(busy):
    with busy.runtime.transaction() as session:
        session.execute(sa.update(Subscriber).values(stopped_at=None))
    assert _found(busy.runtime) == []
