"""Webhooks: signed, with Twilio's fields, retried as Twilio retries; STOP and the window."""

from __future__ import annotations

import json
import socket
from datetime import timedelta

import pytest
from twilio.base.exceptions import TwilioRestException

from broadcaster.sandbox.errors import InvalidCommand

ACCOUNT = "AC" + "0123456789abcdef" * 2
SMS = "+15550100000"
WHATSAPP = "whatsapp:+15550100000"
ANNA = "+15550100001"
ANNA_WHATSAPP = f"whatsapp:{ANNA}"


def test_each_state_is_called_back_with_a_true_signature(client, sandbox, product):
    url = f"{product.base}/status?d=17"
    message = client.messages.create(to=ANNA, from_=SMS, body="Dag", status_callback=url)
    sandbox.settle()
    heard = sorted(product.callbacks(), key=lambda h: h.form["MessageStatus"] != "sent")
    assert [h.form["MessageStatus"] for h in heard] == ["sent", "delivered"]
    assert {h.path for h in heard} == {"/status?d=17"}
    assert all(h.is_signed for h in heard)
    expected = {
        "MessageSid": message.sid,
        "SmsSid": message.sid,
        "AccountSid": ACCOUNT,
        "From": SMS,
        "To": ANNA,
        "MessageStatus": "sent",
        "SmsStatus": "sent",
        "ApiVersion": "2010-04-01",
    }
    assert heard[0].form == expected
    entries = [entry for entry in sandbox.journal() if entry["kind"] == "status_callback"]
    assert {entry["status"] for entry in entries} == {"sent", "delivered"}
    assert {(e["outcome"], e["http_status"], e["url"]) for e in entries} == {("answered", 204, url)}


def test_a_failure_is_called_back_with_its_code(client, sandbox, product):
    url = f"{product.base}/status"
    client.messages.create(to="+15550100002", from_=SMS, body="Dag", status_callback=url)
    sandbox.settle()
    (failure,) = (h for h in product.callbacks() if "ErrorCode" in h.form)
    assert (failure.form["MessageStatus"], failure.form["ErrorCode"]) == ("undelivered", "30003")


def test_whatsapp_is_read_when_the_phone_looks(client, sandbox, product):
    sandbox.inbound(ANNA_WHATSAPP, WHATSAPP, "Dag")
    message = client.messages.create(
        to=ANNA_WHATSAPP, from_=WHATSAPP, body="Dag", status_callback=f"{product.base}/status"
    )
    sandbox.settle()
    assert (sandbox.read_all("Anna"), sandbox.read_all("Anna")) == (1, 0)
    sandbox.settle()
    assert client.messages(message.sid).fetch().status == "read"
    (read,) = (h for h in product.callbacks() if h.form["MessageStatus"] == "read")
    assert (read.form["ChannelPrefix"], read.form["EventType"]) == ("whatsapp", "READ")
    assert read.is_signed


def test_an_inbound_sms_has_twilios_fields(sandbox, product):
    answer = sandbox.inbound(ANNA, SMS, "NRC AAN é")
    (heard,) = product.heard
    assert heard.path == "/webhooks/twilio/inbound"
    assert heard.is_signed
    assert heard.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert heard.headers["I-Twilio-Idempotency-Token"]
    places = {f"{whose}{what}": "" for whose in ("From", "To") for what in ("State", "City", "Zip")}
    assert heard.form == places | {
        "MessageSid": answer["sid"],
        "SmsSid": answer["sid"],
        "SmsMessageSid": answer["sid"],
        "AccountSid": ACCOUNT,
        "From": ANNA,
        "To": SMS,
        "Body": "NRC AAN é",
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsStatus": "received",
        "ApiVersion": "2010-04-01",
        "FromCountry": "US",
        "ToCountry": "US",
    }


