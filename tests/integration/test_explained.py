"""What was sent again or taken twice is no sign of a restored database; what was forgotten still is."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import select

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import State
from broadcaster.core.messages import Accepted, Deferred, Unknown
from broadcaster.runtime import Memory
from broadcaster.services import brakes, comparing, letters, reconciling, restoring
from broadcaster.services.comparing import Stage
from broadcaster.storage import deliveries, hearing, unknowns
from broadcaster.storage.models import Explained
from broadcaster.testing import FakeProvider, accept
from tests.backup import kept
from tests.world import World, make_runtime, phone, populate

TRIAL = "Sent from your Twilio trial account - "
FIRST, SECOND = "SM" + "1" * 32, "SM" + "2" * 32
#: What the provider's list may show of a text.
SHOWN = {
    "as it is": str,
    "after a line": lambda text: TRIAL + text,
    "written differently": lambda text: text.replace("!", "."),
    "without words": lambda _text: "",
}


@pytest.fixture
def provider(clock) -> FakeProvider:
    return FakeProvider(clock=clock)


@pytest.fixture
def newsroom(world) -> World:
    """A newsroom with three readers."""
    for number in range(3):
        world.text(phone(number), "NRC AAN")
    return world


@pytest.fixture
def deciding(database_url, tmp_path, clock, provider):
    """A newsroom with three readers, whose operator chose that a person decides."""
    hold = {"BROADCASTER_SENDING__ON_UNCERTAIN": "hold"}
    opened = contextmanager(make_runtime)(database_url, tmp_path / "home", clock, provider, **hold)
    with opened as runtime:
        populate(runtime)
        made = World(runtime, clock, provider)
        for number in range(3):
            made.text(phone(number), "NRC AAN")
        yield made


def recognise(world) -> bool:
    with world.runtime.reading() as session:
        numbers = [one.id for one in hearing.senders(session)]
    return restoring.recognise(world.runtime, numbers)


@contextmanager
def backup(world):
    """Keep a copy of the database; give a function that puts it back, under a new process."""
    world.runtime.database.dispose()
    with kept(world.runtime.settings.database.url) as put_back:

        def restore():
            world.runtime.database.dispose()
            put_back()
            world.runtime = replace(world.runtime, memory=Memory())

        yield restore


def explained(world) -> dict[str, str]:
    with world.runtime.reading() as session:
        return {one.sid: one.reason for one in session.execute(select(Explained)).scalars()}


def lose(world, shown=str) -> None:
    """Let the provider take everything from now on under ids of its own, and answer nothing."""

    def answer(message):
        sid = f"SM{'e' * 16}{len(world.provider.accepted):016x}"
        listed = world.provider.take(message, sid=sid)
        world.provider.accepted[-1] = replace(listed, text=shown(listed.text))
        return Unknown(reason="timeout")

    world.provider.answer = answer


def held_and_sent_again(world, shown=str) -> int:
    """Let everybody be held though the provider took it, and an editor say that it is sent again."""
    lose(world, shown)
    number = world.bulletin()
    world.send()
    assert set(world.states()) == {State.HELD}
    world.clock.advance(seconds=90)
    again(world, number)
    return number


def again(world, number) -> None:
    now = world.clock.now()
    world.runtime.run(
        lambda session: brakes.send_held_again(session, world.runtime, number, now=now)
    )


@pytest.mark.parametrize("shown", SHOWN.values(), ids=SHOWN)
def test_the_first_of_two_messages_is_no_sign_once_a_person_had_it_sent_again(deciding, shown):
    number = held_and_sent_again(deciding, shown)
    assert not recognise(deciding)

    deciding.provider.answer = accept
    deciding.send()
    assert deciding.report(number).by_state == {State.ACCEPTED: 3}
    deciding.clock.advance(minutes=5)
    assert not recognise(deciding)

    following = deciding.bulletin(text="Goedemiddag!")
    deciding.send()
    assert deciding.bulletin_state(following) == (BulletinState.FINISHED, None)
    assert deciding.incidents() == {}


def test_nor_when_the_second_request_was_put_off_or_its_person_had_left(deciding):
    number = held_and_sent_again(deciding)
    deciding.text(phone(0), "STOP")
    deciding.provider.answer = lambda _message: Deferred(retry_after=1.0)
    deciding.send()
    deciding.clock.advance(seconds=30)

    assert deciding.report(number).by_state == {State.QUEUED: 2, State.SKIPPED: 1}
    assert not recognise(deciding)


def test_nor_when_the_second_one_is_lost_as_well(deciding):
    held_and_sent_again(deciding)
    deciding.send()
    assert len(deciding.provider.accepted) == 6
    assert set(deciding.states()) == {State.HELD}

    assert not recognise(deciding)
    third = replace(deciding.provider.accepted[-1], sid=FIRST)
    deciding.provider.accepted.append(third)
    assert recognise(deciding)


@pytest.mark.parametrize("shown", SHOWN.values(), ids=SHOWN)
def test_what_waits_for_a_person_is_no_sign_whatever_its_words_became(deciding, shown):
    lose(deciding, shown)
    deciding.bulletin()
    deciding.send()
    deciding.clock.advance(minutes=30)

    assert not recognise(deciding)


def test_a_message_with_other_words_that_is_newer_than_what_waits_is_a_sign(deciding):
    """The backup knows of a bulletin that waits for a person, and nothing of the next one."""
    lose(deciding)
    deciding.bulletin()
    deciding.send()
    deciding.clock.advance(minutes=30)
    with backup(deciding) as restore:
        deciding.provider.answer = accept
        deciding.bulletin(text="Goedemiddag!")
        deciding.send()
        restore()

        assert recognise(deciding)


def test_a_backup_of_between_two_attempts_is_recognised_by_the_second(deciding):
    held_and_sent_again(deciding)
    with backup(deciding) as restore:
        deciding.clock.advance(seconds=5)
        deciding.provider.answer = lambda _message: Accepted(
            sid=f"SM{'a' * 16}{len(deciding.provider.accepted):016x}"
        )
        deciding.send()
        assert len(deciding.provider.sent) == 6
        restore()

        assert recognise(deciding)
        deciding.send()
        assert len(deciding.provider.sent) == 6


def test_a_backup_of_while_everything_was_put_off_is_recognised(newsroom):
    """A number of attempts alone explains nothing: of these the provider took none."""
    newsroom.provider.answer = lambda _message: Deferred(retry_after=1.0)
    newsroom.bulletin()
    for _ in range(3):
        newsroom.send()
        newsroom.clock.advance(minutes=1)
    newsroom.clock.advance(seconds=5)
    with backup(newsroom) as restore:
        newsroom.provider.answer = accept
        newsroom.send()
        assert len(newsroom.provider.accepted) == 3
        restore()

        assert recognise(newsroom)


def test_a_second_id_of_one_delivery_is_known_from_then_on(newsroom):
    newsroom.bulletin()
    newsroom.start()
    handed = newsroom.hand_over(newsroom.claim())
    newsroom.callback(1, "sent", sid=FIRST)
    ready = handed[0][0]
    newsroom.provider.take(letters.compose(newsroom.runtime, ready.claim), sid=SECOND)
    newsroom.write_down(handed[:1], lambda _ready: Accepted(sid=SECOND))

    assert explained(newsroom) == {SECOND: unknowns.DUPLICATE}
    assert not recognise(newsroom)
    assert newsroom.incidents() == {"duplicate": 1}


def test_a_second_message_that_the_list_shows_is_known_from_then_on(newsroom):
    lose(newsroom)
    newsroom.bulletin()
    newsroom.send()
    twice = replace(newsroom.provider.accepted[0], sid="SM" + "f" * 32)
    newsroom.provider.accepted.append(twice)
    reconciling.look_up_unknown(newsroom.runtime)

    assert explained(newsroom) == {twice.sid: unknowns.DUPLICATE}
    assert not recognise(newsroom)


def test_what_a_comparison_found_nothing_for_is_known_from_then_on(newsroom):
    with backup(newsroom) as restore:
        newsroom.bulletin()
        newsroom.send()
        restore()
        assert recognise(newsroom)
        newsroom.clock.advance(seconds=601)
        assert comparing.compare(newsroom.runtime).unexplained == 3

        assert set(explained(newsroom).values()) == {unknowns.COMPARED}
        assert not recognise(newsroom)
        # They compared with the list once more: nothing of it is strange any longer.
        with newsroom.runtime.transaction() as session:
            restoring.declare(session, newsroom.runtime, "messages")
        newsroom.clock.advance(seconds=601)
        assert comparing.compare(newsroom.runtime).unexplained == 0


def test_a_comparison_that_broke_off_explains_nothing_yet(newsroom):
    with backup(newsroom) as restore:
        newsroom.bulletin()
        newsroom.send()
        restore()
        assert recognise(newsroom)
        newsroom.clock.advance(seconds=601)
        newsroom.provider.unreadable = "timeout"

        assert comparing.compare(newsroom.runtime).stage is Stage.UNREADABLE
        assert explained(newsroom) == {}


def test_who_got_it_with_a_line_before_it_is_not_sent_it_again_after_a_restore(newsroom):
    number = newsroom.bulletin()
    with backup(newsroom) as restore:
        newsroom.send()
        newsroom.provider.accepted = [
            replace(one, text=TRIAL + one.text) for one in newsroom.provider.accepted
        ]
        restore()
        assert recognise(newsroom)
        newsroom.clock.advance(seconds=601)

        found = comparing.compare(newsroom.runtime)
        assert (found.held, found.unexplained) == (3, 0)
        assert {row.reason for row in newsroom.deliveries()} == {"ambiguous"}
        now = newsroom.clock.now()
        newsroom.runtime.run(
            lambda session: brakes.go_on(session, newsroom.runtime, number, now=now)
        )
        newsroom.send()
        assert len(newsroom.provider.sent) == 3
        newsroom.check_tallies()
        assert not recognise(newsroom)


def test_what_the_look_up_sent_again_explains_a_message_that_the_list_showed_too_late(newsroom):
    """The assumption behind the repetition was broken: that is an alarm, and no restored database."""
    lose(newsroom)
    newsroom.bulletin()
    newsroom.send()
    newsroom.clock.advance(seconds=700)
    with newsroom.runtime.transaction() as session:
        for number in (1, 2, 3):
            unknowns.send_again(session, deliveries.lock(session, number), newsroom.clock.now())
    newsroom.provider.answer = accept
    newsroom.send()

    assert newsroom.states() == [State.ACCEPTED] * 3
    assert not recognise(newsroom)
