"""Any byte of the ledger's tables that is changed is found, and the row is named."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from broadcaster.core.sealing import seal_text
from broadcaster.services import audit, checking
from broadcaster.storage import ledger, schema
from broadcaster.storage.models import (
    Document,
    Evidence,
    Inbound,
    LedgerEntry,
    LedgerFacet,
    LedgerHead,
    LedgerIndex,
    LedgerTile,
    Subscriber,
    Subscription,
)
from tests import tampering
from tests.world import phone


def _found(runtime):
    return [(one.where, one.what) for one in checking.check(runtime)]


@pytest.fixture
def busy(world):
    tampering.fill(world)
    tampering.disarm(world.runtime)
    return world


def test_a_ledger_that_nobody_touched_has_nothing_wrong(busy):
    assert _found(busy.runtime) == []


def _free(session, kind):
    """Return the rows that no other table holds fast."""
    rows = session.execute(sa.select(kind.__table__)).mappings().all()
    return [one for one in rows if kind is not Document or one["kind"] == "config"]


@pytest.mark.parametrize(
    "kind",
    [LedgerEntry, LedgerTile, Document, LedgerIndex, LedgerFacet, Evidence],
    ids=lambda one: one.__tablename__,
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
    assert (f"checkpoints {size}", what) in _found(busy.runtime)


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


def test_who_was_erased_is_left_out_and_counted(busy):
    with busy.runtime.transaction() as session:
        gone = session.execute(sa.select(Subscriber.id).order_by(Subscriber.id)).scalars().first()
        session.execute(sa.delete(Evidence).where(Evidence.subscriber_id == gone))
        session.execute(sa.delete(Inbound).where(Inbound.subscriber_id == gone))
        session.execute(sa.delete(Subscription).where(Subscription.subscriber_id == gone))
        session.execute(sa.delete(Subscriber).where(Subscriber.id == gone))
    outcome = checking.Outcome()
    assert list(checking.check(busy.runtime, outcome)) == []
    assert (outcome.is_whole, outcome.erased) == (True, 270 + 1)


def test_evidence_of_somebody_else_is_found(busy):
    with busy.runtime.transaction() as session:
        first, second = session.execute(
            sa.select(Evidence.entry, Evidence.subscriber_id).order_by(Evidence.entry).limit(2)
        )
        session.execute(
            sa.update(Evidence)
            .where(Evidence.entry == first.entry)
            .values(subscriber_id=second.subscriber_id)
        )
    what = "is filed under another person than its entry's"
    assert _found(busy.runtime) == [(f"evidence {first.entry}", what)]


def test_evidence_that_is_not_what_was_committed_to_is_found(busy):
    with busy.runtime.transaction() as session:
        row, wrapped = session.execute(
            sa.select(Evidence, Subscriber.key_wrapped).join(
                Subscriber, Subscriber.id == Evidence.subscriber_id
            )
        ).first()
        key = busy.runtime.keyring.unwrap(wrapped)
        row.sealed = seal_text(key, '{"body":"NRC UIT"}')
        entry = row.entry
    assert _found(busy.runtime) == [(f"evidence {entry}", "is not what its entry commits to")]


def test_what_is_appended_meanwhile_is_no_finding(busy):
    outcome = checking.Outcome()
    texts = iter(range(5, 9))

    def goes_on():
        busy.text(phone(next(texts)), "NRC AAN")
        audit.sign_what_is_new(busy.runtime)
        return True

    assert list(checking.check(busy.runtime, outcome, goes_on=goes_on)) == []
    with busy.runtime.reading() as session:
        assert outcome.size < ledger.frontier(session).size


def test_a_ledger_from_before_the_index_is_filed_by_the_migration(busy):
    database = busy.runtime.writer
    schema.downgrade(database, "0003")
    schema.upgrade(database)
    assert _found(busy.runtime) == []
