"""The editor's way: write, check, schedule, watch, and read the account."""

import re
from datetime import UTC, datetime

import pytest

from broadcaster.core.address import Channel
from broadcaster.core.bulletin import BulletinState
from broadcaster.services import bulletins
from broadcaster.storage.models import Bulletin

TEXT = "Goedemorgen. Dit is het nieuws."
LATER = {"date": "2026-11-25", "time": "07:30", "zone": "Europe/Amsterdam"}


def _save(site, browser, list_id, text, **more):
    return site.post(browser, "/bulletins/new", {"list_id": list_id, "text": text, **more})


def _schedule(site, browser, bulletin, version=1, **filled):
    data = {"version": version, **LATER, **filled}
    return site.post(browser, f"/bulletins/{bulletin}/schedule", data)


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


def test_a_text_is_saved_checked_and_scheduled(site, editor, nrc):
    saved = _save(site, editor, nrc, TEXT)
    assert (saved.status_code, saved.location) == (303, "/bulletins/1/check")
    page = editor.get(saved.location).text
    assert "Schedule 5 messages" in page
    assert "To 5 people on Ochtendnieuws" in page
    answer = _schedule(site, editor, 1)
    assert (answer.status_code, answer.location) == (303, "/bulletins/1")
    kept = site.bulletin(1)
    assert (kept.state, kept.starts_at) == ("scheduled", datetime(2026, 11, 25, 6, 30, tzinfo=UTC))
    report = editor.get("/bulletins/1").text
    assert "Wednesday 25 November 2026 at 07:30 (Europe/Amsterdam)" in report


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Write at least one character"),
        ("  \n\t ", "Write at least one character"),
        ("x" * 1601, "1,601"),
        ("😀" * 1600, "3,200"),
        ("a\0b", "invisible control character"),
        ("a\x1bb", "invisible control character"),
        ("a\x9fb", "invisible control character"),
    ],
)
def test_a_text_that_cannot_be_sent_is_refused_and_kept(site, editor, nrc, text, says):
    answer = _save(site, editor, nrc, text)
    assert answer.status_code == 422
    assert says in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert site.bulletin(1) is None


def test_what_was_typed_stays_on_the_page_after_a_fault(site, editor, nrc):
    answer = _save(site, editor, nrc, "Bijna af.\n" + "x" * 1600)
    assert "Bijna af.\nxxx" in answer.text


@pytest.mark.parametrize("text", ["x" * 1600, "😀" * 800, "€" * 1600, "x" * 161, "ë" * 71])
def test_a_text_that_just_fits_is_accepted(site, editor, nrc, text):
    assert _save(site, editor, nrc, text).status_code == 303


def test_line_ends_count_once_as_phones_see_them(site, editor, nrc):
    assert _save(site, editor, nrc, "a\r\n" * 800).status_code == 303
    assert site.bulletin(1).text == "a\n" * 800


@pytest.mark.parametrize("list_id", ["99", "x", "", "-1", "0"])
def test_an_unknown_list_is_refused(site, editor, nrc, list_id):
    answer = _save(site, editor, list_id, TEXT)
    assert answer.status_code == 422
    assert TEXT in answer.text
    assert site.bulletin(1) is None


@pytest.mark.parametrize("text", ["x" * 161, "“" * 71])
def test_the_count_is_shown_before_anything_is_saved(site, editor, text):
    page = site.post(editor, "/bulletins/count", {"text": text}).text
    assert "SMS: 2 messages" in page
    assert site.bulletin(1) is None


@pytest.mark.parametrize(
    "text", ["{{7*7}}", "<script>alert(1)</script>", '<img src=x onerror="alert(1)">', "{% raw %}"]
)
def test_code_in_a_text_is_shown_as_text_on_every_page(site, editor, nrc, text):
    _save(site, editor, nrc, text)
    pages = ["/bulletins", "/bulletins/1/edit", "/bulletins/1/check", "/bulletins/1", "/desk"]
    assert site.bulletin(1).text == text
    for path in pages:
        page = editor.get(path).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert ">49<" not in page


