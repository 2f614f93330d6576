"""The editor's brakes, and those that the program pulls itself: nobody is lost, nobody is doubled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from broadcaster.core.bulletin import BulletinState, HeldReason
from broadcaster.core.delivery import State
from broadcaster.core.errors import Conflict, InvalidMoment
from broadcaster.core.messages import Accepted, Deferred, Refused, Unknown
from broadcaster.services import brakes, bulletins, readiness, tending
from broadcaster.storage import lists as stored_lists
from broadcaster.storage import pacing
from broadcaster.storage.models import Bulletin
from broadcaster.testing import accept
from tests.world import World, make_runtime, phone, populate


def join(world, people):
    for number in range(people):
        world.text(phone(number), "NRC AAN")


def pause(world, number):
    with world.runtime.transaction() as session:
        brakes.pause(session, number, now=world.clock.now())


def go_on(world, number):
    with world.runtime.transaction() as session:
        brakes.go_on(session, world.runtime, number, now=world.clock.now())


def stop(world, number):
    with world.runtime.transaction() as session:
        brakes.stop(session, number, now=world.clock.now())


def accepted(ready):
    return Accepted(sid=f"SM{ready.claim.delivery_id:032x}")


@pytest.fixture
def under_way(world):
    """A bulletin to three: one is handed over, one is claimed, one waits."""
    join(world, 3)
    world.number = world.bulletin()
    world.start()
    world.handed = world.hand_over(world.claim(limit=1))
    world.claimed = world.claim(limit=1)
    assert world.states() == [State.HANDED_OVER, State.CLAIMED, State.QUEUED]
    return world


def test_a_pause_takes_effect_at_every_step_at_once(under_way):
    pause(under_way, under_way.number)

    assert under_way.hand_over(under_way.claimed) == []
    assert under_way.claim() == []
    assert under_way.states() == [State.HANDED_OVER, State.QUEUED, State.QUEUED]
    # What has left has left, and is written down.
    under_way.write_down(under_way.handed, accepted)
    assert under_way.states() == [State.ACCEPTED, State.QUEUED, State.QUEUED]
    under_way.send()
    assert under_way.bulletin_state(under_way.number) == (BulletinState.PAUSED, None)
    assert under_way.provider.sent == []


@pytest.mark.parametrize(
    "state", [BulletinState.PAUSED, BulletinState.HELD, BulletinState.CANCELLED]
)
def test_a_claim_that_was_written_just_after_the_brake_is_not_handed_over(under_way, state):
    """The claim and the brake may be under way at the same time; the hand-over looks again."""
    with under_way.runtime.transaction() as session:
        session.execute(update(Bulletin).values(state=state.value))

    assert under_way.hand_over(under_way.claimed) == []


def test_continuing_sends_to_exactly_those_who_have_not_got_it(under_way):
    pause(under_way, under_way.number)
    under_way.write_down(under_way.handed, accepted)
    go_on(under_way, under_way.number)
    under_way.send()

    assert under_way.recipients() == [phone(1), phone(2)]
    report = under_way.report(under_way.number)
    assert report.by_state == {State.ACCEPTED: 3}
    assert report.bulletin.state == BulletinState.FINISHED


@pytest.mark.parametrize("outcome", [Deferred(retry_after=0.0), None], ids=str)
def test_what_comes_back_during_a_pause_waits_for_its_end(under_way, outcome):
    pause(under_way, under_way.number)
    under_way.write_down(under_way.handed, lambda _ready: outcome)
    under_way.send()
    assert under_way.states() == [State.QUEUED] * 3
    assert under_way.provider.sent == []

    go_on(under_way, under_way.number)
    under_way.send()

    assert sorted(under_way.recipients()) == [phone(0), phone(1), phone(2)]


def test_an_unknown_outcome_during_a_pause_is_not_sent_again_by_continuing(under_way):
    pause(under_way, under_way.number)
    under_way.write_down(under_way.handed, lambda _ready: Unknown(reason="timeout"))
    under_way.clock.advance(seconds=1)
    go_on(under_way, under_way.number)
    under_way.send()

    assert under_way.recipients() == [phone(1), phone(2)]
    assert under_way.states()[0] == State.UNKNOWN


def test_pausing_in_the_middle_of_sending(world):
    """As the button does it: while a worker has claims in its hands and requests under way."""
    join(world, 95)
    number = world.bulletin()

    def pause_at_the_tenth(message):
        if len(world.provider.sent) == 10:
            pause(world, number)
        return accept(message)

    world.provider.answer = pause_at_the_tenth
    world.send()
    sent = len(world.recipients())
    # What was handed over in the same go still leaves; nothing else does.
    assert 10 <= sent <= world.runtime.settings.sending.concurrency
    assert world.report(number).waiting == 95 - sent

    world.provider.answer = accept
    go_on(world, number)
    world.send()

    assert sorted(world.recipients()) == sorted(phone(n) for n in range(95))
    assert world.report(number).bulletin.state == BulletinState.FINISHED


def test_pausing_and_continuing_in_the_middle_of_sending_sends_once(world):
    """P3: the worker that had claims in its hands claims them once more, and makes one request."""
    join(world, 95)
    number = world.bulletin()

    def pause_and_go_on(message):
        if len(world.provider.sent) in {5, 30, 60, 61}:
            pause(world, number)
            go_on(world, number)
        return accept(message)

    world.provider.answer = pause_and_go_on
    world.send()
    world.send()

    assert sorted(world.recipients()) == sorted(phone(n) for n in range(95))
    assert world.report(number).bulletin.state == BulletinState.FINISHED


def test_who_leaves_during_a_pause_gets_nothing_afterwards(under_way):
    pause(under_way, under_way.number)
    under_way.text(phone(2), "STOP")
    go_on(under_way, under_way.number)
    under_way.send()

    assert under_way.recipients() == [phone(1)]
    assert under_way.report(under_way.number).skipped == {"left": 1}


def test_a_paused_bulletin_that_everybody_has_is_finished(world):
    join(world, 1)
    number = world.bulletin()
    world.start()
    handed = world.hand_over(world.claim())
    pause(world, number)
    world.write_down(handed, accepted)
    tending.tend(world.runtime)

    assert world.bulletin_state(number) == (BulletinState.FINISHED, None)


def test_stopping_takes_back_what_waits_at_every_step(under_way):
    stop(under_way, under_way.number)

    assert under_way.hand_over(under_way.claimed) == []
    assert under_way.claim() == []
    assert under_way.states() == [State.HANDED_OVER, State.SKIPPED, State.SKIPPED]
    under_way.write_down(under_way.handed, accepted)
    report = under_way.report(under_way.number)
    assert report.by_state == {State.ACCEPTED: 1, State.SKIPPED: 2}
    assert report.skipped == {"cancelled": 2}


@pytest.mark.parametrize("outcome", [Deferred(retry_after=0.0), Refused(code=30008), None], ids=str)
def test_what_comes_back_after_a_stop_is_taken_back_too(under_way, outcome):
    stop(under_way, under_way.number)
    under_way.write_down(under_way.handed, lambda _ready: outcome)
    under_way.clock.advance(minutes=10)
    under_way.send()

    assert under_way.states() == [State.SKIPPED] * 3
    assert under_way.provider.sent == []


def test_a_claim_that_was_written_just_after_a_stop_is_taken_back(under_way):
    with under_way.runtime.transaction() as session:
        now = under_way.clock.now()
        session.execute(update(Bulletin).values(state=BulletinState.CANCELLED.value, ended=now))
    tending.tend(under_way.runtime)

    assert under_way.states() == [State.HANDED_OVER, State.SKIPPED, State.SKIPPED]


def test_a_bulletin_can_be_stopped_before_and_while_it_waits(world):
    join(world, 1)
    scheduled, paused, held = (world.bulletin(text=text) for text in "abc")
    stop(world, scheduled)
    world.start()
    pause(world, paused)
    stop(world, paused)
    world.write_down(world.hand_over(world.claim()), lambda _ready: Refused(code=21617))
    assert world.bulletin_state(held) == (BulletinState.HELD, HeldReason.REFUSED)
    stop(world, held)
    world.send()

    for number in (scheduled, paused, held):
        assert world.bulletin_state(number) == (BulletinState.CANCELLED, None)
    assert world.states() == [State.SKIPPED, State.SKIPPED]


def test_a_brake_that_makes_no_sense_says_so(world):
    join(world, 1)
    number = world.bulletin()
    with pytest.raises(Conflict, match="not going out"):
        pause(world, number)
    with pytest.raises(Conflict, match="not waiting"):
        go_on(world, number)
    world.send()
    for brake in (pause, go_on, stop):
        with pytest.raises(Conflict):
            brake(world, number)


def test_two_presses_on_continue_are_one(under_way):
    pause(under_way, under_way.number)
    go_on(under_way, under_way.number)
    with pytest.raises(Conflict):
        go_on(under_way, under_way.number)
    under_way.send()

    assert under_way.recipients() == [phone(1), phone(2)]


# --- The program's own brakes -----------------------------------------------------------------


def fail(world, times):
    """Let so many requests be refused, each for a reason of its own person."""
    world.write_down(world.hand_over(world.claim(limit=times)), lambda _ready: Refused(code=30003))


def succeed(world, times):
    world.write_down(world.hand_over(world.claim(limit=times)), accepted)


def test_a_bulletin_holds_itself_when_too_many_of_its_messages_fail(world):
    join(world, 90)
    number = world.bulletin()
    world.start()
    succeed(world, 60)
    fail(world, 20)
    claimed = world.claim(limit=5)
    tending.tend(world.runtime)
    # Twenty of eighty are a quarter, and that is not more than 25 %.
    assert world.bulletin_state(number) == (BulletinState.SENDING, None)

    world.write_down(world.hand_over(claimed[:1]), lambda _ready: Refused(code=30003))
    tending.tend(world.runtime)

    assert world.bulletin_state(number) == (BulletinState.HELD, HeldReason.FAILURES)
    assert world.hand_over(claimed[1:]) == []
    assert world.report(number).waiting == 9
    assert world.incidents() == {"bulletin_failures": 1}


def test_a_few_failures_say_nothing(world):
    join(world, 19)
    number = world.bulletin()
    world.start()
    fail(world, 19)
    tending.tend(world.runtime)

    assert world.bulletin_state(number) == (BulletinState.FINISHED, None)


def test_what_the_provider_reports_later_counts_as_a_failure_too(world):
    join(world, 30)
    number = world.bulletin()
    world.start()
    succeed(world, 29)
    for one in world.deliveries()[:20]:
        world.callback(one.id, "undelivered", error=30003)
    tending.tend(world.runtime)

    assert world.bulletin_state(number) == (BulletinState.HELD, HeldReason.FAILURES)


def test_failures_that_a_person_has_seen_do_not_hold_it_again(world):
    join(world, 120)
    number = world.bulletin()
    world.start()
    fail(world, 30)
    tending.tend(world.runtime)
    assert world.bulletin_state(number) == (BulletinState.HELD, HeldReason.FAILURES)

    go_on(world, number)
    succeed(world, 20)
    fail(world, 19)
    tending.tend(world.runtime)
    assert world.bulletin_state(number) == (BulletinState.SENDING, None)

    fail(world, 1)
    tending.tend(world.runtime)
    assert world.bulletin_state(number) == (BulletinState.HELD, HeldReason.FAILURES)


def test_where_the_operator_wants_it_no_failure_holds_a_bulletin(
    database_url, tmp_path, clock, provider
):
    never = {"BROADCASTER_SENDING__FAILURE_PERCENT": "0"}
    for runtime in make_runtime(database_url, tmp_path / "home", clock, provider, **never):
        populate(runtime)
        world = World(runtime, clock, provider)
        join(world, 40)
        number = world.bulletin()
        world.start()
        fail(world, 30)
        tending.tend(runtime)

        assert world.bulletin_state(number) == (BulletinState.SENDING, None)


def scheduled(world, *, starts_in=timedelta(0), ends_in=None) -> int:
    """Schedule a bulletin with an end of its own."""
    now = world.clock.now()
    with world.runtime.transaction() as session:
        item = stored_lists.by_keyword(session, "NRC")
        made = bulletins.draft(session, list_id=item.id, text="Goedemorgen", author_id=1, now=now)
        bulletins.schedule(
            session,
            made.id,
            version=made.version,
            starts_at=now + starts_in,
            zone="UTC",
            now=now,
            not_after=None if ends_in is None else now + starts_in + ends_in,
        )
        return made.id


def test_after_its_end_nobody_gets_it_any_more(world):
    join(world, 3)
    number = scheduled(world, ends_in=timedelta(minutes=5))
    world.start()
    handed = world.hand_over(world.claim(limit=1))
    claimed = world.claim(limit=1)
    world.clock.advance(minutes=5)

    assert world.claim() == []
    assert world.hand_over(claimed) == []
    tending.sweep(world.runtime)
    assert world.states() == [State.HANDED_OVER, State.EXPIRED, State.EXPIRED]
    world.write_down(handed, accepted)
    tending.tend(world.runtime)
    report = world.report(number)
    assert report.by_state == {State.ACCEPTED: 1, State.EXPIRED: 2}
    assert report.bulletin.state == BulletinState.FINISHED


def test_a_claim_is_not_handed_over_after_the_end_though_its_lease_lasts(world):
    join(world, 1)
    scheduled(world, ends_in=timedelta(seconds=5))
    world.start()
    claimed = world.claim()
    world.clock.advance(seconds=6)

    assert world.runtime.settings.sending.lease > 5
    assert world.hand_over(claimed) == []


def test_what_comes_back_after_the_end_expires(world):
    join(world, 1)
    number = scheduled(world, ends_in=timedelta(minutes=5))
    world.start()
    handed = world.hand_over(world.claim())
    world.clock.advance(minutes=5)
    world.write_down(handed, lambda _ready: Deferred(retry_after=0.0))
    tending.tend(world.runtime)

    assert world.states() == [State.EXPIRED]
    assert world.bulletin_state(number) == (BulletinState.FINISHED, None)


@pytest.mark.parametrize(
    ("ends_in", "validity"),
    [
        (timedelta(minutes=5), 300),
        (timedelta(seconds=1), 1),
        (timedelta(hours=9), 9 * 3600),
        (timedelta(hours=40), 36_000),
        (None, 240 * 60),
    ],
)
def test_the_provider_is_told_until_when_it_may_deliver(world, ends_in, validity):
    join(world, 1)
    scheduled(world, ends_in=ends_in)
    world.send()

    assert [message.validity for message in world.provider.sent] == [validity]


def test_the_rest_of_its_time_is_what_the_provider_gets(world):
    join(world, 2)
    scheduled(world, ends_in=timedelta(minutes=5))

    def only_the_first(message):
        first = message.recipient.wire == phone(0)
        return accept(message) if first else Deferred(retry_after=1.0)

    world.provider.answer = only_the_first
    world.send()
    world.provider.answer = accept
    world.clock.advance(seconds=100.5)
    world.send()

    assert [message.validity for message in world.provider.sent] == [300, 300, 199]


def test_an_end_before_the_start_is_refused(world):
    join(world, 1)
    with pytest.raises(InvalidMoment, match="before it starts"):
        scheduled(world, ends_in=timedelta(0))


def test_a_bulletin_that_is_found_after_its_end_goes_to_nobody(world):
    join(world, 2)
    number = scheduled(world, starts_in=timedelta(minutes=10), ends_in=timedelta(minutes=5))
    world.clock.advance(minutes=20)
    world.send()

    assert world.provider.sent == []
    assert world.report(number).by_state == {State.EXPIRED: 2}


@pytest.mark.parametrize(("minutes", "state"), [(15, "sending"), (15.1, "held")])
def test_the_grace_decides_what_is_late(world, minutes, state):
    join(world, 1)
    number = world.bulletin()
    world.clock.advance(minutes=minutes)
    world.start()

    assert world.bulletin_state(number) == (state, "late" if state == "held" else None)


def test_one_that_gets_late_while_we_ask_what_we_missed_is_held(world, monkeypatch):
    """Reading the provider's list of texts may take its time after an outage."""
    join(world, 1)
    number = world.bulletin()

    def slow(_runtime, _numbers):
        world.clock.advance(minutes=16)
        return True

    monkeypatch.setattr(readiness, "may_start", slow)
    world.start()

    assert world.bulletin_state(number) == (BulletinState.HELD, HeldReason.LATE)
    assert world.states() == []


