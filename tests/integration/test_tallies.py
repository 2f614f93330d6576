"""What is counted as it happens is what counting all rows comes to; on both databases."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from broadcaster.core.delivery import State
from broadcaster.core.errors import Conflict
from broadcaster.core.messages import Accepted, Deferred, Refused, Unknown
from broadcaster.services import brakes, tending
from broadcaster.storage import deliveries, tallies, unknowns
from broadcaster.storage.models import Tally
from tests.world import phone

PEOPLE = 6
ANSWERS = [
    lambda ready: Accepted(sid=f"SM{ready.claim.delivery_id:032x}"),
    lambda _ready: Refused(code=30003),
    lambda _ready: Refused(code=30005),
    lambda _ready: Refused(code=30008),
    lambda _ready: Refused(code=20500),
    lambda _ready: Refused(code=63033),
    lambda _ready: Refused(code=21617),
    lambda _ready: Unknown(reason="timeout"),
    lambda _ready: Deferred(retry_after=0.0),
    lambda _ready: None,
]
STATUSES = ["queued", "sent", "delivered", "undelivered", "read", "unrecognised"]
CODES = [None, 30003, 21610, 30005]


class Newsroom:
    """What may happen to a bulletin on its way, in any order."""

    def __init__(self, world):
        self.world = world
        self.number = world.anew(PEOPLE)
        self.claimed = []
        self.handed = []

    def claim(self, n):
        self.claimed.extend(self.world.claim(limit=n % 4 + 1, worker=f"worker-{n % 2}"))

    def hand_over(self, n):
        some, self.claimed = self.claimed[: n % 3 + 1], self.claimed[n % 3 + 1 :]
        if some:
            self.handed.extend(self.world.hand_over(some, worker=f"worker-{n % 2}"))

    def answer(self, n):
        """Answer in any order: whoever waited longest may hear last."""
        if self.handed:
            one = self.handed.pop(n % len(self.handed))
            self.world.write_down([one], ANSWERS[n % len(ANSWERS)])

    def send(self, n):
        """Take one all the way: what happens mostly."""
        worker = f"worker-{n % 2}"
        handed = self.world.hand_over(self.world.claim(limit=1, worker=worker), worker=worker)
        self.world.write_down(handed, ANSWERS[n % len(ANSWERS)])

    def callback(self, n):
        one = self.world.deliveries()[n % PEOPLE]
        status, code = STATUSES[n % len(STATUSES)], CODES[n % len(CODES)]
        self.world.callback(one.id, status, error=code)

    def leave(self, n):
        self.world.text(phone(n % PEOPLE), "STOP")

    def pause(self, _n):
        self._brake(brakes.pause)

    def go_on(self, _n):
        with suppress(Conflict), self.world.runtime.transaction() as session:
            now = self.world.clock.now()
            brakes.go_on(session, self.world.runtime, self.number, now=now)

    def stop(self, n):
        if n % 4 == 0:  # else nothing much would be seen of the rest
            self._brake(brakes.stop)

    def send_again(self, _n):
        with suppress(Conflict), self.world.runtime.transaction() as session:
            now = self.world.clock.now()
            brakes.send_held_again(session, self.world.runtime, self.number, now=now)

    def wait(self, n):
        self.world.clock.advance(seconds=[0.2, 11, 40, 120, 15_000][n % 5])

    def tend(self, _n):
        tending.tend(self.world.runtime)

    def look_up(self, n):
        """Find nothing in the provider's list, or something that cannot be told apart."""
        with self.world.runtime.transaction() as session:
            now = self.world.clock.now()
            for one in self.world.deliveries():
                if one.state == State.UNKNOWN:
                    delivery = deliveries.lock(session, one.id)
                    if n % 3:
                        unknowns.send_again(session, delivery, now)
                    else:
                        unknowns.decide(session, delivery, State.HELD, now, reason="ambiguous")

    def fold(self, _n):
        with self.world.runtime.transaction() as session:
            tallies.fold(session, self.number)

    def _brake(self, brake):
        with suppress(Conflict), self.world.runtime.transaction() as session:
            brake(session, self.number, now=self.world.clock.now())


