"""A damaged head keeps nobody from stopping, and can be worked out; a wrong entry cannot."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from broadcaster.core.errors import Conflict
from broadcaster.ledger.merkle import Frontier, leaf_hash, root
from broadcaster.services import checking, mending
from broadcaster.storage import incidents, ledger
from tests.tampering import disarm
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
