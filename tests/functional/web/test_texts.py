"""The texts that wait for a person: which come first, by when, and how they leave the list."""

from datetime import UTC, datetime, timedelta

import pytest

from broadcaster.core.address import Channel
from broadcaster.core.sealing import seal_text
from broadcaster.services.staff import Role
from broadcaster.storage.models import Inbound, Subscriber

PAGE = "/desk/texts"


@pytest.fixture
def person(site):
    return site.subscribe(site.add_list(), 1)[0]


@pytest.fixture
def editor(site):
    return site.signed_in()


def _receive(site, person, number, words, *, review="question", received=None):
    with site.runtime.transaction() as session:
        key = site.runtime.keyring.unwrap(session.get(Subscriber, person).key_wrapped)
        session.add(
            Inbound(
                sid=f"SM{number:032x}",
                received=received or site.clock.now() + timedelta(seconds=number),
                subscriber_id=person,
                review=review,
                sealed=seal_text(key, words),
            )
        )
    return f"SM{number:032x}"


def _review(site, sid):
    with site.runtime.reading() as session:
        return session.get(Inbound, sid).review


def _positions(page, *words):
    return [page.index(word) for word in words]


def test_requests_that_have_a_date_come_first_and_the_rest_by_age(site, editor, person):
    _receive(site, person, 1, "Tekst een")
    _receive(site, person, 2, "Tekst twee", review="unsure")
    _receive(site, person, 3, "Wat weten jullie?", review="access")
    _receive(site, person, 4, "Vergeet mij", review="erasure")
    for path in (PAGE, "/desk"):
        page = editor.get(path).text
        found = _positions(page, "Wat weten jullie?", "Vergeet mij", "Tekst een", "Tekst twee")
        assert found == sorted(found)


def test_each_text_is_shown_with_number_channel_time_and_what_it_seems_to_be(site, editor):
    (person,) = site.subscribe(site.add_list(), 1, Channel.WHATSAPP)
    _receive(site, person, 1, "Wis <b>mij</b>\nnu", review="erasure")
    page = editor.get(PAGE).text
    for words in ("Wis &lt;b&gt;mij&lt;/b&gt;", "Wants to be forgotten", "WhatsApp", "+155"):
        assert words in page
    assert "+15550101" not in page
    assert "Tue 24 Nov, 07:00" in page


@pytest.mark.parametrize(
    ("received", "due"),
    [
        (datetime(2026, 11, 24, 12, tzinfo=UTC), "answer by 24 December 2026"),
        (datetime(2026, 10, 31, 12, tzinfo=UTC), "answer by 30 November 2026"),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "should have been answered by 28 February 2026"),
        (datetime(2025, 12, 5, 12, tzinfo=UTC), "should have been answered by 5 January 2026"),
        # It is the 25th in Amsterdam already.
        (datetime(2026, 11, 24, 23, 30, tzinfo=UTC), "answer by 25 December 2026"),
        (datetime(2026, 10, 24, 12, tzinfo=UTC), "answer by 24 November 2026"),
    ],
)
def test_a_request_is_due_a_month_after_it_came(site, editor, person, received, due):
    for number, review in enumerate(("access", "erasure")):
        _receive(site, person, number, "Wat weten jullie?", review=review, received=received)
    assert editor.get(PAGE).text.count(due) == 2


def test_a_question_has_no_date(site, editor, person):
    _receive(site, person, 1, "Komt er iets?")
    assert "answer" not in editor.get(PAGE).text.partition("Komt er iets?")[2]


def test_done_takes_a_text_off_the_list(site, editor, person):
    sid = _receive(site, person, 1, "Komt er iets?")
    _receive(site, person, 2, "En dan?")
    answer = site.post(editor, PAGE, {"sid": sid})
    assert (answer.status_code, answer.location) == (303, PAGE)
    page = editor.get(PAGE).text
    assert "Komt er iets?" not in page
    assert "En dan?" in page
    assert _review(site, sid) is None


def test_done_is_logged_once_with_who_and_what(site, editor, person, logged):
    sid = _receive(site, person, 1, "Komt er iets?")
    for _ in range(2):
        assert site.post(editor, PAGE, {"sid": sid}).status_code == 303
    lines = [line for line in logged.getvalue().splitlines() if '"text_finished"' in line]
    assert len(lines) == 1
    assert '"user": 1' in lines[0]
    assert '"review": "question"' in lines[0]
    assert "Komt er iets?" not in logged.getvalue()


@pytest.mark.parametrize("sid", ["", "SM1", "SM" + "0" * 32, "SM" + "0" * 31 + "\0", "x" * 5000])
def test_a_text_that_is_not_there_is_not_found(site, editor, sid):
    assert site.post(editor, PAGE, {"sid": sid}).status_code == 404


def test_a_long_list_comes_in_pages_that_miss_and_repeat_nothing(site, editor, person):
    moment = site.clock.now()
    for number in range(70):
        review = "access" if number % 7 == 0 else "question"
        _receive(site, person, number, f"Tekst [{number:03}]", review=review, received=moment)
    first = editor.get(PAGE).text
    onward = first.partition('href="/desk/texts?after=')[2].partition('"')[0]
    second = editor.get(f"{PAGE}?after={onward}").text
    shown = [f"[{number:03}]" for number in range(70)]
    assert [(word in first) + (word in second) for word in shown] == [1] * 70
    assert sum(word in first for word in shown) == 50
    assert "after=" not in second.partition("<main")[2].partition('name="after"')[0]
    sid = "SM" + f"{69:032x}"
    answer = site.post(editor, PAGE, {"sid": sid, "after": onward})
    assert answer.location == f"{PAGE}?after={onward}"
    assert "[069]" not in editor.get(answer.location).text


@pytest.mark.parametrize("after", ["x", "2-1-SM" + "0" * 32, "0-" + "9" * 17, "\0", "0--", "%"])
def test_a_strange_place_in_the_list_is_its_beginning(site, editor, person, after):
    _receive(site, person, 1, "Komt er iets?")
    answer = editor.get(PAGE, query_string={"after": after})
    assert answer.status_code == 200
    assert "Komt er iets?" in answer.text


def test_the_desk_leads_to_all_of_them_with_their_number(site, editor, person):
    assert PAGE not in editor.get("/desk").text
    for number in range(7):
        _receive(site, person, number, f"Tekst {number}")
    page = editor.get("/desk").text
    assert "To all 7 texts that wait" in page
    assert f'href="{PAGE}"' in page


def test_an_empty_list_says_that_all_is_well(editor):
    assert "Nothing. All is well." in editor.get(PAGE).text


def test_it_is_there_in_dutch_too(site, person):
    _receive(site, person, 1, "Wat weten jullie?", review="access")
    page = site.signed_in("noor", language="nl").get(PAGE).text
    for words in ("Berichten die wachten", "Vraagt wat we bewaren", "Klaar"):
        assert words in page
    assert "beantwoorden uiterlijk 24 december 2026" in page


def test_it_is_for_editors_and_admins_only(site):
    roles = {role: site.signed_in(role.value, role) for role in Role}
    statuses = {role: browser.get(PAGE).status_code for role, browser in roles.items()}
    assert statuses == {Role.EDITOR: 200, Role.ADMIN: 200, Role.AUDITOR: 403}
