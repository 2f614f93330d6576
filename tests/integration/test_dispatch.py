"""From a moment that has come to the last outcome: promises P1, P2 and P4, on both databases."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import OPEN, State
from broadcaster.core.messages import Accepted, Deferred, Refused, Unknown
from broadcaster.core.uptime import monotonic
from broadcaster.ledger.entry import Event, parse
from broadcaster.services import brakes, claiming, dispatch, tending
from broadcaster.storage import audience, deliveries, ledger
from broadcaster.storage import lists as stored_lists
from broadcaster.storage.models import Bulletin, Delivery, Subscriber
from broadcaster.testing import FakeProvider, FixedClock, accept
from tests.world import World, make_runtime, phone, populate


def test_only_those_who_joined_get_it(world):
    for number in range(5):
        world.text(phone(number), "NRC AAN")
    world.text(phone(5), "SPORT AAN")
    world.text(phone(6), "leuke krant")
    number = world.bulletin()

    world.send()

    assert sorted(world.recipients()) == sorted(phone(n) for n in range(5))
    report = world.report(number)
    assert report.bulletin.state == BulletinState.FINISHED
    assert (report.audience, report.of(State.ACCEPTED)) == (5, 5)


def test_every_request_cites_the_entry_that_allows_it(world):
    """P1: the delivery names the ledger entry, and that entry is this person's opt-in."""
    for number in range(3):
        world.text(phone(number), "NRC AAN")
    world.bulletin()
    world.send()

    with world.runtime.reading() as session:
        rows = session.execute(
            select(Delivery, Subscriber).join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        ).all()
        for delivery, subscriber in rows:
            (leaf,) = ledger.leaves(session, delivery.entry, delivery.entry + 1)
            entry = parse(leaf.leaf)
            assert entry.event is Event.OPT_IN
            assert entry.subject == subscriber.subject
            assert entry.list == "nrc"


def test_consent_is_decided_again_in_the_claim(world):
    """P1: whoever left between the audience and the claim gets nothing, however they left."""
    for number in range(3):
        world.text(phone(number), "NRC AAN")
    number = world.bulletin()
    world.start()
    with world.runtime.transaction() as session:
        # Behind the back of the service that would have withdrawn the delivery.
        session.execute(
            update(Subscriber).where(Subscriber.id == 1).values(stopped_at=world.clock.now())
        )

    world.send()

    report = world.report(number)
    assert report.skipped == {"left": 1}
    assert report.left_during == 1
    assert len(world.recipients()) == 2


def test_a_stop_takes_back_what_is_queued(world):
    """P2: nothing begins for a person after the stop."""
    for number in range(3):
        world.text(phone(number), "NRC AAN")
    number = world.bulletin()
    world.start()
    world.text(phone(1), "STOP")

    world.send()

    assert phone(1) not in world.recipients()
    report = world.report(number)
    assert report.skipped == {"left": 1}
    assert report.left_during == 1


def test_leaving_another_list_takes_nothing_back(world):
    world.text(phone(1), "NRC AAN")
    world.text(phone(1), "SPORT AAN")
    world.bulletin()
    world.start()
    world.text(phone(1), "SPORT UIT")

    world.send()

    assert world.recipients() == [phone(1)]


def test_a_hand_over_that_waited_too_long_is_not_sent(world, monkeypatch):
    """The answer to a stop may have been given since: a request begins at once, or not at all."""
    world.text(phone(1), "NRC AAN")
    world.bulletin()
    world.start()
    moments = iter([monotonic() - world.runtime.settings.sending.begin_within])
    hand_over = partial(claiming.hand_over, clock=lambda: next(moments, monotonic()))
    monkeypatch.setattr(claiming, "hand_over", hand_over)
    world.send()

    # The first hand-over was too old to be used; the second was fresh and the only one sent.
    assert world.recipients() == [phone(1)]
    assert [one.attempt for one in world.deliveries()] == [2]


