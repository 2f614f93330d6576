"""The pages in Chromium: what is typed is counted, what runs is seen, and nothing is refused."""

import contextlib
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from waitress.server import create_server

from broadcaster.core.address import Channel
from broadcaster.core.bulletin import BulletinState
from broadcaster.services import audit
from broadcaster.services.audit import Format
from broadcaster.services.staff import Role
from broadcaster.storage.models import Bulletin, Delivery
from tests.functional.web.site import PASSWORD, build_site
from tests.world import World, phone, populate

pytestmark = pytest.mark.browser

LEFT_AND_RIGHT = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
STAFF_PAGES = (
    "/desk",
    "/desk/texts",
    "/bulletins",
    "/bulletins/new",
    "/bulletins/1/edit",
    "/bulletins/1/check",
    "/bulletins/2",
    "/bulletins/3",
    "/bulletins/3/stop",
    "/bulletins/4/undecided",
    "/ledger",
    "/account",
)
PUBLIC_PAGES = ("/", "/l/nrc", "/verify", "/privacy", "/login", "/nothing-here")


class WallClock:
    """The browser's calendar must agree with ours."""

    def now(self):
        return datetime.now(UTC)


@contextlib.contextmanager
def _served(app):
    server = create_server(app, host="127.0.0.1", port=0, threads=4)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        server.close()
        server.task_dispatcher.shutdown()
        thread.join(5)


@pytest.fixture
def empty_site(tmp_path, migrated_sqlite):
    path = tmp_path / "site.sqlite3"
    shutil.copy(migrated_sqlite, path)
    made = build_site(tmp_path, path, clock=WallClock(), public_url="http://127.0.0.1")
    with _served(made.app) as url:
        made.url = url
        made.add_user("anna", Role.ADMIN)
        yield made
    made.runtime.database.dispose()


@pytest.fixture
def site(empty_site):
    empty_site.list_id = empty_site.add_list()
    empty_site.people = [*empty_site.subscribe(empty_site.list_id, 3)]
    empty_site.people += empty_site.subscribe(empty_site.list_id, 2, Channel.WHATSAPP)
    return empty_site


@pytest.fixture
def world(empty_site):
    """A newsroom with a real ledger: somebody joined, got bulletins, and left."""
    # The browser has an event loop in this thread, and sending brings one of its own.
    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(_live, empty_site).result()


def _live(site):
    populate(site.runtime)
    made = World(site.runtime, site.clock, site.runtime.provider)
    made.text(phone(0), "NRC AAN")
    for text in ("Goedemorgen", "Goedemiddag"):
        made.bulletin(text=text)
        made.send()
    made.text(phone(0), "NRC UIT")
    audit.sign_what_is_new(site.runtime)
    return made


@pytest.fixture
def open_page(chromium, empty_site):
    """Open pages that listen for what the browser complains about."""
    contexts, complaints = [], []

    def make(**options):
        context = chromium.new_context(base_url=empty_site.url, locale="en-GB", **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: _own(request.url, empty_site.url, complaints))
        return page

    yield make
    for context in contexts:
        context.close()
    # The page that is not there is asked for on purpose; htmx tells of a request that ended
    # because its page was left.
    expected = ("404 (NOT FOUND)", "htmx:")
    assert [text for text in complaints if not any(mark in text for mark in expected)] == []


def _own(url, base, complaints):
    if not url.startswith((base, "data:")):
        complaints.append(f"asked {url}")


def _sign_in(page):
    page.goto("/login")
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/desk")


