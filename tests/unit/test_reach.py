"""How far ahead of their slots deliveries are handed over."""

from __future__ import annotations

import pytest

from broadcaster.runtime import Memory
from broadcaster.services.reach import Reach
from broadcaster.storage.pacing import LEAD


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return _Clock()


def _reach(clock, memory=None):
    return Reach(memory or Memory(), begin_within=1.0, rest=0.02, clock=clock)


def test_a_fast_database_is_given_a_moment(clock):
    reach = _reach(clock)
    reach.learn(until_handed=0.004, whole=0.008)
    assert reach.seconds == LEAD


def test_a_database_that_stands_still_now_and_then_is_expected_to_do_it_again(clock):
    reach = _reach(clock)
    reach.learn(until_handed=0.15, whole=0.16)
    for _ in range(100):
        clock.now += 0.05
        reach.learn(until_handed=0.004, whole=0.008)
    assert reach.seconds > 0.15


def test_what_one_bulletin_learnt_the_next_begins_with(clock):
    memory = Memory()
    _reach(clock, memory).learn(until_handed=0.15, whole=0.16)
    assert _reach(clock, memory).seconds == pytest.approx(0.33)


def test_it_is_forgotten_while_nothing_is_sent(clock):
    reach = _reach(clock)
    reach.learn(until_handed=0.3, whole=0.3)
    clock.now += 120
    assert reach.seconds == LEAD


def test_it_never_reaches_so_far_that_an_opt_out_would_have_to_wait(clock):
    reach = _reach(clock)
    reach.learn(until_handed=20.0, whole=20.0)
    assert reach.seconds == 0.75