def test_fields_that_are_not_on_the_form_change_nothing(site, editor, nrc):
    extra = {"state": "finished", "author_id": 99, "audience": 7, "role": "admin", "approved_by": 1}
    _save(site, editor, nrc, TEXT, **extra)
    kept = site.bulletin(1)
    assert (kept.state, kept.author_id, kept.audience) == ("draft", 1, None)


@pytest.mark.parametrize(
    ("filled", "says"),
    [
        ({"date": "2026-11-24", "time": "06:59"}, "has passed"),
        ({"date": "2026-11-24", "time": "07:00"}, "has passed"),
        ({"date": "2036-11-24"}, "too far ahead"),
        ({"date": "9999-12-31"}, "too far ahead"),
        ({"date": ""}, "Fill in a date and a time"),
        ({"time": ""}, "Fill in a date and a time"),
        ({"date": "2026-02-31"}, "Fill in a date and a time"),
        ({"date": "٢٠٢٦-11-25"}, "Fill in a date and a time"),
        ({"time": "25:00"}, "Fill in a date and a time"),
        ({"zone": "../../etc/passwd"}, "Choose a time zone"),
        ({"zone": "Mars/Olympus"}, "Choose a time zone"),
        ({"zone": ""}, "Choose a time zone"),
        ({"zone": "Europe/Amsterdam\0"}, "Choose a time zone"),
        ({"date": "2027-03-28", "time": "02:30"}, "The next time there is, is 03:00"),
    ],
)
def test_a_moment_that_cannot_be_is_refused_and_said_why(site, editor, nrc, filled, says):
    bulletin = site.draft(nrc)
    answer = _schedule(site, editor, bulletin, **filled)
    assert answer.status_code == 422
    assert says in answer.text
    assert site.bulletin(bulletin).state == "draft"


@pytest.mark.parametrize(("fold", "hour"), [("0", 0), ("1", 1)])
def test_a_time_that_comes_twice_is_asked_about(site, editor, nrc, fold, hour):
    site.clock.advance(days=330)
    editor = site.browser()
    site.try_password(editor, "anna")
    bulletin = site.draft(nrc)
    twice = {"date": "2027-10-31", "time": "02:30"}
    asked = _schedule(site, editor, bulletin, **twice)
    assert asked.status_code == 422
    assert "The second time: Sunday 31 October 2027 at 02:30" in asked.text
    assert _schedule(site, editor, bulletin, **twice, fold=fold).status_code == 303
    assert site.bulletin(bulletin).starts_at == datetime(2027, 10, 31, hour, 30, tzinfo=UTC)


def test_a_moment_is_said_back_in_words_while_it_is_chosen(site, editor):
    page = site.post(editor, "/bulletins/moment", LATER).text
    assert (
        "Goes out on Wednesday 25 November 2026 at 07:30 (Europe/Amsterdam), in 24 hours." in page
    )


def test_an_empty_list_cannot_be_scheduled(site, editor):
    bulletin = site.draft(site.add_list())
    page = editor.get(f"/bulletins/{bulletin}/check").text
    assert "Nobody on Ochtendnieuws can be reached yet" in page
    for path in ("schedule", "send"):
        answer = site.post(editor, f"/bulletins/{bulletin}/{path}", {"version": 1, **LATER})
        assert answer.status_code == 422
    assert site.bulletin(bulletin).state == "draft"


def test_send_now_starts_at_this_moment(site, editor, nrc):
    bulletin = site.draft(nrc)
    answer = site.post(editor, f"/bulletins/{bulletin}/send", {"version": 1})
    assert answer.status_code == 303
    assert site.bulletin(bulletin).starts_at == site.clock.now()


def test_a_second_press_does_nothing_and_leads_to_the_report(site, editor, nrc):
    bulletin = site.draft(nrc)
    _schedule(site, editor, bulletin)
    first = site.bulletin(bulletin)
    again = _schedule(site, editor, bulletin)
    assert (again.status_code, again.location) == (303, f"/bulletins/{bulletin}")
    assert "nothing was done twice" in editor.get(again.location).text
    assert site.bulletin(bulletin).version == first.version