def test_an_editor_writes_checks_and_schedules(site, open_page):
    page = open_page()
    _sign_in(page)
    page.get_by_role("link", name="New bulletin").first.click()
    page.get_by_label("Text", exact=True).fill("Goedemorgen! “Eén” nieuwtje.")
    page.get_by_text("70 characters in place of 160").wait_for()
    assert page.locator("#preview").inner_text() == "Goedemorgen! “Eén” nieuwtje."
    page.get_by_role("button", name="Save and check").click()
    page.get_by_text("To 5 people on Ochtendnieuws").wait_for()
    year = site.runtime.clock.now().year + 1
    page.get_by_label("Date").fill(f"{year}-01-04")
    page.get_by_label("Time", exact=True).fill("07:30")
    page.get_by_text(f"4 January {year} at 07:30 (Europe/Amsterdam)").wait_for()
    page.get_by_role("button", name="Schedule 5 messages").click()
    page.get_by_role("button", name="Cancel this bulletin").wait_for()
    assert site.bulletin(1).state == "scheduled"


def test_pressing_twice_schedules_once(site, open_page):
    bulletin = site.draft(site.list_id)
    page = open_page()
    _sign_in(page)
    page.goto(f"/bulletins/{bulletin}/check")
    page.get_by_role("button", name="Send 5 messages now").dblclick()
    page.get_by_role("heading", name="Ochtendnieuws").wait_for()
    assert site.bulletin(bulletin).version == 2


def test_progress_is_seen_without_loading_the_page_again(site, open_page):
    bulletin = site.draft(site.list_id)
    site.finish(
        bulletin,
        [(person, "queued", None, None) for person in site.people],
        state=BulletinState.SENDING,
    )
    page = open_page()
    _sign_in(page)
    page.goto(f"/bulletins/{bulletin}")
    page.get_by_text("0 of 5 done").wait_for()
    with site.runtime.transaction() as session:
        for delivery in session.query(Delivery).limit(3):
            delivery.state, delivery.sid = "accepted", f"SM{delivery.id:032x}"
        site.recount(session, bulletin)
    page.get_by_text("3 of 5 done").wait_for()
    with site.runtime.transaction() as session:
        for delivery in session.query(Delivery):
            delivery.state, delivery.sid = "delivered", f"SM{delivery.id:032x}"
        site.recount(session, bulletin)
        kept = session.get(Bulletin, bulletin)
        kept.state, kept.ended = "finished", site.runtime.clock.now()
    page.get_by_text("That is everyone who was on the list when it started.").wait_for()
    assert page.get_by_role("link", name="Stop the rest").count() == 0


@pytest.mark.parametrize("scripts", [True, False])
def test_an_editor_pauses_continues_and_stops(site, open_page, scripts):
    bulletin = site.draft(site.list_id)
    queued = [(person, "queued", None, None) for person in site.people]
    site.finish(bulletin, queued, state=BulletinState.SENDING)
    page = open_page(java_script_enabled=scripts)
    _sign_in(page)
    page.goto(f"/bulletins/{bulletin}")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Continue with the 5 not yet sent").wait_for()
    with site.runtime.transaction() as session:
        session.query(Delivery).first().state = "skipped"
        site.recount(session, bulletin)
    if not scripts:
        page.reload()
    # The number on the button follows without the page being loaded again.
    page.get_by_role("button", name="Continue with the 4 not yet sent").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("link", name="Stop the rest…").click()
    page.get_by_text("4 people have not got it and never will.").wait_for()
    page.get_by_role("button", name="Stop it for good").click()
    page.get_by_text("Stopped. Nothing of this bulletin goes out any more.").wait_for()
    assert site.bulletin(bulletin).state == "cancelled"


