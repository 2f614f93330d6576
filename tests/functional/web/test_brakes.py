"""The editor's brakes: pause, continue, stop; why a bulletin waits, and what a person decides."""

import re
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadcaster.core.address import Channel
from broadcaster.core.bulletin import BulletinState, HeldReason
from broadcaster.core.delivery import State
from broadcaster.providers.twilio.codes import CAUSES, GENERAL
from broadcaster.services.bulletins import Report
from broadcaster.services.staff import Role
from broadcaster.storage import incidents, pacing, tallies
from broadcaster.storage.models import (
    Bulletin,
    Delivery,
    Hearing,
    Installation,
    Outreach,
    Sender,
)
from broadcaster.web import outcomes, refusals

HALF = [
    (1, "delivered", None, None),
    (2, "queued", None, None),
    (3, "queued", None, None),
    (4, "queued", None, None),
]
DOUBTFUL = [
    (1, "delivered", None, None),
    (2, "held", "timeout", None),
    (3, "held", "timeout", None),
    (4, "held", "worker_lost", None),
]


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


@pytest.fixture
def make(site, nrc):
    """Make bulletins that stand somewhere on their way."""

    def make(state, deliveries=HALF, **more):
        bulletin = site.draft(nrc)
        site.finish(bulletin, deliveries, state=state)
        with site.runtime.transaction() as session:
            kept = session.get(Bulletin, bulletin)
            for name, value in {"not_after": site.clock.now() + timedelta(hours=4), **more}.items():
                setattr(kept, name, value)
        return bulletin

    return make


@pytest.fixture
def press(site, editor):
    """Press a button of a bulletin's page; return the page that it leads to."""

    def press(bulletin, button, **filled):
        data = {"version": site.bulletin(bulletin).version, **filled}
        answer = site.post(editor, f"/bulletins/{bulletin}/{button}", data)
        assert answer.status_code == 303
        return editor.get(answer.location).text

    return press


def _buttons(page):
    """The words on the buttons of a page's main part."""
    main = page[page.index('<main id="main"') : page.index("</main>")]
    found = re.findall(
        r'<button[^>]*>(.*?)</button>|<a class="button[^"]*"[^>]*>(.*?)</a>', main, re.DOTALL
    )
    return [re.sub(r"<[^>]+>", "", one or other).strip() for one, other in found]


def _state(site, bulletin):
    return site.bulletin(bulletin).state


def _all_in(site, bulletin):
    with site.runtime.reading() as session:
        return Counter(
            session.scalars(
                Delivery.__table__.select()
                .with_only_columns(Delivery.state)
                .where(Delivery.bulletin_id == bulletin)
            )
        )


# Pause and continue


def test_a_pause_says_how_many_have_it_and_how_many_are_left(site, press, make):
    bulletin = make(BulletinState.SENDING)
    page = press(bulletin, "pause")
    assert _state(site, bulletin) == "paused"
    assert "Paused on Tuesday 24 November 2026 at 07:00." in page
    assert "1 person has it, 3 not yet." in page
    assert "Continue with the 3 not yet sent" in _buttons(page)


def test_a_pause_puts_back_what_was_claimed_and_not_what_was_handed_over(site, press, make):
    claimed = [(1, "claimed", None, None), (2, "handed_over", None, None)]
    bulletin = make(BulletinState.SENDING, claimed)
    press(bulletin, "pause")
    assert _all_in(site, bulletin) == {"queued": 1, "handed_over": 1}


def test_it_continues_with_those_who_have_not_got_it(site, press, make):
    bulletin = make(BulletinState.PAUSED)
    page = press(bulletin, "continue")
    assert _state(site, bulletin) == "sending"
    assert "It goes on with those who have not got it yet." in page
    assert _all_in(site, bulletin) == {"delivered": 1, "queued": 3}


