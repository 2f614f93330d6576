"""The official client sends, reads, redacts and deletes; refusals carry Twilio's codes."""

from __future__ import annotations

import pytest
import requests
from twilio.base.exceptions import TwilioRestException

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "a token that signs"
SMS = "+15550100000"
WHATSAPP = "whatsapp:+15550100000"
ANNA = "+15550100001"
RESOURCE = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"
CALLBACK = "https://broadcaster.example/status?d=1"


def test_a_message_is_accepted_and_the_sandbox_saw_it(client, sandbox, clock):
    message = client.messages.create(
        to=ANNA, from_=SMS, body="Dag €", status_callback=f"{sandbox.url}/nowhere"
    )
    assert (message.status, message.to, message.from_) == ("queued", ANNA, SMS)
    assert (message.body, message.num_segments, message.price) == ("Dag €", "1", None)
    assert (message.direction, message.error_code) == ("outbound-api", None)
    assert abs((message.date_created - clock.now()).total_seconds()) < 60
    assert message.date_sent is None
    (entry,) = (entry for entry in sandbox.journal() if entry["kind"] == "create")
    seen = {key: entry[key] for key in ("number", "outcome", "http_status", "sid", "to", "body")}
    assert seen == {
        "number": 1,
        "outcome": "accepted",
        "http_status": 201,
        "sid": message.sid,
        "to": ANNA,
        "body": "Dag €",
    }
    assert entry["time"] <= entry["answered_at"]


def test_a_message_arrives_on_the_phone(client, sandbox):
    message = client.messages.create(to=ANNA, from_=SMS, body="Dag")
    sandbox.settle()
    fetched = client.messages(message.sid).fetch()
    assert (fetched.status, fetched.error_code) == ("delivered", None)
    assert fetched.date_sent is not None
    assert [(m["body"], m["mine"]) for m in sandbox.messages("Anna")] == [("Dag", False)]