def test_the_moment_from_which_a_request_is_late_counts_from_before_the_commit(world, monkeypatch):
    """A process that stood still between the commit and the request must not begin it."""
    world.text(phone(1), "NRC AAN")
    world.bulletin()
    world.start()
    ready = world.claim()
    committed = []
    run = type(world.runtime).run

    def run_and_stand_still(runtime, work):
        result = run(runtime, work)
        committed.append(monotonic())
        return result

    monkeypatch.setattr(type(world.runtime), "run", run_and_stand_still)
    ((handed, _attempt),) = world.hand_over(ready)

    assert handed.until - world.runtime.settings.sending.begin_within <= committed[0]


def test_a_lease_that_ran_out_forbids_handing_over(world):
    world.text(phone(1), "NRC AAN")
    world.bulletin()
    world.start()
    ready = world.claim()
    world.clock.advance(seconds=world.runtime.settings.sending.lease)

    assert world.hand_over(ready) == []
    assert world.states() == [State.CLAIMED]


def test_a_claim_whose_worker_died_is_sent_by_another(world):
    """It was never handed over, so that is safe; its lease only has to run out."""
    world.text(phone(1), "NRC AAN")
    number = world.bulletin()
    world.start()
    world.claim()
    world.send()
    assert world.provider.sent == []

    world.clock.advance(seconds=world.runtime.settings.sending.lease)
    world.send()

    assert world.recipients() == [phone(1)]
    assert world.report(number).bulletin.state == BulletinState.FINISHED


def test_only_the_worker_that_claimed_hands_over(world):
    world.text(phone(1), "NRC AAN")
    world.bulletin()
    world.start()
    ready = world.claim(worker="one")

    assert world.hand_over(ready, worker="two") == []
    assert len(world.hand_over(ready, worker="one")) == 1
    assert world.hand_over(ready, worker="one") == []


def test_what_was_put_back_and_claimed_again_is_one_hand_over(world):
    """P3: a worker that has one delivery twice in its hands makes one request."""
    world.text(phone(1), "NRC AAN")
    number = world.bulletin()
    world.start()
    first = world.claim()
    with world.runtime.transaction() as session:
        now = world.clock.now()
        brakes.pause(session, number, now=now)
        brakes.go_on(session, world.runtime, number, now=now)
    second = world.claim()

    assert [one.claim.delivery_id for one in [*first, *second]] == [1, 1]
    assert len(world.hand_over([*first, *second])) == 1


def test_a_stop_takes_back_what_is_claimed(world):
    """P2: between the claim and the hand-over a person may still leave."""
    world.text(phone(1), "NRC AAN")
    number = world.bulletin()
    world.start()
    ready = world.claim()
    handled = world.receive(phone(1), "STOP")

    with world.runtime.reading() as session:
        assert not deliveries.is_in_flight(session, handled.withdrawn)
    assert world.hand_over(ready) == []
    assert world.report(number).skipped == {"left": 1}


def test_the_answer_to_a_stop_can_see_a_hand_over_under_way(world):
    world.text(phone(1), "NRC AAN")
    world.bulletin()
    world.start()
    handed = world.hand_over(world.claim())

    handled = world.receive(phone(1), "STOP")

    assert len(handed) == 1
    with world.runtime.reading() as session:
        assert deliveries.is_in_flight(session, handled.withdrawn)


def test_stops_during_sending_are_never_followed_by_a_request(world):
    """P2, across threads: no request begins for a person after their stop was committed."""
    people = 60
    for number in range(people):
        world.text(phone(number), "NRC AAN")
    began: dict[str, float] = {}
    stopped: dict[str, float] = {}

    def slow(message):
        began[message.recipient.wire] = time.monotonic()
        time.sleep(0.002)
        return accept(message)

    world.provider.answer = slow
    number = world.bulletin()

    def stop_many():
        for author in range(0, people, 3):
            handled = world.receive(phone(author), "STOP")
            while True:
                with world.runtime.reading() as session:
                    if not deliveries.is_in_flight(session, handled.withdrawn):
                        break
            stopped[phone(author)] = time.monotonic()

    world.start()
    thread = threading.Thread(target=stop_many)
    thread.start()
    world.send()
    thread.join()

    assert [who for who, at in stopped.items() if began.get(who, 0) > at] == []
    report = world.report(number)
    assert report.bulletin.state == BulletinState.FINISHED
    assert sum(report.by_state.values()) == report.audience == people


