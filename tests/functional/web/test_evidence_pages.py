"""The evidence of one person on the web: who may open what, what is shown, and what is kept of it."""

from __future__ import annotations

import json
import re

import pytest
import sqlalchemy as sa

from broadcaster.ledger.pack import verify_pack
from broadcaster.services.staff import Role
from broadcaster.storage import openings
from broadcaster.storage.models import Delivery
from tests.world import World, phone, populate

WHY = "Complaint, case 2026-14"
HOSTILE = "NRC AAN <script>alert(1)</script> \u202e\"'&"


@pytest.fixture
def world(site):
    populate(site.runtime)
    made = World(site.runtime, site.clock, site.runtime.provider)
    made.text(phone(0), "NRC AAN")
    made.text(phone(1), "NRC AAN")
    made.bulletin(text="<b>Goedemorgen</b>")
    made.send()
    made.text(phone(0), "NRC UIT")
    return made


@pytest.fixture
def admin(site, world):
    return site.signed_in("anna", Role.ADMIN)


@pytest.fixture
def auditor(site, world):
    return site.signed_in("oscar", Role.AUDITOR)


def token(world):
    return world.entries()[0].subject


def filled(who, form="page", reason=WHY):
    return {"who": who, "reason": reason, "form": form}


def kept(world):
    with world.runtime.reading() as session:
        return [
            (one.actor, one.subject, one.is_full, one.form) for one in openings.newest(session, 20)
        ]


@pytest.mark.parametrize("path", ["/people/evidence", "/people/{}/evidence"])
def test_only_auditors_and_admins_get_to_the_form(site, world, path):
    path = path.format(token(world))
    assert site.browser().get(path).status_code == 401
    assert site.signed_in("ed", Role.EDITOR).get(path).status_code == 403
    assert site.signed_in("au", Role.AUDITOR).get(path).status_code == 200
    assert site.signed_in("ad", Role.ADMIN).get(path).status_code == 200


def test_an_editor_opens_nothing_and_nobody_opens_without_the_pages_key(site, world):
    editor = site.signed_in("ed", Role.EDITOR)
    assert site.post(editor, "/people/evidence", filled(token(world))).status_code == 403
    admin = site.signed_in("ad", Role.ADMIN)
    assert admin.post("/people/evidence", data=filled(token(world))).status_code == 400
    assert site.browser().post("/people/evidence", data=filled(token(world))).status_code == 400
    assert kept(world) == []


def test_an_admin_sees_number_and_words_and_it_is_kept_that_they_did(site, admin, world):
    answer = site.post(admin, "/people/evidence", filled(phone(0)))
    assert answer.status_code == 200
    assert phone(0) in answer.text
    assert "NRC UIT" in answer.text
    assert "Hooguit één bericht per dag" in answer.text
    assert "&lt;b&gt;Goedemorgen&lt;/b&gt;" in answer.text
    assert phone(1)[-8:] not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert kept(world) == [("anna", token(world), True, "page")]
    page = admin.get(f"/people/{token(world)}/evidence").text
    assert WHY in page
    assert "in full" in page


def test_an_auditor_sees_neither_and_it_is_kept_too(site, auditor, world):
    for form in ("page", "json"):
        answer = site.post(auditor, "/people/evidence", filled(token(world), form))
        assert answer.status_code == 200
        assert phone(0)[-8:] not in answer.text
        assert "•••0000" in answer.text
        assert "They texted" not in answer.text
        assert '"body"' not in answer.text
    assert json.loads(answer.text)["key"] is None
    assert kept(world) == [("oscar", token(world), False, form) for form in ("json", "page")]


def test_an_auditor_cannot_find_out_whose_number_a_token_is(site, auditor, world):
    for number in (phone(0), phone(77)):
        answer = site.post(auditor, "/people/evidence", filled(number))
        assert answer.status_code == 422
        assert "That is no token" in answer.text
        assert token(world) not in answer.text
    assert kept(world) == []


def test_the_file_verifies_offline(site, admin, world):
    answer = site.post(admin, "/people/evidence", filled(token(world), "json"))
    assert answer.mimetype == "application/json"
    assert f'filename="evidence-{token(world)[:8]}.json"' in answer.headers["Content-Disposition"]
    assert verify_pack(answer.data, world.runtime.signer.key).ok


def test_the_evidence_of_one_message_is_opened_by_its_id(site, auditor, world):
    sent = world.deliveries()[0]
    answer = site.post(auditor, "/people/evidence", filled(sent.sid, "json"))
    assert [one["delivery"] for one in answer.json["messages"]] == [sent.id]


@pytest.mark.parametrize("reason", ["", "why", "x" * 501, "bel 06 5555 0001 terug", " \x00 \ud7ff"])
def test_without_a_reason_nothing_is_opened_and_what_was_typed_is_kept(site, admin, world, reason):
    answer = site.post(admin, "/people/evidence", filled(token(world), reason=reason))
    assert answer.status_code == 422
    assert "Say why" in answer.text
    assert f'value="{token(world)}"' in answer.text
    assert kept(world) == []