@pytest.mark.parametrize(
    ("number", "code"),
    [("+15550100002", 30003), ("+15550100003", 30006), ("+15550100004", 30005)],
)
def test_a_phone_that_cannot_be_reached_fails_later(client, sandbox, number, code):
    message = client.messages.create(to=number, from_=SMS, body="Dag")
    sandbox.settle()
    fetched = client.messages(message.sid).fetch()
    assert (fetched.status, fetched.error_code) == ("undelivered", code)
    assert fetched.error_message
    assert sandbox.messages(number) == []


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"To": "12345"}, 400, 21211),
        ({"To": "+31 6"}, 400, 21211),
        ({"To": ""}, 400, 21604),
        ({"To": None}, 400, 21604),
        ({"From": None}, 400, 21603),
        ({"From": "+15550109999"}, 400, 21659),
        ({"From": "nobody"}, 400, 21212),
        ({"From": WHATSAPP}, 400, 21910),
        ({"To": f"whatsapp:{ANNA}", "From": "whatsapp:+15550109999"}, 400, 63007),
        ({"To": SMS}, 400, 21266),
        ({"Body": None}, 400, 21602),
        ({"Body": "  "}, 400, 21602),
        ({"Body": "a" * 1601}, 400, 21617),
        ({"Body": "a" * 100_000}, 400, 21617),
        ({"ValidityPeriod": "0"}, 400, 21624),
        ({"ValidityPeriod": "36001"}, 400, 21624),
        ({"ValidityPeriod": "abc"}, 400, 21624),
        ({"StatusCallback": "not a url"}, 400, 21609),
        ({"StatusCallback": "https://under_score.example/"}, 400, 21609),
        ({"MessagingServiceSid": "MG" + "0" * 32}, 400, 21701),
        ({"Body": None, "ContentSid": "HX" + "0" * 32}, 400, 21655),
        ({"RiskCheck": "perhaps"}, 400, 20001),
        ({"Bdoy": "typing error"}, 400, 20001),
        ({"Body": ["one", "two"]}, 400, 20001),
        ({"SendAt": "2026-12-01T10:00:00Z"}, 400, 20001),
    ],
)
def test_a_wrong_request_is_refused_with_twilios_code(sandbox, fields, status, code):
    form = {"To": ANNA, "From": SMS, "Body": "Dag"} | fields
    answer = requests.post(
        f"{sandbox.url}{RESOURCE}.json", data=form, auth=(ACCOUNT, TOKEN), timeout=10
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["status"] == status
    assert answer.json()["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert [entry["outcome"] for entry in sandbox.journal()] == ["refused"]


def test_longest_text_and_validity_are_accepted(client):
    message = client.messages.create(to=ANNA, from_=SMS, body="a" * 1600, validity_period=36_000)
    assert message.num_segments == "11"


@pytest.mark.parametrize(
    ("account", "token"), [(ACCOUNT, "wrong"), ("AC" + "f" * 32, TOKEN), ("", "")]
)
def test_wrong_credentials_are_refused(sandbox, account, token):
    url = f"{sandbox.url}{RESOURCE}.json"
    answer = requests.post(url, data={"To": ANNA}, auth=(account, token), timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{RESOURCE}/SM{'0' * 32}.json", 404),
        ("DELETE", f"{RESOURCE}/SM{'0' * 32}.json", 404),
        ("GET", f"/2010-04-01/Accounts/AC{'f' * 32}/Messages.json", 404),
        ("GET", "/2010-04-01/Nothing.json", 404),
        ("PUT", f"{RESOURCE}.json", 405),
    ],
)
def test_what_does_not_exist_is_answered_in_twilios_form(sandbox, method, path, status):
    answer = requests.request(method, sandbox.url + path, auth=(ACCOUNT, TOKEN), timeout=10)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


def test_a_body_that_is_no_form_is_refused(sandbox):
    url = f"{sandbox.url}{RESOURCE}.json"
    answer = requests.post(url, json={"To": ANNA}, auth=(ACCOUNT, TOKEN), timeout=10)
    assert answer.status_code == 415
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for raw in (b"To=%FF&From=x", b"To=\xff", b"To"):
        answer = requests.post(url, raw, headers=form, auth=(ACCOUNT, TOKEN), timeout=10)
        assert (answer.status_code, answer.json()["code"]) == (400, 20001)


def test_a_text_is_redacted_and_a_message_deleted(client, sandbox):
    message = client.messages.create(to=ANNA, from_=SMS, body="private")
    sandbox.settle()
    assert client.messages(message.sid).update(body="").body == ""
    assert client.messages(message.sid).fetch().body == ""
    with pytest.raises(TwilioRestException) as caught:
        client.messages(message.sid).update(body="something else")
    assert caught.value.status == 400
    assert client.messages(message.sid).delete()
    with pytest.raises(TwilioRestException) as caught:
        client.messages(message.sid).fetch()
    assert (caught.value.status, caught.value.code) == (404, 20404)
    assert client.messages.list() == []


def test_a_message_under_way_is_neither_redacted_nor_deleted(start, connect):
    from_now_on = start(timing=start.timing(sent=60, delivered=60))
    client = connect(from_now_on.url)
    message = client.messages.create(to=ANNA, from_=SMS, body="on its way")
    for change in (
        lambda: client.messages(message.sid).update(body=""),
        lambda: client.messages(message.sid).delete(),
    ):
        with pytest.raises(TwilioRestException) as caught:
            change()
        assert (caught.value.status, caught.value.code) == (409, 20009)


def test_a_messaging_service_chooses_the_sender_of_the_channel(start, connect):
    service = "MG" + "0" * 32
    client = connect(start(messaging_service_sid=service).url)
    for to, sender in ((ANNA, SMS), (f"whatsapp:{ANNA}", WHATSAPP)):
        message = client.messages.create(to=to, messaging_service_sid=service, body="Dag")
        assert (message.status, message.from_) == ("accepted", sender)
        assert message.messaging_service_sid == service


def test_a_template_is_filled_in_and_needs_no_window(start, connect):
    content_sid = "HX" + "0" * 32
    sandbox = start(templates={content_sid: "Hello {{1}}, your news: {{2}}"})
    client = connect(sandbox.url)
    message = client.messages.create(
        to=f"whatsapp:{ANNA}",
        from_=WHATSAPP,
        content_sid=content_sid,
        content_variables='{"1": "Anna", "2": "none"}',
    )
    sandbox.settle()
    assert client.messages(message.sid).fetch().status == "delivered"
    assert [m["body"] for m in sandbox.messages("Anna")] == ["Hello Anna, your news: none"]
