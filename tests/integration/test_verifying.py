"""When the ledger is not what was written, everything stops, until a person has verified it again."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from broadcaster.core.errors import Conflict
from broadcaster.services import audit, brakes, verifying
from broadcaster.storage import verification
from broadcaster.storage.models import LedgerEntry, Verification
from tests import tampering
from tests.world import phone


@pytest.fixture
def busy(world):
    for number in range(4):
        world.text(phone(number), "NRC AAN")
    audit.sign_what_is_new(world.runtime)
    tampering.disarm(world.runtime)
    return world


def _tick(world):
    verifying.verify_when_due(world.runtime, lambda: True)


def _state(world) -> Verification:
    with world.runtime.reading() as session:
        return verification.get(session)


def _change_leaf(world, index):
    """Change a letter of an entry; return how to put it back."""
    with world.runtime.transaction() as session:
        leaf = session.execute(
            sa.select(LedgerEntry.leaf).where(LedgerEntry.idx == index)
        ).scalar_one()
        _put(session, index, leaf.replace(b"opt_in", b"opt_im"))

    def put_back():
        with world.runtime.transaction() as session:
            _put(session, index, leaf)

    return put_back


def _put(session, index, leaf):
    session.execute(sa.update(LedgerEntry).where(LedgerEntry.idx == index).values(leaf=leaf))


def _last(world):
    with world.runtime.reading() as session:
        return session.execute(sa.select(sa.func.max(LedgerEntry.idx))).scalar_one()


def test_a_whole_ledger_is_verified_by_the_clock(busy):
    _tick(busy)
    state = _state(busy)
    assert (state.looked, state.size, state.found) == (busy.clock.now(), _last(busy) + 1, 0)
    assert (state.began, state.broken) == (None, None)


def test_it_is_looked_at_again_after_a_day_or_when_a_process_starts(busy):
    _tick(busy)
    first = busy.clock.now()
    busy.clock.advance(hours=23)
    _tick(busy)
    assert _state(busy).looked == first
    busy.clock.advance(hours=1)
    _tick(busy)
    assert _state(busy).looked == busy.clock.now()
    busy.clock.advance(minutes=11)
    busy.runtime.memory.verified = False
    _tick(busy)
    assert _state(busy).looked == busy.clock.now()


def test_one_process_at_a_time_looks_and_a_lost_one_is_replaced(busy):
    with busy.runtime.transaction() as session:
        verification.lock(session).began = busy.clock.now()
    _tick(busy)
    assert _state(busy).looked is None
    busy.clock.advance(minutes=6)
    _tick(busy)
    assert _state(busy).looked == busy.clock.now()


def test_a_look_that_is_stopped_says_nothing(busy):
    verifying.verify_when_due(busy.runtime, lambda: False)
    assert (_state(busy).looked, _state(busy).began) == (None, None)


def test_a_bulletin_is_not_started_on_a_broken_ledger(busy):
    put_back = _change_leaf(busy, _last(busy))
    _tick(busy)
    assert f"ledger_entries {_last(busy)}: its bytes are not those of its hash" in (
        _state(busy).findings.splitlines()
    )
    number = busy.bulletin()
    assert busy.send() == 0
    assert busy.bulletin_state(number) == ("held", "ledger")
    assert busy.incidents()["ledger_broken"] == 1
    put_back()
    _tick(busy)
    assert busy.send() == 0


def test_what_is_going_out_stops_and_goes_on_after_a_person_has_verified(busy):
    number = busy.bulletin()
    busy.start()
    claimed = busy.claim(1)
    put_back = _change_leaf(busy, _last(busy))
    _tick(busy)
    assert busy.bulletin_state(number) == ("held", "ledger")
    assert busy.hand_over(claimed) == []
    assert busy.claim() == []
    assert busy.send() == 0
    with pytest.raises(Conflict, match="broadcaster ledger verify"), _writing(busy) as session:
        brakes.go_on(session, busy.runtime, number, now=busy.clock.now())

    assert verifying.verify(busy.runtime, by_person=True).found > 0
    assert _state(busy).broken is not None
    put_back()
    busy.clock.advance(hours=25)
    _tick(busy)  # the clock alone does not let it go on
    assert (_state(busy).broken is not None, _state(busy).found) == (True, 0)
    assert verifying.verify(busy.runtime, by_person=True).found == 0
    assert (_state(busy).broken, _state(busy).findings) == (None, "")

    with _writing(busy) as session:
        brakes.go_on(session, busy.runtime, number, now=busy.clock.now())
    assert busy.send() == 4


def _writing(world):
    return world.runtime.transaction()


def test_people_can_still_stop_while_the_ledger_is_broken(busy):
    _change_leaf(busy, _last(busy))
    _tick(busy)
    size = _last(busy)
    assert busy.text(phone(1), "STOP")
    assert _last(busy) == size + 1