def test_while_we_cannot_hear_what_we_missed_a_bulletin_waits_and_then_asks(world, monkeypatch):
    join(world, 1)
    number = world.bulletin()
    with monkeypatch.context() as patch:
        patch.setattr(readiness, "may_start", lambda _runtime, _numbers: False)
        world.start()
        assert world.bulletin_state(number) == (BulletinState.SCHEDULED, None)
        world.clock.advance(minutes=16)
        world.start()

    assert world.bulletin_state(number) == (BulletinState.HELD, HeldReason.LATE)


def send_now(world, number, *, starts_in=timedelta(0)):
    now = world.clock.now()
    with world.runtime.transaction() as session:
        version = session.get(Bulletin, number).version
        bulletins.schedule(
            session, number, version=version, starts_at=now + starts_in, zone="UTC", now=now
        )


def test_one_that_was_found_late_goes_out_when_a_person_says_so(world):
    join(world, 1)
    now, later, never = (world.bulletin(text=text) for text in "abc")
    world.clock.advance(hours=3)
    world.start()
    assert {world.bulletin_state(number) for number in (now, later, never)} == {("held", "late")}

    send_now(world, now)
    send_now(world, later, starts_in=timedelta(hours=1))
    stop(world, never)
    world.send()
    assert [message.text for message in world.provider.sent] == ["a"]
    world.clock.advance(hours=1)
    world.send()

    assert [message.text for message in world.provider.sent] == ["a", "b"]
    # Its time begins when it starts, not when it should have.
    assert [message.validity for message in world.provider.sent] == [240 * 60] * 2


