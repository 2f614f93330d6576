"""A bulletin that comes again is made once for each local moment, whoever plans and however often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.errors import Conflict, InvalidInput, InvalidMoment, NotFound
from broadcaster.core.recurrence import Gap, Overlap, Period, Recurrence
from broadcaster.services import brakes, bulletins, planning, series
from broadcaster.services.planning import MadeAs
from broadcaster.storage import lists
from broadcaster.storage.models import Bulletin, Incident, Occurrence, Series
from tests.world import phone

ZONE = "Europe/Amsterdam"
PLACE = ZoneInfo(ZONE)
DAY = timedelta(days=1)
WEEKDAYS = frozenset({1, 2, 3, 4, 5})
TEXT = "Goedemorgen!"


def daily(first=date(2026, 11, 24), at=time(7, 30), **choices):
    choices = {"period": Period.DAY, "zone": ZONE, **choices}
    return Recurrence(local_time=at, first_date=first, **choices)


@pytest.fixture
def newsroom(world):
    """A newsroom with one reader: its Tuesday 24 November 2026 begins at 07:00."""
    world.text(phone(1), "NRC AAN")
    return world


def draft(world, text=TEXT):
    with world.runtime.transaction() as session:
        item = lists.by_keyword(session, "NRC")
        return bulletins.draft(
            session, list_id=item.id, text=text, author_id=1, now=world.clock.now()
        )


def begin(world, recurrence, made_as=MadeAs.SCHEDULED, text=TEXT):
    """Begin a series; return its first bulletin."""
    made = draft(world, text)
    with world.runtime.transaction() as session:
        return series.make(
            session,
            made.id,
            version=made.version,
            recurrence=recurrence,
            made_as=made_as,
            now=world.clock.now(),
        )


def made(world):
    """All bulletins, by their moment."""
    with world.runtime.reading() as session:
        return session.scalars(sa.select(Bulletin).order_by(Bulletin.starts_at, Bulletin.id)).all()


def days(world):
    """The local day and time of each bulletin."""
    return [f"{one.starts_at.astimezone(PLACE):%m-%d %H:%M}" for one in made(world)]


def occurrences(world):
    with world.runtime.reading() as session:
        return session.scalars(sa.select(Occurrence).order_by(Occurrence.local_date)).all()


def the_series(world):
    with world.runtime.reading() as session:
        return session.scalars(sa.select(Series)).one()


def to(world, day, at=time(6)):
    """Move the clock to a local time."""
    moment = datetime.combine(day, at, PLACE).astimezone(UTC)
    world.clock.advance(seconds=(moment - world.clock.now()).total_seconds())


def test_a_series_begins_with_its_bulletin_and_is_planned_a_week_ahead(newsroom):
    first = begin(newsroom, daily())

    found = made(newsroom)
    assert found[0].id == first.id
    assert days(newsroom) == [f"11-{day} 07:30" for day in range(24, 31)]
    assert {one.state for one in found} == {"scheduled"}
    assert {one.text for one in found} == {TEXT}
    assert {one.series_id for one in found} == {the_series(newsroom).id}
    assert {(one.zone, one.list_id, one.author_id) for one in found} == {
        (ZONE, first.list_id, first.author_id)
    }
    assert [one.bulletin_id for one in occurrences(newsroom)] == [one.id for one in found]


def test_at_least_two_are_ready_however_long_a_round_is(newsroom):
    monthly = daily(period=Period.WEEK, weekdays=frozenset({2}), every=4)

    begin(newsroom, monthly)

    assert days(newsroom) == ["11-24 07:30", "12-22 07:30"]
    to(newsroom, date(2026, 11, 24), time(7, 29))
    assert planning.plan_ahead(newsroom.runtime) == 0
    to(newsroom, date(2026, 11, 24), time(7, 30))
    assert planning.plan_ahead(newsroom.runtime) == 1
    assert days(newsroom)[-1] == "01-19 07:30"


def test_the_first_is_the_first_that_is_still_to_come(newsroom):
    to(newsroom, date(2026, 11, 27), time(7, 30))  # a Friday, at that very minute

    first = begin(newsroom, daily(period=Period.WEEK, weekdays=WEEKDAYS))

    assert first.starts_at == datetime(2026, 11, 30, 6, 30, tzinfo=UTC)
    assert days(newsroom)[0] == "11-30 07:30"


def test_planning_again_makes_what_has_come_within_reach_and_nothing_twice(newsroom):
    begin(newsroom, daily())

    assert planning.plan_ahead(newsroom.runtime) == 0
    for _ in range(3):
        newsroom.clock.advance(days=1)
        assert [planning.plan_ahead(newsroom.runtime) for _ in range(3)] == [1, 0, 0]

    assert len(days(newsroom)) == len(set(days(newsroom))) == 10


def test_many_who_plan_at_once_make_each_moment_once(newsroom):
    for minute in range(5):
        begin(newsroom, daily(at=time(8, minute)))
    newsroom.clock.advance(days=6)

    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(planning.plan_ahead, newsroom.runtime) for _ in range(16)]
        assert sum(job.result() for job in jobs) == 5 * 6

    found = [(one.series_id, one.starts_at) for one in made(newsroom)]
    assert len(found) == len(set(found)) == 5 * 13
    assert sorted(found) == sorted(
        (one.series_id, one.starts_at) for one in occurrences(newsroom) if one.bulletin_id
    )


def test_the_database_itself_refuses_a_moment_twice(newsroom):
    begin(newsroom, daily())
    first = occurrences(newsroom)[0]

    again = sa.insert(Occurrence).values(
        series_id=first.series_id, local_date=first.local_date, local_time=first.local_time
    )

    with pytest.raises(IntegrityError), newsroom.runtime.transaction() as session:
        session.execute(again)


def test_planning_from_an_old_copy_of_the_series_makes_nothing_twice(newsroom):
    begin(newsroom, daily())
    before = days(newsroom)
    with newsroom.runtime.transaction() as session:
        now = newsroom.clock.now()
        session.execute(sa.update(Series).values(planned_until=now - 5 * DAY, plan_at=now))

    assert planning.plan_ahead(newsroom.runtime) == 0

    assert days(newsroom) == before


def test_what_was_cancelled_is_not_made_again(newsroom):
    begin(newsroom, daily())
    third = made(newsroom)[2]
    with newsroom.runtime.transaction() as session:
        brakes.stop(session, third.id, now=newsroom.clock.now())

    newsroom.clock.advance(hours=30)
    planning.plan_ahead(newsroom.runtime)

    assert days(newsroom).count("11-26 07:30") == 1
    assert [one.state for one in made(newsroom)][2] == "cancelled"


def test_after_the_last_day_nothing_is_made(newsroom):
    begin(newsroom, daily(last_date=date(2026, 11, 26)))

    newsroom.clock.advance(days=30)
    planning.plan_ahead(newsroom.runtime)

    assert days(newsroom) == ["11-24 07:30", "11-25 07:30", "11-26 07:30"]
    assert the_series(newsroom).plan_at is None


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        (Gap.AFTER, ["27 02:30", "28 03:00", "29 02:30"]),
        (Gap.SKIP, ["27 02:30", "29 02:30"]),
    ],
)
def test_in_spring_a_time_that_is_jumped_over_is_answered_as_chosen(newsroom, gap, expected):
    to(newsroom, date(2027, 3, 26), time(12))

    begin(newsroom, daily(date(2027, 3, 27), time(2, 30), last_date=date(2027, 3, 29), gap=gap))

    assert days(newsroom) == [f"03-{one}" for one in expected]
    skipped = [one.local_date for one in occurrences(newsroom) if one.bulletin_id is None]
    assert skipped == ([] if gap is Gap.AFTER else [date(2027, 3, 28)])


@pytest.mark.parametrize(("overlap", "hour"), [(Overlap.FIRST, 0), (Overlap.SECOND, 1)])
def test_in_autumn_a_time_that_comes_twice_is_taken_once(newsroom, overlap, hour):
    to(newsroom, date(2027, 10, 29), time(12))

    begin(
        newsroom,
        daily(date(2027, 10, 30), time(2, 30), last_date=date(2027, 11, 1), overlap=overlap),
    )

    assert [one.starts_at for one in made(newsroom)] == [
        datetime(2027, 10, 30, 0, 30, tzinfo=UTC),
        datetime(2027, 10, 31, hour, 30, tzinfo=UTC),
        datetime(2027, 11, 1, 1, 30, tzinfo=UTC),
    ]


def test_after_a_long_outage_what_was_never_ready_is_written_down_and_not_sent_late(newsroom):
    begin(newsroom, daily())
    to(newsroom, date(2026, 12, 24), time(12))

    planning.plan_ahead(newsroom.runtime)

    assert days(newsroom)[6:8] == ["11-30 07:30", "12-25 07:30"]
    missed = [one.local_date for one in occurrences(newsroom) if one.bulletin_id is None]
    assert missed == [date(2026, 12, day) for day in range(1, 25)]
    with newsroom.runtime.reading() as session:
        incident = session.scalars(sa.select(Incident)).one()
    assert (incident.kind, incident.count) == ("occurrence_missed", 24)


def test_what_passed_within_the_grace_still_goes_out(newsroom):
    begin(newsroom, daily())
    to(newsroom, date(2026, 12, 24), time(7, 40))

    planning.plan_ahead(newsroom.runtime)

    assert days(newsroom)[6:8] == ["11-30 07:30", "12-24 07:30"]


def test_one_series_that_cannot_be_planned_keeps_no_other_waiting(newsroom):
    broken = begin(newsroom, daily())
    good = begin(newsroom, daily(at=time(9)))
    with newsroom.runtime.transaction() as session:
        lost = sa.update(Series).where(Series.id == broken.series_id)
        session.execute(lost.values(zone="Mars/Olympus"))

    newsroom.clock.advance(days=1)

    assert planning.plan_ahead(newsroom.runtime) == 1
    assert made(newsroom)[-1].series_id == good.series_id


def test_drafts_are_made_for_each_day_and_never_go_out_by_themselves(newsroom):
    begin(newsroom, daily(), MadeAs.DRAFT)

    newsroom.clock.advance(days=3)
    planning.plan_ahead(newsroom.runtime)

    states = [one.state for one in made(newsroom)]
    assert states[0] == "scheduled"
    assert len(states) > 3
    assert set(states[1:]) == {"draft"}


def change(world, bulletin, text, version=None):
    with world.runtime.transaction() as session:
        return series.change_following(
            session,
            bulletin.id,
            text=text,
            version=version or bulletin.version,
            now=world.clock.now(),
        )


def test_changing_all_following_changes_from_there_on_and_what_is_made_later(newsroom):
    begin(newsroom, daily())
    third = made(newsroom)[2]

    assert change(newsroom, third, "Nieuwe tekst") == 5

    newsroom.clock.advance(days=2)
    planning.plan_ahead(newsroom.runtime)
    found = made(newsroom)
    assert [one.text for one in found] == [TEXT] * 2 + ["Nieuwe tekst"] * 7
    assert {one.state for one in found} == {"scheduled"}


def test_changing_this_one_changes_no_other_and_survives_a_change_of_all(newsroom):
    begin(newsroom, daily())
    first, second, third = made(newsroom)[:3]
    with newsroom.runtime.transaction() as session:
        bulletins.revise(
            session,
            second.id,
            list_id=second.list_id,
            text="Alleen vandaag",
            version=second.version,
            now=newsroom.clock.now(),
        )
    assert [one.text for one in made(newsroom) if one.id != second.id] == [TEXT] * 6

    change(newsroom, first, "Nieuwe tekst")

    texts = {one.id: one.text for one in made(newsroom)}
    assert texts.pop(second.id) == "Alleen vandaag"
    assert texts[third.id] == "Nieuwe tekst"
    assert set(texts.values()) == {"Nieuwe tekst"}


def test_a_change_on_an_old_version_is_refused(newsroom):
    begin(newsroom, daily())
    first = made(newsroom)[0]
    change(newsroom, first, "Nieuwe tekst")

    with pytest.raises(Conflict):
        change(newsroom, first, "Nog een", version=first.version)

    assert {one.text for one in made(newsroom)} == {"Nieuwe tekst"}


def test_what_has_begun_is_not_changed_with_those_that_follow(newsroom):
    begin(newsroom, daily())
    first, second = made(newsroom)[:2]
    set_state(newsroom, first.id, BulletinState.SENDING, audience=1)

    with pytest.raises(Conflict):
        change(newsroom, first, "Nieuwe tekst")

    assert change(newsroom, second, "Nieuwe tekst") == 6
    assert made(newsroom)[0].text == TEXT


def test_only_a_text_that_can_be_sent_replaces_another(newsroom):
    begin(newsroom, daily())

    with pytest.raises(InvalidInput):
        change(newsroom, made(newsroom)[0], " ")


def test_a_bulletin_outside_any_series_has_none_that_follow(newsroom):
    alone = draft(newsroom)

    with pytest.raises(NotFound):
        change(newsroom, alone, "Nieuwe tekst")


def end(world):
    with world.runtime.transaction() as session:
        return series.end(session, the_series(world).id, now=world.clock.now())


def set_state(world, bulletin_id, state, **more):
    with world.runtime.transaction() as session:
        changed = sa.update(Bulletin).where(Bulletin.id == bulletin_id)
        session.execute(changed.values(state=state.value, **more))


def test_ending_takes_back_what_has_not_begun_and_makes_nothing_more(newsroom):
    begin(newsroom, daily())
    found = made(newsroom)
    set_state(newsroom, found[0].id, BulletinState.FINISHED, audience=1)
    set_state(newsroom, found[1].id, BulletinState.SENDING, audience=1)
    set_state(newsroom, found[2].id, BulletinState.HELD)

    assert end(newsroom) == 5

    newsroom.clock.advance(days=10)
    assert planning.plan_ahead(newsroom.runtime) == 0
    states = [one.state for one in made(newsroom)]
    assert states == ["finished", "sending"] + ["cancelled"] * 5
    with pytest.raises(Conflict):
        end(newsroom)


def test_ending_leaves_a_draft_that_somebody_wrote(newsroom):
    begin(newsroom, daily(), MadeAs.DRAFT)
    newsroom.clock.advance(days=1)
    planning.plan_ahead(newsroom.runtime)
    second, third = made(newsroom)[1:3]
    with newsroom.runtime.transaction() as session:
        bulletins.revise(
            session,
            second.id,
            list_id=second.list_id,
            text="Mijn eigen tekst",
            version=second.version,
            now=newsroom.clock.now(),
        )

    end(newsroom)

    states = {one.id: one.state for one in made(newsroom)}
    assert states[second.id] == "draft"
    assert states[third.id] == "cancelled"


def test_an_ended_series_changes_no_more(newsroom):
    begin(newsroom, daily())
    end(newsroom)

    with pytest.raises(Conflict):
        change(newsroom, made(newsroom)[0], "Nieuwe tekst")


@pytest.mark.parametrize("number", [0, -1, 99, 2**31, 2**70])
def test_a_series_that_is_not_there_cannot_be_ended(newsroom, number):
    with pytest.raises(NotFound), newsroom.runtime.transaction() as session:
        series.end(session, number, now=newsroom.clock.now())


def test_a_series_begins_once(newsroom):
    first = begin(newsroom, daily())

    for version in (first.version, first.version - 1):
        with pytest.raises(Conflict), newsroom.runtime.transaction() as session:
            make_again(session, newsroom, first.id, version, daily(at=time(9)))

    assert len(made(newsroom)) == 7


def make_again(session, world, bulletin_id, version, recurrence):
    return series.make(
        session,
        bulletin_id,
        version=version,
        recurrence=recurrence,
        made_as=MadeAs.SCHEDULED,
        now=world.clock.now(),
    )


def test_a_series_begins_on_the_version_that_its_editor_saw(newsroom):
    bulletin = draft(newsroom)

    with pytest.raises(Conflict), newsroom.runtime.transaction() as session:
        make_again(session, newsroom, bulletin.id, bulletin.version + 1, daily())

    assert [one.state for one in made(newsroom)] == ["draft"]


def test_a_series_that_is_over_before_it_begins_is_refused(newsroom):
    over = daily(date(2026, 11, 20), last_date=date(2026, 11, 23))

    with pytest.raises(InvalidMoment):
        begin(newsroom, over)

    assert the_states(newsroom) == ["draft"]


def test_a_series_to_nobody_is_refused(world):
    with pytest.raises(InvalidInput):
        begin(world, daily())

    assert the_states(world) == ["draft"]


def the_states(world):
    return [one.state for one in made(world)]


def test_a_bulletin_knows_its_place(newsroom):
    begin(newsroom, daily())
    found = made(newsroom)
    alone = draft(newsroom)

    with newsroom.runtime.reading() as session:
        place = series.of(session, found[1], newsroom.clock.now())
        none = series.of(session, alone, newsroom.clock.now())

    assert none is None
    assert place.recurrence == daily()
    assert place.starts_at == found[1].starts_at
    assert [one.id for one, _moment in place.following] == [one.id for one in found[2:5]]


@pytest.mark.parametrize("change", [date(2027, 3, 28), date(2027, 10, 31)])
def test_over_both_changes_of_the_clock_one_message_goes_out_each_day(newsroom, change):
    to(newsroom, change - 2 * DAY, time(12))
    recurrence = daily(change - DAY, time(2, 30), overlap=Overlap.SECOND)
    begin(newsroom, recurrence)
    before, sent = len(newsroom.provider.sent), []

    for night in (change - DAY, change, change + DAY):
        to(newsroom, night, time(0))
        for _half_hour in range(10):
            newsroom.clock.advance(minutes=30)
            planning.plan_ahead(newsroom.runtime)
            newsroom.send()
            new = len(newsroom.provider.sent) - before - len(sent)
            sent += [newsroom.clock.now().astimezone(PLACE)] * new

    spring = change.month == 3
    assert [f"{moment:%d %H:%M %z}" for moment in sent] == (
        ["27 02:30 +0100", "28 03:00 +0200", "29 02:30 +0200"]
        if spring
        else ["30 02:30 +0200", "31 02:30 +0100", "01 02:30 +0100"]
    )
