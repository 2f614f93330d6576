"""The ledger's pages: what an auditor sees, filters, proves and takes, and what nobody else may."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from broadcaster.ledger.entry import parse
from broadcaster.ledger.receipt import verify_receipt
from broadcaster.services import audit, exporting, verifying
from broadcaster.services.audit import Format
from broadcaster.services.staff import Role
from broadcaster.storage import ledger
from broadcaster.storage.filing import Choice
from broadcaster.storage.ledger import Leaf
from broadcaster.storage.models import Export, LedgerEntry
from broadcaster.web.access import declared
from tests import tampering
from tests.world import World, phone, populate


@pytest.fixture
def world(site):
    """A newsroom behind the site: five people joined, one left, one stopped."""
    populate(site.runtime)
    made = World(site.runtime, site.clock, site.runtime.provider)
    for number in range(5):
        made.text(phone(number), "NRC AAN")
        site.clock.advance(minutes=1)
    made.text(phone(1), "NRC UIT")
    made.text(phone(2), "STOP")
    audit.sign_what_is_new(site.runtime)
    return made


@pytest.fixture
def auditor(site, world):
    return site.signed_in("audrey", Role.AUDITOR)


def _indexes(page) -> list[int]:
    return [int(found) for found in re.findall(r'<th scope="row"><a href="/ledger/(\d+)"', page)]


def _index(site, event) -> int:
    with site.runtime.reading() as session:
        rows = session.execute(sa.select(LedgerEntry.idx, LedgerEntry.leaf))
        return next(idx for idx, leaf in rows if f'"event":"{event}"'.encode() in leaf)


def _routes(site):
    return [
        rule
        for rule in site.app.url_map.iter_rules()
        if rule.rule.startswith("/ledger") and rule.endpoint.split(".")[0] != "tlog"
    ]


def test_every_page_of_the_ledger_is_for_auditors_and_admins_alone(site):
    routes = _routes(site)
    assert len(routes) >= 6
    for rule in routes:
        assert declared(site.app, rule.endpoint) == {Role.AUDITOR, Role.ADMIN}, rule


def test_nobody_else_gets_in_route_by_route(site, auditor):
    editor, stranger = site.signed_in("ed", Role.EDITOR), site.browser()
    b"".join(exporting.ask(site.runtime, Format.CSV, user_id=None).chunks)
    for rule in _routes(site):
        path = re.sub(r"<[^>]+>", "1", rule.rule)
        for browser, code in ((editor, 403), (stranger, 401)):
            if "GET" in rule.methods:
                assert browser.get(path).status_code == code, path
        if "POST" in rule.methods:
            assert site.post(editor, path).status_code == 403, path


def test_an_auditor_changes_nothing(site, auditor):
    """No form on any of these pages does anything but take the ledger away."""
    for path in ("/ledger", "/ledger/0", "/ledger/6"):
        forms = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', auditor.get(path).text)
        assert set(forms) <= {"/ledger/export", "/logout"}
    for path in ("/bulletins/new", "/desk", "/desk/texts"):
        assert auditor.get(path).status_code == 403


def test_no_number_is_on_any_page_or_in_any_file(site, auditor):
    for path in ("/ledger", *(f"/ledger/{index}" for index in range(10))):
        assert "1555010" not in auditor.get(path).text, path
    for form in Format:
        assert b"1555010" not in site.post(auditor, "/ledger/export", {"format": form.value}).data


def test_entries_are_listed_the_newest_first_and_filtered(site, auditor):
    every = _indexes(auditor.get("/ledger").text)
    assert every == sorted(every, reverse=True)
    assert every[-1] == 0
    stop = _index(site, "opt_out_all")
    assert _indexes(auditor.get("/ledger?event=opt_out_all").text) == [stop]
    assert _indexes(auditor.get("/ledger?event=opt_out_all&list=nrc").text) == []
    assert len(_indexes(auditor.get("/ledger?event=opt_in&actor=subject&list=nrc").text)) == 5
    with site.runtime.reading() as session:
        subject = session.get(LedgerEntry, stop).subject
    found = _indexes(auditor.get(f"/ledger?subject={subject}").text)
    assert (len(found), found[0]) == (2, stop)
    assert "No entry is like that." in auditor.get(f"/ledger?subject={'0' * 32}").text


def test_an_operator_is_named_in_new_entries_and_in_old_ones_that_say_cli(site, auditor):
    """Imports of earlier versions say cli; entries stay as they are."""
    with site.runtime.reading() as session:
        (leaf,) = session.execute(
            sa.select(LedgerEntry.leaf).where(LedgerEntry.idx == _index(site, "opt_out"))
        ).scalars()
    old, now = parse(leaf), site.clock.now()
    added = [
        replace(old, actor=actor, id=str(uuid.uuid4()), prev=None, subject=f"{number:032x}")
        for number, actor in enumerate(("operator", "cli"))
    ]
    with site.runtime.transaction() as session:
        ledger.append(session, [Leaf(one.to_bytes(), one.subject) for one in added], now)
    exporting.ask(site.runtime, Format.CSV, Choice(), user_id=None, at_once=None)
    page = auditor.get("/ledger").text
    operator = "an operator, at the command line"
    for name, words in (("operator", operator), ("cli", f"{operator} (“cli”)")):
        assert page.count(f"<td>{words}</td>") == 1
        assert f'<option value="{name}">{words}</option>' in page
    assert f"<span>{operator}</span>" in page
    assert len(_indexes(auditor.get("/ledger?actor=cli").text)) == 1


def test_times_are_of_the_organisation(site, auditor):
    moment = site.clock.now() - timedelta(minutes=3)
    local = f"{moment + timedelta(hours=1):%Y-%m-%dT%H:%M}"  # Amsterdam, in November
    after = _indexes(auditor.get(f"/ledger?from={local}").text)
    before = _indexes(auditor.get(f"/ledger?to={local}").text)
    assert after
    assert sorted(before + after, reverse=True) == _indexes(auditor.get("/ledger").text)
    assert min(after) > max(before)


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday",
        "to=2026-02-30T10:00",
        "subject=15550100000",
        "from=2026-11-24T10:00&to=2026-11-24T09:00",
        "actor=a%0Ab",
        "from=0001-01-01T00:00",
    ],
)
def test_a_filter_that_cannot_be_understood_says_so(auditor, query):
    answer = auditor.get(f"/ledger?{query}")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize("before", ["x", "1", "-", "99999999999999999-1", "0-0", "1-1%00"])
def test_a_place_that_is_none_is_no_error(auditor, before):
    assert auditor.get(f"/ledger?before={before}").status_code == 200


def test_pages_follow_each_other_without_a_gap(site, world, auditor):
    for number in range(10, 70):
        world.text(phone(number), "NRC AAN")  # all at one moment
    for query in ("", "event=opt_in&"):
        found, path = [], f"/ledger?{query}"
        while path:
            page = auditor.get(path).text
            found += _indexes(page)
            onward = re.search(r'href="(/ledger\?[^"]*before=[^"]+)"', page)
            path = onward.group(1).replace("&amp;", "&") if onward else None
        assert found == sorted(set(found), reverse=True)
        assert len(found) == (65 if query else max(found) + 1)


def test_an_entry_says_everything_and_proves_itself(site, auditor):
    index = _index(site, "opt_out")
    page = auditor.get(f"/ledger/{index}").text
    for words in ("Left a list", "withdrawn", "by a keyword", "GDPR-6-1-a", "before: entry"):
        assert words in page
    assert re.search(r'href="/ledger/(\d+)" rel="prev"', page)
    before = int(re.search(r'href="/ledger/(\d+)" rel="prev"', page).group(1))
    assert f'href="/ledger/{index}" rel="next"' in auditor.get(f"/ledger/{before}").text
    for name in re.findall(r'<a href="/ledger/(\d+)">entry', page):
        assert "The full text" in auditor.get(f"/ledger/{name}").text


def test_what_an_entry_calls_things_is_said_in_words_with_the_code_beside_it(site, world):
    dutch = site.signed_in("aad", Role.AUDITOR, language="nl")
    page = dutch.get(f"/ledger/{_index(site, 'opt_in')}").text
    for words, code in (
        ("Aangemeld", "opt_in"),
        ("het trefwoord van een lijst en een aan-woord, verder niets", r"list-on@[^<]+"),
        ("bulletins waar de persoon om vroeg", "news-bulletin"),
        ("toestemming (AVG, artikel 6, lid 1, onder a)", "GDPR-6-1-a"),
        ("tot de persoon ze intrekt", "until-withdrawn"),
    ):
        assert re.search(rf'{re.escape(words)} <code class="raw">{code}</code>', page), words


def test_the_record_of_processing_is_a_list_in_words_and_its_text_is_folded(site, auditor):
    with site.runtime.reading() as session:
        rows = session.execute(sa.select(LedgerEntry.idx, LedgerEntry.leaf))
        index = next(idx for idx, leaf in rows if b'"kind":"config"' in leaf)
    page = auditor.get(f"/ledger/{index}").text
    assert re.search(r"<dt>Controller</dt><dd>\s*<p><bdi>De Ochtend</bdi></p>", page)
    assert '<p><bdi>Netherlands</bdi> <code class="raw">NL</code></p>' in page
    folded = re.findall(r"<details[^>]*>.*?</details>", page, re.DOTALL)
    assert any("{&#34;address&#34;" in part for part in folded)
    assert not any(" open" in part.partition(">")[0] for part in folded)


def test_a_receipt_is_checked_without_us(site, world, auditor):
    world.text(phone(20), "NRC AAN")  # newer than every checkpoint
    with site.runtime.reading() as session:
        last = session.execute(sa.select(sa.func.max(LedgerEntry.idx))).scalar_one()
    assert "newer than the newest checkpoint" in auditor.get(f"/ledger/{last}").text
    for index in (0, 4, last):
        answer = auditor.get(f"/ledger/{index}/receipt")
        assert f"entry-{index}.tlog-proof" in answer.headers["Content-Disposition"]
        assert verify_receipt(answer.data, site.runtime.signer.key).ok


@pytest.mark.parametrize("index", ["999", str(2**62), "9" * 30, "-1", "x"])
def test_an_entry_that_is_not_there_is_not_found(auditor, index):
    assert auditor.get(f"/ledger/{index}").status_code == 404
    assert auditor.get(f"/ledger/{index}/receipt").status_code == 404


def test_the_genesis_is_explained(site, auditor, new_site):
    assert "its genesis" in auditor.get("/ledger/0").text
    empty = new_site()
    page = empty.signed_in("audrey", Role.AUDITOR).get("/ledger").text
    assert "genesis of the log" in page
    assert "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" in page


def test_what_was_verified_and_when_is_on_the_page(site, auditor):
    assert "That has not happened yet." in auditor.get("/ledger").text
    verifying.verify_when_due(site.runtime, lambda: True)
    page = auditor.get("/ledger").text
    assert "The whole log was verified on Tuesday 24 November 2026" in page
    assert f"{_indexes(page)[0] + 1} entries." in page


def test_a_broken_ledger_is_red_for_auditor_and_editor(site, world, auditor):
    editor = site.signed_in("ed", Role.EDITOR)
    tampering.disarm(site.runtime)
    with site.runtime.transaction() as session:
        session.execute(sa.update(LedgerEntry).where(LedgerEntry.idx == 5).values(subject="x"))
    verifying.verify_when_due(site.runtime, lambda: True)
    number = world.bulletin()
    assert world.send() == 0
    page = auditor.get("/ledger").text
    assert "<title>Verification failed at entry 5" in page
    assert "broadcaster ledger verify" in page
    assert "This entry is not what was written." in auditor.get("/ledger/5").text
    assert "This entry is not what was written." not in auditor.get("/ledger/4").text
    desk = editor.get("/desk").text
    assert "ledger_entries 5: is filed under another subject than its own" in desk
    held = editor.get(f"/bulletins/{number}").text
    assert "The consent ledger is not what was written" in held
    assert "Nothing goes out until it has been put back and verified." in held


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("ledger_head", "frontier = x'00'"),
        ("ledger_entries", "leaf = x'00'"),
        ("ledger_entries", "leaf = x'7B7D'"),
        ("checkpoints", "note = 'x'"),
        ("ledger_index", "facet = 0"),
        ("ledger_facets", "event = 'x'"),
    ],
)
def test_damage_of_any_kind_leaves_the_pages_standing(site, auditor, table, change):
    tampering.disarm(site.runtime)
    with site.runtime.transaction() as session:
        session.execute(sa.text(f"UPDATE {table} SET {change}"))  # noqa: S608 - our own
    verifying.verify_when_due(site.runtime, lambda: True)
    page = auditor.get("/ledger")
    assert page.status_code == 200
    assert "Verification failed" in page.text
    assert auditor.get("/ledger/5").status_code == 200
    assert auditor.get("/account").status_code == 200


def _exports(site) -> list[Export]:
    with site.runtime.reading() as session:
        return list(session.execute(sa.select(Export).order_by(Export.id)).scalars())


def test_what_is_downloaded_is_filtered_and_written_down(site, auditor):
    data = {"format": "jsonl", "event": "opt_in"}
    answer = site.post(auditor, "/ledger/export", data)
    assert answer.data.count(b"\n") == 5
    assert "-part.jsonl" in answer.headers["Content-Disposition"]
    [row] = _exports(site)
    assert (row.form, row.chosen, row.entries) == ("jsonl", "event opt_in", 5)
    page = auditor.get("/ledger").text
    assert '<details id="exports">' in page
    assert "event: Joined" in page
    assert "a part" in page
    assert "5 entries" in page
    assert site.post(auditor, "/ledger/export", {"format": "csv", "from": "x"}).status_code == 422
    assert site.post(auditor, "/ledger/export", {"format": "exe"}).status_code == 422
    assert len(_exports(site)) == 1


def test_a_large_export_is_made_in_the_background_and_fetched(site, auditor, monkeypatch):
    monkeypatch.setattr(exporting, "AT_ONCE", 3)
    answer = site.post(auditor, "/ledger/export", {"format": "csv"})
    assert (answer.status_code, answer.location) == (303, "/ledger#exports")
    page = auditor.get("/ledger").text
    assert "waits to be made" in page
    assert '<details id="exports" open>' in page
    assert 'hx-get="/ledger/exports"' in page
    assert "<noscript>" in page
    assert auditor.get("/ledger/exports/1").status_code == 404
    exporting.make_next(site.runtime, lambda: True)
    part = auditor.get("/ledger/exports").text
    assert "Fetch the file" in part
    assert "hx-get" not in part
    assert '<details id="exports" open>' in auditor.get("/ledger").text
    fetched = auditor.get("/ledger/exports/1")
    assert fetched.data.startswith(b"index,recorded")
    assert int(fetched.headers["Content-Length"]) == len(fetched.data)
    assert auditor.get("/ledger/exports/99").status_code == 404