def test_an_inbound_whatsapp_message_has_its_own_fields(sandbox, product):
    sandbox.inbound(ANNA_WHATSAPP, WHATSAPP, "Dag", {"ButtonPayload": "on", "NumMedia": "1"})
    (heard,) = product.heard
    own = {name: heard.form[name] for name in ("ProfileName", "WaId", "MessageType", "NumMedia")}
    assert own == {
        "ProfileName": "Anna",
        "WaId": "15550100001",
        "MessageType": "text",
        "NumMedia": "1",
    }
    assert heard.form["ButtonPayload"] == "on"
    assert "FromCountry" not in heard.form
    assert heard.is_signed


def test_replies_reach_the_phone_and_the_list(client, sandbox, product):
    product.says("One", "Two")
    answer = sandbox.inbound(ANNA, SMS, "Dag")
    assert (answer["status"], answer["replies"], answer["error_code"]) == (
        200,
        ["One", "Two"],
        None,
    )
    sandbox.settle()
    assert [m["body"] for m in sandbox.messages("Anna")] == ["Dag", "One", "Two"]
    listed = client.messages.list(to=ANNA)
    assert [(m.body, m.direction, m.status) for m in listed] == [
        ("Two", "outbound-reply", "delivered"),
        ("One", "outbound-reply", "delivered"),
    ]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"status": 500, "content_type": "text/html"}, 11200),
        ({"status": 403}, 11200),
        ({"status": 302}, 11200),
        ({"body": "<Response>"}, 12100),
        ({"body": "{}", "content_type": "application/json"}, 12300),
    ],
)
def test_an_answer_that_is_no_use_is_recorded(sandbox, product, answer, code):
    product.reacts(**answer)
    received = sandbox.inbound(ANNA, SMS, "Dag")
    assert (received["error_code"], received["replies"]) == (code, [])
    assert len(product.heard) == 1
    (entry,) = sandbox.journal()
    assert (entry["kind"], entry["outcome"], entry["code"]) == ("inbound", "failed", code)
    (shown,) = sandbox.messages("Anna")
    assert (shown["state"], str(code) in shown["note"]) == ("failed", True)


def test_a_refused_connection_is_tried_once_more_and_the_text_stays_in_the_list(client, sandbox):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        sandbox.point_to(f"http://127.0.0.1:{unused.getsockname()[1]}")
        answer = sandbox.inbound(ANNA, SMS, "STOP")
    assert (answer["status"], answer["error_code"]) == (None, 11200)
    (entry,) = (entry for entry in sandbox.journal() if entry["kind"] == "inbound")
    assert (entry["tries"], entry["outcome"]) == (2, "failed")
    assert [m.body for m in client.messages.list(to=SMS)] == ["STOP"]


def test_an_override_asks_for_more_tries(client, sandbox, product):
    product.reacts(status=500)
    url = f"{product.base}/other#rc=3&rp=5xx"
    client.messages.create(to="+15550100003", from_=SMS, body="Dag", status_callback=url)
    sandbox.settle()
    tries = [e["tries"] for e in sandbox.journal() if e["kind"] == "status_callback"]
    assert tries == [4, 4]
    assert {(h.path, h.is_signed) for h in product.heard} == {("/other", True)}


