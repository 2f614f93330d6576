"""A bulletin that comes again, as an editor sees it: chosen, said back, changed, ended."""

import re
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from broadcaster.core.address import Channel
from broadcaster.services import planning
from broadcaster.services.staff import Role
from broadcaster.storage.models import Bulletin, Series

TEXT = "Goedemorgen. Dit is het nieuws."
TUESDAY = {"date": "2026-11-24", "time": "07:30", "zone": "Europe/Amsterdam"}
SUNDAYS = {**TUESDAY, "date": "2026-11-29", "time": "02:30", "repeat": "week"}


@pytest.fixture
def editor(site):
    return site.signed_in()


@pytest.fixture
def nrc(site):
    """Make a list with three people who get SMS and two on WhatsApp."""
    made = site.add_list()
    site.subscribe(made, 3)
    site.subscribe(made, 2, Channel.WHATSAPP)
    return made


def schedule(site, browser, bulletin, version=1, **filled):
    data = {"version": version, **TUESDAY, **filled}
    return site.post(browser, f"/bulletins/{bulletin}/schedule", data)


def begin(site, browser, nrc, **filled):
    """Begin a series; return its first bulletin's number."""
    bulletin = site.draft(nrc)
    answer = schedule(site, browser, bulletin, **{"repeat": "weekdays", **filled})
    assert (answer.status_code, answer.location) == (303, f"/bulletins/{bulletin}")
    return bulletin


def made(site):
    with site.runtime.reading() as session:
        return session.scalars(sa.select(Bulletin).order_by(Bulletin.id)).all()


def the_series(site):
    with site.runtime.reading() as session:
        return session.scalars(sa.select(Series)).one()


def version_on(page):
    return re.search(r'name="version" value="(\d+)"', page).group(1)


def test_the_check_page_offers_once_first_and_then_three_ways_to_come_again(site, editor, nrc):
    page = editor.get(f"/bulletins/{site.draft(nrc)}/check").text
    offered = re.findall(r'name="repeat" value="(\w+)"( checked)?', page)
    assert offered == [("once", " checked"), ("day", ""), ("weekdays", ""), ("week", "")]


@pytest.mark.parametrize(
    ("filled", "says"),
    [
        (
            {"repeat": "weekdays"},
            "Every weekday at 07:30 (Europe/Amsterdam); first on Tuesday 24 November 2026.",
        ),
        (
            {"repeat": "day", "last_date": "2026-12-18"},
            (
                "Every day at 07:30 (Europe/Amsterdam); first on Tuesday 24 November 2026,"
                " until Friday 18 December 2026."
            ),
        ),
        (
            {"repeat": "week", "weekday": ["4", "1"]},
            (
                "Every Monday and Thursday at 07:30 (Europe/Amsterdam);"
                " first on Thursday 26 November 2026."
            ),
        ),
        (
            {"repeat": "week", "weekday": ["5"], "every": "2"},
            (
                "Every 2 weeks on Friday at 07:30 (Europe/Amsterdam);"
                " first on Friday 27 November 2026."
            ),
        ),
        (
            {"repeat": "week"},
            "Every Tuesday at 07:30 (Europe/Amsterdam); first on Tuesday 24 November 2026.",
        ),
        (
            {"repeat": "week", "weekday": list("1234567")},
            "Every day at 07:30 (Europe/Amsterdam); first on Tuesday 24 November 2026.",
        ),
        # 07:00 is this very minute: that one is too late.
        (
            {"repeat": "day", "time": "07:00"},
            "Every day at 07:00 (Europe/Amsterdam); first on Wednesday 25 November 2026.",
        ),
        ({"repeat": "once"}, "Goes out on Tuesday 24 November 2026 at 07:30"),
    ],
)
def test_what_is_chosen_is_said_back_in_words(site, editor, filled, says):
    page = site.post(editor, "/bulletins/moment", {**TUESDAY, **filled}).text
    assert says in page
    assert "fault" not in page


