"""P12: bulletins of a restored database, from being compared to the word of a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from broadcaster.core.address import Address
from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import State
from broadcaster.core.errors import Conflict
from broadcaster.core.recurrence import WEEKDAYS, Gap, Overlap, Period, Recurrence
from broadcaster.runtime import Memory
from broadcaster.services import brakes, bulletins, heartbeat, restoring, series, starting, tending
from broadcaster.services.planning import MadeAs
from broadcaster.storage import lists
from broadcaster.storage.models import Bulletin
from broadcaster.testing import FakeProvider
from tests.restored import backup, bulletin, compare, go_on, recognise
from tests.world import World, phone

PEOPLE = 5
OTHER = "whatsapp:+15550100109"


@pytest.fixture
def provider(clock) -> FakeProvider:
    return FakeProvider(clock=clock)


@pytest.fixture
def newsroom(world) -> World:
    """A newsroom with five readers."""
    for number in range(PEOPLE):
        world.text(phone(number), "NRC AAN")
    return world


def schedule(world, number, *, hours=0) -> None:
    found, now = bulletin(world, number), world.clock.now()
    with world.runtime.transaction() as session:
        bulletins.schedule(
            session,
            number,
            version=found.version,
            starts_at=now + timedelta(hours=hours),
            zone=found.zone,
            now=now,
        )


def revise(world, number, text="Goedemorgen!!") -> None:
    found = bulletin(world, number)
    with world.runtime.transaction() as session:
        bulletins.revise(
            session,
            number,
            list_id=found.list_id,
            text=text,
            version=found.version,
            now=world.clock.now(),
        )


def unschedule(world, number) -> None:
    version, now = bulletin(world, number).version, world.clock.now()
    with world.runtime.transaction() as session:
        bulletins.unschedule(session, number, version=version, now=now)


@pytest.mark.parametrize("change", [revise, unschedule])
def test_what_is_being_compared_by_its_words_keeps_them_until_then(newsroom, change):
    number = newsroom.bulletin()
    with backup(newsroom) as restore:
        newsroom.send()
        restore()
        assert recognise(newsroom)
        assert bulletin(newsroom, number).audience is None

        with pytest.raises(Conflict, match="still being compared"):
            change(newsroom, number)
        assert compare(newsroom).attributed == PEOPLE


@pytest.mark.parametrize("change", [revise, unschedule])
def test_a_bulletin_of_which_nothing_had_gone_out_can_be_changed_once_it_was_compared(
    newsroom, change
):
    number = newsroom.bulletin()
    declare(newsroom)
    compare(newsroom)

    change(newsroom, number)
    draft = bulletin(newsroom, number)
    assert (draft.state, draft.held_reason) == (BulletinState.DRAFT, None)
    schedule(newsroom, number)
    assert bulletin(newsroom, number).state == BulletinState.SCHEDULED


def test_a_draft_can_be_written_while_another_bulletin_is_compared(newsroom):
    number = newsroom.bulletin()
    unschedule(newsroom, number)
    declare(newsroom)

    revise(newsroom, number, text="Nieuws")
    with pytest.raises(Conflict, match="still being compared"):
        schedule(newsroom, number)
    compare(newsroom)
    schedule(newsroom, number)


def test_a_series_keeps_its_words_while_its_bulletins_are_compared(newsroom):
    number = newsroom.bulletin()
    unschedule(newsroom, number)
    now = newsroom.clock.now()
    recurrence = Recurrence(
        period=Period.DAY,
        every=1,
        weekdays=WEEKDAYS,
        local_time=now.time().replace(tzinfo=None),
        zone="UTC",
        gap=Gap.AFTER,
        overlap=Overlap.FIRST,
        first_date=now.date(),
        last_date=None,
    )
    with newsroom.runtime.transaction() as session:
        series.make(
            session,
            number,
            version=session.get_one(Bulletin, number).version,
            recurrence=recurrence,
            made_as=MadeAs.SCHEDULED,
            now=now,
        )
    declare(newsroom)

    def change() -> None:
        with newsroom.runtime.transaction() as session:
            version = session.get_one(Bulletin, number).version
            series.change_following(
                session, number, text="Anders", version=version, now=newsroom.clock.now()
            )

    with pytest.raises(Conflict, match="still being compared"):
        change()
    compare(newsroom)
    assert bulletin(newsroom, number).text == "Goedemorgen!"


def test_what_is_found_late_in_a_restored_database_is_compared(newsroom):
    """It went out at its moment, which the copy does not know."""
    number = newsroom.bulletin()
    heartbeat.beat(newsroom.runtime)
    with backup(newsroom) as restore:
        newsroom.send()
        newsroom.runtime = replace(newsroom.runtime, memory=Memory())
        heartbeat.beat(newsroom.runtime)
        restore()
        newsroom.clock.advance(minutes=20)
        starting.start_due(newsroom.runtime)
        assert newsroom.bulletin_state(number) == ("held", "late")
        assert heartbeat.beat(newsroom.runtime)

        assert newsroom.bulletin_state(number) == ("held", "restored")
        assert compare(newsroom).attributed == PEOPLE


def test_what_becomes_late_while_the_database_is_compared_waits_for_that(newsroom):
    number = newsroom.bulletin()
    declare(newsroom)
    schedule_at = newsroom.clock.now()
    with newsroom.runtime.transaction() as session:
        row = session.get_one(Bulletin, number)
        row.state, row.starts_at, row.held_reason = "scheduled", schedule_at, None
    newsroom.clock.advance(minutes=20)

    starting.start_due(newsroom.runtime)
    assert newsroom.bulletin_state(number) == ("held", "restored")


@pytest.mark.parametrize("hidden", [False, True])
def test_what_was_held_in_the_copy_and_went_on_after_it_goes_to_nobody_again(newsroom, hidden):
    """Held at a standstill, continued after the copy was made; the provider may keep no words."""
    number = newsroom.bulletin()
    newsroom.start()
    newsroom.clock.advance(minutes=16)
    tending.tend(newsroom.runtime)
    assert newsroom.bulletin_state(number) == ("held", "standstill")
    with backup(newsroom) as restore:
        go_on(newsroom, number)
        newsroom.send()
        assert len(newsroom.provider.sent) == PEOPLE
        restore()
        if hidden:
            alter(newsroom, "")
        assert recognise(newsroom)
        assert newsroom.bulletin_state(number) == ("held", "restored")

        found = compare(newsroom)
        assert (found.attributed, found.held) == ((0, PEOPLE) if hidden else (PEOPLE, 0))
        if hidden:
            go_on(newsroom, number)
        newsroom.send()
        assert len(newsroom.provider.sent) == PEOPLE


def declare(world) -> None:
    """Let the database count as restored."""
    world.runtime.run(lambda session: restoring.declare(session, world.runtime, "heartbeat"))


def alter(world, text) -> None:
    """Let the provider's list show other words than those that were sent."""
    world.provider.accepted[:] = [replace(one, text=text) for one in world.provider.accepted]