STEPS = [name for name in vars(Newsroom) if not name.startswith("_")]
STEPS += ["send", "claim", "hand_over", "answer"] * 2


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 59)), min_size=12, max_size=40)
)
def test_after_any_sequence_of_steps_the_tallies_are_what_the_rows_say(world, steps):
    """The guard of the database sees to it that each step is a legal move as well."""
    newsroom = Newsroom(world)
    for name, n in steps:
        getattr(newsroom, name)(n)
        world.check_tallies()

    report = world.report(newsroom.number)
    assert sum(report.by_state.values()) == report.audience == PEOPLE
    assert all(number > 0 for number in report.by_state.values())


@pytest.fixture
def counted(world):
    """A bulletin with a few differences, and what they come to."""
    world.number = world.anew(PEOPLE)
    for answer in ANSWERS[:3]:
        world.write_down(world.hand_over(world.claim(limit=1)), answer)
    return world


def rows(world) -> int:
    with world.runtime.reading() as session:
        return session.execute(select(func.count()).select_from(Tally)).scalar_one()


def sums(world):
    with world.runtime.reading() as session:
        return tallies.of(session, world.number)


def test_folding_changes_nothing_but_the_number_of_rows(counted):
    before = sums(counted)
    for _ in range(2):
        with counted.runtime.transaction() as session:
            tallies.fold(session, counted.number)

    assert sums(counted) == before
    assert rows(counted) == len(before)


def test_what_has_grown_long_is_folded_and_nothing_else(counted):
    with counted.runtime.transaction() as session:
        for _ in range(250):
            key = tallies.key(counted.number, State.QUEUED)
            tallies.add(session, {key: 1})
            tallies.add(session, {key: -1})
    before = sums(counted)
    tending.fold_tallies(counted.runtime)
    folded = rows(counted)
    tending.fold_tallies(counted.runtime)

    assert sums(counted) == before
    assert rows(counted) == folded == len(before)


def test_what_comes_to_nothing_takes_no_row(counted):
    before = rows(counted)
    with counted.runtime.transaction() as session:
        tallies.add(session, Counter({tallies.key(counted.number, State.QUEUED): 0}))
        tallies.moved(session, [(tallies.key(1, State.QUEUED), tallies.key(1, State.CLAIMED))])

    assert rows(counted) == before


def test_folding_and_adding_at_the_same_time_lose_nothing(counted):
    """Several workers tend at once, while others send."""
    key = tallies.key(counted.number, State.QUEUED)

    def add():
        for _ in range(40):
            counted.runtime.run(lambda session: tallies.add(session, {key: 1}))
            counted.runtime.run(lambda session: tallies.add(session, {key: -1}))

    def fold():
        for _ in range(20):
            counted.runtime.run(lambda session: tallies.fold(session, counted.number))

    before = sums(counted)
    threads = [threading.Thread(target=work) for work in (add, add, fold, fold)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sums(counted) == before


def test_a_bulletin_that_does_not_add_up_is_not_finished(counted):
    """P4: the sums agree before "finished" can be set."""
    while handed := counted.hand_over(counted.claim(limit=1)):
        counted.write_down(handed, ANSWERS[0])
    lost = tallies.key(counted.number, State.ACCEPTED)
    with counted.runtime.transaction() as session:
        tallies.add(session, {lost: -1})
    tending.finish_complete(counted.runtime)
    assert counted.bulletin_state(counted.number)[0] == "sending"

    with counted.runtime.transaction() as session:
        tallies.add(session, {lost: 1})
    tending.finish_complete(counted.runtime)
    assert counted.bulletin_state(counted.number)[0] == "finished"