def test_it_is_said_in_dutch(site, nrc):
    dutch = site.signed_in("noor", language="nl")
    page = site.post(dutch, "/bulletins/moment", {**TUESDAY, "repeat": "weekdays"}).text
    assert (
        "Elke werkdag om 07:30 (Europe/Amsterdam); voor het eerst op dinsdag 24 november 2026."
        in page
    )
    twice = {**TUESDAY, "repeat": "week", "weekday": ["1", "4"], "every": "2"}
    page = site.post(dutch, "/bulletins/moment", twice).text
    assert "Elke 2 weken op maandag en donderdag om 07:30 (Europe/Amsterdam)" in page


def test_a_series_is_scheduled_and_the_coming_days_are_made(site, editor, nrc):
    bulletin = begin(site, editor, nrc)
    first, *later = made(site)
    assert first.id == bulletin
    assert first.starts_at == datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
    assert [f"{one.starts_at:%a}" for one in later] == ["Wed", "Thu", "Fri", "Mon"]
    assert {one.state for one in made(site)} == {"scheduled"}
    page = editor.get(f"/bulletins/{bulletin}").text
    assert "The series is scheduled." in page
    assert "Part of a series" in page
    assert "Every weekday at 07:30 (Europe/Amsterdam)." in page
    for one in later[:3]:
        assert f'href="/bulletins/{one.id}"' in page


def test_a_draft_for_each_day_says_which_day_it_is_for_and_suggests_its_moment(site, editor, nrc):
    begin(site, editor, nrc, made_as="draft")
    second = made(site)[1]
    assert second.state == "draft"
    page = editor.get(f"/bulletins/{second.id}").text
    assert "meant for Wednesday 25 November 2026 at 07:30" in page
    assert "Wed 25 Nov, 07:30" in editor.get("/bulletins?tab=draft").text
    check = editor.get(f"/bulletins/{second.id}/check").text
    assert 'value="2026-11-25"' in check
    assert 'value="07:30"' in check
    assert "What you choose here holds for this one only." in check
    assert 'name="repeat"' not in check


@pytest.mark.parametrize(
    ("filled", "says"),
    [
        ({"date": ""}, "Fill in a date and a time."),
        ({"time": "25:00"}, "Fill in a date and a time."),
        ({"date": "2026-11-23"}, "That moment has passed"),
        ({"date": "0001-01-01"}, "That moment has passed"),
        ({"date": "2036-11-24"}, "too far ahead"),
        ({"date": "9999-12-31"}, "too far ahead"),
        ({"zone": "Mars/Olympus"}, "Choose a time zone"),
        ({"zone": ""}, "Choose a time zone"),
        ({"last_date": "2026-11-23"}, "The last day is before the first"),
        ({"last_date": "2026-02-31"}, "Fill in the last day as a date"),
        ({"last_date": "morgen"}, "Fill in the last day as a date"),
        ({"last_date": "2026-11-24", "time": "06:59"}, "None of these days is still to come"),
    ],
)
def test_what_can_never_come_is_refused_and_said_why(site, editor, nrc, filled, says):
    bulletin = site.draft(nrc)
    answer = schedule(site, editor, bulletin, repeat="day", **filled)
    assert answer.status_code == 422
    assert says in answer.text
    assert 'value="day" checked' in answer.text
    assert site.bulletin(bulletin).state == "draft"


@pytest.mark.parametrize(
    "strange",
    [
        {"repeat": "hourly"},
        {"repeat": "week", "weekday": ["0", "8", "x", "٢"]},
        {"repeat": "week", "every": "-1"},
        {"repeat": "week", "every": "9" * 5000},
        {"repeat": "day", "made_as": "sending"},
        {"repeat": "day", "gap": "never", "overlap": "both"},
    ],
)
def test_what_the_form_does_not_offer_counts_as_not_chosen(site, editor, nrc, strange):
    bulletin = site.draft(nrc)
    assert schedule(site, editor, bulletin, **strange).status_code == 303
    assert site.bulletin(bulletin).starts_at == datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
    assert {one.state for one in made(site)} == {"scheduled"}