@pytest.mark.parametrize(
    ("state", "button", "says"),
    [
        (BulletinState.SENDING, "pause", "It had been paused already. Nothing was done twice."),
        (BulletinState.PAUSED, "continue", "It goes out already. Nothing was done twice."),
        (BulletinState.SENDING, "cancel", "It had been stopped already. Nothing was done twice."),
    ],
)
def test_a_second_press_changes_nothing_and_says_so(press, make, state, button, says):
    bulletin = make(state)
    first = press(bulletin, button, version=1)
    again = press(bulletin, button, version=1)
    assert says not in first
    assert says in again
    assert _buttons(first) == _buttons(again)


def test_a_page_of_an_earlier_pause_continues_nothing_later(site, editor, make, press):
    """It was paused, went on, and then stopped by itself: the old button is about another thing."""
    bulletin = make(BulletinState.PAUSED)
    old = {"version": site.bulletin(bulletin).version}
    press(bulletin, "continue")
    with site.runtime.transaction() as session:
        kept = session.get(Bulletin, bulletin)
        kept.state, kept.held_reason, kept.version = "held", "failures", kept.version + 1
    answer = site.post(editor, f"/bulletins/{bulletin}/continue", old)
    page = editor.get(answer.location).text
    assert "so nothing was done" in page
    assert "Too many messages failed" in page
    assert _state(site, bulletin) == "held"


@pytest.mark.parametrize(
    ("state", "button", "says"),
    [
        (BulletinState.FINISHED, "pause", "It has gone out already."),
        (BulletinState.HELD, "pause", "It has stopped by itself"),
        (BulletinState.SCHEDULED, "continue", "It has been scheduled meanwhile."),
        (BulletinState.DRAFT, "continue", "It is a draft again."),
        (BulletinState.CANCELLED, "continue", "It had been stopped already."),
        (BulletinState.FINISHED, "cancel", "It has gone out already."),
        (BulletinState.DRAFT, "cancel", "It is a draft again."),
    ],
)
def test_a_press_on_a_page_that_is_no_longer_true_does_nothing(press, make, state, button, says):
    bulletin = make(state)
    page = press(bulletin, button)
    assert says in page
    assert "so nothing was done" in page


@pytest.mark.parametrize("button", ["pause", "continue", "cancel", "again"])
def test_a_bulletin_that_does_not_exist_has_no_brakes(site, editor, nrc, button):
    assert site.post(editor, f"/bulletins/99/{button}", {"version": 1}).status_code == 404


def test_the_numbers_of_a_pause_are_renewed_with_those_on_the_button(site, editor, make):
    bulletin = make(BulletinState.PAUSED)
    answer = editor.get(f"/bulletins/{bulletin}/progress?shown=paused-paused")
    assert "HX-Refresh" not in answer.headers
    assert "1 person has it, 3 not yet." in answer.text
    assert 'id="go-on" class="label" hx-swap-oob="true"' in answer.text
    assert "Continue with the 3 not yet sent" in answer.text
    assert 'id="account" hx-swap-oob="true"' in answer.text


def test_a_page_on_which_a_person_decides_does_not_run_away_from_them(editor, make):
    page = editor.get(f"/bulletins/{make(BulletinState.PAUSED)}").text
    assert 'http-equiv="refresh"' not in page


# Stop


def test_stopping_is_asked_once_more_with_the_numbers(site, editor, make):
    bulletin = make(BulletinState.SENDING)
    assert 'href="/bulletins/1/stop"' in editor.get("/bulletins/1").text
    page = editor.get(f"/bulletins/{bulletin}/stop").text
    assert "1 person has it and keeps it." in page
    assert "3 people have not got it and never will." in page
    assert _buttons(page) == ["Stop it for good", "Pause first", "Leave it as it is"]
    assert _state(site, bulletin) == "sending"


def test_what_is_over_is_not_asked_about_again(editor, make):
    bulletin = make(BulletinState.FINISHED)
    assert editor.get(f"/bulletins/{bulletin}/stop").location == f"/bulletins/{bulletin}"


