"""Checkpoints: signed as the log grows, and never two that contradict each other."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from broadcaster import jobs
from broadcaster.core.errors import LedgerBroken
from broadcaster.ledger.checkpoint import open_checkpoint
from broadcaster.ledger.merkle import Frontier, leaf_hash
from broadcaster.services import audit
from broadcaster.services.audit import Format
from broadcaster.storage import incidents, ledger
from broadcaster.storage.ledger import Leaf
from broadcaster.storage.models import Checkpoint, LedgerEntry, LedgerHead


def _append(runtime, *data):
    with runtime.transaction() as session:
        ledger.append(session, [Leaf(data=one) for one in data], runtime.clock.now())


def _sizes(runtime):
    with runtime.reading() as session:
        return list(session.execute(sa.select(Checkpoint.size).order_by(Checkpoint.size)).scalars())


def _rewrite(runtime, data, *, entries):
    """Let the log's head be that of another history; its entries, too, if they are to fit."""
    tree = Frontier().extend(leaf_hash(one) for one in data)
    with runtime.transaction() as session:
        session.execute(sa.update(LedgerHead).values(size=tree.size, frontier=tree.to_bytes()))
    if not entries:
        return
    with runtime.transaction() as session:
        if runtime.database.dialect.name == "sqlite":
            session.execute(sa.text("DROP TRIGGER ledger_entries_refuse_delete"))
        else:
            session.execute(sa.text("ALTER TABLE ledger_entries DISABLE TRIGGER ALL"))
        session.execute(sa.delete(LedgerEntry))
        now = runtime.clock.now()
        session.execute(
            sa.insert(LedgerEntry),
            [
                {"idx": place, "leaf": one, "leaf_hash": leaf_hash(one), "recorded": now}
                for place, one in enumerate(data)
            ],
        )


def test_a_tick_signs_what_is_new_and_only_that(runtime):
    jobs.JOBS["sign"](runtime, lambda: True)
    _append(runtime, b"one", b"two")
    for _ in range(3):
        jobs.JOBS["sign"](runtime, lambda: True)
    _append(runtime, b"three")
    jobs.JOBS["sign"](runtime, lambda: True)

    assert _sizes(runtime) == [0, 2, 3]
    with runtime.reading() as session:
        note = ledger.latest_checkpoint(session).note.encode()
        assert open_checkpoint(note, runtime.signer.key).root == ledger.frontier(session).root()


@pytest.mark.parametrize(
    "history",
    [(b"one", b"TWO", b"three"), (b"one",), (b"one", b"TWO"), (b"two", b"one", b"three", b"four")],
    ids=["changed", "shortened", "changed without growing", "reordered"],
)
@pytest.mark.parametrize("entries", [False, True], ids=["the head alone", "with its entries"])
def test_what_does_not_extend_the_last_checkpoint_is_never_signed(runtime, history, entries):
    _append(runtime, b"one", b"two")
    jobs.JOBS["sign"](runtime, lambda: True)
    _rewrite(runtime, history, entries=entries)

    with pytest.raises(LedgerBroken, match="Nothing was signed"), runtime.transaction() as session:
        audit.checkpoint(session, runtime)
    with pytest.raises(LedgerBroken):
        audit.export(runtime, Format.BUNDLE)
    jobs.JOBS["sign"](runtime, lambda: True)

    assert _sizes(runtime) == [2]
    with runtime.reading() as session:
        found = [one.kind for one in incidents.recent(session, 9)]
    assert found == ["ledger_broken"]
