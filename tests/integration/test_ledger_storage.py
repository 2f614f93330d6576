"""The ledger in the database: append-only, in order, and the same tree as in memory."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from broadcaster.ledger.merkle import leaf_hash, root
from broadcaster.storage import ledger
from broadcaster.storage.ledger import Leaf


def append(runtime, *data: bytes) -> int:
    with runtime.transaction() as session:
        return ledger.append(session, [Leaf(data=one) for one in data], runtime.clock.now())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET subject = 'x'",
        "UPDATE ledger_entries SET leaf = leaf",
        "DELETE FROM ledger_entries",
        "DELETE FROM ledger_entries WHERE idx = 0",
        (
            "INSERT INTO ledger_entries (idx, leaf, leaf_hash, recorded)"
            " VALUES (0, 'x', 'x', '2026-01-01 00:00:00')"
            " ON CONFLICT (idx) DO UPDATE SET leaf = excluded.leaf"
        ),
    ],
)
def test_entries_refuse_change_and_removal(runtime, statement):
    append(runtime, b"one")

    with pytest.raises(sa.exc.DBAPIError, match="cannot be changed or deleted"):
        _run(runtime, statement)
    with runtime.reading() as session:
        assert [row.leaf for row in ledger.leaves(session, 0, 9)] == [b"one"]


@pytest.mark.parametrize(
    "statement", ["TRUNCATE ledger_entries", "TRUNCATE ledger_entries CASCADE"]
)
def test_postgresql_refuses_to_empty_the_ledger(runtime, statement):
    if runtime.database.dialect.name == "sqlite":
        statement = "REPLACE INTO ledger_entries SELECT idx, 'x', leaf_hash, subject, recorded FROM ledger_entries"
    append(runtime, b"one")

    with pytest.raises(sa.exc.DBAPIError, match="cannot be changed or deleted"):
        _run(runtime, statement)


def test_the_stored_frontier_is_the_tree_over_the_entries(runtime):
    leaves = [b"%d" % number for number in range(23)]
    append(runtime, *leaves[:1])
    append(runtime, *leaves[1:9])
    append(runtime, *leaves[9:])

    with runtime.reading() as session:
        tree = ledger.frontier(session)
        rows = list(ledger.leaves(session, 0, tree.size))
    assert [row.leaf for row in rows] == leaves
    assert [row.idx for row in rows] == list(range(23))
    assert tree.root() == root(leaf_hash(leaf) for leaf in leaves)


def test_appends_at_once_are_numbered_without_a_gap(runtime):
    failures = []

    def work():
        try:
            for _ in range(5):
                append(runtime, b"x")
        except sa.exc.SQLAlchemyError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with runtime.reading() as session:
        tree = ledger.frontier(session)
        rows = list(ledger.leaves(session, 0, tree.size))
    assert [row.idx for row in rows] == list(range(40))
    assert tree.root() == root(row.leaf_hash for row in rows)


def test_a_transaction_that_fails_leaves_no_entry(runtime):
    def fail():
        with runtime.transaction() as session:
            ledger.append(session, [Leaf(data=b"x")], runtime.clock.now())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    with runtime.reading() as session:
        assert ledger.frontier(session).size == 0
        assert list(ledger.leaves(session, 0, 9)) == []


def _run(runtime, statement: str) -> None:
    with runtime.transaction() as session:
        session.execute(sa.text(statement))