def test_a_change_of_the_clock_is_asked_about_when_it_concerns_this_time(site, editor, nrc):
    bulletin = site.draft(nrc)
    asked = schedule(site, editor, bulletin, **SUNDAYS)
    assert asked.status_code == 422
    assert "On Sunday 28 March 2027 the clock jumps over 02:30. And then?" in asked.text
    assert "It goes out at 03:00" in asked.text
    assert "On Sunday 31 October 2027 the clock shows 02:30 twice. Which one?" in asked.text
    assert 'href="#gap"' in asked.text
    half = schedule(site, editor, bulletin, **SUNDAYS, gap="skip")
    assert half.status_code == 422
    assert 'value="skip" checked' in half.text
    assert 'href="#overlap"' in half.text
    answer = schedule(site, editor, bulletin, **SUNDAYS, gap="skip", overlap="second")
    assert answer.status_code == 303
    assert (the_series(site).gap, the_series(site).overlap) == ("skip", "second")


@pytest.mark.parametrize(
    "filled",
    [
        {"repeat": "day"},
        {"repeat": "weekdays", "time": "02:30"},  # the clock changes on a Sunday
        {"repeat": "day", "time": "02:30", "last_date": "2026-12-31"},
        {"repeat": "day", "time": "02:30", "zone": "Asia/Tokyo"},
    ],
)
def test_nobody_is_asked_about_a_change_that_does_not_concern_them(site, editor, nrc, filled):
    page = site.post(editor, "/bulletins/moment", {**TUESDAY, **filled}).text
    assert "the clock" not in page
    assert "first on" in page


def test_a_second_press_does_nothing_and_leads_to_the_report(site, editor, nrc):
    bulletin = begin(site, editor, nrc)
    again = schedule(site, editor, bulletin, repeat="weekdays")
    assert (again.status_code, again.location) == (303, f"/bulletins/{bulletin}")
    assert "nothing was done twice" in editor.get(again.location).text
    assert len(made(site)) == 5


def test_a_series_to_nobody_is_refused(site, editor):
    bulletin = site.draft(site.add_list())
    answer = schedule(site, editor, bulletin, repeat="day")
    assert answer.status_code == 422
    assert "Nobody would get this bulletin" in answer.text
    assert len(made(site)) == 1


def test_changing_this_one_leaves_the_others_and_suggests_its_own_moment(site, editor, nrc):
    begin(site, editor, nrc)
    second = made(site)[1]
    assert f'href="/bulletins/{second.id}/edit"' in editor.get(f"/bulletins/{second.id}").text
    changed = {"list_id": nrc, "text": "Alleen vandaag.", "version": 1}
    site.post(editor, f"/bulletins/{second.id}/edit", changed)
    assert [one.text for one in made(site)].count(TEXT) == 4
    assert 'value="2026-11-25"' in editor.get(f"/bulletins/{second.id}/check").text
    answer = schedule(site, editor, second.id, version=2, date="2026-11-25", time="09:00")
    assert answer.status_code == 303
    moved = site.bulletin(second.id)
    assert (moved.state, moved.text) == ("scheduled", "Alleen vandaag.")
    assert "Part of a series" in editor.get(f"/bulletins/{second.id}").text


def test_changing_all_following_keeps_them_scheduled(site, editor, nrc):
    begin(site, editor, nrc)
    third = made(site)[2]
    path = f"/bulletins/{third.id}/following"
    assert f'href="{path}"' in editor.get(f"/bulletins/{third.id}").text
    form = editor.get(path).text
    assert TEXT in form
    assert "from Thursday 26 November 2026 at 07:30 on" in form
    answer = site.post(editor, path, {"text": "Nieuw.", "version": version_on(form)})
    assert (answer.status_code, answer.location) == (303, f"/bulletins/{third.id}")
    assert "Changed: 3 bulletins" in editor.get(answer.location).text
    assert [one.text for one in made(site)] == [TEXT, TEXT, "Nieuw.", "Nieuw.", "Nieuw."]
    assert {one.state for one in made(site)} == {"scheduled"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Write at least one character"),
        (" \n ", "Write at least one character"),
        ("x" * 1601, "1,601"),
        ("a\0b", "invisible control character"),
    ],
)
def test_a_text_that_cannot_be_sent_changes_nothing(site, editor, nrc, text, says):
    bulletin = begin(site, editor, nrc)
    path = f"/bulletins/{bulletin}/following"
    answer = site.post(editor, path, {"text": text, "version": 2})
    assert answer.status_code == 422
    assert says in answer.text
    assert {one.text for one in made(site)} == {TEXT}