@pytest.mark.parametrize(("state", "steps"), [("scheduled", 1), ("sending", 2), ("finished", 3)])
def test_a_second_press_on_send_now_leads_to_the_report_however_far_it_is(
    site, editor, nrc, state, steps
):
    bulletin = site.draft(nrc)
    site.post(editor, f"/bulletins/{bulletin}/send", {"version": 1})
    with site.runtime.transaction() as session:
        kept = session.get(Bulletin, bulletin)
        kept.state, kept.version = state, 1 + steps
    site.clock.advance(seconds=3)
    again = site.post(editor, f"/bulletins/{bulletin}/send", {"version": 1})
    assert (again.status_code, again.location) == (303, f"/bulletins/{bulletin}")
    assert "nothing was done twice" in editor.get(again.location).text


def test_of_two_editors_who_chose_another_moment_the_second_is_told_the_first_ones(
    site, editor, nrc
):
    bulletin = site.draft(nrc)
    other = site.signed_in("otto")
    _schedule(site, other, bulletin, time="09:00")
    answer = _schedule(site, editor, bulletin, time="18:00")
    assert answer.status_code == 409
    assert "scheduled meanwhile for Wednesday 25 November 2026 at 09:00" in answer.text
    assert f'href="/bulletins/{bulletin}"' in answer.text
    assert "nothing was done twice" not in editor.get("/desk").text
    assert site.bulletin(bulletin).starts_at == datetime(2026, 11, 25, 8, tzinfo=UTC)


def test_who_wants_to_send_at_once_is_told_that_another_chose_a_later_moment(site, editor, nrc):
    bulletin = site.draft(nrc)
    _schedule(site, site.signed_in("otto"), bulletin)
    answer = site.post(editor, f"/bulletins/{bulletin}/send", {"version": 1})
    assert answer.status_code == 409
    assert "scheduled meanwhile for Wednesday 25 November 2026 at 07:30" in answer.text


def test_the_same_moment_for_a_text_that_was_changed_meanwhile_is_another_thing(site, editor, nrc):
    bulletin = site.draft(nrc)
    other = site.signed_in("otto")
    changed = {"list_id": nrc, "text": "Anders.", "version": 1}
    site.post(other, f"/bulletins/{bulletin}/edit", changed)
    _schedule(site, other, bulletin, version=2)
    assert _schedule(site, editor, bulletin, version=1).status_code == 409


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (BulletinState.SENDING, "It is going out already"),
        (BulletinState.FINISHED, "It has gone out already"),
        (BulletinState.CANCELLED, "It has been cancelled meanwhile"),
    ],
)
def test_who_comes_too_late_to_schedule_is_told_what_became_of_it(site, editor, nrc, state, says):
    bulletin = site.draft(nrc)
    site.finish(bulletin, [(1, "delivered", None, None)], state=state)
    answer = _schedule(site, editor, bulletin)
    assert answer.status_code == 409
    assert says in answer.text


def test_scheduling_a_text_that_somebody_changed_meanwhile_is_refused(site, editor, nrc):
    bulletin = site.draft(nrc)
    with site.runtime.transaction() as session:
        bulletins.revise(
            session, bulletin, list_id=nrc, text="Anders.", version=1, now=site.clock.now()
        )
    assert _schedule(site, editor, bulletin, version=1).status_code == 409
    assert site.bulletin(bulletin).state == "draft"


def test_of_two_editors_the_second_sees_both_texts_and_may_save_again(site, editor, nrc):
    bulletin = site.draft(nrc)
    other = site.signed_in("otto")
    path = f"/bulletins/{bulletin}/edit"
    mine = {"list_id": nrc, "text": "Van Anna", "version": 1}
    theirs = {"list_id": nrc, "text": "Van Otto", "version": 1}
    assert site.post(other, path, theirs).status_code == 303
    answer = site.post(editor, path, mine)
    assert answer.status_code == 409
    assert "Van Anna" in answer.text
    assert "Van Otto" in answer.text
    assert site.bulletin(bulletin).text == "Van Otto"
    version = re.search(r'name="version" value="(\d+)"', answer.text).group(1)
    assert site.post(editor, path, {**mine, "version": version}).status_code == 303
    assert site.bulletin(bulletin).text == "Van Anna"


