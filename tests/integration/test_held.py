"""Bulletins that wait for a person: refused to everybody, found late, or at a standstill."""

from __future__ import annotations

import pytest

from broadcaster.core.address import Address
from broadcaster.core.bulletin import BulletinState, HeldReason
from broadcaster.core.delivery import State
from broadcaster.core.errors import Conflict
from broadcaster.core.messages import Deferred, Refused
from broadcaster.services import brakes, bulletins, lists, tending
from broadcaster.storage import lists as stored_lists
from broadcaster.testing import accept
from tests.world import phone


@pytest.mark.parametrize("code", [20003, 21212, 21606, 21617, 21659, 21660, 21661, 63041])
def test_a_refusal_that_would_meet_everybody_holds_the_bulletin(world, code):
    """One wrong token must not burn the whole audience."""
    for number in range(90):
        world.text(phone(number), "NRC AAN")
    world.provider.answer = lambda _message: Refused(code=code)
    number = world.bulletin()
    world.send()

    report = world.report(number)
    assert report.bulletin.state == BulletinState.HELD
    assert report.bulletin.held_reason == HeldReason.REFUSED
    assert report.bulletin.held_code == code
    assert report.of(State.QUEUED) == 90
    assert len(world.provider.sent) <= world.runtime.settings.sending.concurrency


def test_a_held_bulletin_goes_on_with_those_who_have_not_got_it(world):
    for number in range(60):
        world.text(phone(number), "NRC AAN")
    answers = iter([accept] * 30)

    def answer(message):
        return next(answers, lambda _message: Refused(code=20003))(message)

    world.provider.answer = answer
    number = world.bulletin()
    world.send()
    assert world.report(number).of(State.QUEUED) == 30
    first, tried = set(world.recipients()[:30]), len(world.recipients())

    now = world.clock.now()
    with world.runtime.transaction() as session:
        check = bulletins.check(session, number)
        assert check.people == 30
        bulletins.schedule(
            session,
            number,
            version=check.bulletin.version,
            starts_at=now,
            zone="UTC",
            now=now,
        )
    world.provider.answer = accept
    world.send()

    assert world.report(number).bulletin.state == BulletinState.FINISHED
    assert len(world.recipients()) == tried + 30
    assert not first & set(world.recipients()[tried:])


def test_a_bulletin_that_some_have_cannot_be_rewritten(world):
    for number in range(2):
        world.text(phone(number), "NRC AAN")

    def answer(message):
        return accept(message) if message.recipient.wire == phone(0) else Refused(code=20003)

    world.provider.answer = answer
    number = world.bulletin()
    world.send()
    held = world.report(number).bulletin

    with pytest.raises(Conflict), world.runtime.transaction() as session:
        bulletins.revise(
            session,
            number,
            list_id=held.list_id,
            text="Iets anders",
            version=held.version,
            now=world.clock.now(),
        )


def test_who_cannot_be_reached_on_whatsapp_is_known_before(world):
    """WhatsApp takes a free text for 24 hours after the person's last one."""
    world.text(phone(1), "NRC AAN")
    world.text(phone(2, whatsapp=False), "NRC AAN")
    world.clock.advance(hours=20)
    world.text(phone(3), "NRC AAN")
    world.clock.advance(hours=5)

    with world.runtime.reading() as session:
        item = stored_lists.by_keyword(session, "NRC")
        assert bulletins.outside_window(session, item.id, world.clock.now()) == 1


def test_the_rest_of_a_bulletin_is_not_sent_hours_later_unasked(world):
    """After an outage in mid-send, a person says whether it goes on."""
    for number in range(3):
        world.text(phone(number), "NRC AAN")
    answers = iter([accept])

    def answer(message):
        return next(answers, lambda _message: Deferred(retry_after=1.0))(message)

    world.provider.answer = answer
    number = world.bulletin()
    world.send()
    assert world.report(number).bulletin.state == BulletinState.SENDING

    world.provider.answer = accept
    world.clock.advance(minutes=16)
    world.send()

    report = world.report(number)
    assert report.bulletin.state == BulletinState.HELD
    assert report.bulletin.held_reason == HeldReason.STANDSTILL
    assert (report.of(State.ACCEPTED), report.of(State.QUEUED)) == (1, 2)


def test_a_long_bulletin_that_moves_is_not_held(world):
    for number in range(3):
        world.text(phone(number), "NRC AAN")

    def one_every_ten_minutes(message):
        world.clock.advance(minutes=10)
        return accept(message)

    world.provider.answer = one_every_ten_minutes
    number = world.bulletin()
    world.send()

    assert world.report(number).bulletin.state == BulletinState.FINISHED


def go_on(world, number):
    """Let an editor say that a held bulletin goes on."""
    now = world.clock.now()
    with world.runtime.transaction() as session:
        check = bulletins.check(session, number)
        version = check.bulletin.version
        bulletins.schedule(session, number, version=version, starts_at=now, zone="UTC", now=now)
    return check


@pytest.mark.parametrize("code", [21408, 21612, 30004, 30007, 63016, 403, 404])
def test_one_person_who_cannot_be_reached_keeps_nobody_else_waiting(world, code):
    for number in range(6):
        world.text(phone(number), "NRC AAN")

    def answer(message):
        return Refused(code=code) if message.recipient.wire == phone(2) else accept(message)

    world.provider.answer = answer
    number = world.bulletin()
    world.send()

    report = world.report(number)
    assert report.by_state == {State.ACCEPTED: 5, State.FAILED: 1}
    assert report.bulletin.state == BulletinState.FINISHED


