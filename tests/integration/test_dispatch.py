"""From a moment that has come to the last outcome: promises P1, P2 and P4, on both databases."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import State
from broadcaster.core.messages import Accepted, Deferred, Refused, Unknown
from broadcaster.ledger.entry import Event, parse
from broadcaster.services import bulletins, dispatch
from broadcaster.storage import audience, claims, deliveries, ledger
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
    dispatch.start_due(world.runtime)
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
    dispatch.start_due(world.runtime)
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
    dispatch.start_due(world.runtime)
    world.text(phone(1), "SPORT UIT")

    world.send()

    assert world.recipients() == [phone(1)]


def test_a_claim_that_waited_too_long_is_not_handed_over(world):
    """A lease that ran out forbids sending: a stop may have been answered since."""
    world.text(phone(1), "NRC AAN")
    world.bulletin()
    dispatch.start_due(world.runtime)
    clock = dispatch.monotonic
    moments = iter([0.0, 1e9])
    dispatch.monotonic = lambda: next(moments, clock())
    try:
        world.send()
    finally:
        dispatch.monotonic = clock

    # The first claim was too old to be used; the second was fresh and the only one sent.
    assert world.recipients() == [phone(1)]
    with world.runtime.reading() as session:
        assert session.execute(select(Delivery.attempt)).scalar_one() == 2


def test_the_answer_to_a_stop_can_see_a_hand_over_under_way(world):
    world.text(phone(1), "NRC AAN")
    world.bulletin()
    dispatch.start_due(world.runtime)
    with world.runtime.transaction() as session:
        claimed, _looked_at = claims.claim(session, 10, world.clock.now())

    handled = world.receive(phone(1), "STOP")

    assert len(claimed) == 1
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

    dispatch.start_due(world.runtime)
    thread = threading.Thread(target=stop_many)
    thread.start()
    world.send()
    thread.join()

    assert [who for who, at in stopped.items() if began.get(who, 0) > at] == []
    report = world.report(number)
    assert report.bulletin.state == BulletinState.FINISHED
    assert sum(report.by_state.values()) == report.audience == people


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Refused(code=21211), State.FAILED),
        (Unknown(reason="timeout"), State.UNKNOWN),
    ],
)
def test_each_outcome_ends_a_delivery_once(world, outcome, state):
    world.text(phone(1), "NRC AAN")
    world.provider.answer = lambda _message: outcome
    number = world.bulletin()
    world.send()
    world.send()

    assert len(world.provider.sent) == 1
    assert world.report(number).by_state == {state: 1}


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


def test_a_claim_whose_worker_died_becomes_unknown_and_is_never_sent_again(world):
    world.text(phone(1), "NRC AAN")
    number = world.bulletin()
    dispatch.start_due(world.runtime)
    with world.runtime.transaction() as session:
        claims.claim(session, 10, world.clock.now())

    world.clock.advance(minutes=5)
    world.send()

    assert world.provider.sent == []
    assert world.report(number).by_state == {State.UNKNOWN: 1}
    assert world.report(number).bulletin.state == BulletinState.FINISHED


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
    dispatch.start_due(world.runtime)
    with world.runtime.transaction() as session:
        claims.claim(session, 1, world.clock.now())
        bulletins.cancel(session, number, now=world.clock.now())
    world.send()

    report = world.report(number)
    assert report.bulletin.state == BulletinState.CANCELLED
    assert report.skipped == {"cancelled": 3}


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
    dispatch.start_due(runtime)
    for author in stops:
        world.text(phone(author), "STOP")
    for _ in range(len(outcomes) + 1):
        world.send()
        clock.advance(seconds=2)

    report = world.report(number)
    assert report.bulletin.state == BulletinState.FINISHED
    assert sum(report.by_state.values()) == report.audience == 8
    assert report.waiting == 0
    accepted = [message.recipient.wire for message in provider.sent]
    assert not {phone(author) for author in stops} & set(accepted)


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
            bulletins.cancel(session, number, now=world.clock.now())
        return Deferred(retry_after=1.0)

    world.provider.answer = cancel_meanwhile
    world.send()

    assert world.report(number).skipped == {"cancelled": 1}


def test_a_worker_that_died_in_a_cancelled_bulletin_leaves_no_hand_over_open(world):
    world.text(phone(1), "NRC AAN")
    number = world.bulletin()
    dispatch.start_due(world.runtime)
    with world.runtime.transaction() as session:
        claims.claim(session, 1, world.clock.now())
        bulletins.cancel(session, number, now=world.clock.now())
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
    dispatch.start_due(world.runtime)
    asked = iter([True, False])
    asyncio.run(dispatch.send_waiting(world.runtime, goes_on=lambda: next(asked)))

    concurrency = world.runtime.settings.sending.concurrency
    assert len(world.provider.sent) == concurrency
    assert world.report(number).of(State.QUEUED) == 90 - concurrency