def test_whoever_is_stopped_before_their_turn_counts_as_left_out(site, press, make):
    bulletin = make(BulletinState.PAUSED)
    page = press(bulletin, "cancel")
    assert "1 + 3 = 4" in page
    assert "not sent, because the bulletin was stopped" in page
    assert _all_in(site, bulletin) == {"delivered": 1, "skipped": 3}


# Why it waits

KEPT = "Who has it keeps it; the rest waits for you."


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("standstill", "nothing moved"),
        ("failures", "of 1 messages failed"),
        ("uncertain", "nobody gets it twice"),
        ("late", "could not start in time"),
        (None, "It was stopped on its way."),
    ],
)
def test_each_reason_to_wait_is_told_with_what_to_do(editor, make, reason, says):
    bulletin = make(BulletinState.HELD, held_reason=reason)
    page = editor.get(f"/bulletins/{bulletin}").text
    assert says in page
    assert KEPT in page
    go_on = "Continue with the 3 not yet sent"
    assert _buttons(page) == [go_on, "Another moment", "Stop the rest…"]


@pytest.mark.parametrize("reason", list(HeldReason))
@pytest.mark.parametrize("deliveries", [HALF, []], ids=["begun", "not_begun"])
def test_no_reason_to_wait_leaves_a_page_without_words(editor, make, reason, deliveries):
    bulletin = make(BulletinState.HELD, deliveries, held_reason=reason.value)
    page = editor.get(f"/bulletins/{bulletin}").text
    assert '<h2 id="situation">' in page
    assert any(button.startswith(("Stop", "Drop")) for button in _buttons(page))
    assert "Ochtendnieuws" in editor.get("/desk").text


def test_a_refusal_is_told_in_words_and_trying_again_starts_the_number(site, press, editor, make):
    bulletin = make(BulletinState.HELD, held_reason="refused", held_code=20003)
    with site.runtime.transaction() as session:
        pacing.stop(session, 1, 20003)
    page = editor.get(f"/bulletins/{bulletin}").text
    # Words in HTML: an apostrophe is written out.
    assert "Twilio does not accept the account&#39;s secret." in page
    assert "The number +15550100001 stands still" in page
    assert "Try again with the 3 not yet sent" in _buttons(page)
    press(bulletin, "continue")
    with site.runtime.reading() as session:
        assert pacing.stopped(session) == {}
    assert _state(site, bulletin) == "sending"


def test_failures_are_counted_among_what_was_tried(editor, make):
    tried = [(number, "undelivered", None, 30007) for number in (1, 2)]
    deliveries = [*tried, (3, "sent", None, None), (4, "skipped", "left", None)]
    bulletin = make(
        BulletinState.HELD, [*deliveries, (5, "queued", None, None)], held_reason="failures"
    )
    page = editor.get(f"/bulletins/{bulletin}").text
    assert "It stopped by itself: 2 of 3 messages failed." in page


def test_one_that_could_not_start_is_sent_moved_or_dropped(site, editor, make):
    bulletin = make(BulletinState.HELD, [], held_reason="late")
    page = editor.get(f"/bulletins/{bulletin}").text
    assert _buttons(page) == [
        "Send 5 messages now",
        "Another moment",
        "Change the text",
        "Drop it…",
    ]
    version = site.bulletin(bulletin).version
    site.post(editor, f"/bulletins/{bulletin}/send", {"version": version})
    assert _state(site, bulletin) == "scheduled"


def test_dropping_one_that_never_began_is_asked_once_more(editor, make, press, site):
    bulletin = make(BulletinState.HELD, [], held_reason="late")
    page = editor.get(f"/bulletins/{bulletin}/stop").text
    assert "Nobody has got it, and nobody gets it." in page
    press(bulletin, "cancel")
    assert _state(site, bulletin) == "cancelled"