def test_everything_works_without_scripts(site, open_page):
    page = open_page(java_script_enabled=False)
    _sign_in(page)
    page.goto("/bulletins/new")
    page.get_by_label("Text", exact=True).fill("Zonder script.")
    page.get_by_role("button", name="Save and check").click()
    page.get_by_role("button", name="Send 5 messages now").click()
    page.get_by_role("button", name="Cancel this bulletin").click()
    page.get_by_text("Stopped. Nothing of this bulletin goes out any more.").wait_for()
    assert site.bulletin(1).state == "cancelled"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_every_page_fits_and_pleases_the_browser(site, open_page, scheme, width):
    site.draft(site.list_id, "Een lange link: https://news.example.org/" + "x" * 200)
    done = site.draft(site.list_id)
    site.finish(done, [(person, "delivered", None, None) for person in site.people])
    held = [(person, "held", "timeout", None) for person in site.people]
    site.finish(site.draft(site.list_id), held, state=BulletinState.PAUSED)
    site.finish(site.draft(site.list_id), held)
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    for path in PUBLIC_PAGES:
        page.goto(path)
        assert page.evaluate(LEFT_AND_RIGHT) == 0, path
    _sign_in(page)
    for path in STAFF_PAGES:
        page.goto(path)
        assert page.evaluate(LEFT_AND_RIGHT) == 0, path
        assert page.locator("h1").count() == 1, path


def test_the_language_is_switched_in_the_footer(site, open_page):
    page = open_page()
    page.goto("/l/nrc")
    page.get_by_role("link", name="Nederlands").click()
    page.get_by_role("heading", name="Aanmelden").wait_for()
    assert page.url == f"{site.url}/l/nrc"
    assert page.locator("html").get_attribute("lang") == "nl"


def test_an_auditor_downloads_the_bundle(site, open_page):
    page = open_page()
    _sign_in(page)
    page.goto("/ledger")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download bundle").click()
    assert waiting.value.suggested_filename == "ledger.zip"


def _open_evidence(page, world):
    page.goto("/people/evidence")
    page.locator("#who").fill(world.entries()[0].subject)
    page.locator("#reason").fill("Complaint, case 2026-14")
    page.locator("main form.card button[type=submit]").click()
    page.locator("article").first.wait_for()


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (320, "dark")])
def test_an_auditors_pages_fit(world, open_page, width, scheme, language):
    bundle = b"".join(audit.export(world.runtime, Format.BUNDLE))
    size = len(world.entries()) + 3  # the notices of two lists, and the record of processing
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    _sign_in(page)
    page.goto(f"/language/{language}")
    page.goto("/verify")
    page.locator("#file").set_input_files(
        {"name": "ledger.zip", "mimeType": "application/zip", "buffer": bundle}
    )
    page.locator("main form button[type=submit]").click()
    page.locator("#result").wait_for()
    _unfold(page)
    assert page.evaluate(LEFT_AND_RIGHT) == 0
    for path in ("/ledger", *(f"/ledger/{index}" for index in range(size))):
        page.goto(path)
        _unfold(page)
        assert page.evaluate(LEFT_AND_RIGHT) == 0, path
    _open_evidence(page, world)
    _unfold(page)
    assert page.evaluate(LEFT_AND_RIGHT) == 0


def _unfold(page):
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")


def test_evidence_is_folded_on_the_screen_and_whole_on_paper(world, open_page):
    page = open_page(java_script_enabled=False)
    _sign_in(page)
    _open_evidence(page, world)
    message = page.get_by_text("Goedemiddag")
    assert not message.is_visible()
    page.get_by_text("2 messages", exact=True).click()
    message.wait_for()
    page.get_by_text("2 messages", exact=True).click()
    assert not message.is_visible()
    page.emulate_media(media="print")
    assert message.bounding_box()["height"] > 0
    for text in ("until-withdrawn", "purpose_type", "Hooguit één bericht per dag"):
        assert page.get_by_text(text).first.bounding_box()["height"] > 0


def test_filters_are_open_where_there_is_room_and_folded_where_there_is_none(world, open_page):
    page = open_page(java_script_enabled=False, viewport={"width": 1280, "height": 800})
    _sign_in(page)
    page.goto("/ledger")
    chosen = page.get_by_label("What happened")
    chosen.select_option("opt_in")
    page.set_viewport_size({"width": 320, "height": 800})
    assert not chosen.is_visible()
    page.get_by_text("Filter", exact=True).click()
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/ledger?*event=opt_in*")
    assert page.get_by_label("What happened").is_visible()
    assert page.locator(".entries tbody tr").count() == 1