def test_what_is_going_out_can_be_stopped_but_not_changed(site, editor, nrc):
    bulletin = site.draft(nrc)
    outcomes = [(1, "delivered", None, None), (2, "queued", None, None)]
    site.finish(bulletin, outcomes, state=BulletinState.SENDING)
    changed = {"list_id": nrc, "text": "Toch anders", "version": 1}
    answer = site.post(editor, f"/bulletins/{bulletin}/edit", changed)
    assert answer.status_code == 409
    assert "Toch anders" in answer.text
    assert site.bulletin(bulletin).text != "Toch anders"
    assert site.post(editor, f"/bulletins/{bulletin}/cancel").status_code == 303
    page = editor.get(f"/bulletins/{bulletin}").text
    assert "not sent, because the bulletin was stopped" in page
    assert "1 + 1 = 2" in page
    again = site.post(editor, f"/bulletins/{bulletin}/cancel")
    assert "It had been stopped already." in editor.get(again.location).text


def test_what_is_going_out_cannot_be_made_a_draft_again(site, editor, nrc):
    bulletin = site.draft(nrc)
    site.finish(bulletin, [(1, "queued", None, None)], state=BulletinState.SENDING)
    answer = site.post(editor, f"/bulletins/{bulletin}/unschedule", {"version": 1})
    assert answer.status_code == 409
    assert site.bulletin(bulletin).state == "sending"


def test_a_scheduled_bulletin_can_be_changed_moved_taken_back_and_cancelled(site, editor, nrc):
    bulletin = site.draft(nrc)
    _schedule(site, editor, bulletin)
    page = editor.get(f"/bulletins/{bulletin}").text
    assert "Goes out on" in page
    assert "in 1 day" in page
    assert _schedule(site, editor, bulletin, version=2, time="08:30").status_code == 303
    taken = site.post(editor, f"/bulletins/{bulletin}/unschedule", {"version": 3})
    assert (taken.status_code, site.bulletin(bulletin).state) == (303, "draft")
    _schedule(site, editor, bulletin, version=4)
    site.post(editor, f"/bulletins/{bulletin}/cancel")
    assert site.bulletin(bulletin).state == "cancelled"
    assert "Nobody has got it" in editor.get(f"/bulletins/{bulletin}").text


def test_a_held_bulletin_asks_for_a_person(site, editor, nrc):
    bulletin = site.draft(nrc)
    site.finish(bulletin, [], state=BulletinState.HELD)
    assert "waits for you" in editor.get(f"/bulletins/{bulletin}").text
    assert "say whether it still goes" in editor.get("/desk").text
    assert _schedule(site, editor, bulletin).status_code == 303


@pytest.mark.parametrize("code", [20003, None])
def test_what_stopped_on_its_way_can_go_on_or_end_but_not_change(site, editor, nrc, code):
    bulletin = site.draft(nrc)
    outcomes = [(1, "delivered", None, None), (2, "queued", None, None)]
    site.finish(bulletin, outcomes, state=BulletinState.HELD)
    with site.runtime.transaction() as session:
        session.get(Bulletin, bulletin).held_code = code
    page = editor.get(f"/bulletins/{bulletin}").text
    assert "Who has it keeps it; the rest waits for you." in page
    assert ("(code 20003)" in page) == (code == 20003)
    assert "Nobody has got it" not in page
    assert "Change the text" not in page
    assert "stopped on its way" in editor.get("/desk").text
    assert editor.get(f"/bulletins/{bulletin}/edit").location == f"/bulletins/{bulletin}"
    changed = {"list_id": nrc, "text": "Toch anders", "version": 1}
    answer = site.post(editor, f"/bulletins/{bulletin}/edit", changed)
    assert answer.status_code == 409
    assert "Toch anders" in answer.text
    assert _schedule(site, editor, bulletin).status_code == 303
    waiting = site.post(editor, f"/bulletins/{bulletin}/unschedule", {"version": 2})
    assert waiting.location == f"/bulletins/{bulletin}"
    assert "The rest waits" in editor.get(waiting.location).text
    assert site.bulletin(bulletin).state == "held"