def test_until_a_restored_database_is_compared_nobody_can_let_it_go_on(site, editor, make):
    bulletin = make(BulletinState.HELD, held_reason="restored")
    with site.runtime.transaction() as session:
        session.get(Installation, 1).restored = site.clock.now()
    page = editor.get(f"/bulletins/{bulletin}").text
    assert "It is being compared with Twilio&#39;s list" in page
    assert "after 07:10" in page
    assert _buttons(page) == ["Stop the rest…"]
    version = site.bulletin(bulletin).version
    answer = site.post(editor, f"/bulletins/{bulletin}/continue", {"version": version})
    assert "so nothing was done" in editor.get(answer.location).text
    assert _state(site, bulletin) == "held"


def test_once_it_was_compared_the_page_changes_and_a_person_may_go_on(site, editor, make, press):
    bulletin = make(BulletinState.HELD, held_reason="restored")
    with site.runtime.transaction() as session:
        session.get(Bulletin, bulletin).compared = site.clock.now()
    old = editor.get(f"/bulletins/{bulletin}/progress?shown=held-comparing")
    assert old.headers["HX-Refresh"] == "true"
    assert "It was compared with Twilio&#39;s list" in editor.get(f"/bulletins/{bulletin}").text
    press(bulletin, "continue")
    assert _state(site, bulletin) == "sending"


def test_a_due_bulletin_says_that_it_waits_for_what_people_texted(site, editor, make):
    bulletin = make(BulletinState.SCHEDULED, [])
    assert "Any moment now" in editor.get(f"/bulletins/{bulletin}").text
    with site.runtime.transaction() as session:
        now = site.clock.now()
        session.add(Hearing(sender_id=2, heard_until=now, failed=now))
    page = editor.get(f"/bulletins/{bulletin}").text
    assert "list of incoming texts cannot be read, and somebody may have left" in page
    assert "after 15 minutes the bulletin holds" in page
    assert "Any moment now" not in page
    assert editor.get(f"/bulletins/{bulletin}/progress?shown=scheduled").headers["HX-Refresh"]


def test_a_bulletin_that_nobody_sends_because_nobody_can_be_heard_says_so(site, editor, make):
    """A process that has just begun hears first; one that could hear before goes on for a while."""
    bulletin = make(BulletinState.SENDING)
    with site.runtime.transaction() as session:
        now = site.clock.now()
        session.add(Hearing(sender_id=2, heard_until=now, failed=now))
        session.get(Bulletin, bulletin).moved = now
    says = "Nobody gets it at this moment: Twilio&#39;s list of incoming texts cannot be read"
    assert says not in editor.get(f"/bulletins/{bulletin}").text

    site.clock.advance(seconds=16)
    assert says in editor.get(f"/bulletins/{bulletin}").text
    assert editor.get(f"/bulletins/{bulletin}/progress?shown=sending").headers["HX-Refresh"]


def test_nothing_is_said_not_to_have_gone_out_while_messages_are_unexplained(site, editor, make):
    bulletin = make(BulletinState.HELD, [], held_reason="restored")
    now = site.clock.now()
    with site.runtime.transaction() as session:
        session.get(Bulletin, bulletin).compared = now
    assert "Nothing of it had gone out" in editor.get(f"/bulletins/{bulletin}").text

    with site.runtime.transaction() as session:
        incidents.note(session, "restored_unexplained", "2 messages", now)
    page = editor.get(f"/bulletins/{bulletin}").text
    assert "Nothing of it had gone out" not in page
    assert "nobody knows what they were of" in page


def test_a_number_that_stands_still_is_told_on_the_bulletin_and_on_the_desk(site, editor, make):
    bulletin = make(BulletinState.SENDING)
    with site.runtime.transaction() as session:
        pacing.stop(session, 1, 21606)
    for path in (f"/bulletins/{bulletin}", "/desk"):
        assert "is no number of this account that can send" in editor.get(path).text
    said = [editor.get(site.post(editor, "/senders/1/again").location).text for _press in range(2)]
    assert "The number goes on." in said[0]
    assert "nothing was done twice" in said[1]
    assert "A number stands still" not in editor.get(f"/bulletins/{bulletin}").text