def test_a_refusal_ends_a_delivery_once(world):
    world.text(phone(1), "NRC AAN")
    world.provider.answer = lambda _message: Refused(code=21211)
    number = world.bulletin()
    world.send()
    world.send()

    assert len(world.provider.sent) == 1
    assert world.report(number).by_state == {State.FAILED: 1}
    assert world.report(number).bulletin.state == BulletinState.FINISHED


def test_what_is_unknown_keeps_its_bulletin_open_and_is_not_repeated(world):
    """P3 and P4: nobody knows whether it was taken; until that is looked up nothing is decided."""
    world.text(phone(1), "NRC AAN")
    world.provider.answer = lambda _message: Unknown(reason="timeout")
    number = world.bulletin()
    world.send()
    world.clock.advance(minutes=5)
    world.send()

    assert len(world.provider.sent) == 1
    assert world.report(number).by_state == {State.UNKNOWN: 1}
    assert world.report(number).bulletin.state == BulletinState.SENDING


def test_what_is_unknown_is_held_for_a_person_where_the_operator_chose_that(holding_world):
    world = holding_world
    world.text(phone(1), "NRC AAN")
    world.provider.answer = lambda _message: Unknown(reason="timeout")
    number = world.bulletin()
    world.send()
    world.clock.advance(minutes=5)
    world.send()

    assert len(world.provider.sent) == 1
    assert world.report(number).by_state == {State.HELD: 1}
    assert world.report(number).bulletin.state == BulletinState.FINISHED


def test_what_the_provider_did_not_take_goes_back_and_is_sent_later(world):
    world.text(phone(1), "NRC AAN")
    answers = iter([Deferred(retry_after=5.0)])
    world.provider.answer = lambda message: next(answers, accept(message))
    number = world.bulletin()
    world.send()
    assert world.report(number).bulletin.state == BulletinState.SENDING

    world.clock.advance(seconds=6)
    world.send()

    assert world.report(number).bulletin.state == BulletinState.FINISHED
    assert len(world.provider.sent) == 2


def test_a_refusal_because_of_a_stop_is_an_opt_out(world):
    """Error 21610: the provider blocks the person, so the ledger says so and nobody counts them."""
    author = phone(1, whatsapp=False)
    world.text(author, "NRC AAN")
    world.provider.answer = lambda _message: Refused(code=21610)
    world.bulletin()
    world.send()

    assert world.events()[-1] == ("provider_stop", "*")
    with world.runtime.reading() as session:
        item = stored_lists.by_keyword(session, "NRC")
        assert audience.reachable(session, item.id) == {}


def test_a_hand_over_whose_worker_died_becomes_unknown_and_is_not_sent_again(world):
    world.text(phone(1), "NRC AAN")
    number = world.bulletin()
    world.start()
    world.hand_over(world.claim())

    world.clock.advance(minutes=5)
    world.send()

    assert world.provider.sent == []
    assert world.report(number).by_state == {State.UNKNOWN: 1}
    assert [one.reason for one in world.deliveries()] == ["worker_lost"]
    assert world.report(number).bulletin.state == BulletinState.SENDING


def test_a_hand_over_whose_worker_died_is_held_where_the_operator_chose_that(holding_world):
    world = holding_world
    world.text(phone(1), "NRC AAN")
    number = world.bulletin()
    world.start()
    world.hand_over(world.claim())

    world.clock.advance(minutes=5)
    world.send()

    assert world.provider.sent == []
    assert world.report(number).by_state == {State.HELD: 1}
    assert world.report(number).bulletin.state == BulletinState.FINISHED


