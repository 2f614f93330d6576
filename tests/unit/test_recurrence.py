"""What comes again comes once for each local date, over every change of every clock."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise, product
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.core.errors import InvalidInput
from broadcaster.core.recurrence import (
    Gap,
    InvalidRecurrence,
    Overlap,
    Period,
    Recurrence,
    occurrences,
)
from broadcaster.core.scheduling import UnknownZone

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2029, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
QUARTER = timedelta(minutes=15)
CHOICES = list(product(Gap, Overlap))


def is_known(name):
    return name == "UTC" or ("/" in name and not name.startswith(("posix/", "right/")))


ZONES = sorted(filter(is_known, available_timezones()))
REGIONS = sorted({name.partition("/")[0] for name in ZONES})


def shown(moment, zone):
    """What the clock on the wall shows."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


@cache
def changes(name):
    """Every change of a clock in three years: when, and by how much. Looked for quarter by quarter."""
    zone, found, day = ZoneInfo(name), [], BEGIN
    while day < END:
        if day.astimezone(zone).utcoffset() != (day + DAY).astimezone(zone).utcoffset():
            quarters = [day + step * QUARTER for step in range(97)]
            found += [
                (later, later.astimezone(zone).utcoffset() - earlier.astimezone(zone).utcoffset())
                for earlier, later in pairwise(quarters)
                if earlier.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset()
            ]
        day += DAY
    return found


def walked(zone, begin, end):
    """Look at the clock every quarter of an hour; remember when it showed what."""
    seen = defaultdict(list)
    moment = begin
    while moment < end:
        seen[shown(moment, zone)].append(moment)
        moment += QUARTER
    return seen


def expected(seen, local, gap, overlap):
    """What an editor chose for one local time, from looking at the clock alone."""
    if local not in seen:
        following = min((moments[0] for shows, moments in seen.items() if shows > local))
        return following if gap is Gap.AFTER else None
    return seen[local][0 if overlap is Overlap.FIRST else -1]


def daily(name, at, first, **choices):
    return Recurrence(period=Period.DAY, local_time=at, zone=name, first_date=first, **choices)


def test_the_zones_have_changes_of_every_kind():
    shifts = {shift for name in ZONES for _moment, shift in changes(name)}

    assert len(ZONES) > 400
    assert sum(len(changes(name)) for name in ZONES) > 800
    assert {timedelta(hours=1), -timedelta(hours=1)} <= shifts
    assert {timedelta(minutes=30), -timedelta(minutes=30)} <= shifts


@pytest.mark.parametrize("region", REGIONS)
def test_at_every_change_of_every_clock_each_day_comes_once_as_chosen(region):
    looked_at = set()
    for name in (one for one in ZONES if one.partition("/")[0] == region):
        for change, shift in changes(name):
            # Zones that change alike are looked at closely once, and each of them once in the middle.
            kind = (change, shift, shown(change, ZoneInfo(name)))
            check_around(name, change, shift, closely=kind not in looked_at)
            looked_at.add(kind)