SENT = "Goedemorgen! \N{LEFT DOUBLE QUOTATION MARK}Nieuws\N{RIGHT DOUBLE QUOTATION MARK} nrc.nl/a/b"


@pytest.mark.parametrize(
    "text", ['Goedemorgen! "Nieuws" https://twil.io/x7', "Iets heel anders", ""]
)
def test_who_got_something_with_other_words_is_left_to_a_person(newsroom, text):
    """Other words prove nothing: the provider may have changed them, or keeps none."""
    number = newsroom.bulletin(text=SENT)
    with backup(newsroom) as restore:
        newsroom.send()
        restore()
        alter(newsroom, text)
        assert recognise(newsroom)

        found = compare(newsroom)
        assert (found.held, found.attributed, found.unexplained) == (PEOPLE, 0, 0)
        assert newsroom.states() == [State.HELD] * PEOPLE
        with pytest.raises(Conflict):
            revise(newsroom, number)
        go_on(newsroom, number)
        newsroom.send()
        assert len(newsroom.provider.sent) == PEOPLE
        newsroom.check_tallies()


def test_a_paused_bulletin_is_compared_with_altered_words_too(newsroom):
    number = newsroom.bulletin(text=SENT)
    newsroom.start()
    with newsroom.runtime.transaction() as session:
        brakes.pause(session, number, now=newsroom.clock.now())
    with backup(newsroom) as restore:
        go_on(newsroom, number)
        newsroom.send()
        restore()
        alter(newsroom, "Een andere tekst")
        assert recognise(newsroom)
        assert compare(newsroom).held == PEOPLE
        go_on(newsroom, number)
        newsroom.send()

        assert len(newsroom.provider.sent) == PEOPLE


