"""Pages for everybody, for auditors, and the desk."""

import zipfile
from io import BytesIO

import pytest

from broadcaster.core.sealing import seal_text
from broadcaster.services.staff import Role
from broadcaster.storage import incidents, lists, people
from broadcaster.storage.models import BroadcastList, Inbound, Subscriber, Subscription


def test_home_shows_the_open_lists_and_how_to_join_and_leave(site):
    site.add_list()
    page = site.browser().get("/").text
    for words in ("Ochtendnieuws", "NRC AAN", "NRC UIT", "Hooguit één bericht per dag"):
        assert words in page


def test_home_without_lists_says_so(site):
    assert "There are no public lists yet" in site.browser().get("/").text


def test_a_closed_list_is_not_on_the_home_page_and_offers_no_way_in(site):
    list_id = site.add_list()
    with site.runtime.transaction() as session:
        session.get(BroadcastList, list_id).is_open = False
    assert "Ochtendnieuws" not in site.browser().get("/").text
    page = site.browser().get("/l/nrc").text
    assert "This list is not open yet" in page
    assert "wa.me" not in page


def test_a_lists_page_says_all_that_its_people_are_told(site):
    site.add_list()
    page = site.browser().get("/l/nrc").text
    for words in (
        "https://wa.me/15550100002?text=NRC%20AAN",
        "sms:+15550100001?body=NRC%20AAN",
        "NRC UIT",
        "STOP",
        "Je nummer en je aanmelding",
        "https://news.example.org/privacy",
        "binnen een werkdag",
        "tussen 07:00 en 09:00",
    ):
        assert words in page


def test_the_demo_says_that_it_is_one(new_site):
    demo, live = new_site(mode="demo"), new_site()
    demo.app.config["PHONES_URL"] = "http://127.0.0.1:8001/"
    page = demo.browser().get("/").text
    assert "This is a demo" in page
    assert 'href="http://127.0.0.1:8001/"' in page
    assert "This is a demo" not in live.browser().get("/").text


@pytest.mark.parametrize("path", ["/", "/privacy", "/login", "/l/nrc"])
def test_pages_are_there_in_dutch_too(site, path):
    site.add_list()
    answer = site.browser().get(path, headers={"Accept-Language": "nl"})
    assert '<html lang="nl">' in answer.text
    assert "Inloggen" in answer.text


def test_the_chosen_language_stays_and_leads_back_to_the_page(site):
    browser = site.browser()
    answer = browser.get("/language/nl?next=/privacy")
    assert (answer.status_code, answer.location) == (303, "/privacy")
    assert '<html lang="nl">' in browser.get("/").text


def _language_elsewhere(site):
    other = site.browser()
    site.try_password(other, "anna")
    return other.get("/desk").text.partition('<html lang="')[2][:2]


def test_a_language_chosen_in_the_account_goes_along_to_other_browsers(site):
    browser = site.signed_in()
    answer = site.post(browser, "/account", {"language": "nl"})
    assert (answer.status_code, answer.location) == (303, "/account")
    assert '<html lang="nl">' in browser.get("/account").text
    assert _language_elsewhere(site) == "nl"


def test_switching_in_the_footer_changes_this_browser_and_not_the_account(site):
    browser = site.signed_in()
    browser.get("/language/nl?next=/desk")
    assert '<html lang="nl">' in browser.get("/desk").text
    assert _language_elsewhere(site) == "en"


@pytest.mark.parametrize("language", ["", "xx", "nl\0", "NL"])
def test_an_account_keeps_its_language_when_another_is_unknown(site, language):
    answer = site.post(site.signed_in(), "/account", {"language": language})
    assert answer.status_code == 422
    assert _language_elsewhere(site) == "en"


def test_the_desk_counts_only_people_whom_a_bulletin_would_reach(site):
    list_id = site.add_list()
    reached, stopped, blocked, left, elsewhere = site.subscribe(list_id, 5)
    with site.runtime.transaction() as session:
        session.get(Subscriber, stopped).stopped_at = site.clock.now()
        sender = lists.senders(session, list_id)[0]
        assert sender.channel == "sms"
        people.set_blocked(session, blocked, sender.id, blocked=True, now=site.clock.now())
        session.get(Subscription, (left, list_id)).state = "out"
        session.get(Subscriber, elsewhere).channel = "pigeon"
    assert reached
    assert "1 person has joined." in site.signed_in().get("/desk").text


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil"])
def test_the_language_switch_leads_nowhere_else(site, target):
    assert site.browser().get("/language/nl", query_string={"next": target}).location == "/"


def test_an_unknown_language_is_not_found(site):
    assert site.browser().get("/language/xx").status_code == 404


def test_the_privacy_page_names_the_organisation_and_the_authority(site):
    page = site.browser().get("/privacy").text
    assert "De Ochtend" in page
    assert "Autoriteit Persoonsgegevens" in page


def test_the_desk_shows_texts_that_wait_with_their_numbers_masked(site):
    list_id = site.add_list()
    (person,) = site.subscribe(list_id, 1)
    with site.runtime.transaction() as session:
        key = site.runtime.keyring.unwrap(session.get(Subscriber, person).key_wrapped)
        session.add(
            Inbound(
                sid=f"SM{0:032x}",
                received=site.clock.now(),
                subscriber_id=person,
                review="question",
                sealed=seal_text(key, "Komt er morgen iets?"),
            )
        )
        incidents.note(session, "unknown_delivery", "status", site.clock.now())
    page = site.signed_in().get("/desk").text
    assert "Komt er morgen iets?" in page
    assert "Twilio reported on a message that we do not know." in page
    assert "+155" in page
    assert "+15550101" not in page


@pytest.fixture
def auditor(site):
    return site.signed_in("audrey", Role.AUDITOR)


def test_the_ledgers_page_gives_size_key_and_the_way_to_check(site, auditor):
    page = auditor.get("/ledger").text
    assert "news.example.org/ledger+" in page
    assert "python3 ledger.zip --vkey" in page


@pytest.mark.parametrize(
    ("form", "name"),
    [("jsonl", "ledger.jsonl"), ("csv", "ledger.csv"), ("bundle", "ledger.zip")],
)
def test_an_auditor_downloads_the_log_in_each_form(site, auditor, form, name):
    answer = site.post(auditor, "/ledger/export", {"format": form})
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert isinstance(answer.data, bytes)
    assert "Signed" in auditor.get("/ledger").text


def test_the_bundle_is_what_a_checker_expects(site, auditor):
    data = site.post(auditor, "/ledger/export", {"format": "bundle"}).data
    names = set(zipfile.ZipFile(BytesIO(data)).namelist())
    assert {"checkpoint", "vkey", "entries.jsonl", "manifest.json"} <= names


def test_an_unknown_form_of_download_is_refused(site, auditor):
    assert site.post(auditor, "/ledger/export", {"format": "exe"}).status_code == 422


def test_downloading_is_for_auditors(site):
    answer = site.post(site.signed_in(), "/ledger/export", {"format": "csv"})
    assert answer.status_code == 403