def check_around(name, change, shift, *, closely):
    zone = ZoneInfo(name)
    seen = walked(zone, change - 4 * DAY, change + 4 * DAY)
    before, after = sorted((shown(change, zone), shown(change, zone) - shift))
    steps = (after - before) // QUARTER
    for step in range(-1, steps + 2) if closely else [steps // 2]:
        for gap, overlap in CHOICES:
            near = before + step * QUARTER
            recurrence = daily(name, near.time(), near.date() - 2 * DAY, gap=gap, overlap=overlap)
            check_days(recurrence, seen, change, near.date())


def check_days(recurrence, seen, change, day):
    begin, end = change - 3 * DAY, change + 2 * DAY

    found = list(occurrences(recurrence, begin, end))

    days = [one.local_date for one in found]
    assert day in days
    assert days == [recurrence.first_date + number * DAY for number in range(len(days))]
    moments = [
        expected(
            seen,
            datetime.combine(one, recurrence.local_time),
            recurrence.gap,
            recurrence.overlap,
        )
        for one in days
    ]
    assert [one.moment for one in found] == moments, (recurrence, change)
    assert is_rising([one for one in moments if one])
    assert found == [
        *occurrences(recurrence, begin, change),
        *occurrences(recurrence, change, end),
    ]


def is_rising(moments):
    return all(earlier < later for earlier, later in pairwise(moments))


NEAR_A_CHANGE = st.sampled_from([name for name in ZONES if changes(name)]).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.tuples(st.sampled_from(changes(name)), st.integers(-12, 12)).map(
            lambda one: shown(one[0][0], ZoneInfo(name)) + one[1] * QUARTER
        ),
    )
)
ANYWHERE = st.tuples(
    st.sampled_from(ZONES),
    st.datetimes(datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2028-12-31")),
)


@st.composite
def recurrences(draw):
    name, near = draw(st.one_of(NEAR_A_CHANGE, ANYWHERE))
    first = near.date() - draw(st.integers(0, 40)) * DAY
    return Recurrence(
        period=draw(st.sampled_from(Period)),
        every=draw(st.integers(1, 4)),
        weekdays=draw(st.frozensets(st.integers(1, 7), min_size=1)),
        local_time=near.time(),
        zone=name,
        first_date=first,
        last_date=draw(st.none() | st.integers(0, 90).map(lambda days: first + days * DAY)),
        gap=draw(st.sampled_from(Gap)),
        overlap=draw(st.sampled_from(Overlap)),
    )


def comes_on(recurrence, day):
    """Tell from the calendar alone whether a date belongs to it."""
    first, last = recurrence.first_date, recurrence.last_date
    if day < first or (last is not None and day > last):
        return False
    if recurrence.period is Period.DAY:
        return (day - first).days % recurrence.every == 0
    monday = first - (first.isoweekday() - 1) * DAY
    weeks = (day - monday).days // 7
    return day.isoweekday() in recurrence.weekdays and weeks % recurrence.every == 0


@given(recurrence=recurrences())
def test_the_dates_are_those_of_the_calendar_at_the_time_that_was_chosen(recurrence):
    begin = datetime.combine(recurrence.first_date - 5 * DAY, time(), UTC)
    days = [recurrence.first_date + number * DAY for number in range(-3, 60)]

    found = list(occurrences(recurrence, begin, begin + 70 * DAY))

    within = [one.local_date for one in found if one.local_date <= days[-1]]
    assert within == [day for day in days if comes_on(recurrence, day)]
    assert {one.local_time for one in found} <= {recurrence.local_time}
    moments = [one.moment for one in found if one.moment]
    assert is_rising(moments)
    zone = ZoneInfo(recurrence.zone)
    at_other_times = [
        one
        for one in found
        if one.moment
        and shown(one.moment, zone) != datetime.combine(one.local_date, one.local_time)
    ]
    assert all(shown(one.moment, zone).date() >= one.local_date for one in at_other_times)
    assert not at_other_times or recurrence.gap is Gap.AFTER


@given(
    recurrence=recurrences(),
    cuts=st.lists(st.integers(0, 60 * 24 * 4), min_size=1, max_size=12),
    exact=st.booleans(),
)
def test_it_does_not_matter_in_how_many_pieces_it_is_asked(recurrence, cuts, exact):
    begin = datetime.combine(recurrence.first_date - 2 * DAY, time(), UTC)
    end = begin + 60 * DAY
    whole = list(occurrences(recurrence, begin, end))
    edges = {begin + cut * QUARTER for cut in cuts}
    if exact:
        edges |= {one.moment for one in whole if one.moment}
    edges = [begin, *sorted(edge for edge in edges if begin < edge < end), end]

    pieces = [
        one for after, until in pairwise(edges) for one in occurrences(recurrence, after, until)
    ]

    assert pieces == whole


@pytest.mark.parametrize(
    ("zone", "lost"),
    [("Pacific/Apia", date(2011, 12, 30)), ("Pacific/Kwajalein", date(1993, 8, 21))],
)
@pytest.mark.parametrize("gap", Gap)
def test_a_day_that_a_country_leaves_out(zone, lost, gap):
    at, place = time(7, 30), ZoneInfo(zone)
    recurrence = daily(zone, at, lost - DAY, last_date=lost + DAY, gap=gap)
    begin = datetime.combine(lost - 3 * DAY, time(), UTC)

    found = list(occurrences(recurrence, begin, begin + 6 * DAY))

    assert [one.local_date for one in found] == [lost - DAY, lost, lost + DAY]
    skipped = None if gap is Gap.SKIP else datetime.combine(lost + DAY, time(), place)
    assert [one.moment for one in found] == [
        datetime.combine(lost - DAY, at, place),
        skipped,
        datetime.combine(lost + DAY, at, place),
    ]


@pytest.mark.parametrize("gap", Gap)
def test_two_dates_that_would_share_a_moment_come_once(gap):
    lost, place = date(2011, 12, 30), ZoneInfo("Pacific/Apia")
    recurrence = daily("Pacific/Apia", time(), lost, last_date=lost + DAY, gap=gap)
    begin = datetime(2011, 12, 28, tzinfo=UTC)

    found = list(occurrences(recurrence, begin, begin + 6 * DAY))

    midnight = datetime.combine(lost + DAY, time(), place)
    assert [one.moment for one in found] == [None, midnight]


@pytest.mark.parametrize(("overlap", "hours"), [(Overlap.FIRST, 0), (Overlap.SECOND, 24)])
def test_a_day_that_a_country_has_twice(overlap, hours):
    # Alaska, 1867: a Friday was followed by the same Friday.
    zone, friday = "America/Juneau", date(1867, 10, 18)
    at, place = time(18), ZoneInfo(zone)
    recurrence = daily(zone, at, friday - DAY, last_date=friday + DAY, overlap=overlap)
    begin = datetime.combine(friday - 4 * DAY, time(), UTC)

    found = [one.moment for one in occurrences(recurrence, begin, begin + 8 * DAY)]

    first = datetime.combine(friday, at, place).astimezone(UTC)
    second = datetime.combine(friday, at, place).replace(fold=1).astimezone(UTC)
    assert second - first == DAY
    assert found[1] == first + timedelta(hours=hours)
    assert len(found) == 3
    assert is_rising(found)


@pytest.mark.parametrize(
    ("choices", "dates"),
    [
        ({"period": Period.DAY}, ["11-24", "11-25", "11-26", "11-27"]),
        ({"period": Period.DAY, "every": 3}, ["11-24", "11-27", "11-30", "12-03"]),
        (
            {"period": Period.WEEK, "weekdays": frozenset({1, 2, 3, 4, 5})},
            ["11-24", "11-25", "11-26", "11-27", "11-30"],
        ),
        ({"period": Period.WEEK, "weekdays": frozenset({1})}, ["11-30", "12-07", "12-14"]),
        # The week of the first date counts, however late in it that date is.
        (
            {"period": Period.WEEK, "weekdays": frozenset({1, 4}), "every": 2},
            ["11-26", "12-07", "12-10", "12-21"],
        ),
    ],
)
def test_rounds_are_counted_from_the_first_date(choices, dates):
    recurrence = Recurrence(
        local_time=time(7, 30),
        zone="Europe/Amsterdam",
        first_date=date(2026, 11, 24),  # a Tuesday
        **choices,
    )
    begin = datetime(2026, 11, 1, tzinfo=UTC)

    found = list(occurrences(recurrence, begin, begin + 80 * DAY))

    assert [f"{one.local_date:%m-%d}" for one in found][: len(dates)] == dates


def test_it_is_the_same_time_on_the_clock_in_summer_and_winter():
    recurrence = daily("Europe/Amsterdam", time(7, 30), date(2026, 10, 24))

    found = list(occurrences(recurrence, BEGIN, datetime(2026, 10, 27, tzinfo=UTC)))

    assert [f"{one.moment:%d %H:%M}" for one in found] == ["24 05:30", "25 06:30", "26 06:30"]


def test_the_beginning_belongs_to_a_stretch_and_the_end_does_not():
    recurrence = daily("UTC", time(8), date(2026, 5, 1))
    first = datetime(2026, 5, 1, 8, tzinfo=UTC)

    assert [one.moment for one in occurrences(recurrence, first, first + DAY)] == [first]
    assert list(occurrences(recurrence, first, first)) == []


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"every": 0}, InvalidRecurrence),
        ({"every": 53}, InvalidRecurrence),
        ({"weekdays": frozenset()}, InvalidRecurrence),
        ({"weekdays": frozenset({0, 1})}, InvalidRecurrence),
        ({"weekdays": frozenset({8})}, InvalidRecurrence),
        ({"last_date": date(2026, 4, 30)}, InvalidRecurrence),
        ({"zone": "Mars/Olympus"}, UnknownZone),
    ],
)
def test_what_can_never_come_is_refused(wrong, error):
    good = {"zone": "UTC", "local_time": time(8), "first_date": date(2026, 5, 1)}

    with pytest.raises(error) as caught:
        Recurrence(period=Period.WEEK, **{**good, **wrong})

    assert isinstance(caught.value, InvalidInput)