def test_a_number_that_twilio_slowed_down_says_until_when(site, editor, make):
    bulletin = make(BulletinState.SENDING)
    with site.runtime.transaction() as session:
        pacing.push_back(session, 1, least=60, jitter=0, now=site.clock.now())
    assert "it goes on at 07:01:00" in editor.get(f"/bulletins/{bulletin}").text


# The account


@given(st.dictionaries(st.sampled_from(list(State)), st.integers(1, 9_999), min_size=1))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_numbers_of_the_account_are_always_everybody(site, counts):
    counted = Counter()
    for state, number in counts.items():
        counted[tallies.key(1, state).state] += number
    report = Report(bulletin=None, list=None, audience=sum(counts.values()), by_state=counted)
    with site.app.test_request_context():
        shown = outcomes.tiles(report)
    assert sum(tile.count for tile in shown) == report.audience
    assert len({tile.label for tile in shown}) == len(shown)


def test_what_is_looked_up_says_by_when_it_is_known(site, editor, make):
    bulletin = make(BulletinState.SENDING, [(1, "unknown", "timeout", None), *HALF[1:]])
    with site.runtime.transaction() as session:
        session.get(Installation, 1).slowest_listing = 1.24
        for delivery in session.query(Delivery):
            delivery.handed = site.clock.now() - timedelta(minutes=2)
    page = editor.get(f"/bulletins/{bulletin}").text
    assert "Being looked up" in page
    assert "1 is being looked up" in page
    assert "It is decided by 07:09" in page
    assert "within 1.2 seconds" in page


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ((1, "skipped", "suspended", None), "the number is no longer in use"),
        ((1, "expired", None, None), "too late: its time was over before their turn"),
        ((1, "failed", None, 63003), "This number has no WhatsApp. (code 63003)"),
        ((1, "held", "code_20500", None), "Twilio itself failed (20500)"),
    ],
)
def test_each_outcome_has_words(editor, make, row, says):
    bulletin = make(BulletinState.FINISHED, [row, (2, "delivered", None, None)])
    page = editor.get(f"/bulletins/{bulletin}").text
    assert says in page
    assert "1 + 1 = 2" in page


def test_every_sentence_of_the_provider_is_one_of_the_screens():
    sentences = {*GENERAL.values(), *(cause.sentence for cause in CAUSES.values())}
    with_words = {str(sentence._args[0]) for sentence in refusals.SENTENCES}
    assert sentences == with_words


# Undecided


def test_the_undecided_are_counted_by_why_and_put_before_a_person(site, editor, make):
    bulletin = make(BulletinState.FINISHED, DOUBTFUL)
    page = editor.get(f"/bulletins/{bulletin}").text
    assert "3 people may have it, or not" in page
    assert "1 + 3 = 4" in page
    asked = editor.get(f"/bulletins/{bulletin}/undecided").text
    assert "some of them may get it twice" in asked
    assert _buttons(asked) == ["Leave it", "Send again to these 3 (they may get it twice)"]
    assert "3 people may have it, or not" in editor.get("/desk").text


def test_sending_again_lets_a_finished_bulletin_go_on_with_these(site, press, editor, make):
    bulletin = make(BulletinState.FINISHED, DOUBTFUL)
    page = press(bulletin, "again", people=3)
    assert "It is sent again to 3 people." in page
    assert _state(site, bulletin) == "sending"
    assert _all_in(site, bulletin) == {"delivered": 1, "queued": 3}
    assert "1 of 4 done" in page
    assert "may have it, or not" not in editor.get("/desk").text


