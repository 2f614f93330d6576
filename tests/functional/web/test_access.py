"""Who gets in: sessions, roles, and the door itself."""

import pytest

from broadcaster.services import staff
from broadcaster.services.staff import Role
from broadcaster.web.access import declared

STAFF_PAGES = ["/desk", "/bulletins", "/bulletins/new", "/account"]


def test_every_route_declares_who_it_is_for(site):
    undeclared = [
        rule.endpoint
        for rule in site.app.url_map.iter_rules()
        if declared(site.app, rule.endpoint) is None
    ]
    assert undeclared == []


def test_a_route_that_declares_nothing_is_refused(site):
    site.app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    assert site.browser().get("/forgotten").status_code == 403


@pytest.mark.parametrize("path", STAFF_PAGES)
def test_a_stranger_gets_the_sign_in_page_and_401(site, path):
    answer = site.browser().get(path)
    assert answer.status_code == 401
    assert 'name="password"' in answer.text


def test_signing_in_leads_to_the_page_that_was_asked_for(site):
    site.add_user()
    browser = site.browser()
    answer = site.try_password(browser, "anna", next="/bulletins?tab=sent")
    assert (answer.status_code, answer.location) == (303, "/bulletins?tab=sent")
    assert browser.get(answer.location).status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https:evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/ok\r\nX: y",
        "",
    ],
)
def test_a_next_address_elsewhere_leads_to_the_start_page(site, target):
    site.add_user()
    answer = site.try_password(site.browser(), "anna", next=target)
    assert (answer.status_code, answer.location) == (303, "/desk")


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(new_site):
    site = new_site(public_url="https://news.example.org")
    site.add_user()
    browser = site.browser()
    made = site.try_password(browser, "anna").headers.getlist("Set-Cookie")
    cookie = next(line for line in made if line.startswith("__Host-session="))
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def _replayed(site, browser, end):
    token = browser.get_cookie("session").value
    end()
    other = site.browser()
    other.set_cookie("session", token)
    return other.get("/desk").status_code


def test_a_cookie_is_worthless_after_sign_out(site):
    browser = site.signed_in()
    assert _replayed(site, browser, lambda: site.post(browser, "/logout")) == 401


@pytest.mark.parametrize(
    "change",
    [
        lambda session: staff.reset_password(session, "anna", new="another long password"),
        lambda session: staff.change_role(session, "anna", Role.AUDITOR),
        lambda session: staff.disable(session, "anna"),
    ],
    ids=["password", "role", "disabled"],
)
def test_a_cookie_is_worthless_after_the_account_changed(site, change):
    browser = site.signed_in()

    def end():
        with site.runtime.transaction() as session:
            change(session)

    assert _replayed(site, browser, end) == 401


def test_changing_ones_password_ends_the_other_sessions_only(site):
    here = site.signed_in()
    there = site.browser()
    site.try_password(there, "anna")
    data = {"current": "correct horse battery", "new": "een heel ander wachtwoord"}
    assert site.post(here, "/account/password", data).status_code == 303
    assert here.get("/desk").status_code == 200
    assert there.get("/desk").status_code == 401


@pytest.mark.parametrize(
    ("current", "new"),
    [
        ("wrong", "een heel ander wachtwoord"),
        ("correct horse battery", "short"),
        ("correct horse battery", "anna anna anna anna"),
        ("correct horse battery", "aaaaaaaaaaaaaaaa"),
        ("", ""),
    ],
)
def test_a_password_that_will_not_do_changes_nothing(site, current, new):
    browser = site.signed_in()
    answer = site.post(browser, "/account/password", {"current": current, "new": new})
    assert answer.status_code == 422
    assert "aria-invalid" in answer.text
    assert site.try_password(site.browser(), "anna").status_code == 303


def test_signing_out_everywhere_ends_all_sessions(site):
    here, there = site.signed_in(), site.browser()
    site.try_password(there, "anna")
    site.post(here, "/account/sessions")
    assert [browser.get("/desk").status_code for browser in (here, there)] == [401, 401]


def test_a_session_ends_when_nobody_uses_it(site):
    browser = site.signed_in()
    site.clock.advance(minutes=29)
    assert browser.get("/desk").status_code == 200
    site.clock.advance(minutes=29)
    assert browser.get("/desk").status_code == 200
    site.clock.advance(minutes=31)
    assert browser.get("/desk").status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/bulletins/1/progress?shown=draft"),
        ("POST", "/bulletins/count"),
        ("POST", "/bulletins/moment"),
    ],
)
def test_what_a_page_asks_by_itself_keeps_no_session_alive(site, method, path):
    browser = site.signed_in()
    site.draft(site.add_list())
    data = {"csrf_token": site.token(browser, "/account")} if method == "POST" else None
    statuses = []
    for _ in range(4):
        site.clock.advance(minutes=10)
        headers = {"HX-Request": "true"}
        statuses.append(browser.open(path, method=method, data=data, headers=headers).status_code)
    assert statuses == [200, 200, 200, 401]


