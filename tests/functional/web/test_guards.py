"""What every request has to stand, and what every answer carries."""

import http.client

import pytest

from broadcaster.cli.server import WebServer

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def _example(rule):
    numbers = dict.fromkeys(("bulletin_id", "sender_id", "series_id"), 1)
    values = {name: {"language": "en", **numbers}.get(name, "x") for name in rule.arguments}
    return rule.rule, values


def _unsafe_routes(app):
    for rule in app.url_map.iter_rules():
        if UNSAFE & rule.methods and not rule.endpoint.startswith("webhooks."):
            with app.test_request_context():
                yield app.url_map.bind("localhost").build(rule.endpoint, _example(rule)[1], "POST")


def test_every_form_is_refused_without_its_key(site):
    browser = site.signed_in()
    paths = list(_unsafe_routes(site.app))
    assert len(paths) > 8
    assert {path: browser.post(path).status_code for path in paths} == dict.fromkeys(paths, 400)


def test_a_form_without_its_key_keeps_what_was_typed(site):
    answer = site.signed_in().post("/bulletins/new", data={"text": "Een lange <b>tekst</b>."})
    assert answer.status_code == 400
    assert "Een lange &lt;b&gt;tekst&lt;/b&gt;." in answer.text


def test_a_form_after_the_session_ended_keeps_what_was_typed(site):
    browser = site.signed_in()
    token = site.token(browser, "/account")
    site.clock.advance(hours=13)
    answer = browser.post("/bulletins/new", data={"csrf_token": token, "text": "Bijna af."})
    assert answer.status_code == 401
    assert "Bijna af." in answer.text


def test_a_key_of_another_session_is_refused(site):
    mine, other = site.signed_in(), site.signed_in("otto")
    token = site.token(other, "/account")
    assert mine.post("/logout", data={"csrf_token": token}).status_code == 400


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example"]
)
def test_a_form_from_a_foreign_origin_is_refused(site, origin):
    browser = site.signed_in()
    answer = site.post(browser, "/account/sessions", headers={"Origin": origin})
    assert answer.status_code == 403
    assert browser.get("/desk").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://localhost"}, {"Origin": "null", "Sec-Fetch-Site": "same-origin"}, {}],
)
def test_a_form_from_our_own_page_is_accepted(site, headers):
    assert site.post(site.signed_in(), "/logout", headers=headers).status_code == 303


@pytest.mark.parametrize("site_kind", ["cross-site", "same-site"])
def test_a_form_that_the_browser_calls_foreign_is_refused(site, site_kind):
    answer = site.post(site.signed_in(), "/logout", headers={"Sec-Fetch-Site": site_kind})
    assert answer.status_code == 403


def test_a_foreign_host_is_refused(site):
    assert site.browser().get("/", headers={"Host": "evil.example"}).status_code == 400


def test_the_public_host_and_the_machine_itself_are_served(new_site):
    site = new_site(public_url="https://news.example.org")
    hosts = ["news.example.org", "localhost:8000", "127.0.0.1"]
    answers = [site.browser().get("/healthz", headers={"Host": host}) for host in hosts]
    assert [answer.status_code for answer in answers] == [200, 200, 200]


def test_a_webhook_to_a_foreign_host_is_forbidden(site):
    answer = site.browser().post("/webhooks/twilio/inbound", headers={"Host": "evil.example"})
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/", "/login", "/nothing-here", "/desk", "/healthz"])
def test_every_answer_tells_the_browser_what_it_may_do(site, path):
    answer = site.browser().get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["Cache-Control"] == "no-store"


def test_https_is_insisted_on_where_there_is_https(new_site):
    secure, plain = new_site(public_url="https://news.example.org"), new_site()
    assert "max-age" in secure.browser().get("/").headers["Strict-Transport-Security"]
    assert "Strict-Transport-Security" not in plain.browser().get("/").headers


