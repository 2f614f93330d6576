"""The page with the phones and the control interface, and who may use them."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
import requests

from broadcaster.sandbox.errors import InvalidConfig

WHATSAPP = "whatsapp:+15550100000"
SMS = "+15550100000"
ANNA = "+15550100001"


class Resources(HTMLParser):
    """Collects what a page loads and where its forms and links lead."""

    def __init__(self):
        super().__init__()
        self.loaded, self.inline = set(), []
        self._tag = ""

    def handle_starttag(self, tag, attrs):
        self._tag = tag
        given = dict(attrs)
        if tag in {"script", "img"} or (tag == "link" and "rel" in given):
            self.loaded.add(given.get("src") or given.get("href"))
        if "style" in given or any(name.startswith("on") for name in given):
            self.inline.append(given)

    def handle_data(self, data):
        if self._tag in {"script", "style"} and data.strip():
            self.inline.append(data)

    def handle_endtag(self, _):
        self._tag = ""


def test_the_page_loads_nothing_foreign_and_has_no_inline_code(sandbox):
    answer = requests.get(sandbox.url, timeout=10)
    policy = answer.headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'"):
        assert part in policy
    resources = Resources()
    resources.feed(answer.text)
    assert resources.inline == []
    assert len(resources.loaded) == 3
    for path in resources.loaded:
        assert path.startswith("/static/")
        assert requests.get(sandbox.url + path, timeout=10).status_code == 200


def test_the_page_shows_the_phones_and_their_messages_without_script(sandbox, product):
    product.says("Welkom <b>bij</b> NRC".replace("<", "&lt;"))
    form = {"phone": "Anna", "sender": WHATSAPP, "body": "NRC AAN <3"}
    answer = requests.post(f"{sandbox.url}/sandbox/text", form, timeout=10)
    assert answer.history[0].status_code == 303
    sandbox.settle()
    page = requests.get(sandbox.url, timeout=10).text
    for words in ("Anna", "Bram", "switched off", "NRC AAN &lt;3", "Welkom &lt;b&gt;bij"):
        assert words in page
    assert product.heard[0].form["From"] == f"whatsapp:{ANNA}"


def test_the_clock_of_the_page_is_of_the_zone_that_it_names(start, clock):
    sandbox = start(zone="Pacific/Kiritimati")
    sandbox.inbound(ANNA, SMS, "Dag")
    local = clock.now().astimezone(ZoneInfo("Pacific/Kiritimati"))
    page = requests.get(sandbox.url, timeout=10).text
    assert "Times are of Pacific/Kiritimati." in page
    [shown] = re.findall(r"<time[^>]*>([^<]+)</time>", page)
    assert shown in {f"{local:%H:%M}", f"{local - timedelta(minutes=1):%H:%M}"}
    told = requests.get(f"{sandbox.url}/sandbox/phones/Anna/messages", timeout=10).json()
    assert told["messages"][0]["clock"] == shown


def test_without_a_zone_the_page_names_none(sandbox):
    assert "Times are of" not in requests.get(sandbox.url, timeout=10).text


@pytest.mark.parametrize("zone", ["Nowhere/Else", "", "../etc/passwd", "Europe", "\x00"])
def test_a_zone_that_is_none_is_refused(start, zone):
    with pytest.raises(InvalidConfig, match="time zone"):
        start(zone=zone)


def test_a_chip_is_texted_instead_of_what_is_typed(sandbox, product):
    form = {"phone": "Anna", "sender": SMS, "body": "", "chip": "STOP"}
    headers = {"Accept": "application/json"}
    answer = requests.post(f"{sandbox.url}/sandbox/text", form, headers=headers, timeout=10)
    assert answer.status_code == 204
    assert [h.form["Body"] for h in product.heard] == ["STOP"]


def test_changes_are_streamed(sandbox):
    with requests.get(f"{sandbox.url}/sandbox/events", stream=True, timeout=10) as stream:
        lines = (line for line in stream.iter_lines() if line.startswith(b"data: "))
        first = [json.loads(next(lines)[6:]) for _ in range(4)]
        assert [phone["bubbles"] for phone in first] == [[]] * 4
        sandbox.inbound(ANNA, SMS, "Dag")
        phone = json.loads(next(lines)[6:])
    assert phone["name"] == "Anna"
    assert [bubble["body"] for bubble in phone["bubbles"]] == ["Dag"]


def test_a_test_texts_over_http_and_reads_the_phone(sandbox, product):
    product.says("Welkom")
    text = {"from": ANNA, "to": SMS, "body": "Dag", "params": {"FromCity": "Utrecht"}}
    answer = requests.post(f"{sandbox.url}/sandbox/inbound", json=text, timeout=10).json()
    assert (answer["status"], answer["replies"]) == (200, ["Welkom"])
    assert product.heard[0].form["FromCity"] == "Utrecht"
    sandbox.settle()
    phone = requests.get(f"{sandbox.url}/sandbox/phones/Anna/messages", timeout=10).json()
    assert [message["body"] for message in phone["messages"]] == ["Dag", "Welkom"]
    journal = requests.get(f"{sandbox.url}/sandbox/journal?after=1", timeout=10).json()
    assert [entry["kind"] for entry in journal["entries"]] == ["reply"]
    state = requests.get(f"{sandbox.url}/sandbox/state", timeout=10)
    assert state.json()["messages"] == 2
    assert "a token that signs" not in state.text


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/sandbox/inbound", {"from": ANNA, "to": SMS}),
        ("/sandbox/inbound", {"from": ANNA, "to": SMS, "body": "x", "params": {"a": 1}}),
        ("/sandbox/inbound", {"from": ANNA, "to": "+15550109999", "body": "x"}),
        ("/sandbox/inbound", ["Dag"]),
        ("/sandbox/faults", {"rules": [{"fault": "?"}]}),
    ],
)
def test_a_wrong_command_is_refused_in_plain_words(sandbox, path, document):
    answer = requests.post(sandbox.url + path, json=document, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_wrong_commands_of_other_kinds_are_refused(sandbox):
    url = f"{sandbox.url}/sandbox"
    statuses = [
        requests.post(f"{url}/inbound", data="from=x", timeout=10).status_code,
        requests.post(
            f"{url}/inbound", data="{", headers={"Content-Type": "application/json"}, timeout=10
        ).status_code,
        requests.get(f"{url}/phones/Nobody/messages", timeout=10).status_code,
        requests.get(f"{url}/journal?after=x", timeout=10).status_code,
        requests.post(f"{url}/text", {"phone": "Anna", "sender": SMS}, timeout=10).status_code,
        requests.post(
            f"{url}/text", {"phone": "Anna", "sender": "", "body": "x"}, timeout=10
        ).status_code,
    ]
    assert statuses == [415, 400, 400, 400, 400, 400]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
    ],
)
@pytest.mark.parametrize("path", ["/sandbox/text", "/sandbox/faults", "/sandbox/inbound"])
def test_another_web_page_cannot_post(sandbox, headers, path):
    form = {"phone": "Anna", "sender": SMS, "body": "STOP"}
    answer = requests.post(sandbox.url + path, form, headers=headers, timeout=10)
    assert answer.status_code == 403
    assert sandbox.journal() == []


def test_a_name_that_was_pointed_here_reads_nothing(sandbox):
    for path in ("/", "/sandbox/journal", "/sandbox/state", "/static/phones.js"):
        headers = {"Host": "evil.example:80"}
        assert requests.get(sandbox.url + path, headers=headers, timeout=10).status_code == 403