def test_of_two_editors_who_change_all_following_the_second_sees_both_texts(site, editor, nrc):
    bulletin = begin(site, editor, nrc)
    path = f"/bulletins/{bulletin}/following"
    version = version_on(editor.get(path).text)
    site.post(site.signed_in("otto"), path, {"text": "Van Otto", "version": version})
    answer = site.post(editor, path, {"text": "Van Anna", "version": version})
    assert answer.status_code == 409
    assert "Van Anna" in answer.text
    assert "Van Otto" in answer.text
    again = {"text": "Van Anna", "version": version_on(answer.text)}
    assert site.post(editor, path, again).status_code == 303
    assert {one.text for one in made(site)} == {"Van Anna"}


def test_what_has_begun_is_not_changed_with_those_that_follow(site, editor, nrc):
    bulletin = begin(site, editor, nrc)
    path = f"/bulletins/{bulletin}/following"
    version = version_on(editor.get(path).text)
    with site.runtime.transaction() as session:
        begun = session.get(Bulletin, bulletin)
        begun.state, begun.audience, begun.started = "sending", 5, site.clock.now()
    assert editor.get(path).location == f"/bulletins/{bulletin}"
    answer = site.post(editor, path, {"text": "Te laat", "version": version})
    assert answer.status_code == 409
    page = editor.get(f"/bulletins/{bulletin}").text
    assert "Change all following" not in page
    assert "End the series" in page


def test_a_series_is_ended_once_and_what_has_not_begun_is_taken_back(site, editor, nrc):
    bulletin = begin(site, editor, nrc)
    path = f"/series/{the_series(site).id}/end"
    assert f'action="{path}"' in editor.get(f"/bulletins/{bulletin}").text
    answer = site.post(editor, path)
    assert answer.status_code == 303
    assert "The series has ended; 5 bulletins were taken back." in editor.get(answer.location).text
    assert {one.state for one in made(site)} == {"cancelled"}
    site.clock.advance(days=9)
    assert planning.plan_ahead(site.runtime) == 0
    again = site.post(editor := site_again(site), path)
    assert "nothing was done twice" in editor.get(again.location).text
    page = editor.get(f"/bulletins/{bulletin}").text
    assert "The series ended on Tuesday 24 November 2026 at 07:00" in page
    assert "End the series" not in page


def site_again(site):
    """Sign in anew: the session of nine days ago is over."""
    browser = site.browser()
    site.try_password(browser, "anna")
    return browser


@pytest.mark.parametrize("number", ["99", "0", str(2**40)])
def test_a_series_that_is_not_there_is_not_found(site, editor, nrc, number):
    alone = site.draft(nrc)
    assert site.post(editor, f"/series/{number}/end").status_code == 404
    assert editor.get(f"/bulletins/{number}/following").status_code == 404
    assert editor.get(f"/bulletins/{alone}/following").status_code == 404
    assert "Part of a series" not in editor.get(f"/bulletins/{alone}").text


def test_only_editors_end_or_change_a_series(site, editor, nrc):
    bulletin = begin(site, editor, nrc)
    auditor = site.signed_in("adam", Role.AUDITOR)
    path = f"/series/{the_series(site).id}/end"
    for browser, status in ((auditor, 403), (site.browser(), 401)):
        assert browser.get(f"/bulletins/{bulletin}/following").status_code in {status, 303}
    assert site.post(auditor, path).status_code == 403
    assert site.post(auditor, f"/bulletins/{bulletin}/following", {}).status_code == 403
    assert the_series(site).ended is None


def test_a_missed_moment_is_told_on_the_desk(site, editor, nrc):
    begin(site, editor, nrc, made_as="draft")
    site.clock.advance(days=30)
    planning.plan_ahead(site.runtime)
    page = site_again(site).get("/desk").text
    assert "A bulletin of a series was not made: nothing was running at its moment." in page
