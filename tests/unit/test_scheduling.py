"""A local time becomes the one moment that was meant, or a question."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.core import scheduling
from broadcaster.core.errors import InvalidMoment

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
THREE_YEARS = timedelta(days=3 * 366)
# Europe, both Americas, half hours and quarters, a half-hour change, Ramadan, none at all.
ZONES = [
    "Europe/Amsterdam",
    "Europe/London",
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",
    "America/Havana",
    "America/Scoresbysund",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Jerusalem",
    "Asia/Kolkata",
    "Pacific/Kiritimati",
    "UTC",
]


def _changes(name: str) -> list[datetime]:
    """Find, by looking at every hour and then every minute, when a zone's clock changes."""
    zone, found = ZoneInfo(name), []
    hour = NOW
    while hour < NOW + timedelta(days=2 * 366):
        following = hour + timedelta(days=1)
        if hour.astimezone(zone).utcoffset() != following.astimezone(zone).utcoffset():
            minutes = [hour + timedelta(minutes=one) for one in range(1441)]
            pairs = pairwise(minutes)
            found += [
                later
                for earlier, later in pairs
                if earlier.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset()
            ]
        hour = following
    return found


CHANGES = [(name, change) for name in ZONES for change in _changes(name)]
NEAR_A_CHANGE = st.sampled_from(CHANGES).flatmap(
    lambda one: st.tuples(
        st.just(one[0]),
        st.integers(-240, 240).map(
            lambda minutes: (
                one[1].astimezone(ZoneInfo(one[0])).replace(tzinfo=None, fold=0)
                + timedelta(minutes=minutes)
            )
        ),
    )
)
ANY_TIME = st.tuples(
    st.sampled_from(ZONES),
    st.datetimes(
        datetime.fromisoformat("2026-02-01 00:00"), datetime.fromisoformat("2028-12-31 00:00")
    ),
)


def _moments_by_search(local: datetime, name: str) -> list[datetime]:
    """Try every offset a clock may have, to the quarter of an hour: slow and without doubt."""
    zone = ZoneInfo(name)
    tried = (local - timedelta(minutes=15 * step) for step in range(-64, 65))
    return sorted(
        moment
        for moment in (one.replace(tzinfo=UTC) for one in tried)
        if moment.astimezone(zone).replace(tzinfo=None, fold=0) == local
    )


@given(case=st.one_of(NEAR_A_CHANGE, ANY_TIME), fold=st.sampled_from([None, 0, 1]))
def test_a_time_is_resolved_to_a_moment_when_the_clock_shows_it_or_asked_about(case, fold):
    zone, local = case
    possible = _moments_by_search(local, zone)

    answer = _resolve_or_ask(local, zone, fold)

    if not possible:
        assert isinstance(answer, scheduling.MissingTime)
        assert answer.next_local > local
        assert _moments_by_search(answer.next_local, zone)
        assert not _moments_by_search(answer.next_local - timedelta(minutes=1), zone)
    elif len(possible) > 1 and fold is None:
        assert isinstance(answer, scheduling.AmbiguousTime)
        assert list(answer.moments) == possible
    else:
        assert answer == possible[(fold or 0) if len(possible) > 1 else 0]
        assert answer.tzinfo is UTC


def _resolve_or_ask(local, zone, fold):
    try:
        return scheduling.resolve(local, zone, fold=fold, now=NOW, furthest=THREE_YEARS)
    except InvalidMoment as error:
        return error


@pytest.mark.parametrize(("fold", "hour"), [(0, 0), (1, 1)])
def test_the_chosen_half_of_an_overlap_is_taken(fold, hour):
    local = datetime.fromisoformat("2026-10-25 02:30")

    moment = scheduling.resolve(local, "Europe/Amsterdam", fold=fold, now=NOW)

    assert moment == datetime(2026, 10, 25, hour, 30, tzinfo=UTC)


def test_a_time_that_does_not_exist_names_the_next_that_does():
    local = datetime.fromisoformat("2026-03-29 02:30")

    with pytest.raises(scheduling.MissingTime, match=r"next time is 03:00") as caught:
        scheduling.resolve(local, "Europe/Amsterdam", now=NOW)

    assert caught.value.next_local == datetime.fromisoformat("2026-03-29 03:00")


@pytest.mark.parametrize(
    "zone",
    [
        *("", "EST", "CET", "GMT+1", "Mars/Olympus", "Europe", "Europe/", "Europe/amsterdam\x00"),
        *("../../etc/passwd", "/etc/localtime", "posix/Europe/Amsterdam", "Europe/\udcff"),
        "x/" * 5000,
    ],
)
def test_only_iana_names_with_a_place_are_time_zones(zone):
    local = datetime.fromisoformat("2026-05-05 12:00")

    with pytest.raises(scheduling.UnknownZone, match="Europe/Amsterdam"):
        scheduling.resolve(local, zone, now=NOW)


@pytest.mark.parametrize(
    ("local", "error"),
    [
        (datetime.fromisoformat("2026-01-01 13:00"), scheduling.PastMoment),
        (datetime.fromisoformat("2025-12-31 00:00"), scheduling.PastMoment),
        (datetime.fromisoformat("0001-01-01 00:00"), scheduling.PastMoment),
        (datetime.fromisoformat("2027-01-02 13:01"), scheduling.DistantMoment),
        (datetime.fromisoformat("2036-01-01 00:00"), scheduling.DistantMoment),
        (datetime.fromisoformat("9999-12-31 23:59"), scheduling.DistantMoment),
    ],
)
def test_the_past_and_the_far_future_are_refused(local, error):
    with pytest.raises(error):
        scheduling.resolve(local, "Europe/Amsterdam", now=NOW)


def test_the_last_moment_within_the_limit_is_accepted():
    local = datetime.fromisoformat("2027-01-02 13:00")

    assert scheduling.resolve(local, "Europe/Amsterdam", now=NOW) == NOW + timedelta(days=366)


def test_every_refusal_is_an_invalid_moment():
    kinds = {scheduling.UnknownZone, scheduling.MissingTime, scheduling.AmbiguousTime}
    kinds |= {scheduling.PastMoment, scheduling.DistantMoment}

    assert all(issubclass(kind, InvalidMoment) for kind in kinds)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("nl", "dinsdag 24 november 2026 om 07:30 (Europe/Amsterdam)"),
        ("en", "Tuesday 24 November 2026 at 07:30 (Europe/Amsterdam)"),
        ("de", "Dienstag, 24. November 2026 um 07:30 (Europe/Amsterdam)"),
        ("fr", "mardi 24 novembre 2026 à 07:30 (Europe/Amsterdam)"),
        ("es", "martes, 24 de noviembre de 2026, a las 07:30 (Europe/Amsterdam)"),
        ("tlh", "Tuesday 24 November 2026 at 07:30 (Europe/Amsterdam)"),
    ],
)
def test_a_moment_is_said_in_words(language, words):
    moment = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)

    assert scheduling.in_words(moment, "Europe/Amsterdam", language) == words


def test_the_two_halves_of_an_overlap_are_said_differently():
    local = datetime.fromisoformat("2026-10-25 02:30")
    with pytest.raises(scheduling.AmbiguousTime) as caught:
        scheduling.resolve(local, "Europe/Amsterdam", now=NOW)

    said = [scheduling.in_words(one, "Europe/Amsterdam", "nl") for one in caught.value.moments]

    assert said == [
        "zondag 25 oktober 2026 om 02:30 (Europe/Amsterdam, UTC+02:00)",
        "zondag 25 oktober 2026 om 02:30 (Europe/Amsterdam, UTC+01:00)",
    ]