OUTCOMES = [
    (1, "delivered", None, None),
    (2, "read", None, None),
    (3, "undelivered", None, 30003),
    (4, "skipped", "left", None),
    (5, "unknown", None, None),
]


def test_the_final_account_adds_up_and_gives_reasons(site, editor, nrc):
    bulletin = site.draft(nrc)
    site.finish(bulletin, OUTCOMES)
    page = editor.get(f"/bulletins/{bulletin}").text
    assert "1 + 1 + 1 + 1 + 1 = 5: everyone who was on the list" in page
    for reason in ("out of reach (30003)", "left the list before", "Twilio did not say"):
        assert reason in page
    assert "1 person left this list during sending" in page


def test_progress_is_polled_and_asks_for_the_page_when_the_state_changes(site, editor, nrc):
    bulletin = site.draft(nrc)
    queued = [(number, "queued", None, None) for number in (1, 2)]
    site.finish(bulletin, queued, state=BulletinState.SENDING)
    path = f"/bulletins/{bulletin}/progress?shown="
    page = editor.get(f"{path}sending")
    assert '<progress value="0" max="2"' in page.text
    assert "HX-Refresh" not in page.headers
    assert editor.get(f"{path}scheduled").headers["HX-Refresh"] == "true"


def test_without_scripts_the_page_of_a_running_bulletin_renews_itself(site, editor, nrc):
    bulletin = site.draft(nrc)
    site.finish(bulletin, [(1, "queued", None, None)], state=BulletinState.SENDING)
    page = editor.get(f"/bulletins/{bulletin}").text
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page


def test_an_old_account_is_no_longer_polled(site, editor, nrc):
    bulletin = site.draft(nrc)
    site.finish(bulletin, OUTCOMES)
    assert "hx-get" in editor.get(f"/bulletins/{bulletin}").text
    site.clock.advance(minutes=20)
    assert "hx-get" not in editor.get(f"/bulletins/{bulletin}").text


@pytest.mark.parametrize("state", list(BulletinState))
def test_each_bulletin_stands_under_one_tab(site, editor, nrc, state):
    bulletin = site.draft(nrc)
    site.finish(bulletin, [], state=state)
    tabs = ("draft", "scheduled", "sending", "sent", "attention")
    shown = [tab for tab in tabs if "Dit is het nieuws" in editor.get(f"/bulletins?tab={tab}").text]
    assert len(shown) == 1
    assert "Dit is het nieuws" in editor.get("/bulletins").text


def test_an_empty_desk_shows_three_steps(site, editor):
    assert "Three steps to a first bulletin" in editor.get("/desk").text
    assert "Write the first" in editor.get("/bulletins").text
    assert "There is no list yet" in editor.get("/bulletins/new").text


def test_numbers_and_moments_are_written_in_the_readers_language(site, nrc):
    dutch = site.signed_in("noor", language="nl")
    site.numbers.extend(range(1000, 2210))
    site.subscribe(nrc, 1199)
    bulletin = site.draft(nrc)
    assert "Plan 1.204 berichten" in dutch.get(f"/bulletins/{bulletin}/check").text
    _schedule(site, dutch, bulletin)
    page = dutch.get(f"/bulletins/{bulletin}").text
    assert "woensdag 25 november 2026 om 07:30 (Europe/Amsterdam)" in page


@pytest.mark.parametrize("tab", ["' or 1=1--", "%", "_", "\\", "\0", "x" * 5000])
def test_a_strange_filter_shows_the_page_as_without_one(site, editor, nrc, tab):
    site.draft(nrc)
    answer = editor.get("/bulletins", query_string={"tab": tab})
    assert answer.status_code == 200
    assert "Dit is het nieuws" in answer.text
