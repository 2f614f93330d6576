"""Questions to the ledger, on pages and for programs: who may ask, what is answered, what is refused."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from broadcaster.services.staff import Role
from broadcaster.storage.models import Delivery, LedgerEntry
from tests.world import World, phone, populate

MOMENT = {"list": "nrc", "date": "2026-11-24", "time": "07:00", "zone": "Europe/Amsterdam"}
API = "/api/v1/ledger/at"


@pytest.fixture
def world(site):
    populate(site.runtime)
    made = World(site.runtime, site.clock, site.runtime.provider)
    for number in range(3):
        made.text(phone(number), "NRC AAN")
    made.text(phone(3), "SPORT AAN")
    return made


@pytest.fixture
def auditor(site, world):
    return site.signed_in("oscar", Role.AUDITOR)


def subjects(world, name="nrc"):
    return sorted(entry.subject for entry in world.entries() if entry.list == name)


@pytest.mark.parametrize(
    "path", ["/ledger/at", "/ledger/audience", "/ledger/audience/1", "/ledger/message", API]
)
def test_only_auditors_and_admins_may_ask(site, world, path):
    world.bulletin()
    world.send()
    query = {"list": "nrc", "moment": "2026-11-24T06:00Z"} if path == API else {}
    assert site.browser().get(path).status_code == 401
    assert site.signed_in("ed", Role.EDITOR).get(path).status_code == 403
    assert site.signed_in("au", Role.AUDITOR).get(path, query_string=query).status_code == 200
    assert site.signed_in("ad", Role.ADMIN).get(path, query_string=query).status_code == 200


@pytest.mark.parametrize("path", ["/ledger/at/export", "/ledger/message"])
def test_only_auditors_and_admins_may_send_the_form(site, world, path):
    assert site.post(site.signed_in("ed", Role.EDITOR), path, MOMENT).status_code == 403
    assert site.signed_in("au", Role.AUDITOR).post(path, data=MOMENT).status_code == 400


def test_who_was_on_a_list_is_counted_first_and_then_named(auditor, world):
    page = auditor.get("/ledger/at", query_string=MOMENT).text
    assert "3 people were on NRC Ochtend on Tuesday 24 November 2026" in page
    assert all(subject in page for subject in subjects(world))
    assert phone(0)[-8:] not in page
    assert subjects(world, "sport")[0] not in page


def test_before_the_first_nobody_was_on_it(auditor):
    page = auditor.get("/ledger/at", query_string={**MOMENT, "time": "06:59"}).text
    assert "0 people were" in page
    assert "Nobody was on it then." in page


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"date": "2026-03-29", "time": "02:30"}, "the clock jumped forward over it"),
        ({"date": "2026-10-25", "time": "02:30"}, "Choose which of the two is meant."),
        ({"date": "2999-01-01"}, "still to come"),
        ({"date": "yesterday"}, "Fill in a date and a time."),
        ({"date": "0001-01-01"}, "after 1970"),
        ({"zone": "Mars/Olympus"}, "Choose a time zone from the list."),
    ],
)
def test_a_moment_that_is_none_is_explained(auditor, wrong, words):
    answer = auditor.get("/ledger/at", query_string={**MOMENT, **wrong})
    assert answer.status_code == 422
    assert words in answer.text


def test_of_a_time_that_came_twice_one_is_chosen(auditor):
    twice = {**MOMENT, "date": "2026-10-25", "time": "02:30"}
    asked = auditor.get("/ledger/at", query_string=twice).text
    assert asked.count('type="radio"') == 2
    for fold, offset in (("0", "UTC+02:00"), ("1", "UTC+01:00")):
        answer = auditor.get("/ledger/at", query_string={**twice, "fold": fold})
        assert answer.status_code == 200
        assert offset in answer.text


def test_a_list_that_nobody_ever_joined_is_said_to_be_unknown(auditor):
    page = auditor.get("/ledger/at", query_string={**MOMENT, "list": "<b>x</b>"}).text
    assert "nobody ever joined it" in page
    assert "<b>x</b>" not in page


def test_many_are_shown_page_by_page_each_once(auditor, world, monkeypatch):
    monkeypatch.setattr("broadcaster.web.questions._ON_A_PAGE", 2)
    first = auditor.get("/ledger/at", query_string=MOMENT).text
    one, two, three = subjects(world)
    assert one in first
    assert two in first
    assert three not in first
    second = auditor.get("/ledger/at", query_string={**MOMENT, "after": two}).text
    assert three in second
    assert f"<code>{two}</code>" not in second
    assert "after=" in first
    assert "after=" not in second.partition("<footer")[0]
    assert auditor.get("/ledger/at", query_string={**MOMENT, "after": "'; --"}).status_code == 200


def test_all_of_them_are_taken_away_as_a_table(site, auditor, world):
    answer = site.post(auditor, "/ledger/at/export", MOMENT)
    assert answer.text.split() == ["subject", *subjects(world)]
    assert 'filename="on-nrc-20261124T0600Z.csv"' in answer.headers["Content-Disposition"]
    assert site.post(auditor, "/ledger/at/export", {**MOMENT, "date": ""}).status_code == 422
    assert site.post(auditor, "/ledger/at/export", {**MOMENT, "list": "x"}).status_code == 422


def test_a_program_gets_the_same_answer(auditor, world):
    answer = auditor.get(API, query_string={"list": "nrc", "moment": "2026-11-24T07:00"})
    assert answer.mimetype == "application/json"
    assert answer.json == {
        "list": "nrc",
        "moment": "2026-11-24T06:00:00.000000Z",
        "count": 3,
        "ledger_size": answer.json["ledger_size"],
        "subjects": subjects(world),
        "next": None,
    }
    pages, after = [], ""
    while after is not None:
        query = {"list": "nrc", "moment": "2026-11-24T06:00Z", "limit": "2", "after": after}
        page = auditor.get(API, query_string=query).json
        pages.append(page["subjects"])
        after = page["next"]
    assert [len(page) for page in pages] == [2, 1]
    assert sum(pages, []) == subjects(world)  # noqa: RUF017 - two pages


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 422, "Write the moment"),
        ("moment=2026-11-24T06:00Z", 404, "No entry of the ledger"),
        ("list=nowhere&moment=2026-11-24T06:00Z", 404, "nowhere"),
        ("list=nrc&moment=2999-01-01T00:00Z", 422, "still to come"),
        ("list=nrc&moment=2026-10-25T02:30", 422, "twice"),
        ("list=nrc&list=sport&moment=2026-11-24T06:00Z", 422, "once"),
        ("list=nrc&moment=2026-11-24T06:00Z&limit=0", 422, "limit"),
        ("list=nrc&moment=2026-11-24T06:00Z&limit=99999", 422, "limit"),
        ("list=nrc&moment=2026-11-24T06:00Z&after=x", 422, "after"),
        ("list=nrc&moment=2026-11-24T06:00Z&page=2", 422, "nothing else"),
    ],
)
def test_a_program_is_told_what_is_wrong_in_one_form(auditor, query, status, words):
    answer = auditor.get(f"{API}?{query}")
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert answer.json["status"] == status
    assert words in answer.json["detail"]


@pytest.mark.parametrize("who", [None, Role.EDITOR])
def test_a_program_that_may_not_ask_is_told_so_in_the_same_form(site, world, who):
    browser = site.browser() if who is None else site.signed_in("ed", who)
    answer = browser.get(API)
    assert (answer.status_code, answer.mimetype) == (
        403 if who else 401,
        "application/problem+json",
    )
    assert json.loads(answer.text)["status"] == answer.status_code
    assert browser.post(API).status_code == 405


def test_the_audience_of_a_bulletin_is_derived_again(auditor, world):
    number = world.bulletin()
    assert auditor.get(f"/ledger/audience/{number}").status_code == 422
    world.start()
    world.text(phone(0), "STOP")
    world.send()
    page = auditor.get(f"/ledger/audience/{number}").text
    assert "No difference" in page
    assert "left on the way" in page
    assert auditor.get("/ledger/audience/99").status_code == 404

    with world.runtime.transaction() as session:
        session.execute(sa.update(Delivery).where(Delivery.handed.is_not(None)).values(entry=0))
    page = auditor.get(f"/ledger/audience/{number}").text
    assert "differ in 2 places" in page
    assert "entry 0 is not of this person" in page


def test_what_allowed_a_message_is_found_without_its_id_in_an_address(site, auditor, world):
    world.bulletin()
    world.send()
    sent = world.deliveries()[0]
    answer = site.post(auditor, "/ledger/message", {"message": f" {sent.sid} "})
    assert answer.status_code == 200
    assert f"Entry {sent.entry} allowed it" in answer.text
    for wrong in ("SM" + "0" * 32, "<script>alert(1)</script>", ""):
        refused = site.post(auditor, "/ledger/message", {"message": wrong})
        assert refused.status_code == 422
        assert "<script>alert" not in refused.text


def test_a_ledger_that_cannot_be_read_tells_nothing(auditor, world):
    with world.runtime.transaction() as session:
        session.execute(sa.text("DROP TRIGGER ledger_entries_refuse_update"))
        session.execute(
            sa.update(LedgerEntry).where(LedgerEntry.idx == 3).values(leaf=b'{"v":"<b>"}')
        )
    page = auditor.get("/ledger/at", query_string=MOMENT)
    assert page.status_code == 500
    assert "broadcaster ledger verify" in page.text
    answer = auditor.get(API, query_string={"list": "nrc", "moment": "2026-11-24T06:00Z"})
    assert (answer.status_code, answer.mimetype) == (500, "application/problem+json")


def test_the_ledgers_page_leads_to_the_questions(auditor):
    page = auditor.get("/ledger").text
    assert 'href="/ledger/at"' in page
    assert 'href="/ledger/message"' in page


def test_bulletins_that_have_begun_are_listed_for_auditors(site, auditor, world, monkeypatch):
    monkeypatch.setattr("broadcaster.web.questions._ON_A_PAGE", 2)
    assert "No bulletin has begun yet." in auditor.get("/ledger/audience").text
    numbers = []
    for _ in range(3):
        numbers.append(world.bulletin())
        world.send()
        world.clock.advance(minutes=1)
    waits = world.bulletin()
    first = auditor.get("/ledger/audience").text
    assert f'/ledger/audience/{numbers[2]}"' in first
    assert f'/ledger/audience/{numbers[0]}"' not in first
    assert f'/ledger/audience/{waits}"' not in first
    second = auditor.get(f"/ledger/audience?before={numbers[1]}").text
    assert f'/ledger/audience/{numbers[0]}"' in second
    assert "?before=" not in second.partition("<footer")[0]
    assert auditor.get("/ledger/audience?before=99999999999999999").status_code == 200
    admin = site.signed_in("ad", Role.ADMIN)
    assert f'/ledger/audience/{numbers[0]}"' in admin.get(f"/bulletins/{numbers[0]}").text
    editor = site.signed_in("ed", Role.EDITOR)
    assert "/ledger/audience" not in editor.get(f"/bulletins/{numbers[0]}").text
