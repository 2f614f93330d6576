"""Forgetting somebody: everything private goes, the counts and the ledger stay, for good."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from sqlalchemy import event, func, select

from broadcaster.core.address import Address
from broadcaster.core.erasure import Stage
from broadcaster.core.errors import InvalidInput, NotFound
from broadcaster.core.messages import Deletion, Direction, Listed, ProviderStatus
from broadcaster.services import checking, erasing, letters, listening, replaying
from broadcaster.storage import people, suppressions
from broadcaster.storage.forgotten import is_mark, mark_of
from broadcaster.storage.models import (
    Evidence,
    Inbound,
    Outreach,
    Removal,
    StatusEvent,
    Subscriber,
    Suppression,
)
from tests.world import WHATSAPP, World, phone

ANNA, BRAM = phone(1), phone(2)


def subject_of(world, author):
    with world.runtime.reading() as session:
        (found,) = people.find(session, world.runtime.keyring, [Address.parse(author)])
        return found.subject


def begin(world, subject, reason="asked for it by text"):
    return world.runtime.run(
        lambda session: erasing.begin(
            session, world.runtime, subject, reason=reason, actor="operator"
        )
    )


def erase(world, author):
    """Forget somebody who last wrote a while ago."""
    world.clock.advance(hours=1)
    number = begin(world, subject_of(world, author))
    return number, erasing.advance(world.runtime, number)


def count(world, table, *conditions):
    with world.runtime.reading() as session:
        return session.execute(
            select(func.count()).select_from(table).where(*conditions)
        ).scalar_one()


def row(world, number):
    with world.runtime.reading() as session:
        return session.get_one(Subscriber, number)


@pytest.fixture
def busy(world) -> World:
    """Two readers who joined, asked something, and got a bulletin that was read."""
    # The ids of texts and those that the provider gives deliveries are never the same.
    world.sids = itertools.count(1 << 64)
    for author in (ANNA, BRAM):
        world.text(author, "NRC AAN")
        world.text(author, "Komt er morgen weer een bericht?")
    world.bulletin()
    world.send()
    for one in world.deliveries():
        world.callback(one.id, "read")
    return world


def test_everything_private_goes_and_of_the_other_nothing(busy):
    number, progress = erase(busy, ANNA)

    assert progress.stage is Stage.DONE
    stub = row(busy, number)
    assert (stub.address_sealed, stub.key_wrapped, stub.language) == (b"", b"", None)
    assert count(busy, Evidence, Evidence.subscriber_id == number) == 0
    assert count(busy, Inbound, Inbound.subscriber_id == number) == 0
    with busy.runtime.reading() as session:
        texts = session.execute(select(Inbound)).scalars().all()
    forgotten = [text for text in texts if is_mark(text.sid)]
    assert len(forgotten) == 2
    assert {(one.sealed, one.answers, one.rule, one.intent) for one in forgotten} == {(None,) * 4}
    assert all(text.sealed for text in texts if not is_mark(text.sid))
    assert [is_mark(one.sid) for one in busy.deliveries()] == [True, False]
    assert count(busy, StatusEvent, StatusEvent.sid.like("XX%")) == 1
    assert count(busy, Evidence) == 1


def test_the_counts_and_the_ledger_stay(busy):
    before = busy.states()
    entries = len(busy.entries())

    number, _progress = erase(busy, ANNA)

    assert busy.states() == before
    last = busy.entries()[-1]
    assert len(busy.entries()) == entries + 1
    assert (last.event, last.state, last.list) == ("erased", "terminated", "*")
    assert (last.reason, last.rule) == ("asked for it by text", "erasure@1")
    assert last.subject == row(busy, number).subject
    assert list(checking.check(busy.runtime)) == []
    assert list(replaying.check(busy.runtime)) == []


def test_nothing_goes_to_them_any_more(busy):
    busy.bulletin()
    busy.start()

    begin(busy, subject_of(busy, ANNA))
    busy.send()
    erasing.tend(busy.runtime)
    busy.bulletin()
    busy.send()

    assert busy.recipients() == [ANNA, BRAM, BRAM, BRAM]


def test_whoever_joins_again_by_themselves_is_somebody_new(busy):
    old = subject_of(busy, ANNA)
    erase(busy, ANNA)

    busy.text(ANNA, "NRC AAN")

    assert subject_of(busy, ANNA) != old
    busy.bulletin()
    busy.send()
    assert busy.recipients()[-2:] == [BRAM, ANNA]
    assert list(replaying.check(busy.runtime)) == []


def test_who_writes_while_the_erasure_waits_is_somebody_new_already(busy):
    number = begin(busy, subject_of(busy, ANNA))
    assert erasing.advance(busy.runtime, number).trouble == "list_settling"

    busy.text(ANNA, "NRC AAN")
    busy.clock.advance(hours=1)

    assert erasing.advance(busy.runtime, number).stage is Stage.DONE
    assert busy.text(ANNA, "NRC UIT")
    assert list(replaying.check(busy.runtime)) == []


def test_an_import_is_refused_on_every_channel_and_the_others_are_not(busy):
    busy.text(phone(3, whatsapp=False), "STOP")
    erase(busy, ANNA)
    wanted = [ANNA, ANNA.removeprefix("whatsapp:"), BRAM, phone(3), phone(4)]
    addresses = [Address.parse(one) for one in wanted]

    with busy.runtime.reading() as session:
        found = [
            suppressions.is_suppressed(session, busy.runtime.keyring, one) for one in addresses
        ]
        kept = session.execute(select(Suppression)).scalars().one()

    assert found == [True, True, False, True, False]
    assert (kept.event, kept.since) == ("erased", date(2026, 11, 1))


def test_any_number_of_addresses_is_compared_at_once(busy):
    erase(busy, ANNA)
    addresses = [Address.parse(phone(number)) for number in range(1_300)]

    with busy.runtime.reading() as session:
        found = suppressions.suppressed(session, busy.runtime.keyring, addresses)

    assert found == {Address.parse(ANNA)}


def test_the_provider_deletes_what_it_holds_answers_and_texts_that_we_never_saw_too(busy):
    created = busy.clock.now()
    held = [
        Listed(
            sid=f"SM{number:032x}",
            sender=Address.parse(sender),
            recipient=Address.parse(recipient),
            text="x",
            status=ProviderStatus.DELIVERED,
            created=created,
            direction=direction,
        )
        for number, (sender, recipient, direction) in enumerate(
            [
                (WHATSAPP, ANNA, Direction.OUTBOUND_REPLY),
                (ANNA, WHATSAPP, Direction.INBOUND),
                (WHATSAPP, BRAM, Direction.OUTBOUND_REPLY),
                # Somebody else's number in the same account.
                ("whatsapp:+15550109999", ANNA, Direction.OUTBOUND_API),
            ],
            start=1_000,
        )
    ]
    busy.provider.accepted += [held[0], held[2], held[3]]
    busy.provider.inbound.append(held[1])

    _number, progress = erase(busy, ANNA)

    assert progress.stage is Stage.DONE
    deleted = set(busy.provider.deleted)
    assert {held[0].sid, held[1].sid} <= deleted
    assert not {held[2].sid, held[3].sid} & deleted
    assert f"SM{busy.deliveries()[0].id:032x}" in deleted
    assert not any(one.recipient.wire == ANNA for one in busy.provider.accepted if one != held[3])


def test_what_is_on_its_way_is_deleted_once_it_has_arrived(busy):
    sid = busy.deliveries()[0].sid
    busy.provider.under_way.add(sid)

    number, progress = erase(busy, ANNA)

    assert (progress.stage, progress.trouble, progress.messages) == (Stage.CUT, "too_early", 1)
    erasing.tend(busy.runtime)
    busy.provider.under_way.clear()
    busy.clock.advance(minutes=1)
    erasing.tend(busy.runtime)
    with busy.runtime.reading() as session:
        assert erasing.progress(session, number).stage is Stage.DONE
    assert sid in busy.provider.deleted


def test_a_provider_that_cannot_delete_is_asked_again_ever_more_rarely(busy):
    busy.provider.undeletable = Deletion.UNDECIDED
    number, progress = erase(busy, ANNA)
    assert progress.trouble == "undecided"
    waits = []
    for _ in range(4):
        with busy.runtime.reading() as session:
            (until,) = set(session.execute(select(Removal.not_before)).scalars())
        waits.append(until - busy.clock.now())
        busy.clock.advance(seconds=waits[-1].total_seconds())
        erasing.tend(busy.runtime)

    assert waits == [timedelta(seconds=30 * 2**n) for n in range(4)]
    busy.provider.undeletable = None
    busy.clock.advance(hours=1)
    assert erasing.advance(busy.runtime, number).stage is Stage.DONE


def test_a_list_that_cannot_be_read_is_waited_for_but_not_for_ever(busy):
    busy.provider.unreadable = "timeout"
    number, progress = erase(busy, ANNA)
    assert (progress.stage, progress.trouble) == (Stage.STOPPED, "timeout")
    busy.clock.advance(hours=23)
    assert erasing.advance(busy.runtime, number).stage is Stage.STOPPED

    busy.clock.advance(hours=2)

    assert erasing.advance(busy.runtime, number).stage is Stage.DONE
    # What the tables know of is deleted all the same.
    assert busy.deliveries()[0].sid in set(map(mark_of, busy.provider.deleted))


def test_a_request_of_which_nobody_knows_is_waited_for(busy):
    busy.bulletin()
    busy.start()
    handed = busy.hand_over(busy.claim())

    number, progress = erase(busy, ANNA)

    assert (progress.stage, progress.trouble) == (Stage.STOPPED, "message_under_way")
    busy.write_down(handed, lambda ready: busy.provider.answer(_message(busy, ready)))
    assert erasing.advance(busy.runtime, number).stage is Stage.DONE


def _message(busy, ready):
    return letters.compose(busy.runtime, ready.claim)


def test_a_text_that_comes_again_puts_nobody_back(busy):
    busy.text(ANNA, "NRC AAN", sid="SM" + "f" * 32)
    erase(busy, ANNA)
    entries = len(busy.entries())

    again = busy.receive(ANNA, "NRC AAN", sid="SM" + "f" * 32)

    assert (again.is_known, again.answers, again.withdrawn) == (True, (), None)
    assert len(busy.entries()) == entries
    with busy.runtime.reading() as session:
        assert people.find(session, busy.runtime.keyring, [Address.parse(ANNA)]) == []


def test_nor_does_the_providers_list_if_it_still_shows_it(busy):
    sid = "SM" + "f" * 32
    busy.text(ANNA, "NRC AAN", sid=sid)
    erase(busy, ANNA)
    busy.provider.inbound.append(
        Listed(
            sid=sid,
            sender=Address.parse(ANNA),
            recipient=Address.parse(WHATSAPP),
            text="NRC AAN",
            status=ProviderStatus.RECEIVED,
            created=busy.clock.now(),
            direction=Direction.INBOUND,
        )
    )

    assert listening.catch_up(busy.runtime, [1]) == 0


def test_a_late_callback_changes_nothing(busy):
    number, _progress = erase(busy, ANNA)
    delivery = busy.deliveries()[0]
    before = delivery.state, delivery.sid, busy.incidents()

    busy.callback(delivery.id, "failed", error=63032)

    after = busy.deliveries()[0]
    assert (after.state, after.sid, busy.incidents()) == before
    assert row(busy, number).suspended_at is None


def test_a_message_that_turns_up_later_is_deleted_too(busy):
    busy.bulletin()
    busy.start()
    busy.hand_over(busy.claim())
    number = begin(busy, subject_of(busy, ANNA))
    busy.clock.advance(hours=25)
    assert erasing.advance(busy.runtime, number).stage is Stage.DONE
    late = next(one for one in busy.deliveries() if one.state == "handed_over")

    busy.callback(late.id, "delivered")
    erasing.tend(busy.runtime)

    assert busy.provider.deleted[-1] == f"SM{late.id:032x}"
    assert is_mark(next(one for one in busy.deliveries() if one.id == late.id).sid)


def test_an_opt_out_error_after_the_erasure_writes_nothing_about_them(busy):
    busy.bulletin()
    busy.start()
    handed = busy.hand_over(busy.claim())
    begin(busy, subject_of(busy, ANNA))
    entries = len(busy.entries())

    busy.callback(handed[0][0].claim.delivery_id, "failed", error=21610)

    assert len(busy.entries()) == entries


def test_it_is_safe_to_repeat_and_needs_a_reason(busy):
    subject = subject_of(busy, ANNA)
    with pytest.raises(InvalidInput, match="why"):
        begin(busy, subject, reason="  ")
    with pytest.raises(NotFound, match="token"):
        begin(busy, "0" * 32)

    number, _progress = erase(busy, ANNA)
    entries = len(busy.entries())

    assert begin(busy, subject) == number
    assert erasing.advance(busy.runtime, number).stage is Stage.DONE
    assert len(busy.entries()) == entries


def test_the_preview_counts_what_goes_and_what_stays(busy):
    busy.bulletin()
    busy.start()
    with busy.runtime.reading() as session:
        found = erasing.preview(session, subject_of(busy, ANNA))

    assert (found.entries, found.evidence, found.texts) == (1, 1, 2)
    assert (found.deliveries, found.waiting, found.messages) == (2, 1, 3)
    erase(busy, ANNA)
    with busy.runtime.reading() as session, pytest.raises(NotFound):
        erasing.preview(session, busy.entries()[-1].subject)


class InterruptedProcessError(Exception):
    """The process is gone."""


def test_interrupted_at_any_statement_it_goes_on_to_the_end(busy):
    """Each statement fails once; the next look goes on, and nothing is done twice."""
    busy.provider.under_way.add(busy.deliveries()[0].sid)
    busy.clock.advance(hours=1)
    subject = subject_of(busy, ANNA)
    number = begin(busy, subject)
    left = [0]

    def fail(*_arguments):
        left[0] -= 1
        if left[0] == 0:
            raise InterruptedProcessError

    event.listen(busy.runtime.database, "before_cursor_execute", fail)
    try:
        for place in range(1, 200):
            left[0] = place
            try:
                progress = erasing.advance(busy.runtime, number)
            except InterruptedProcessError:
                busy.provider.under_way.clear()
                busy.clock.advance(hours=7)
                left[0] = 0
                continue
            break
    finally:
        event.remove(busy.runtime.database, "before_cursor_execute", fail)

    assert place > 10
    assert progress.stage is Stage.DONE
    assert [one.event for one in busy.entries() if one.subject == subject].count("erased") == 1
    assert list(checking.check(busy.runtime)) == []
    assert list(replaying.check(busy.runtime)) == []
    assert count(busy, Outreach) == 0