def test_a_person_who_asks_for_the_progress_keeps_the_session_alive(site):
    browser = site.signed_in()
    site.draft(site.add_list())
    for _ in range(4):
        site.clock.advance(minutes=20)
        assert browser.get("/bulletins/1/progress?shown=draft").status_code == 200


def test_no_other_page_can_be_asked_for_without_a_trace(site):
    browser = site.signed_in()
    for _ in range(4):
        site.clock.advance(minutes=20)
        assert browser.get("/desk", headers={"HX-Request": "true"}).status_code == 200


def test_a_session_ends_after_its_time_however_busy(site):
    browser = site.signed_in()
    for _ in range(12 * 3):
        site.clock.advance(minutes=20)
        last = browser.get("/desk").status_code
    site.clock.advance(minutes=1)
    assert (last, browser.get("/desk").status_code) == (200, 401)


def test_each_sign_in_gets_a_new_token(site):
    browser = site.signed_in()
    first = browser.get_cookie("session").value
    site.post(browser, "/logout")
    site.try_password(browser, "anna")
    assert browser.get_cookie("session").value != first


def test_an_auditor_reads_the_ledger_and_writes_nothing(site):
    browser = site.signed_in("audrey", Role.AUDITOR)
    assert browser.get("/ledger").status_code == 200
    assert [browser.get(path).status_code for path in ("/desk", "/bulletins")] == [403, 403]


def test_an_editor_does_not_read_the_ledger(site):
    assert site.signed_in().get("/ledger").status_code == 403


def test_an_admin_does_both(site):
    browser = site.signed_in("ada", Role.ADMIN)
    assert [browser.get(path).status_code for path in ("/desk", "/ledger")] == [200, 200]


def test_fields_that_are_not_on_the_form_change_no_account(site):
    browser = site.signed_in()
    extra = {"role": "admin", "name": "otto", "active": "0", "id": "2"}
    site.post(browser, "/account", {"language": "nl", **extra})
    site.try_password(site.browser(), "anna", role="admin")
    with site.runtime.reading() as session:
        (user,) = staff.list_users(session)
    assert (user.name, user.role, user.active) == ("anna", "editor", True)


@pytest.mark.parametrize(
    "name",
    [
        "anna\0",
        "a" * 10_000,
        "anna ",
        " anna",
        "Anna",
        "ANNA",
        "\u0430nna",
        "nobody",
        "",
        "' or 1=1--",
    ],
)
def test_every_wrong_name_gets_the_same_answer(site, name):
    site.add_user()
    wrong = site.try_password(site.browser(), "anna", "not the password")
    answer = site.try_password(site.browser(), name)
    assert answer.status_code == wrong.status_code == 401
    assert "do not belong together" in answer.text


def test_a_password_with_strange_characters_is_just_wrong(site):
    site.add_user()
    for password in ("\0", "x" * 20_000, "\u202e", ""):
        assert site.try_password(site.browser(), "anna", password).status_code == 401


def test_guessing_is_slowed_down_per_account(site):
    site.add_user()
    answers = []
    for number in range(11):
        browser = site.browser()
        browser.environ_base["REMOTE_ADDR"] = f"192.0.2.{number}"
        answers.append(site.try_password(browser, "anna", "wrong password").status_code)
        site.clock.advance(seconds=5)
    assert answers[:5] == [401] * 5
    assert answers.count(429) >= 3


def test_guessing_is_slowed_down_per_address(site):
    answers = []
    for number in range(14):
        answers.append(site.try_password(site.browser(), f"name{number}").status_code)
        site.clock.advance(seconds=2)
    assert answers[:10] == [401] * 10
    assert 429 in answers


def test_a_slowed_down_sign_in_says_how_long_to_wait(site):
    for _ in range(5):
        site.try_password(site.browser(), "anna", "wrong password")
    answer = site.try_password(site.browser(), "anna", "wrong password")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


def test_the_right_password_works_again_after_at_most_a_minute(site):
    site.add_user()
    for number in range(30):
        browser = site.browser()
        browser.environ_base["REMOTE_ADDR"] = f"192.0.2.{number}"
        site.try_password(browser, "anna", "wrong password")
    site.clock.advance(seconds=61)
    assert site.try_password(site.browser(), "anna").status_code == 303


def test_a_name_that_exists_in_another_case_is_not_given_twice(site):
    site.add_user("anna")
    with pytest.raises(staff.Conflict):
        site.add_user("Anna")


def test_the_last_admin_stays(site):
    site.add_user("ada", Role.ADMIN)
    with pytest.raises(staff.Conflict), site.runtime.transaction() as session:
        staff.disable(session, "ada")


def test_signing_in_again_ends_the_session_before(site):
    browser = site.signed_in()
    before = browser.get_cookie("session").value
    site.try_password(browser, "anna", csrf_token=site.token(browser, "/account"))
    other = site.browser()
    other.set_cookie("session", before)
    assert other.get("/desk").status_code == 401


def test_a_part_of_a_page_asks_for_the_whole_when_the_session_ended(site):
    answer = site.browser().get("/bulletins/1/progress", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Refresh"]) == (401, "true")