@pytest.mark.parametrize("path", ["/", "/desk", "/bulletins/1/cancel"])
def test_a_method_that_is_not_meant_is_refused_with_those_that_are(site, path):
    answer = site.signed_in().open(path, method="TRACE")
    assert answer.status_code == 405
    assert answer.headers["Allow"]


def test_a_change_by_get_is_refused_with_the_right_method(site):
    answer = site.signed_in().get("/bulletins/1/cancel")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_a_method_in_a_field_or_header_is_ignored(site):
    browser = site.signed_in()
    bulletin = site.draft(site.add_list())
    answer = site.post(
        browser,
        f"/bulletins/{bulletin}",
        {"_method": "DELETE"},
        headers={"X-HTTP-Method-Override": "DELETE"},
    )
    assert answer.status_code == 405
    assert site.bulletin(bulletin).state == "draft"


def test_too_much_is_refused_and_nothing_is_written(site):
    browser = site.signed_in()
    list_id = site.add_list()
    fields = {f"field{number}": "x" for number in range(5000)}
    big = {"list_id": list_id, "text": "x" * 10_000_000}
    parts = {f"part{number}": "x" for number in range(2000)}
    answers = [
        site.post(browser, "/bulletins/new", fields),
        site.post(browser, "/bulletins/new", big),
        site.post(browser, "/bulletins/new", parts, content_type="multipart/form-data"),
    ]
    assert [answer.status_code for answer in answers] == [413, 413, 413]
    assert site.bulletin(1) is None


@pytest.mark.parametrize("language", ["../../x", "x" * 10_000, "tlh", "*", ";;;q=", "nl\0"])
def test_a_strange_language_gets_the_default(site, language):
    answer = site.browser().get("/", headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert '<html lang="en">' in answer.text


def test_a_header_that_is_too_long_is_refused(site):
    server = WebServer(site.app, host="127.0.0.1", port=0, threads=1)
    server.start()
    statuses = []
    for length in (10_000, 20_000):
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
        connection.request("GET", "/healthz", headers={"Accept-Language": "x" * length})
        statuses.append(connection.getresponse().status)
        connection.close()
    server.stop()
    assert statuses == [200, 431]


@pytest.mark.parametrize(
    "path",
    ["/bulletins/0", "/bulletins/-1", "/bulletins/9e99", "/bulletins/x", "/bulletins/2147483648",
     "/bulletins/99999999999999999999999", "/bulletins/00000000-0000-0000-0000-000000000000",
     "/bulletins/7", "/bulletins/7/edit", "/bulletins/7/check", "/bulletins/7/progress",
     "/people/+31600000001", "/l/nothing", "/l/%00", "/l/%F0%9F%98%80"],
)  # fmt: skip
def test_what_does_not_exist_is_not_found(site, path):
    answer = site.signed_in().get(path)
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


def test_a_fault_of_ours_is_a_page_without_a_trace(site):
    def broken():
        message = "secret detail +31600000001"
        raise RuntimeError(message)

    site.app.view_functions["public.home"] = broken
    broken.broadcaster_access = frozenset()
    site.app.config["PROPAGATE_EXCEPTIONS"] = False
    answer = site.browser().get("/")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text
    assert "Content-Security-Policy" in answer.headers


def test_without_a_database_people_are_told_and_given_a_number(site, monkeypatch):
    site.runtime.database.dispose()
    path = site.runtime.database.url.database
    with open(path, "r+b") as file:  # noqa: PTH123 - damaged on purpose, in place
        file.truncate(0)
    answer = site.browser().get("/")
    assert answer.status_code == 503
    assert "+31 20 555 0123" in answer.text
    assert site.browser().get("/readyz").status_code == 503
    assert site.browser().get("/healthz").status_code == 200


def test_it_is_ready_with_a_database_of_this_version(site):
    assert site.browser().get("/readyz").json == {"ready": True, "database": "ok"}
