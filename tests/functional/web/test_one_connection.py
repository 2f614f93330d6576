"""A request holds one connection to the database at a time, and says so when there is none."""

import re
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event

from broadcaster import web
from broadcaster.services.staff import Role
from tests.functional.web.site import PASSWORD, build_site

LATER = {"date": "2026-11-25", "time": "07:30", "zone": "Europe/Amsterdam"}


@pytest.fixture
def held(site):
    """The connections that are held now, and the most that were at any moment."""
    counted = {"now": 0, "most": 0}

    def take(*_):
        counted["now"] += 1
        counted["most"] = max(counted.values())

    def give(*_):
        counted["now"] -= 1

    event.listen(site.runtime.database, "checkout", take)
    event.listen(site.runtime.database, "checkin", give)
    return counted


def _posts(list_id):
    """What an editor sends, in order; each needs the session that the one before left alone."""
    text = {"list_id": list_id, "text": "Goedemorgen."}
    return [
        ("/bulletins/new", text),
        ("/bulletins/1/edit", text | {"version": 1}),
        ("/bulletins/1/edit", text | {"version": 1}),
        ("/bulletins/1/schedule", LATER | {"version": 2}),
        ("/bulletins/1/schedule", LATER | {"version": 2}),
        ("/bulletins/1/schedule", LATER | {"version": 2, "time": "18:00"}),
        ("/bulletins/1/unschedule", {"version": 3}),
        ("/bulletins/1/send", {"version": 4}),
        ("/bulletins/1/cancel", {}),
        ("/desk/texts", {"sid": "SM" + "0" * 32}),
        ("/ledger/export", {"format": "bundle"}),
        ("/account", {"language": "en"}),
        ("/account/password", {"current": PASSWORD, "new": "een heel ander wachtwoord"}),
        ("/login", {"name": "anna", "password": "een heel ander wachtwoord"}),
        ("/logout", {}),
    ]


def test_no_request_holds_two_connections(site, held):
    list_id = site.add_list()
    site.subscribe(list_id, 1)
    browser = site.signed_in(role=Role.ADMIN)
    statuses = []
    for path, data in _posts(list_id):
        site.clock.advance(minutes=2)  # so that each request also notes that somebody is there
        answer = site.post(browser, path, data)
        assert answer.data is not None
        statuses.append(answer.status_code)
    for path in ("/", "/desk", "/readyz", "/l/nrc"):
        browser.get(path)
    assert statuses == [303, 303, 409, 303, 303, 409, 303, 303, 303, 404, 200, 303, 303, 303, 303]
    assert held == {"now": 0, "most": 1}


def test_pages_write_only_after_they_stopped_reading():
    allowed = {"extensions.py", "webhooks.py"}
    for path in Path(web.__file__).parent.glob("*.py"):
        if path.name not in allowed:
            assert not re.search(r"runtime\(\)\.(transaction|reading)\(", path.read_text()), path


def test_without_a_free_connection_people_are_told_and_given_a_number(tmp_path, migrated_sqlite):
    engine = create_engine(
        f"sqlite:///{migrated_sqlite}", pool_size=1, max_overflow=0, pool_timeout=0.01
    )
    site = build_site(tmp_path, migrated_sqlite, engine=engine)
    with engine.connect():
        answer = site.browser().get("/")
    engine.dispose()
    assert answer.status_code == 503
    assert "+31 20 555 0123" in answer.text
