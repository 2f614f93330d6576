"""Each sender's pace, shared by all workers: never above it, hardly below; on both databases."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from broadcaster.core.address import Address
from broadcaster.core.delivery import State
from broadcaster.core.messages import Accepted, Deferred
from broadcaster.services import claiming, dispatch, readiness, senders
from broadcaster.storage import pacing
from broadcaster.storage.models import Pacing
from broadcaster.testing import START, FixedClock, accept
from tests.world import SMS, WHATSAPP, World, make_runtime, phone, populate

SENDER = 1
#: Nothing is measured finer than this.
_TINY = 1e-6


@pytest.fixture
def one_clock(monkeypatch):
    """Let the test tell the one clock that all workers share; on PostgreSQL it is the server's."""
    monkeypatch.setattr(pacing, "_moment", lambda _session, now: now.timestamp())


@pytest.fixture
def paced(one_clock, database_url, tmp_path, clock, provider):
    """Make a newsroom with rates of its own."""
    made = []

    def make(**sending):
        environ = {f"BROADCASTER_SENDING__{name}": str(value) for name, value in sending.items()}
        made.append(make_runtime(database_url, tmp_path / "home", clock, provider, **environ))
        runtime = next(made[-1])
        populate(runtime)
        return World(runtime, clock, provider)

    yield make
    for maker in made:
        next(maker, None)


@pytest.fixture
def bucket(one_clock, world):
    """Give the bucket of a sender, untouched each time."""

    def make(rate, cost=1):
        return Bucket(world.runtime, rate, cost)

    return make


class Bucket:
    """A sender's bucket in a real database, and workers who take slots by a simulated clock.

    ``clock`` is what the wall clock says; ``passed`` is how much time has really gone by.
    """

    def __init__(self, runtime, rate, cost=1):
        self.runtime = runtime
        self.rate = rate
        self.cost = cost
        self.clock = FixedClock()
        self.passed = 0.0
        self.given: list[float] = []
        with runtime.transaction() as session:
            session.execute(delete(Pacing))
            pacing.prepare(session, [SENDER])

    def pass_time(self, seconds):
        self.passed += seconds
        self.clock.advance(seconds=seconds)

    def take(self, most=10_000):
        """Take what is free, as a worker does in one transaction."""
        now = self.clock.now()
        with self.runtime.transaction() as session:
            free = pacing.free(session, SENDER, rate=self.rate, cost=self.cost, now=now)
            if number := min(free, most):
                slots = pacing.take(
                    session, SENDER, rate=self.rate, cost=self.cost, count=number, now=now
                )
                first = self.passed + slots.delay
                self.given.extend(first + place * slots.step for place in range(number))
        return free

    def busiest_second(self):
        """Return the most messages whose moments lie within any one second."""
        moments = sorted(self.given)
        return max(
            (sum(1 for one in moments if start <= one < start + 1 - _TINY) for start in moments),
            default=0,
        )


#: What the workers do, one after the other: how long after the last one, and how many at most.
rounds = st.lists(
    st.tuples(st.floats(0, 1.5), st.integers(1, 60)),
    min_size=1,
    max_size=12,
)
in_this_room = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@in_this_room
@given(rate=st.integers(1, 120), taken=rounds)
def test_no_second_ever_holds_more_than_the_rate(bucket, rate, taken):
    workers = bucket(rate)
    for wait, most in taken:
        workers.pass_time(wait)
        workers.take(most)

    assert workers.busiest_second() <= rate
    furthest = workers.passed + pacing.HORIZON + pacing.LEAD
    assert all(one <= furthest for one in workers.given)


@in_this_room
@given(rate=st.integers(1, 120), waits=st.lists(st.floats(0.01, 0.3), min_size=1, max_size=8))
def test_the_rate_is_reached(bucket, rate, waits):
    """Whoever asks as soon as there may be something gets at least 97 % of what is allowed."""
    workers = bucket(rate)
    seconds, asked = 12.0, 0
    while workers.passed < seconds:
        workers.take(50)
        workers.take(50)
        workers.pass_time(waits[asked % len(waits)])
        asked += 1

    reached = sum(1 for one in workers.given if one < seconds)
    assert 0.97 * rate * seconds <= reached <= rate * seconds