def test_a_bulletin_that_everybody_has_is_finished_and_not_held(world, monkeypatch):
    """Killed between the last outcome and the end, and found again much later."""
    world.text(phone(1), "NRC AAN")
    number = world.bulletin()
    with monkeypatch.context() as patch:
        patch.setattr(tending, "finish_complete", lambda _runtime: None)
        world.send()
    world.clock.advance(minutes=20)
    world.send()

    assert world.report(number).bulletin.state == BulletinState.FINISHED


def test_a_worker_that_died_with_the_last_hand_over_leaves_nothing_to_ask(world):
    """Nobody is left to send to; once it is known what became of it, the bulletin is finished."""
    world.text(phone(1), "NRC AAN")
    number = world.bulletin()
    world.start()
    world.hand_over(world.claim())
    world.clock.advance(minutes=20)
    world.send()
    assert world.bulletin_state(number) == (BulletinState.SENDING, None)

    world.callback(1, "sent")
    world.send()

    assert world.report(number).bulletin.state == BulletinState.FINISHED
    assert world.provider.sent == []


def test_a_worker_that_died_with_the_last_claim_leaves_it_to_a_person_after_the_grace(world):
    world.text(phone(1), "NRC AAN")
    number = world.bulletin()
    world.start()
    world.claim()
    world.clock.advance(minutes=20)
    world.send()
    assert world.bulletin_state(number) == (BulletinState.HELD, HeldReason.STANDSTILL)

    go_on(world, number)
    world.send()

    assert world.report(number).bulletin.state == BulletinState.FINISHED
    assert world.recipients() == [phone(1)]


def test_a_held_bulletin_whose_last_person_left_is_finished(world):
    world.text(phone(1), "NRC AAN")
    world.provider.answer = lambda _message: Refused(code=20003)
    number = world.bulletin()
    world.send()
    world.text(phone(1), "STOP")
    world.send()

    assert world.report(number).bulletin.state == BulletinState.FINISHED


def test_a_text_that_was_refused_to_everybody_can_be_changed_and_sent(world):
    for number in range(3):
        world.text(phone(number), "NRC AAN")
    world.provider.answer = lambda _message: Refused(code=21617)
    number = world.bulletin()
    world.send()
    held = world.report(number).bulletin
    world.text(phone(7), "NRC AAN")

    with world.runtime.transaction() as session:
        bulletins.revise(
            session,
            number,
            list_id=held.list_id,
            text="Korter",
            version=held.version,
            now=world.clock.now(),
        )
    world.provider.answer = accept
    go_on(world, number)
    world.send()

    report = world.report(number)
    assert report.bulletin.state == BulletinState.FINISHED
    assert report.by_state == {State.ACCEPTED: 4}
    assert world.provider.sent[-1].text == "Korter"


def test_the_number_on_the_button_leaves_out_who_left_meanwhile(world):
    for number in range(2):
        world.text(phone(number), "NRC AAN")

    def stop_then_refuse(message):
        if message.recipient.wire == phone(0):
            world.text(phone(0), "STOP")
        return Refused(code=20003)

    world.provider.answer = stop_then_refuse
    number = world.bulletin()
    world.send()
    world.provider.answer = accept

    assert go_on(world, number).people == 1
    world.send()
    assert world.report(number).bulletin.state == BulletinState.FINISHED


def test_what_was_put_off_is_asked_again_when_a_person_says_so(world):
    world.text(phone(1), "NRC AAN")
    answers = iter([Deferred(retry_after=3600.0, named=True)])
    world.provider.answer = lambda message: next(answers, accept(message))
    number = world.bulletin()
    world.send()
    world.clock.advance(minutes=16)
    world.send()
    assert world.report(number).bulletin.state == BulletinState.HELD

    go_on(world, number)
    world.send()

    assert world.report(number).bulletin.state == BulletinState.FINISHED


def test_a_held_bulletin_that_is_then_found_late_says_so(world):
    world.text(phone(1), "NRC AAN")
    world.provider.answer = lambda _message: Refused(code=20003)
    number = world.bulletin()
    world.send()
    go_on(world, number)
    world.clock.advance(hours=3)
    world.send()

    held = world.report(number).bulletin
    assert (held.state, held.held_reason) == (BulletinState.HELD, HeldReason.LATE)
    assert held.held_code is None


def give_another_number(world):
    """Let both lists get another number on WhatsApp."""
    with world.runtime.transaction() as session:
        for keyword in ("NRC", "SPORT"):
            item = stored_lists.by_keyword(session, keyword)
            another = Address.parse("whatsapp:+15550100999")
            lists.change(session, world.runtime, item, senders=[another])


def test_a_number_that_the_list_no_longer_has_goes_on_for_those_it_was_chosen_for(world):
    for number in range(3):
        world.text(phone(number), "NRC AAN")
    number = world.bulletin()
    world.provider.answer = lambda _message: Refused(code=63007)
    world.send()
    assert world.bulletin_state(number) == (BulletinState.HELD, HeldReason.REFUSED)
    give_another_number(world)

    world.provider.answer = accept
    with world.runtime.transaction() as session:
        brakes.go_on(session, world.runtime, number, now=world.clock.now())
    world.send()

    assert world.states() == [State.ACCEPTED] * 3
