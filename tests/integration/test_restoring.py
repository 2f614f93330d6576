"""P12: a restored backup sends nothing until it was compared with the provider's list."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from broadcaster.core.address import Address
from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import TAKEN, State
from broadcaster.core.errors import Conflict, ListUnreadable
from broadcaster.core.messages import (
    Deferred,
    Direction,
    OutboundMessage,
    ProviderStatus,
    Unknown,
)
from broadcaster.services import (
    claiming,
    comparing,
    heartbeat,
    letters,
    listening,
    outcomes,
    restoring,
    starting,
)
from broadcaster.services.comparing import Stage
from broadcaster.services.outcomes import Result
from broadcaster.storage import deliveries, hearing, incidents, installation, tallies
from broadcaster.storage.models import Bulletin, Delivery, Installation
from broadcaster.testing import FakeProvider, accept
from tests.missed import missed
from tests.restored import backup, bulletin, compare, go_on, recognise
from tests.world import WHATSAPP, World, phone


@pytest.fixture
def provider(clock) -> FakeProvider:
    return FakeProvider(clock=clock)


@pytest.fixture
def newsroom(world) -> World:
    """A newsroom with five readers."""
    for number in range(5):
        world.text(phone(number), "NRC AAN")
    return world


def rows(world) -> list[Delivery]:
    with world.runtime.reading() as session:
        found = list(session.execute(select(Delivery).order_by(Delivery.id)).scalars())
        for number in {row.bulletin_id for row in found}:
            assert tallies.of(session, number) == deliveries.counts(session, number)
        return found


def noted(world) -> dict[str, str]:
    with world.runtime.reading() as session:
        return {one.kind: one.reference for one in incidents.recent(session, 20)}


def test_a_database_that_knows_everything_is_no_old_one(newsroom):
    newsroom.bulletin()
    newsroom.send()

    assert not recognise(newsroom)
    assert comparing.compare(newsroom.runtime).stage is Stage.CURRENT


def test_a_backup_of_before_a_bulletin_sends_nothing_of_it_again(newsroom):
    """Test 7 of the delivery promise: copy, send, restore, start: nothing; then only who lacks it."""
    number = newsroom.bulletin()
    with backup(newsroom) as restore:
        newsroom.send()
        assert len(newsroom.provider.sent) == 5
        restore()

        assert recognise(newsroom)
        newsroom.send()
        assert len(newsroom.provider.sent) == 5
        held = bulletin(newsroom, number)
        assert (held.state, held.held_reason) == (BulletinState.HELD, "restored")
        with pytest.raises(Conflict):
            go_on(newsroom, number)

        found = compare(newsroom)
        assert (found.stage, found.attributed, found.unexplained) == (Stage.COMPARED, 5, 0)
        newsroom.send()
        assert len(newsroom.provider.sent) == 5
        assert bulletin(newsroom, number).state == BulletinState.FINISHED
        assert {row.sid for row in rows(newsroom)} == {
            one.sid for one in newsroom.provider.accepted
        }


def test_only_who_really_lacks_it_gets_it_after_a_restore_in_the_middle(newsroom):
    """The backup was made while it went out, and some have it that the backup does not know of."""
    answers = iter([accept, accept, accept])

    def answer(message):
        return next(answers, lambda _message: Unknown(reason="timeout"))(message)

    number = newsroom.bulletin()
    with backup(newsroom) as restore:
        newsroom.provider.answer = answer
        newsroom.send()
        restore()
        newsroom.provider.answer = accept
        assert recognise(newsroom)

        assert compare(newsroom).attributed == 3
        newsroom.send()
        assert len(newsroom.provider.sent) == 5
        assert bulletin(newsroom, number).compared is not None
        go_on(newsroom, number)
        newsroom.send()

        asked = [one.recipient.wire for one in newsroom.provider.sent[5:]]
        assert len(asked) == 2
        got = [one.recipient.wire for one in newsroom.provider.accepted]
        assert sorted(got) == sorted(phone(n) for n in range(5))
        assert all(State(row.state) in TAKEN for row in rows(newsroom))


def test_a_bulletin_that_was_sent_early_does_not_go_out_again_at_its_time(newsroom):
    """In the backup it is scheduled for tomorrow; the editor had sent it today."""
    number = newsroom.bulletin()
    now = newsroom.clock.now()
    with newsroom.runtime.transaction() as session:
        session.get_one(Bulletin, number).starts_at = now.replace(hour=20)
    with backup(newsroom) as restore:
        with newsroom.runtime.transaction() as session:
            session.get_one(Bulletin, number).starts_at = now
        newsroom.send()
        restore()
        assert recognise(newsroom)
        assert bulletin(newsroom, number).state == BulletinState.SCHEDULED
        assert compare(newsroom).attributed == 5
        assert bulletin(newsroom, number).held_reason == "restored"

        newsroom.clock.advance(hours=15)
        newsroom.send()
        assert len(newsroom.provider.sent) == 5


def test_a_bulletin_that_the_backup_knows_nothing_of_is_counted(newsroom):
    with backup(newsroom) as restore:
        newsroom.bulletin()
        newsroom.send()
        restore()
        assert recognise(newsroom)

        found = compare(newsroom)
        assert (found.attributed, found.unexplained) == (0, 5)
        assert noted(newsroom)["restored_unexplained"] == "5 messages"

        with newsroom.runtime.reading() as session:
            assert not installation.is_restored(session)


def test_what_people_texted_since_the_backup_is_applied_and_not_answered_again(newsroom):
    with backup(newsroom) as restore:
        newsroom.clock.advance(minutes=20)
        left = missed(newsroom, phone(1), "STOP")
        came = missed(newsroom, phone(7), "NRC AAN")
        newsroom.text(phone(1), "STOP", sid=left.sid)
        newsroom.text(phone(7), "NRC AAN", sid=came.sid)
        number = newsroom.bulletin()
        newsroom.send()
        sent = len(newsroom.provider.sent)
        restore()
        assert recognise(newsroom)
        assert compare(newsroom).unexplained == 5

        assert newsroom.events()[-2:] == [("opt_out_all", "*"), ("opt_in", "nrc")]
        assert len(newsroom.provider.sent) == sent
        del number


def test_nothing_is_compared_before_the_list_can_show_everything(newsroom):
    newsroom.bulletin()
    with backup(newsroom) as restore:
        newsroom.send()
        restore()
        recognise(newsroom)

        found = comparing.compare(newsroom.runtime)
        assert found.stage is Stage.SETTLING
        assert (found.until - newsroom.clock.now()).total_seconds() == 600


def test_while_the_list_cannot_be_read_everything_stays_held(newsroom):
    number = newsroom.bulletin()
    with backup(newsroom) as restore:
        newsroom.send()
        restore()
        recognise(newsroom)
        newsroom.provider.unreadable = "http_500"

        assert compare(newsroom).stage is Stage.UNREADABLE
        with pytest.raises(Conflict):
            go_on(newsroom, number)
        newsroom.provider.unreadable = None
        assert compare(newsroom).stage is Stage.COMPARED


def test_nobody_knows_while_the_list_cannot_be_read(newsroom):
    newsroom.provider.unreadable = "timeout"

    with pytest.raises(ListUnreadable):
        recognise(newsroom)


def test_a_heartbeat_that_goes_backwards_tells_without_the_provider(newsroom):
    newsroom.provider.unreadable = "timeout"
    number = newsroom.bulletin()
    with backup(newsroom) as restore:
        for step in range(5):
            assert not heartbeat.beat(newsroom.runtime, clock=lambda step=step: step * 10.0)
        restore()

        assert heartbeat.beat(newsroom.runtime)
        assert bulletin(newsroom, number).held_reason == "restored"
        assert noted(newsroom)["restored"] == "heartbeat"


def test_one_restore_is_found_once(newsroom):
    with backup(newsroom) as restore:
        for step in range(5):
            heartbeat.beat(newsroom.runtime, clock=lambda step=step: step * 10.0)
        restore()
        heartbeat.beat(newsroom.runtime)
        assert compare(newsroom).stage is Stage.COMPARED

        assert not heartbeat.beat(newsroom.runtime)
        assert comparing.compare(newsroom.runtime).stage is Stage.CURRENT


@pytest.mark.parametrize("kept", ["", "nonsense", "-5", "9" * 40, "\N{SUPERSCRIPT TWO}"])
def test_a_file_that_holds_no_number_says_nothing(newsroom, kept):
    (newsroom.runtime.settings.home / "beat").write_text(kept)

    assert not heartbeat.beat(newsroom.runtime)
    assert (newsroom.runtime.settings.home / "beat").read_text().strip() == "1"


def hand_over(world) -> list[Result]:
    """Let another worker hand everything over; the provider takes it, and no answer has come."""
    world.bulletin()
    starting.start_due(world.runtime)
    batch = claiming.claim(world.runtime, worker="other", limit=10)
    handed = claiming.hand_over(world.runtime, worker="other", ready=batch.ready)
    for ready, _attempt in handed:
        world.provider.take(letters.compose(world.runtime, ready.claim))
    return [Result(ready.claim, attempt, Deferred(retry_after=1)) for ready, attempt in handed]


def test_a_request_whose_outcome_is_being_written_is_no_sign(newsroom):
    """Another worker has just handed it over; its id is not known yet."""
    results = hand_over(newsroom)
    assert not recognise(newsroom)

    # What waits was not taken: then this is the message of another past.
    outcomes.write_down(newsroom.runtime, results)
    assert recognise(newsroom)


def test_one_open_request_explains_one_message(newsroom):
    hand_over(newsroom)
    twice = newsroom.provider.accepted[0]
    newsroom.provider.accepted.append(replace(twice, sid="SM" + "e" * 32))

    assert recognise(newsroom)


def test_an_answer_by_message_is_no_sign(newsroom):
    missed(newsroom, phone(1), "HELP")
    newsroom.provider.answer = lambda message: (
        newsroom.provider.take(message),
        Unknown(reason="timeout"),
    )[1]
    with newsroom.runtime.reading() as session:
        listening.catch_up(newsroom.runtime, [one.id for one in hearing.senders(session)])
    assert len(newsroom.provider.accepted) == 1

    assert not recognise(newsroom)


@pytest.mark.parametrize(
    "changed",
    [
        {"direction": Direction.OUTBOUND_REPLY},
        {"status": ProviderStatus.FAILED},
        {"status": ProviderStatus.CANCELED},
    ],
)
def test_answers_to_webhooks_and_refused_requests_are_no_sign(newsroom, changed):
    newsroom.provider.accepted.append(replace(_foreign(newsroom), **changed))

    assert not recognise(newsroom)


def test_what_went_out_before_the_number_was_ours_is_no_sign(newsroom):
    old = replace(_foreign(newsroom), created=newsroom.clock.now().replace(year=2025))
    newsroom.provider.accepted.append(old)

    assert not recognise(newsroom)


def _foreign(world, text="Uw afspraak is morgen"):
    """A message that other software sent from our number."""
    listed = world.provider.take(
        OutboundMessage(
            sender=Address.parse(WHATSAPP), recipient=Address.parse(phone(1)), text=text
        )
    )
    world.provider.accepted.remove(listed)
    return listed


def test_other_software_on_the_number_holds_everything_until_somebody_says_so(newsroom):
    newsroom.provider.accepted.append(_foreign(newsroom))
    assert recognise(newsroom)

    with newsroom.runtime.transaction() as session:
        installation.note_shared(session, newsroom.clock.now())
    assert compare(newsroom).stage is Stage.COMPARED
    assert not recognise(newsroom)

    # Even then, the words of a bulletin that is still to go out give an old database away.
    number = newsroom.bulletin()
    newsroom.provider.accepted.append(_foreign(newsroom, text="Goedemorgen!"))
    assert recognise(newsroom)
    assert bulletin(newsroom, number).held_reason == "restored"


def test_messages_without_words_leave_their_people_to_a_person(newsroom):
    number = newsroom.bulletin()
    with backup(newsroom) as restore:
        newsroom.send()
        newsroom.provider.accepted = [
            replace(one, text="") for one in newsroom.provider.accepted[:3]
        ]
        restore()
        assert recognise(newsroom)

        found = compare(newsroom)
        assert (found.held, found.attributed) == (3, 0)
        go_on(newsroom, number)
        newsroom.send()
        assert len(newsroom.provider.sent) == 7
        assert [row.state for row in rows(newsroom)].count(State.HELD) == 3


def test_a_comparison_that_broke_off_goes_on_where_it_must(newsroom, monkeypatch):
    """What a first attempt found does not count as known all along."""
    monkeypatch.setattr(comparing, "_AT_ONCE", 2)
    monkeypatch.setattr(comparing, "_ENOUGH_KNOWN", 2)
    newsroom.bulletin()
    with backup(newsroom) as restore:
        newsroom.send()
        restore()
        recognise(newsroom)
        reading = newsroom.provider.messages

        async def messages(**asked):
            count = 0
            async for one in reading(**asked):
                if asked.get("sender") is not None:
                    count += 1
                if count == 4:
                    raise ListUnreadable(reason="timeout")
                yield one

        newsroom.provider.messages = messages
        assert compare(newsroom).stage is Stage.UNREADABLE
        assert sum(row.sid is not None for row in rows(newsroom)) == 2
        newsroom.provider.messages = reading

        assert compare(newsroom).attributed == 3
        assert all(row.sid for row in rows(newsroom))


def test_what_the_backup_knew_is_where_the_reading_ends(newsroom, monkeypatch):
    monkeypatch.setattr(comparing, "_AT_ONCE", 2)
    monkeypatch.setattr(comparing, "_ENOUGH_KNOWN", 4)
    for _ in range(4):
        newsroom.bulletin(text="Goedemorgen!")
        newsroom.send()
        newsroom.clock.advance(minutes=1)
    newsroom.bulletin(text="Goedenavond!")
    with backup(newsroom) as restore:
        newsroom.send()
        restore()
        recognise(newsroom)
        read = []
        reading = newsroom.provider.messages

        async def messages(**asked):
            async for one in reading(**asked):
                read.append(one)
                yield one

        newsroom.provider.messages = messages
        assert compare(newsroom).attributed == 5
        assert len(read) <= 12


def test_a_restore_that_a_clock_dated_ahead_can_be_compared_all_the_same(newsroom):
    with newsroom.runtime.transaction() as session:
        ahead = newsroom.clock.now().replace(year=2030)
        session.execute(update(Installation).values(restored=ahead))

    assert comparing.compare(newsroom.runtime).stage is Stage.SETTLING
    assert compare(newsroom).stage is Stage.COMPARED


def test_two_processes_that_compare_count_each_message_once(newsroom):
    newsroom.bulletin(text="Goedemorgen!")
    newsroom.bulletin(text="Goedemorgen!")
    with backup(newsroom) as restore:
        newsroom.send()
        restore()
        recognise(newsroom)
        assert compare(newsroom).attributed == 10
        with newsroom.runtime.transaction() as session:
            restoring.declare(session, newsroom.runtime, "messages")

        found = compare(newsroom)
        assert (found.attributed, found.unexplained) == (0, 0)
        assert len({row.sid for row in rows(newsroom)}) == 10