@pytest.mark.parametrize("people", ["2", "", "x", "-3"])
def test_sending_again_to_others_than_the_page_said_is_refused(site, press, make, people):
    bulletin = make(BulletinState.FINISHED, DOUBTFUL)
    assert "so nothing was done" in press(bulletin, "again", people=people)
    assert _state(site, bulletin) == "finished"


@pytest.mark.parametrize("state", [BulletinState.CANCELLED, BulletinState.FINISHED])
def test_after_its_end_nothing_is_sent_again(site, editor, press, make, state):
    bulletin = make(state, DOUBTFUL, not_after=site.clock.now())
    assert "they stay as they are" in editor.get(f"/bulletins/{bulletin}").text
    assert editor.get(f"/bulletins/{bulletin}/undecided").location == f"/bulletins/{bulletin}"
    assert "so nothing was done" in press(bulletin, "again", people=3)
    assert _all_in(site, bulletin)["held"] == 3


def test_of_a_stopped_bulletin_nothing_is_sent_again(site, press, make):
    bulletin = make(BulletinState.CANCELLED, DOUBTFUL)
    assert "so nothing was done" in press(bulletin, "again", people=3)
    assert _all_in(site, bulletin)["held"] == 3


def test_while_it_is_paused_they_wait_with_the_rest(site, press, make):
    bulletin = make(BulletinState.PAUSED, DOUBTFUL)
    assert "Continue with the 3 not yet sent" in press(bulletin, "again", people=3)
    assert _state(site, bulletin) == "paused"


# The desk


def test_the_desk_shows_what_waits_what_broke_and_how_fast_we_send(site, editor, make):
    paused = make(BulletinState.PAUSED)
    held = make(BulletinState.HELD, held_reason="failures")
    double = make(BulletinState.FINISHED)
    with site.runtime.transaction() as session:
        now = site.clock.now()
        delivery = session.query(Delivery).filter_by(bulletin_id=double).first()
        incidents.note(session, "duplicate", f"delivery {delivery.id}", now)
        incidents.note(session, "bulletin_failures", f"bulletin {held}", now)
        incidents.note(session, "skipped_but_sent", "delivery 999999", now)
        session.get(Installation, 1).slowest_listing = 1.24
        session.get(Sender, 1).rate = 2.5
        session.add(Outreach(sender_id=2, subscriber_id=4, since=now))
    page = editor.get("/desk").text
    assert "paused; say whether it goes on" in page
    assert "too many messages failed" in page
    assert "A bulletin stopped by itself" not in page
    assert page.index("Twilio took one message twice") < page.index("paused; say whether")
    assert f'<a class="row row-bad" href="/bulletins/{double}">' in page
    assert "who had been left out" in page
    assert "2.5 SMS parts a second" in page
    assert "80 messages a second" in page
    assert "1 of 250 people a day outside their 24 hours" in page
    assert "after at most 1.2 seconds" in page
    assert "that list decides after 10 minutes" in page
    assert f'href="/bulletins/{paused}"' in page


def test_one_kind_of_trouble_with_one_bulletin_is_told_once(site, editor, make):
    bulletin = make(BulletinState.FINISHED)
    with site.runtime.transaction() as session:
        for delivery in session.query(Delivery).filter_by(bulletin_id=bulletin):
            incidents.note(session, "duplicate", f"delivery {delivery.id}", site.clock.now())
    page = editor.get("/desk").text
    assert page.count("Twilio took one message twice") == 1
    assert "4 times" in page


def test_a_restored_database_is_told_on_the_desk(site, editor, nrc):
    with site.runtime.transaction() as session:
        session.get(Installation, 1).restored = site.clock.now()
    assert "The database was put back from a backup." in editor.get("/desk").text


def test_an_auditor_has_no_brakes(site, make):
    bulletin = make(BulletinState.SENDING)
    auditor = site.signed_in("otto", role=Role.AUDITOR)
    for path in (f"/bulletins/{bulletin}/pause", "/senders/1/again"):
        assert site.post(auditor, path).status_code == 403
    assert _state(site, bulletin) == "sending"