def refuse_sender(world):
    world.write_down(world.hand_over(world.claim(limit=1)), lambda _ready: Refused(code=20003))


def stopped(world) -> bool:
    with world.runtime.reading() as session:
        return bool(pacing.stopped(session))


def test_a_sender_that_was_refused_goes_on_with_its_bulletin(world):
    join(world, 3)
    number = world.bulletin()
    world.start()
    refuse_sender(world)
    assert world.bulletin_state(number) == (BulletinState.HELD, HeldReason.REFUSED)
    assert stopped(world)

    go_on(world, number)
    world.send()

    assert not stopped(world)
    assert sorted(world.recipients()) == [phone(0), phone(1), phone(2)]


@pytest.mark.parametrize("held_by", ["itself", "a person"])
def test_a_sender_is_not_forgotten_when_the_bulletin_that_showed_it_is_dropped(world, held_by):
    """Else every later bulletin on that number would stand still for ever."""
    join(world, 2)
    dropped = world.bulletin(text="a")
    world.start()
    refuse_sender(world)
    stop(world, dropped)
    number = world.bulletin(text="b")
    world.send()
    assert world.provider.sent == []

    if held_by == "itself":
        world.clock.advance(minutes=16)
        world.send()
        assert world.bulletin_state(number)[0] == BulletinState.HELD
    else:
        pause(world, number)
    go_on(world, number)
    world.send()

    assert sorted(world.recipients()) == [phone(0), phone(1)]
    assert world.report(number).bulletin.state == BulletinState.FINISHED


def test_continuing_does_not_cut_short_what_the_provider_asked_for(world):
    """A pause of the editor is no answer to a provider that said: not before a minute."""
    join(world, 2)
    number = world.bulletin()
    world.start()
    too_busy = Deferred(retry_after=60.0, named=True)
    world.write_down(world.hand_over(world.claim(limit=1)), lambda _ready: too_busy)
    pause(world, number)
    go_on(world, number)
    world.send()
    assert world.provider.sent == []

    world.clock.advance(minutes=1)
    world.send()
    assert len(world.provider.sent) == 2
