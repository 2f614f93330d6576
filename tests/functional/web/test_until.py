"""Until when a bulletin goes out: chosen or not, in words, and whether that is time enough."""

from datetime import UTC, datetime

import pytest

from broadcaster.core.address import Channel
from broadcaster.core.bulletin import BulletinState
from broadcaster.storage.models import Outreach, Sender

LATER = {"date": "2026-11-25", "time": "07:30", "zone": "Europe/Amsterdam"}
SPRING = {**LATER, "date": "2027-03-27", "time": "23:00"}
AUTUMN = {**LATER, "date": "2027-10-30", "time": "23:00"}


@pytest.fixture
def editor(site):
    return site.signed_in()


@pytest.fixture
def bulletin(site):
    """Make a draft for three people who get SMS and two on WhatsApp."""
    nrc = site.add_list()
    site.subscribe(nrc, 3)
    site.subscribe(nrc, 2, Channel.WHATSAPP)
    return site.draft(nrc)


@pytest.fixture
def plan(site, editor, bulletin):
    """Schedule the draft, or send it at once; return what was answered."""

    def plan(button="schedule", **filled):
        data = {"version": 1, **LATER, **filled}
        return site.post(editor, f"/bulletins/{bulletin}/{button}", data)

    return plan


def _set(site, **values):
    with site.runtime.transaction() as session:
        for sender in session.query(Sender):
            for name, value in values.items():
                setattr(sender, name, value)


@pytest.mark.parametrize(
    ("typed", "start", "ends"),
    [
        ("11:00", LATER, datetime(2026, 11, 25, 10, 0, tzinfo=UTC)),
        ("07:31", LATER, datetime(2026, 11, 25, 6, 31, tzinfo=UTC)),
        ("07:30", LATER, datetime(2026, 11, 26, 6, 30, tzinfo=UTC)),
        ("01:15", LATER, datetime(2026, 11, 26, 0, 15, tzinfo=UTC)),
        # The clock jumps over 02:30: it ends when it jumps.
        ("02:30", SPRING, datetime(2027, 3, 28, 1, 0, tzinfo=UTC)),
        # The clock shows 02:30 twice: it ends the first time.
        ("02:30", AUTUMN, datetime(2027, 10, 31, 0, 30, tzinfo=UTC)),
    ],
)
def test_an_end_is_the_next_time_that_the_clock_shows(site, plan, typed, start, ends):
    assert plan(until=typed, **start).status_code == 303
    assert site.bulletin(1).not_after == ends


def test_without_an_end_the_settings_decide_once_it_starts(site, editor, plan):
    assert plan(until="").status_code == 303
    assert site.bulletin(1).not_after is None
    assert "It goes out until 11:30, 4 hours after the start." in editor.get("/bulletins/1").text


def test_what_is_sent_at_once_may_have_an_end_too(site, plan):
    assert plan("send", until="07:45").status_code == 303
    assert site.bulletin(1).not_after == datetime(2026, 11, 24, 6, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    "typed", ["half elf", "25:00", "11:60", "1100", "\u0661\u0661:\u0660\u0660", "-1:00"]
)
@pytest.mark.parametrize("button", ["schedule", "send"])
def test_an_end_that_is_no_time_is_refused_and_kept_on_the_page(site, plan, typed, button):
    answer = plan(button, until=typed)
    assert answer.status_code == 422
    assert '<a href="#until">Fill in the time at which sending stops' in answer.text
    assert f'value="{typed}" aria-invalid="true"' in answer.text
    assert site.bulletin(1).state == "draft"


def test_the_end_is_said_back_in_words_while_it_is_chosen(site, editor):
    for typed, says in (
        ("", "It goes out until 11:30, 4 hours after the start."),
        ("11:00", "It goes out until 11:00, 3 hours 30 minutes after the start."),
        ("01:15", "It goes out until Thu 26 Nov, 01:15, 17 hours 45 minutes after the start."),
    ):
        filled = {**LATER, "until": typed, "takes": "90"}
        page = site.post(editor, "/bulletins/moment", filled).text
        assert says in page
        assert "it takes about 2 minutes: done around 07:31." in page


@pytest.mark.parametrize("takes", ["", "x", "-1", "9" * 30])
def test_nonsense_about_the_pace_is_no_pace(site, editor, takes):
    page = site.post(editor, "/bulletins/moment", {**LATER, "takes": takes}).text
    assert "It goes out until 11:30" in page
    assert "pace" not in page


def test_an_end_that_was_chosen_is_shown_when_the_moment_changes(editor, plan):
    plan(until="11:00")
    assert 'name="until" value="11:00"' in editor.get("/bulletins/1/check").text


def test_at_the_pace_of_the_numbers_it_may_be_too_long(site, editor, bulletin):
    path = f"/bulletins/{bulletin}/check"
    assert "it takes about 1 second: done around" in editor.get(path).text
    assert "not everybody will get it" not in editor.get(path).text
    # Three SMS at one in an hour and a half.
    _set(site, rate=1 / 5400)
    page = editor.get(path).text
    assert "it takes about 4 hours 30 minutes" in page
    assert "not everybody will get it" in page
    _set(site, rate=0.0)
    assert "At the pace of your numbers" not in editor.get(path).text


def test_on_sms_each_part_takes_its_time(site, editor, bulletin):
    nrc = site.bulletin(bulletin).list_id
    long = site.draft(nrc, "x" * 400)
    _set(site, rate=1 / 60)
    assert "it takes about 3 minutes" in editor.get(f"/bulletins/{bulletin}/check").text
    assert "it takes about 9 minutes" in editor.get(f"/bulletins/{long}/check").text


def test_the_rest_of_one_on_its_way_is_what_counts(site, editor, bulletin):
    outcomes = [(1, "delivered", None, None), (2, "queued", None, None)]
    site.finish(bulletin, outcomes, state=BulletinState.HELD)
    _set(site, rate=1 / 60)
    assert "it takes about 1 minute:" in editor.get(f"/bulletins/{bulletin}/check").text


def test_whatsapps_day_is_told_when_more_people_are_outside_than_fit(site, editor, bulletin):
    path = f"/bulletins/{bulletin}/check"
    assert "lets this number write" not in editor.get(path).text
    _set(site, daily_limit=2)
    assert "lets this number write" not in editor.get(path).text
    with site.runtime.transaction() as session:
        session.add(Outreach(sender_id=2, subscriber_id=1, since=site.clock.now()))
    page = editor.get(path).text
    assert "WhatsApp lets this number write to 2 people a day" in page
    assert "Today 1 are left" in page