def test_a_slow_product_is_given_up(start, product):
    sandbox = start(webhook_timeout=0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sandbox.point_to(f"http://127.0.0.1:{silent.getsockname()[1]}")
        answer = sandbox.inbound(ANNA, SMS, "Dag")
    assert (answer["status"], answer["error_code"]) == (None, 11200)
    assert sandbox.journal()[-1]["tries"] == 1


def test_the_same_message_can_be_told_twice(client, sandbox, product):
    first = sandbox.inbound(ANNA, SMS, "Dag")
    again = sandbox.inbound(ANNA, SMS, "Dag", {"MessageSid": first["sid"]})
    assert again["sid"] == first["sid"]
    assert [h.form["MessageSid"] for h in product.heard] == [first["sid"]] * 2
    assert len(client.messages.list(to=SMS)) == 1


def test_stop_on_sms_blocks_answers_and_is_still_forwarded(client, sandbox, product):
    product.says("You are off the list.")
    answer = sandbox.inbound(ANNA, SMS, " stop ")
    assert "successfully been unsubscribed" in answer["carrier_reply"]
    assert answer["replies"] == []
    assert answer["dropped"] == [{"code": 21610, "body": "You are off the list."}]
    assert [h.form["Body"] for h in product.heard] == [" stop "]
    assert "OptOutType" not in product.heard[0].form
    with pytest.raises(TwilioRestException) as caught:
        client.messages.create(to=ANNA, from_=SMS, body="News")
    assert (caught.value.status, caught.value.code) == (400, 21610)
    (refused,) = client.messages.list(to=ANNA)
    assert (refused.status, refused.error_code) == ("failed", 21610)
    sandbox.settle()
    assert [m["direction"] for m in sandbox.messages("Anna")] == ["inbound", "service"]


def test_start_lifts_the_block_but_a_keyword_does_not(client, sandbox):
    sandbox.inbound(ANNA, SMS, "STOP")
    sandbox.inbound(ANNA, SMS, "NRC AAN")
    with pytest.raises(TwilioRestException):
        client.messages.create(to=ANNA, from_=SMS, body="News")
    assert "re-subscribed" in sandbox.inbound(ANNA, SMS, "YES")["carrier_reply"]
    assert client.messages.create(to=ANNA, from_=SMS, body="News").status == "queued"


def test_the_block_is_of_one_phone_and_one_channel(client, sandbox):
    sandbox.inbound(ANNA, SMS, "STOP")
    sandbox.inbound(ANNA_WHATSAPP, WHATSAPP, "STOP")
    client.messages.create(to="+15550100009", from_=SMS, body="News")
    message = client.messages.create(to=ANNA_WHATSAPP, from_=WHATSAPP, body="News")
    sandbox.settle()
    assert client.messages(message.sid).fetch().status == "delivered"


def test_advanced_opt_out_says_what_it_took_a_text_for(start, product):
    sandbox = start(advanced_opt_out=True, messaging_service_sid="MG" + "0" * 32)
    for body in ("STOP", "START", "HELP", "Dag"):
        sandbox.inbound(ANNA, SMS, body)
    assert [h.form.get("OptOutType") for h in product.heard] == ["STOP", "START", "HELP", None]
    assert {h.form["MessagingServiceSid"] for h in product.heard} == {"MG" + "0" * 32}


def test_whatsapps_window_is_24_hours_from_the_last_text(client, sandbox, clock, product):
    def status_of_a_message():
        message = client.messages.create(to=ANNA_WHATSAPP, from_=WHATSAPP, body="News")
        assert message.status == "queued"
        sandbox.settle()
        fetched = client.messages(message.sid).fetch()
        return fetched.status, fetched.error_code

    assert status_of_a_message() == ("undelivered", 63016)
    sandbox.inbound(ANNA_WHATSAPP, WHATSAPP, "Dag")
    clock.advance(timedelta(hours=23, minutes=59))
    assert status_of_a_message() == ("delivered", None)
    clock.advance(timedelta(minutes=1))
    assert status_of_a_message() == ("undelivered", 63016)


@pytest.mark.parametrize(
    ("phone", "sender"), [(ANNA, "+15550109999"), (ANNA, WHATSAPP), ("12", SMS)]
)
def test_a_text_that_cannot_be_is_refused(sandbox, phone, sender):
    with pytest.raises(InvalidCommand):
        sandbox.inbound(phone, sender, "Dag")
    assert sandbox.journal() == []


def test_the_journal_is_numbered_in_order_and_on_disk_before_the_answer(start, connect, tmp_path):
    path = tmp_path / "journal.jsonl"
    sandbox = start(journal_path=path)
    client = connect(sandbox.url)
    for number in range(3):
        client.messages.create(to=ANNA, from_=SMS, body=str(number))
        lines = path.read_text().splitlines()
        assert json.loads(lines[-1])["body"] == str(number)
    sandbox.inbound(ANNA, SMS, "STOP")
    entries = sandbox.journal()
    assert [entry["number"] for entry in entries] == list(range(1, len(entries) + 1))
    assert list(map(json.loads, path.read_text().splitlines())) == entries
    assert sandbox.journal(after=2) == entries[2:]
