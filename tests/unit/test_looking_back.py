"""A moment that has been: read with or without a zone, over both clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.core.errors import InvalidMoment
from broadcaster.core.looking_back import FutureMoment, look_back, read_moment
from broadcaster.core.scheduling import AmbiguousTime, MissingTime, UnknownZone

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ZONE = "Europe/Amsterdam"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-03T14:00+01:00", datetime(2026, 3, 3, 13, tzinfo=UTC)),
        ("2026-03-03 14:00+0100", datetime(2026, 3, 3, 13, tzinfo=UTC)),
        ("2026-03-03T14:00 01:00", datetime(2026, 3, 3, 13, tzinfo=UTC)),
        ("2026-03-03T14:00Z", datetime(2026, 3, 3, 14, tzinfo=UTC)),
        ("2026-03-03T14:00", datetime(2026, 3, 3, 13, tzinfo=UTC)),
        ("2026-03-03 14:00", datetime(2026, 3, 3, 13, tzinfo=UTC)),
        ("2026-07-03T14:00:30.5", datetime(2026, 7, 3, 12, 0, 30, 500_000, tzinfo=UTC)),
        (" 2026-10-25T02:30+02:00 ", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25T02:30+01:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-11-30T13:00", NOW),
    ],
)
def test_a_moment_is_read_by_its_own_zone_or_by_the_clock_on_the_wall(text, expected):
    assert read_moment(text, ZONE, NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-03-03",
        "2026-02-30T14:00",
        "2026-03-03T25:00",
        "2026-03-03T14:00+99:99",
        "0001-01-01T00:00",
        "0001-01-01T00:00+14:00",
        "20260303T1400",
        "2026-W10-2T14:00",
        "\u0662026-03-03T14:00",
        "2026-03-03T14:00" + "0" * 100_000,
    ],
)
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(InvalidMoment):
        read_moment(text, ZONE, NOW)


def test_a_time_that_the_clock_jumped_over_is_refused_with_the_next_one():
    with pytest.raises(MissingTime, match="the next time was 03:00") as caught:
        read_moment("2026-03-29T02:30", ZONE, NOW)
    assert caught.value.next_local == datetime(2026, 3, 29, 3)  # noqa: DTZ001 - a local time


def test_a_time_that_came_twice_is_asked_back_with_both():
    both = r"2026-10-25T02:30\+02:00 or 2026-10-25T02:30\+01:00"
    with pytest.raises(AmbiguousTime, match=both):
        read_moment("2026-10-25T02:30", ZONE, NOW)
    local = datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 - a local time
    first, second = (look_back(local, ZONE, fold=fold, now=NOW) for fold in (0, 1))
    assert second - first == timedelta(hours=1)


@pytest.mark.parametrize("text", ["2026-11-30T13:01", "2026-11-30T12:01Z", "9999-12-31T23:59"])
def test_what_is_still_to_come_is_refused(text):
    with pytest.raises(FutureMoment):
        read_moment(text, ZONE, NOW)


def test_an_unknown_zone_is_refused():
    with pytest.raises(UnknownZone):
        read_moment("2026-03-03T14:00", "Mars/Olympus", NOW)


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2026, 11, 29)),  # noqa: DTZ001 - local times
    st.integers(-14 * 60, 14 * 60),
)
def test_whatever_is_written_in_full_is_that_moment(local, minutes):
    moment = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert read_moment(moment.isoformat(), ZONE, NOW) == moment


@given(st.text(max_size=40))
def test_no_text_is_more_than_refused(text):
    with pytest.raises(InvalidMoment):
        read_moment("x" + text, ZONE, NOW)