@pytest.mark.parametrize("hours", [-24, -1, 1, 24])
def test_a_clock_that_is_set_neither_loses_nor_doubles_what_is_under_way(world, hours):
    """What was claimed is free again, and what was handed over is given up, within one look."""
    for number in range(2):
        world.text(phone(number), "NRC AAN")
    world.bulletin()
    world.start()
    handed = world.hand_over(world.claim(limit=1))
    world.claim(limit=1)
    world.clock.advance(hours=hours)

    tending.release_lapsed(world.runtime)

    assert world.states() == [State.UNKNOWN, State.QUEUED]
    # The worker lives and tells what it knows.
    world.write_down(handed, lambda _ready: Accepted(sid="SM" + "1" * 32))
    assert world.states() == [State.ACCEPTED, State.QUEUED]


def test_what_is_under_way_is_left_alone(world):
    for number in range(2):
        world.text(phone(number), "NRC AAN")
    world.bulletin()
    world.start()
    world.hand_over(world.claim(limit=1))
    world.claim(limit=1)
    world.clock.advance(seconds=world.runtime.settings.sending.lease - 0.1)

    tending.release_lapsed(world.runtime)

    assert world.states() == [State.HANDED_OVER, State.CLAIMED]


def test_a_bulletin_found_late_is_held(world):
    world.text(phone(1), "NRC AAN")
    number = world.bulletin()
    world.clock.advance(minutes=16)
    world.send()

    assert world.provider.sent == []
    assert world.report(number).bulletin.state == BulletinState.HELD


