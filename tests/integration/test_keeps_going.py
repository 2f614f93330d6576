"""One thing that cannot be done keeps nothing else from being done, and stays visible."""

from __future__ import annotations

import pytest
from sqlalchemy import event, select
from structlog.testing import capture_logs

from broadcaster.core.bulletin import BulletinState, HeldReason
from broadcaster.services import starting, tending
from broadcaster.storage import audience, bulletins
from broadcaster.storage.models import Bulletin
from tests.world import World, make_runtime, phone, populate

STEPS = (
    *("release_lapsed", "sweep", "hold_stalled", "hold_failing"),
    *("finish_complete", "fold_tallies"),
)


class BrokenError(Exception):
    pass


@pytest.fixture
def on_postgresql(postgresql_url, tmp_path, clock, provider):
    """A newsroom where more than one may write at a time, and a statement has its time-out."""
    for runtime in make_runtime(postgresql_url, tmp_path / "home", clock, provider):
        populate(runtime)
        yield World(runtime, clock, provider)


@pytest.fixture
def due(world):
    """Three bulletins that are due, one after the other."""
    world.text(phone(0), "NRC AAN")
    world.numbers = []
    for _ in range(3):
        world.numbers.append(world.bulletin())
        world.clock.advance(seconds=1)
    return world


def states(world) -> list[str]:
    return [world.bulletin_state(number)[0] for number in world.numbers]


@pytest.fixture
def broken(due, monkeypatch):
    """Let the audience of the first of them be too much for the database."""
    freeze = audience.freeze

    def too_slow(session, bulletin_id, *more):
        if bulletin_id == due.numbers[0]:
            raise BrokenError
        return freeze(session, bulletin_id, *more)

    monkeypatch.setattr(audience, "freeze", too_slow)
    return due


def test_a_bulletin_that_cannot_start_keeps_no_later_one_waiting(broken):
    with capture_logs() as logs, pytest.raises(BrokenError):
        starting.start_due(broken.runtime)

    assert states(broken) == ["scheduled", "sending", "sending"]
    (failed,) = [one for one in logs if one["event"] == "step_failed"]
    assert (failed["step"], failed["bulletin"]) == ("start", broken.numbers[0])
    assert failed["exc_info"]


def test_that_it_cannot_start_is_told_on_the_desk_and_it_holds_once_it_is_late(broken):
    for _ in range(2):
        with pytest.raises(BrokenError):
            starting.start_due(broken.runtime)
    assert broken.incidents() == {"bulletin_not_started": 2}

    broken.clock.advance(hours=6)
    starting.start_due(broken.runtime)

    assert broken.bulletin_state(broken.numbers[0]) == (BulletinState.HELD, HeldReason.LATE)


def test_one_that_cannot_be_held_keeps_no_later_one_waiting(due, monkeypatch):
    early, late = due.numbers[:2], due.numbers[2]
    with due.runtime.transaction() as session:
        found = session.execute(select(Bulletin).where(Bulletin.id == late)).scalar_one()
        due.clock.advance(hours=6)
        found.starts_at = due.clock.now()
    hold = starting._hold_late

    def broken(session, *, runtime, number):
        if number == early[0]:
            raise BrokenError
        hold(session, runtime=runtime, number=number)

    monkeypatch.setattr(starting, "_hold_late", broken)
    with pytest.raises(BrokenError):
        starting.start_due(due.runtime)

    assert states(due) == ["scheduled", "held", "sending"]


def test_one_that_another_worker_is_starting_is_left_to_it(on_postgresql):
    on_postgresql.text(phone(0), "NRC AAN")
    first, second = on_postgresql.bulletin(), on_postgresql.bulletin()
    with on_postgresql.runtime.transaction() as session:
        bulletins.lock(session, first)
        assert starting.start_due(on_postgresql.runtime) == 1
    assert on_postgresql.bulletin_state(second)[0] == BulletinState.SENDING
    assert on_postgresql.incidents() == {}

    assert starting.start_due(on_postgresql.runtime) == 1
    assert on_postgresql.bulletin_state(first)[0] == BulletinState.SENDING


@pytest.mark.parametrize("name", STEPS)
def test_a_step_that_fails_keeps_no_later_one_from_being_done(world, monkeypatch, name):
    done = []

    def replace(step):
        def replaced(_runtime):
            done.append(step)
            if step == name:
                raise BrokenError

        replaced.__name__ = step
        monkeypatch.setattr(tending, step, replaced)

    for step in STEPS:
        replace(step)
    with capture_logs() as logs, pytest.raises(BrokenError):
        tending.tend(world.runtime)

    assert tuple(done) == STEPS
    assert [one["step"] for one in logs if one["event"] == "step_failed"] == [name]


def test_a_large_audience_takes_as_long_as_it_takes(on_postgresql):
    """Every other statement has its time; this one grows with the audience."""
    allowed = {}

    def look(_connection, cursor, statement, *_more):
        words = " ".join(statement.split()[:3])
        if words in {"WITH frozen AS", "UPDATE bulletins SET"}:
            allowed.setdefault(words, set()).add(
                cursor.execute("SHOW statement_timeout").fetchone()[0]
            )

    on_postgresql.text(phone(0), "NRC AAN")
    on_postgresql.bulletin()
    event.listen(on_postgresql.runtime.writer, "before_cursor_execute", look)
    on_postgresql.start()

    assert on_postgresql.states() == ["queued"]
    assert allowed == {"WITH frozen AS": {"0"}, "UPDATE bulletins SET": {"1min"}}