@in_this_room
@given(
    rate=st.integers(1, 60),
    cost=st.integers(1, 10),
    waits=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8),
)
def test_on_sms_the_segments_are_paced(bucket, rate, cost, waits):
    """A message whose segments do not fit into the second any more ends in the next one."""
    workers = bucket(rate, cost)
    for wait in waits:
        workers.pass_time(wait)
        workers.take()

    assert workers.busiest_second() * cost < rate + cost
    steps = [after - before for before, after in pairwise(sorted(workers.given))]
    assert all(step >= cost / rate for step in steps)


@in_this_room
@given(
    rate=st.integers(1, 60),
    taken=rounds,
    back=st.floats(0.001, 100_000),
    after=rounds,
)
def test_a_clock_set_back_makes_no_second_fuller(bucket, rate, taken, back, after):
    workers = bucket(rate)
    for wait, most in taken:
        workers.pass_time(wait)
        workers.take(most)
    workers.clock.advance(seconds=-back)
    for wait, most in after:
        workers.take(most)
        workers.pass_time(wait)

    assert workers.busiest_second() <= rate


@in_this_room
@given(rate=st.integers(1, 60), back=st.floats(0.001, 100_000))
def test_a_clock_set_back_keeps_nobody_waiting_for_long(bucket, rate, back):
    workers = bucket(rate)
    workers.take()
    workers.clock.advance(seconds=-back)
    waited = 0.0
    while not workers.take(1):
        workers.pass_time(1.0)
        waited += 1.0

    # Slots are given out a second ahead; of a clock that is hardly wrong nothing can be known.
    assert waited <= 62.0 + 32.0 / rate


@in_this_room
@given(rate=st.floats(0.01, 1.0), cost=st.integers(1, 24), waits=st.lists(st.floats(0, 400)))
def test_a_slow_sender_is_not_taken_for_a_clock_set_back(bucket, rate, cost, waits):
    """Between two long messages of a slow sender lie minutes."""
    workers = bucket(rate, cost)
    for wait in waits:
        workers.take()
        workers.pass_time(wait)

    moments = sorted(workers.given)
    assert all(after - before >= cost / rate for before, after in pairwise(moments))


@pytest.mark.parametrize(("rate", "cost"), [(0.01, 1), (0.1, 10), (1, 24)])
def test_a_slow_sender_gets_on(bucket, rate, cost):
    """However often workers ask in between."""
    workers = bucket(rate, cost)
    seconds = 10 * cost / rate
    while workers.passed < seconds:
        workers.take()
        workers.pass_time(seconds / 100)

    assert len(workers.given) >= 10


@in_this_room
@given(rate=st.integers(1, 60), taken=rounds, ahead=st.floats(0.001, 100_000))
def test_a_clock_set_forward_gives_out_at_most_one_second_anew(bucket, rate, taken, ahead):
    """What was given out before is not known to lie in the future still."""
    workers = bucket(rate)
    for wait, most in taken:
        workers.pass_time(wait)
        workers.take(most)
    given_before = len(workers.given)
    workers.clock.advance(seconds=ahead)
    workers.take()

    assert len(workers.given) - given_before <= rate
    assert workers.busiest_second() <= 2 * rate


def test_workers_whose_clocks_differ_share_one_pace(postgresql_url, tmp_path, clock, provider):
    """On PostgreSQL the server's clock counts, whatever the machines believe."""
    maker = make_runtime(postgresql_url, tmp_path / "home", clock, provider)
    runtime = next(maker)
    populate(runtime)
    with runtime.transaction() as session:
        pacing.prepare(session, [SENDER])
        pacing.take(session, SENDER, rate=1, cost=1, count=60, now=START)

    for hours in (-5, 0, 5):
        with runtime.transaction() as session:
            now = START + timedelta(hours=hours)
            assert pacing.free(session, SENDER, rate=1, cost=1, now=now) == 0
    next(maker, None)


