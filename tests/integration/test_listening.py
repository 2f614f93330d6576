"""P11: what people texted while we were away is heard before anything starts; on both databases."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from broadcaster.core.address import Address
from broadcaster.core.delivery import State
from broadcaster.core.errors import Unheard
from broadcaster.core.messages import (
    Deferred,
    Direction,
    OutboundMessage,
    Refused,
    Unknown,
)
from broadcaster.core.segments import count
from broadcaster.core.uptime import monotonic
from broadcaster.runtime import Memory
from broadcaster.services import inbound, listening, starting
from broadcaster.storage import hearing, incidents, people
from broadcaster.storage.models import Delivery, Hearing, Inbound, Sender, Subscription
from broadcaster.testing import FakeProvider, accept
from tests.integration.test_held import give_another_number
from tests.missed import missed
from tests.world import WHATSAPP, World, make_runtime, phone, populate


@pytest.fixture
def provider(clock) -> FakeProvider:
    return FakeProvider(clock=clock)


def hear(world) -> int:
    with world.runtime.reading() as session:
        numbers = [one.id for one in hearing.senders(session)]
    return listening.catch_up(world.runtime, numbers)


def said(world) -> list[tuple[str, str]]:
    """What was asked for by the interface: to whom, and the first words."""
    return [(one.recipient.wire, one.text.split("\n")[0]) for one in world.provider.sent]


def row_of(world, sid) -> Inbound:
    with world.runtime.reading() as session:
        return session.get_one(Inbound, sid)


def noted(world) -> set[str]:
    with world.runtime.reading() as session:
        return {one.kind for one in incidents.recent(session, 20)}


def is_on_list(world, author) -> bool:
    with world.runtime.transaction() as session:
        person = people.lock_or_create(
            session, world.runtime.keyring, Address.parse(author), world.clock.now()
        )
        found = session.execute(
            select(Subscription.state).where(Subscription.subscriber_id == person.id)
        ).scalars()
        return "in" in set(found)


def test_a_stop_that_came_while_we_were_down_counts_before_the_bulletin(world):
    for number in range(12):
        world.text(phone(number), "NRC AAN")
    world.clock.advance(minutes=5)
    for number in range(10):
        missed(world, phone(number), "STOP")

    assert hear(world) == 10
    world.provider.sent.clear()
    world.bulletin()
    world.send()

    assert sorted(world.recipients()) == [phone(10), phone(11)]


def test_a_stop_takes_back_what_is_queued_already(world):
    world.text(phone(1), "NRC AAN")
    world.bulletin()
    starting.start_due(world.runtime)
    missed(world, phone(1), "STOP")
    hear(world)

    with world.runtime.reading() as session:
        assert session.execute(select(Delivery.state)).scalar_one() == State.SKIPPED


def test_each_text_is_answered_once_by_a_message(world):
    listed = missed(world, phone(1), "NRC AAN")

    assert [hear(world) for _ in range(3)] == [1, 0, 0]

    ((recipient, words),) = said(world)
    assert recipient == phone(1)
    assert "NRC Ochtend" in words
    assert world.provider.sent[0].status_callback is None
    assert world.provider.sent[0].sender == Address.parse(WHATSAPP)
    assert row_of(world, listed.sid).answer_sid == world.provider.accepted[0].sid


def test_a_webhook_that_comes_late_after_all_has_no_effect_and_no_answer(world):
    listed = missed(world, phone(1), "NRC AAN")
    hear(world)

    assert world.text(phone(1), "NRC AAN", sid=listed.sid) is None
    assert world.events() == [("opt_in", "nrc")]


def test_what_a_webhook_brought_is_not_applied_again(world):
    listed = missed(world, phone(1), "NRC AAN")
    world.text(phone(1), "NRC AAN", sid=listed.sid)

    assert hear(world) == 0
    assert world.provider.sent == []
    assert world.events() == [("opt_in", "nrc")]


def test_a_webhook_that_comes_first_in_the_last_moment_answers_itself(world):
    listed = missed(world, phone(1), "NRC AAN")
    read = world.provider.inbound_of
    answers = []

    def inbound_of(one):
        answers.append(world.text(phone(1), "NRC AAN", sid=listed.sid))
        return read(one)

    world.provider.inbound_of = inbound_of

    assert hear(world) == 0
    assert world.provider.sent == []
    assert answers[0]
    # Should the provider ask again, it gets the same answer.
    assert world.text(phone(1), "NRC AAN", sid=listed.sid) == answers[0]


@pytest.mark.parametrize("outcome", [Unknown(reason="timeout"), Refused(code=21610)])
def test_an_answer_whose_fate_nobody_knows_is_not_repeated(world, outcome):
    world.provider.answer = lambda _message: outcome
    missed(world, phone(1), "NRC AAN")
    hear(world)
    world.provider.answer = accept
    hear(world)

    assert len(world.provider.sent) == 1


def test_somebody_who_has_been_answered_is_not_answered_again(world):
    """The webhook was served, and then the database was lost with it."""
    missed(world, phone(1), "NRC AAN")
    reply = world.provider.take(
        OutboundMessage(
            sender=Address.parse(WHATSAPP), recipient=Address.parse(phone(1)), text="Welkom"
        )
    )
    world.provider.accepted[-1] = replace(reply, direction=Direction.OUTBOUND_REPLY)

    assert hear(world) == 1
    assert world.provider.sent == []
    assert is_on_list(world, phone(1))


def while_it_is_asked_whether_they_have_an_answer(world, do) -> None:
    """Let something happen between a missed text and its answer."""
    reading = world.provider.messages

    async def messages(**asked):
        if asked.get("to") is not None and asked.get("sender") is not None:
            do()
        async for one in reading(**asked):
            yield one

    world.provider.messages = messages


@pytest.mark.parametrize("body", ["STOP", "NRC UIT"])
def test_who_has_left_before_the_welcome_was_sent_gets_none(world, body):
    """P2: once their stop is answered, nothing of ours begins for them."""
    listed = missed(world, phone(1), "NRC AAN")
    answers = []
    while_it_is_asked_whether_they_have_an_answer(
        world, lambda: answers.append(world.text(phone(1), body))
    )

    assert hear(world) == 1
    assert answers[0]
    assert world.provider.sent == []
    assert row_of(world, listed.sid).answer_sid is None


def test_who_has_stopped_everything_gets_no_late_answer_of_any_kind(world):
    world.text(phone(1), "NRC AAN")
    missed(world, phone(1), "HELP")
    while_it_is_asked_whether_they_have_an_answer(world, lambda: world.text(phone(1), "STOP"))

    assert hear(world) == 1
    assert world.provider.sent == []


def test_of_a_welcome_and_a_stop_that_were_both_missed_only_the_stop_is_answered(world):
    missed(world, phone(1), "NRC AAN", ago=20)
    stop = missed(world, phone(1), "STOP", ago=10)
    hear(world)

    assert len(world.provider.sent) == 1
    assert row_of(world, stop.sid).answer_sid == world.provider.accepted[0].sid
    assert not is_on_list(world, phone(1))


@pytest.mark.parametrize("body", ["SPORT UIT", "NRC AAN", "HELP"])
def test_whoever_leaves_another_list_or_only_asks_is_still_welcomed(world, body):
    world.text(phone(1), "SPORT AAN")
    missed(world, phone(1), "NRC AAN")
    while_it_is_asked_whether_they_have_an_answer(world, lambda: world.text(phone(1), body))
    hear(world)

    assert len(world.provider.sent) == 1


def test_the_answer_to_a_stop_waits_for_an_answer_that_is_under_way(world):
    under_way = []

    def answer(message):
        with world.runtime.reading() as session:
            under_way.append(inbound.is_in_flight(session, 1))
        return accept(message)

    world.provider.answer = answer
    missed(world, phone(1), "NRC AAN")
    hear(world)

    assert under_way == [True]
    with world.runtime.reading() as session:
        assert not inbound.is_in_flight(session, 1)


def test_an_answer_that_was_surely_not_taken_keeps_nobody_waiting(world):
    world.provider.answer = lambda _message: Deferred(retry_after=1.0)
    missed(world, phone(1), "NRC AAN")
    hear(world)

    with world.runtime.reading() as session:
        assert not inbound.is_in_flight(session, 1)


def test_two_texts_of_one_person_are_both_answered(world):
    missed(world, phone(1), "NRC AAN", ago=20)
    missed(world, phone(1), "SPORT AAN", ago=10)
    hear(world)

    assert len(world.provider.sent) == 2


def test_a_stop_that_the_provider_confirmed_itself_is_not_confirmed_again(world):
    world.text(phone(1, whatsapp=False), "NRC AAN")
    missed(world, phone(1, whatsapp=False), "STOP")

    assert hear(world) == 1
    assert world.provider.sent == []
    assert world.events()[-1] == ("opt_out_all", "*")


def test_texts_are_applied_in_the_order_in_which_they_were_sent(world):
    missed(world, phone(1), "STOP", ago=20)
    missed(world, phone(1), "NRC AAN", ago=30)
    hear(world)

    assert world.events() == [("opt_in", "nrc"), ("opt_out_all", "*")]


def test_a_late_request_to_join_does_not_undo_a_later_stop(world):
    """They joined while we were down, and stopped when we were up again."""
    world.text(phone(1), "SPORT AAN")
    world.clock.advance(minutes=5)
    listed = missed(world, phone(1), "NRC AAN", ago=60)
    world.text(phone(1), "STOP")
    hear(world)

    assert not is_on_list(world, phone(1))
    assert row_of(world, listed.sid).review == "unsure"
    assert world.provider.sent == []


def test_a_late_stop_counts_whatever_came_later(world):
    """A wrong stop is repaired by its own confirmation; the other way round nothing repairs it."""
    world.text(phone(1), "SPORT AAN")
    world.clock.advance(minutes=5)
    missed(world, phone(1), "STOP", ago=60)
    world.text(phone(1), "NRC AAN")
    hear(world)

    assert not is_on_list(world, phone(1))
    assert len(world.provider.sent) == 1


def test_a_text_of_yesterday_joins_nothing_and_stops_everything(world):
    world.text(phone(2), "NRC AAN")
    world.clock.advance(hours=30)
    missed(world, phone(1), "NRC AAN", ago=25 * 3600)
    missed(world, phone(2), "STOP", ago=25 * 3600)

    assert hear(world) == 2
    assert [is_on_list(world, phone(number)) for number in (1, 2)] == [False, False]
    assert world.provider.sent == []


def test_a_missed_text_counts_from_the_moment_it_was_sent(world):
    world.clock.advance(hours=1)
    listed = missed(world, phone(1), "NRC AAN", ago=1800)
    hear(world)

    assert row_of(world, listed.sid).received == listed.created
    assert world.entries()[-1].occurred == listed.created


def test_a_list_that_cannot_be_read_is_said_and_nothing_is_taken_as_heard(world):
    missed(world, phone(1), "NRC AAN")
    world.provider.unreadable = "timeout"
    with pytest.raises(Unheard):
        hear(world)
    assert "unheard" in noted(world)
    with world.runtime.reading() as session:
        assert all(row.failed for row in session.execute(select(Hearing)).scalars())

    world.clock.advance(hours=3)
    world.provider.unreadable = None
    assert hear(world) == 1


def test_a_malformed_text_does_not_keep_the_others_from_being_heard(world):
    missed(world, phone(1), "NRC AAN", ago=10)
    odd = missed(world, phone(2), "NRC AAN", ago=20)
    world.provider.inbound[-1] = replace(odd, text="\x00")
    missed(world, phone(3), "NRC AAN", ago=30)

    assert hear(world) == 2
    assert "malformed_text" in noted(world)


def test_a_picture_without_words_is_no_malformed_text(world):
    missed(world, phone(1), "", media=1)

    assert hear(world) == 1
    assert "malformed_text" not in noted(world)


def test_each_reading_goes_back_to_the_last_text_and_a_little_further(world):
    hear(world)
    world.clock.advance(hours=2)
    missed(world, phone(1), "NRC AAN", ago=3600)
    assert hear(world) == 1

    # Older than the newest one that is known, but it was not in the list then.
    missed(world, phone(2), "NRC AAN", ago=3600 + 300)
    assert hear(world) == 1


def test_a_clock_that_was_ahead_makes_us_miss_nothing(world):
    world.clock.advance(days=1)
    hear(world)
    world.clock.advance(days=-1, minutes=30)
    missed(world, phone(1), "NRC AAN")

    assert hear(world) == 1


def test_a_number_that_a_clock_dated_ahead_is_heard_all_the_same(world):
    with world.runtime.transaction() as session:
        session.execute(update(Sender).values(created=world.clock.now() + timedelta(days=1)))
    missed(world, phone(1), "NRC AAN")

    assert hear(world) == 1


def test_what_came_before_the_number_was_ours_is_not_for_us(world):
    missed(world, phone(1), "NRC AAN", ago=3600)

    assert hear(world) == 0


def test_what_was_not_read_lately_or_failed_needs_a_reading(world):
    began = world.clock.now()
    with world.runtime.reading() as session:
        numbers = [one.id for one in session.execute(select(Sender)).scalars()]
        assert listening.needs_hearing(session, numbers, began) == numbers
    hear(world)
    with world.runtime.reading() as session:
        assert listening.needs_hearing(session, numbers, began) == []
        later = began + timedelta(seconds=1)
        assert listening.needs_hearing(session, numbers, later) == numbers
    world.provider.unreadable = "http_500"
    with pytest.raises(Unheard):
        hear(world)
    with world.runtime.reading() as session:
        assert listening.needs_hearing(session, numbers, began) == numbers


def test_a_thousand_missed_texts_are_heard(sqlite_world):
    world: World = sqlite_world
    world.provider.inbound = []
    for number in range(600):
        missed(world, phone(number), "NRC AAN" if number % 2 else "STOP", ago=number % 7)

    assert hear(world) == 600


def test_a_stop_to_the_number_that_a_bulletin_goes_out_from_is_heard(world):
    """The list got another number after the audience was frozen."""
    for number in range(3):
        world.text(phone(number), "NRC AAN")
    world.bulletin()
    world.start()
    give_another_number(world)
    world.clock.advance(seconds=30)
    missed(world, phone(0), "STOP")
    world.runtime = replace(world.runtime, memory=Memory())
    world.send()

    got = [one.recipient.wire for one in world.provider.sent if one.text.startswith("Goedemorgen")]
    assert sorted(got) == [phone(1), phone(2)]


class _Timed(FakeProvider):
    """Notes when each request was made."""

    moments: list[float]

    async def send(self, message, *, begin_within):
        self.moments.append(monotonic())
        return await super().send(message, begin_within=begin_within)


def test_answers_keep_to_the_pace_of_their_sender(database_url, tmp_path, clock):
    provider = _Timed(clock=clock)
    provider.moments = []
    pace = {"BROADCASTER_SENDING__SMS_RATE": "40"}
    opened = contextmanager(make_runtime)(database_url, tmp_path / "home", clock, provider, **pace)
    with opened as runtime:
        populate(runtime)
        world = World(runtime, clock, provider)
        clock.advance(minutes=10)
        for number in range(8):
            missed(world, phone(number, whatsapp=False), "NRC AAN", ago=60)
        hear(world)
    segments = sum(count(one.text).segments for one in provider.sent)
    assert len(provider.sent) == 8
    last = count(provider.sent[-1].text).segments
    # So many segments need that long; a late one is no faster.
    assert provider.moments[-1] - provider.moments[0] >= (segments - last) / 40