def test_two_ticks_at_once_send_to_everybody_once(world):
    for number in range(40):
        world.text(phone(number), "NRC AAN")
    number = world.bulletin()
    threads = [threading.Thread(target=world.send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.send()

    assert sorted(world.recipients()) == sorted(phone(n) for n in range(40))
    assert world.report(number).bulletin.state == BulletinState.FINISHED


def test_cancelling_takes_back_the_rest(world):
    for number in range(4):
        world.text(phone(number), "NRC AAN")
    number = world.bulletin()
    world.start()
    world.hand_over(world.claim(limit=1))
    claimed = world.claim(limit=1)
    with world.runtime.transaction() as session:
        brakes.stop(session, number, now=world.clock.now())
    world.send()

    report = world.report(number)
    assert report.bulletin.state == BulletinState.CANCELLED
    assert report.skipped == {"cancelled": 3}
    assert world.hand_over(claimed) == []
    assert world.provider.sent == []


def test_the_text_goes_out_as_it_was_scheduled(world):
    world.text(phone(1), "NRC AAN")
    number = world.bulletin(text="Eén regel\nen €2")
    world.send()

    (message,) = world.provider.sent
    assert message.text == "Eén regel\nen €2"
    assert message.sender.wire == "whatsapp:+15550100100"
    assert message.status_callback.startswith("https://news.example.org/webhooks/twilio/status/")
    with world.runtime.reading() as session:
        assert session.get(Bulletin, number).started is not None


_OUTCOMES = st.sampled_from(
    [
        lambda message: Accepted(sid=accept(message).sid),
        lambda _message: Refused(code=30003),
        lambda _message: Refused(code=21610),
        lambda _message: Unknown(reason="http_500"),
        lambda _message: Deferred(retry_after=1.0),
    ]
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outcomes=st.lists(_OUTCOMES, min_size=1, max_size=12), stops=st.sets(st.integers(0, 7)))
def test_nobody_is_silently_skipped(sqlite_template_runtime, outcomes, stops):
    """P4: whatever the provider answers and whoever leaves, each member has exactly one outcome."""
    runtime = sqlite_template_runtime()
    provider, clock = runtime.provider, runtime.clock
    world = World(runtime, clock, provider)
    for number in range(8):
        world.text(phone(number), "NRC AAN")
    answers = iter(outcomes)

    def answer(message):
        return next(answers, accept)(message)

    provider.answer = answer
    number = world.bulletin()
    world.start()
    for author in stops:
        world.text(phone(author), "STOP")
    for _ in range(len(outcomes) + 1):
        world.send()
        clock.advance(seconds=2)

    report = world.report(number)
    assert sum(report.by_state.values()) == report.audience == 8
    assert report.waiting == 0
    world.check_tallies()
    # Only what nobody knows is open still; once that is decided, the bulletin is finished.
    open_ones = [one for one in world.deliveries() if State(one.state) in OPEN]
    assert {one.state for one in open_ones} <= {State.UNKNOWN}
    for one in open_ones:
        world.callback(one.id, "delivered")
    world.send()
    assert world.report(number).bulletin.state == BulletinState.FINISHED
    accepted = [message.recipient.wire for message in provider.sent]
    assert not {phone(author) for author in stops} & set(accepted)


@pytest.fixture
def holding_world(database_url, tmp_path, clock, provider):
    """A newsroom whose operator wants to decide on every unknown outcome."""
    holds = {"BROADCASTER_SENDING__ON_UNCERTAIN": "hold"}
    for runtime in make_runtime(database_url, tmp_path / "home", clock, provider, **holds):
        populate(runtime)
        yield World(runtime, clock, provider)


@pytest.fixture
def sqlite_template_runtime(request, tmp_path_factory):
    """Make a fresh newsroom each time it is called: Hypothesis runs a test many times."""
    made = []

    def make():
        folder = tmp_path_factory.mktemp("fresh")
        path = shutil.copy(request.getfixturevalue("migrated_sqlite"), folder)
        maker = make_runtime(f"sqlite:///{path}", folder, FixedClock(), FakeProvider())
        made.append(maker)
        runtime = next(maker)
        populate(runtime)
        return runtime

    yield make
    for maker in made:
        next(maker, None)


def test_what_comes_back_after_a_cancellation_waits_for_nobody(world):
    """P4: a delivery that the provider deferred belongs to no queue once its bulletin is over."""
    world.text(phone(1), "NRC AAN")
    number = world.bulletin()

    def cancel_meanwhile(_message):
        with world.runtime.transaction() as session:
            brakes.stop(session, number, now=world.clock.now())
        return Deferred(retry_after=1.0)

    world.provider.answer = cancel_meanwhile
    world.send()

    assert world.report(number).skipped == {"cancelled": 1}


def test_a_worker_that_died_in_a_cancelled_bulletin_leaves_no_hand_over_open(world):
    world.text(phone(1), "NRC AAN")
    number = world.bulletin()
    world.start()
    world.hand_over(world.claim())
    with world.runtime.transaction() as session:
        brakes.stop(session, number, now=world.clock.now())
    world.clock.advance(minutes=5)
    world.send()

    assert world.report(number).by_state == {State.UNKNOWN: 1}


def test_a_row_that_cannot_be_opened_fails_alone(world):
    for number in range(3):
        world.text(phone(number), "NRC AAN")
    with world.runtime.transaction() as session:
        session.execute(
            update(Subscriber).where(Subscriber.id == 2).values(address_sealed=b"x" * 40)
        )
    number = world.bulletin()
    world.send()

    report = world.report(number)
    assert report.by_state == {State.ACCEPTED: 2, State.FAILED: 1}
    assert report.bulletin.state == BulletinState.FINISHED


def test_a_stop_of_the_engine_leaves_the_rest_queued(world):
    for number in range(90):
        world.text(phone(number), "NRC AAN")
    number = world.bulletin()
    world.start()
    asyncio.run(dispatch.send_waiting(world.runtime, goes_on=lambda: not world.provider.sent))

    concurrency = world.runtime.settings.sending.concurrency
    assert len(world.provider.sent) == concurrency
    assert world.report(number).of(State.QUEUED) == 90 - concurrency
    assert State.CLAIMED not in world.states()
