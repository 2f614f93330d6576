"""The engine's ticks go on whatever is done to the machine's clock; its waiting is of the monotonic one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Semaphore

import pytest
import time_machine
from apscheduler.events import EVENT_JOB_SUBMITTED

from broadcaster.engines.apscheduler import EmbeddedEngine, Every

# Far longer than any tick takes to come; what never comes is a failure, not a slow machine.
_PATIENCE = 30.0
_HOUR, _MONTH = timedelta(hours=1), timedelta(days=30)
NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


class Ticker:
    """An engine with one job that counts."""

    def __init__(self, every: float = 0.05) -> None:
        self._ticks = Semaphore(0)
        self.engine = EmbeddedEngine(None, {"tick": self._tick}, {"tick": every})

    def _tick(self, _runtime, _goes_on) -> None:
        self._ticks.release()

    def ticks(self, times: int) -> bool:
        """Tell whether so many more ticks come, after those that came already."""
        while self._ticks.acquire(blocking=False):
            pass
        return all(self._ticks.acquire(timeout=_PATIENCE) for _ in range(times))


@pytest.fixture
def clock() -> Iterator[time_machine.Coordinates]:
    """The machine's clock, which goes on from here and can be set."""
    with time_machine.travel(NOW, tick=True) as traveller:
        yield traveller


@contextmanager
def running(ticker: Ticker) -> Iterator[None]:
    """Let it tick."""
    ticker.engine.start()
    try:
        yield
    finally:
        ticker.engine.stop()


@pytest.mark.parametrize("jump", [-_HOUR, -_MONTH, _HOUR, _MONTH])
def test_a_clock_that_jumps_stops_no_tick(clock, jump):
    ticker = Ticker()
    with running(ticker):
        assert ticker.ticks(2)
        clock.shift(jump)
        # One may have begun before the jump.
        assert ticker.ticks(3)


def test_a_clock_that_is_set_back_in_the_middle_of_a_look_stops_no_tick(clock):
    ticker = Ticker()
    jumps = iter([_HOUR])

    def set_back(_event) -> None:
        # Between the look at the clock that found it due, and the one that says how long to wait.
        clock.shift(-next(jumps, timedelta()))

    ticker.engine._scheduler.add_listener(set_back, EVENT_JOB_SUBMITTED)
    with running(ticker):
        assert ticker.ticks(3)


def test_a_clock_that_goes_there_and_back_stops_no_tick(clock):
    ticker = Ticker()
    with running(ticker):
        for jump in (_MONTH, -_MONTH, -_HOUR, _HOUR):
            clock.shift(jump)
            assert ticker.ticks(2)


@pytest.mark.parametrize("late", [timedelta(), timedelta(seconds=1), _HOUR, _MONTH], ids=str)
def test_whatever_was_missed_is_one_tick(late):
    trigger = Every(0.3)
    following = trigger.get_next_fire_time(NOW - late, NOW)

    assert following == NOW + timedelta(seconds=0.3)
    assert trigger.get_next_fire_time(None, NOW) == following