@pytest.mark.parametrize(
    "who", ["", "x", "0" * 32, phone(88), "SM" + "0" * 32, HOSTILE, "x" * 9_999]
)
def test_who_is_not_there_is_refused_without_a_trace(site, admin, world, who):
    answer = site.post(admin, "/people/evidence", filled(who))
    assert answer.status_code == 422
    assert "<script>" not in answer.text.partition("<main")[2]
    assert kept(world) == []


@pytest.mark.parametrize("form", ["", "html", "exe"])
def test_another_form_is_refused(site, admin, world, form):
    assert site.post(admin, "/people/evidence", filled(token(world), form)).status_code == 422
    assert kept(world) == []


@pytest.mark.parametrize("path", ["/people/x/evidence", "/people/+15550100000/evidence"])
def test_an_address_holds_a_token_and_nothing_else(admin, path):
    assert admin.get(path).status_code == 404


def test_words_and_names_that_are_markup_stay_words(site, admin, world):
    world.text(phone(5), HOSTILE)
    world.text(phone(5), "NRC AAN")
    world.text(phone(5), "STOP <img src=x onerror=alert(1)>")
    answer = site.post(admin, "/people/evidence", filled(phone(5), reason="<i>case</i> 7 of May"))
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    assert "&lt;i&gt;case&lt;/i&gt;" in answer.text
    assert 'dir="auto"' in answer.text
    page = admin.get("/people/evidence").text
    assert "<i>case</i>" not in page


def test_openings_are_shown_page_by_page(site, auditor, world, monkeypatch):
    monkeypatch.setattr("broadcaster.web.evidence._SHOWN", 2)
    for number in range(3):
        site.post(auditor, "/people/evidence", filled(token(world), reason=f"case number {number}"))
    first = auditor.get("/people/evidence").text
    assert "case number 2" in first
    assert "case number 0" not in first
    before = first.partition("?before=")[2].partition('"')[0]
    second = auditor.get(f"/people/evidence?before={before}").text
    assert "case number 0" in second
    assert "?before=" not in second.partition("<footer")[0]
    assert auditor.get("/people/evidence?before=-1").status_code == 200
    assert auditor.get("/people/evidence?before=999999999999999999999").status_code == 200


def test_a_pdf_is_offered_where_it_can_be_made(site, admin, world):
    try:
        pytest.importorskip("weasyprint", reason="weasyprint is not installed")
    except OSError:
        pytest.skip("WeasyPrint does not find Pango")
    assert 'value="pdf"' in admin.get("/people/evidence").text
    answer = site.post(admin, "/people/evidence", filled(token(world), "pdf"))
    assert answer.mimetype == "application/pdf"
    assert answer.data.startswith(b"%PDF-")


def _folded(page):
    """Summary and content of all that is folded on a page."""
    return re.findall(r"<details[^>]*>\s*<summary>(.*?)</summary>(.*?)</details>", page, re.DOTALL)


def test_what_is_long_is_folded_and_its_summary_counts(site, admin, world):
    world.bulletin(text="Goedenavond")
    for _ in range(2):
        world.text(phone(1), "SPORT AAN")
    world.send()
    answer = site.post(admin, "/people/evidence", filled(phone(1))).text
    assert "<details open" not in answer.replace('class="box" ', "")
    folded = dict(_folded(answer))
    assert "Goedenavond" in folded["2 messages"]
    assert "Hooguit één bericht per dag" in next(
        content for summary, content in folded.items() if "notice nrc, version 1" in summary
    )
    register = answer.partition("Under which record of processing")[2]
    assert re.search(r"<dt>Controller</dt><dd>\s*<p><bdi>De Ochtend</bdi></p>", register)
    assert "{&#34;address&#34;" in dict(_folded(register))["As it was logged, letter for letter"]


def test_a_message_that_the_ledger_does_not_allow_is_not_hidden(site, admin, world):
    with site.runtime.transaction() as session:
        session.execute(sa.update(Delivery).values(entry=0))
    answer = site.post(admin, "/people/evidence", filled(phone(1))).text
    assert "The ledger does not allow 1 message." in answer
    assert '<details class="box" open>' in answer


def test_a_person_without_messages_and_one_entry_has_a_page_too(site, admin, world):
    world.text(phone(7), "NRC AAN")
    answer = site.post(admin, "/people/evidence", filled(phone(7))).text
    assert "None." in answer
    assert "0 messages" not in answer


def test_the_page_is_written_in_dutch_too(site, world):
    browser = site.signed_in("jan", Role.ADMIN, language="nl")
    answer = site.post(browser, "/people/evidence", filled(token(world)))
    assert '<html lang="nl">' in answer.text
    assert "Bewijs van toestemming" in answer.text
    assert "Van een lijst af" in answer.text
    for code in ("opt_out", "keyword", "GDPR-6-1-a", "until-withdrawn", "news-bulletin"):
        assert f' <code class="raw">{code}</code>' in answer.text
