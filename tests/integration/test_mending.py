"""A damaged head keeps nobody from stopping, and can be worked out; a wrong entry cannot."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from broadcaster.core.errors import Conflict
from broadcaster.ledger.merkle import Frontier, leaf_hash, root
from broadcaster.services import audit, checking, mending
from broadcaster.storage import incidents, ledger, verification
from tests.integration.test_listening import hear
from tests.missed import missed
from tests.tampering import TABLES, disarm
from tests.world import phone


@pytest.fixture
def busy(world):
    for number in range(6):
        world.text(phone(number), "NRC AAN")
    return world


DAMAGES = {
    "cut short": b"\0" * 7,
    "empty": b"",
    "of another size": Frontier().extend([b"x" * 32]).to_bytes(),
    "longer": b"\0" * 41,
}


def damage(runtime, frontier, size=None):
    with runtime.transaction() as session:
        given = {"frontier": frontier, "size": size}
        session.execute(
            sa.text("UPDATE ledger_head SET frontier = :frontier, size = coalesce(:size, size)"),
            given,
        )


def found(runtime):
    return [one.where for one in checking.check(runtime)]


def tree(runtime):
    with runtime.reading() as session:
        kept = ledger.frontier(session)
        rows = ledger.bare_leaves(session, 0, kept.size)
    assert kept.root() == root(leaf_hash(bytes(row.leaf)) for row in rows)
    return kept


@pytest.mark.parametrize("frontier", DAMAGES.values(), ids=DAMAGES)
def test_who_stops_is_heard_even_if_the_head_is_damaged(busy, frontier):
    before = tree(busy.runtime).size
    damage(busy.runtime, frontier)

    answer = busy.text(phone(2), "STOP")

    assert answer
    assert tree(busy.runtime).size == before + 1
    assert found(busy.runtime) == []
    with busy.runtime.reading() as session:
        assert "ledger_head_damaged" in {one.kind for one in incidents.recent(session, 5)}


def test_who_stops_is_heard_even_if_the_head_counts_wrongly(busy):
    before = tree(busy.runtime).size
    with busy.runtime.reading() as session:
        whole = ledger.frontier(session).to_bytes()
    damage(busy.runtime, whole, size=before - 2)

    assert busy.text(phone(2), "STOP")

    assert tree(busy.runtime).size == before + 1
    assert found(busy.runtime) == []


def test_who_stopped_while_we_were_down_is_heard_even_if_the_head_is_damaged(busy):
    damage(busy.runtime, b"\0" * 7)
    missed(busy, phone(1), "STOP")

    hear(busy)

    assert tree(busy.runtime) is not None
    assert busy.events()[-1][0] == "opt_out_all"


def run_sql(runtime, statement):
    with runtime.transaction() as session:
        session.execute(sa.text(statement))


def test_who_stops_is_heard_even_if_the_head_is_gone(busy):
    before = tree(busy.runtime).size
    run_sql(busy.runtime, "DELETE FROM ledger_head")
    assert found(busy.runtime) == [checking.HEAD]

    assert busy.text(phone(2), "STOP")

    assert tree(busy.runtime).size == before + 1
    assert found(busy.runtime) == []


def test_a_head_that_is_gone_is_mended_by_hand(busy):
    whole = tree(busy.runtime)
    run_sql(busy.runtime, "DELETE FROM ledger_head")

    assert mending.mend_head(busy.runtime) == whole
    assert found(busy.runtime) == []


@pytest.mark.parametrize(
    "change", ["frontier = CAST(frontier AS TEXT)", "frontier = 'abc'", "size = 'abc'"]
)
def test_what_sqlite_takes_for_another_kind_of_value_is_found_and_keeps_nobody(busy, change):
    if busy.runtime.database.dialect.name != "sqlite":
        return  # There columns have one kind of value.
    run_sql(busy.runtime, f"UPDATE ledger_head SET {change}")  # noqa: S608 - our own names
    assert found(busy.runtime) == [checking.HEAD]

    assert busy.text(phone(2), "STOP")

    assert found(busy.runtime) == []


@pytest.mark.parametrize("kind", TABLES)
def test_no_value_of_another_kind_passes_for_what_was_written(busy, kind):
    if busy.runtime.database.dialect.name != "sqlite":
        return
    audit.sign_what_is_new(busy.runtime)
    disarm(busy.runtime)
    table = kind.__table__
    for column in table.columns:
        other = {bytes: "TEXT", str: "BLOB"}.get(column.type.python_type)
        if other is None or column.foreign_keys:
            continue
        change = f"UPDATE {table.name} SET {column.name} = CAST({column.name} AS {other})"  # noqa: S608 - our own names
        with busy.runtime.reading() as session:
            if not session.execute(sa.select(sa.func.count(column))).scalar_one():
                continue
        try:
            run_sql(busy.runtime, change)
        except sa.exc.IntegrityError:
            continue  # The database does not take it.
        assert any(one.startswith(table.name) for one in found(busy.runtime)), column
        back = f"UPDATE {table.name} SET {column.name} = CAST({column.name} AS "  # noqa: S608 - our own names
        run_sql(busy.runtime, back + {"TEXT": "BLOB)", "BLOB": "TEXT)"}[other])
        assert found(busy.runtime) == [], column


def lose_the_last_two(runtime):
    disarm(runtime)
    with runtime.reading() as session:
        last = session.execute(sa.text("SELECT max(idx) FROM ledger_entries")).scalar_one()
    for table, column in (
        ("ledger_entries", "idx"),
        ("ledger_index", "idx"),
        ("evidence", "entry"),
    ):
        run_sql(runtime, f"DELETE FROM {table} WHERE {column} > {last - 2}")  # noqa: S608 - our own names


def test_a_damaged_head_does_not_make_lost_entries_good(busy):
    lose_the_last_two(busy.runtime)
    damage(busy.runtime, b"")

    with pytest.raises(Conflict, match="the last ones are missing"):
        mending.mend_head(busy.runtime)


def test_who_stops_is_heard_when_entries_are_lost_but_nothing_is_sent_any_more(busy):
    audit.sign_what_is_new(busy.runtime)
    lose_the_last_two(busy.runtime)
    damage(busy.runtime, b"", size=1)

    assert busy.text(phone(2), "STOP")

    with busy.runtime.reading() as session:
        assert verification.is_broken(session)


def test_a_head_that_can_be_read_and_is_wrong_is_mended_by_hand(busy):
    whole = tree(busy.runtime)
    damage(busy.runtime, whole.to_bytes()[:-1] + bytes([whole.to_bytes()[-1] ^ 1]))
    assert found(busy.runtime) == [checking.HEAD]

    mended = mending.mend_head(busy.runtime)

    assert mended == whole
    assert found(busy.runtime) == []
    assert mending.mend_head(busy.runtime) is None


def test_a_head_is_not_made_to_fit_what_was_changed(busy):
    whole = tree(busy.runtime)
    damage(busy.runtime, whole.to_bytes()[:-1] + b"\0")
    disarm(busy.runtime)
    with busy.runtime.transaction() as session:
        session.execute(sa.text("UPDATE ledger_entries SET subject = 'x' WHERE idx = 3"))

    with pytest.raises(Conflict, match="ledger_entries 3"):
        mending.mend_head(busy.runtime)

    with busy.runtime.reading() as session:
        assert ledger.frontier(session).to_bytes()[-1] == 0


@pytest.mark.parametrize("size", [*range(20), 255, 256, 257, 300])
def test_a_frontier_follows_from_complete_subtrees(size):
    hashes = [leaf_hash(b"%d" % number) for number in range(size)]

    def subtree(level, index):
        return root(hashes[index << level : (index + 1) << level])

    assert Frontier.of(size, subtree) == Frontier().extend(hashes)