def test_who_got_a_bulletin_that_the_copy_lacks_still_gets_the_one_that_it_has_seen_sent(newsroom):
    """Each message is of one bulletin: what is told by its words leaves nobody in doubt."""
    newsroom.bulletin(text="Ochtend")
    with backup(newsroom) as restore:
        newsroom.send()
        newsroom.bulletin(text="Middag")
        newsroom.send()
        restore()
        assert recognise(newsroom)

        found = compare(newsroom)
        assert (found.attributed, found.held, found.unexplained) == (PEOPLE, 0, PEOPLE)
        assert State.HELD not in newsroom.states()


def test_who_got_nothing_since_the_copy_is_in_no_doubt(newsroom):
    """Only two of five have something that may be it."""
    number = newsroom.bulletin(text=SENT)
    with backup(newsroom) as restore:
        newsroom.send()
        del newsroom.provider.accepted[2:]
        restore()
        alter(newsroom, "Een andere tekst")
        assert recognise(newsroom)
        assert compare(newsroom).held == 2
        go_on(newsroom, number)
        newsroom.send()

        assert len(newsroom.provider.sent) == PEOPLE + 3


def test_what_another_number_sent_leaves_nobody_in_doubt(newsroom):
    """The list is carried by one number for each channel, and this came from another."""
    newsroom.bulletin(text=SENT)
    with backup(newsroom) as restore:
        newsroom.send()
        restore()
        with newsroom.runtime.transaction() as session:
            lists.get_or_add_sender(session, Address.parse(OTHER), newsroom.clock.now())
        newsroom.provider.accepted[:] = [
            replace(one, sender=Address.parse(OTHER), text="Anders")
            for one in newsroom.provider.accepted
        ]
        assert recognise(newsroom)
        found = compare(newsroom)

        assert (found.held, found.unexplained) == (0, PEOPLE)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (SENT, "attributed"),
        ('Goedemorgen! "Nieuws" https://twil.io/x7', "held"),
        ("", "bulletin"),
        ("Iets heel anders", "untouched"),
    ],
)
def test_a_bulletin_of_tomorrow_that_may_have_been_sent_early_waits_for_a_person(
    newsroom, text, state
):
    number = newsroom.bulletin(text=SENT)
    unschedule(newsroom, number)
    schedule(newsroom, number, hours=20)
    with backup(newsroom) as restore:
        with newsroom.runtime.transaction() as session:
            session.get_one(Bulletin, number).starts_at = newsroom.clock.now()
        newsroom.send()
        assert len(newsroom.provider.sent) == PEOPLE
        restore()
        alter(newsroom, text)
        assert recognise(newsroom)
        found = compare(newsroom)

        assert found.attributed == (PEOPLE if state == "attributed" else 0)
        assert found.held == (PEOPLE if state == "held" else 0)
        was = newsroom.bulletin_state(number)
        assert was == (("scheduled", None) if state == "untouched" else ("held", "restored"))
        assert bool(bulletin(newsroom, number).compared) is (state != "untouched")