def claim(world, **more):
    """Claim by the simulated clock."""
    return world.claim(clock=lambda: world.clock.now().timestamp() - START.timestamp(), **more)


def join(world, people, *, whatsapp=True):
    for number in range(people):
        world.text(phone(number, whatsapp=whatsapp), "NRC AAN")


def test_workers_who_claim_at_once_stay_within_the_pace_together(paced):
    world = paced(WHATSAPP_RATE=20)
    join(world, 60)
    world.bulletin()
    world.start()
    ready = []

    def work(name):
        ready.extend(claim(world, worker=name))

    threads = [threading.Thread(target=work, args=(f"worker-{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    due = sorted(one.due for one in ready)
    assert len(due) == 20
    assert all(after - before >= 1 / 20 for before, after in pairwise(due))
    assert due[-1] <= pacing.HORIZON + pacing.LEAD


def test_what_waits_for_its_slot_is_known_to_wait(paced):
    world = paced(WHATSAPP_RATE=2)
    join(world, 5)
    world.bulletin()
    world.start()

    first = claiming.claim(world.runtime, worker="one", limit=50)
    second = claiming.claim(world.runtime, worker="one", limit=50)

    assert (len(first.ready), first.waits) == (2, True)
    assert (len(second.ready), second.waits) == (0, True)


def test_two_channels_have_a_pace_each(paced):
    world = paced(WHATSAPP_RATE=4, SMS_RATE=2)
    join(world, 9)
    join(world, 9, whatsapp=False)
    world.bulletin()
    world.start()

    channels = [one.claim.lot.channel for one in claim(world)]

    assert (channels.count("whatsapp"), channels.count("sms")) == (4, 2)


def test_a_long_sms_takes_as_many_slots_as_it_has_segments(paced):
    world = paced(SMS_RATE=10)
    join(world, 20, whatsapp=False)
    world.bulletin(text="a" * 200)  # two segments
    world.start()

    due = [one.due for one in claim(world)]

    assert len(due) == 5
    assert all(after - before >= 2 / 10 for before, after in pairwise(due))


@pytest.mark.parametrize(("rate", "claimed"), [(3.0, 3), (0.0, 9), (None, 5)])
def test_a_sender_with_a_rate_of_its_own_goes_at_that(paced, rate, claimed):
    world = paced(WHATSAPP_RATE=5)
    join(world, 9)
    with world.runtime.transaction() as session:
        senders.set_rate(session, Address.parse(WHATSAPP), rate)
    world.bulletin()
    world.start()

    assert len(claim(world)) == claimed


def test_two_lists_on_one_sender_share_its_pace(paced):
    world = paced(WHATSAPP_RATE=4)
    join(world, 5)
    for number in range(5):
        world.text(phone(number), "SPORT AAN")
    world.bulletin("NRC")
    world.bulletin("SPORT")
    world.start()

    assert len(claim(world)) == 4
    world.clock.advance(seconds=2)
    assert len(claim(world)) == 4


@pytest.mark.parametrize("named", [30.0, 3600.0])
def test_a_sender_waits_as_long_as_the_provider_asks(world, named):
    join(world, 2)
    answers = iter([Deferred(retry_after=named, named=True)])
    world.provider.answer = lambda message: next(answers, accept(message))
    world.bulletin()
    world.start()
    world.write_down(world.hand_over(world.claim(limit=1)), lambda _ready: next(answers, accept))
    assert world.states() == [State.QUEUED, State.QUEUED]

    world.clock.advance(seconds=named - 1)
    assert world.claim() == []
    world.clock.advance(seconds=1)
    assert len(world.claim()) == 2


def test_without_a_named_time_the_wait_doubles_up_to_half_a_minute(world):
    runtime = world.runtime
    waits = []
    for _ in range(12):
        with runtime.transaction() as session:
            waits.append(pacing.push_back(session, SENDER, least=0.0, jitter=0.0, now=START))

    assert waits[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert waits[-1] == 30.0
    assert all(before <= after for before, after in pairwise(waits))


def test_the_wait_ends_where_the_longest_of_them_ends(world):
    runtime = world.runtime
    with runtime.transaction() as session:
        pacing.push_back(session, SENDER, least=60.0, jitter=0.0, now=START)
        pacing.push_back(session, SENDER, least=0.0, jitter=0.0, now=START)
    with runtime.reading() as session:
        assert pacing.is_standing(session, SENDER, START + timedelta(seconds=59))
        assert not pacing.is_standing(session, SENDER, START + timedelta(seconds=60))


@in_this_room
@given(jitter=st.floats(-1, 1), least=st.floats(0, 100))
def test_the_wait_varies_by_a_tenth_and_is_never_less_than_asked(bucket, jitter, least):
    with bucket(1).runtime.transaction() as session:
        wait = pacing.push_back(session, SENDER, least=least, jitter=jitter, now=START)

    assert wait >= least
    assert wait == least or 0.09 - _TINY <= wait <= 0.11 + _TINY


def test_once_the_provider_takes_messages_again_the_wait_begins_anew(world):
    join(world, 3)
    world.bulletin()
    world.start()
    deferred = Deferred(retry_after=1.0)
    for _ in range(3):
        world.write_down(world.hand_over(world.claim(limit=1)), lambda _ready: deferred)
        world.clock.advance(minutes=1)
    assert pushed_back(world) == 3

    accepted = Accepted(sid="SM" + "5" * 32)
    world.write_down(world.hand_over(world.claim(limit=1)), lambda _ready: accepted)

    assert pushed_back(world) == 0


def pushed_back(world):
    with world.runtime.reading() as session:
        return session.get(Pacing, SENDER).pushed_back


def test_a_request_that_missed_its_slot_is_not_made_and_its_person_gets_another(paced, monkeypatch):
    """One second must not hold the messages of two: what comes late gives its slot up."""
    world = paced(WHATSAPP_RATE=50)
    join(world, 1)
    number = world.bulletin()
    world.start()
    late = iter([-1.0])
    claim_now = claiming.claim

    def claim_late(runtime, **more):
        shift = next(late, 0.0)
        world.clock.advance(seconds=1)
        return claim_now(runtime, **more, clock=lambda: dispatch.monotonic() + shift)

    monkeypatch.setattr(claiming, "claim", claim_late)
    asyncio.run(dispatch.send_waiting(world.runtime))

    assert world.recipients() == [phone(0)]
    (delivery,) = world.deliveries()
    # Nothing was handed over the first time, so that counts as no attempt.
    assert delivery.attempt == 1
    assert world.report(number).by_state == {State.ACCEPTED: 1}


def test_a_worker_whose_lines_are_all_taken_does_not_turn_in_circles(paced, monkeypatch):
    world = paced(WHATSAPP_RATE=50, CONCURRENCY=1)
    join(world, 3)
    world.bulletin()
    world.start()
    rounds_made = []

    async def count(_runtime, *, look=False):
        del look
        rounds_made.append(1)
        world.clock.advance(seconds=1)
        return True

    async def slow(message, *, begin_within):
        del begin_within
        for _ in range(10):
            await asyncio.sleep(0.05)
        world.provider.sent.append(message)
        return accept(message)

    monkeypatch.setattr(readiness, "may_send", count)
    monkeypatch.setattr(world.provider, "send", slow)
    asyncio.run(dispatch.send_waiting(world.runtime))

    assert len(world.provider.sent) == 3
    # Ten rounds a second or so, for as long as the requests take.
    assert len(rounds_made) < 200


def test_the_senders_of_the_newsroom_are_those_that_these_tests_mean(world):
    with world.runtime.reading() as session:
        assert senders.find(session, Address.parse(WHATSAPP)) == SENDER
        assert senders.find(session, Address.parse(SMS)) != SENDER
