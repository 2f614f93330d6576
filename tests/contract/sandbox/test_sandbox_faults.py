"""What goes wrong on purpose goes wrong on the wire, and the journal knows what was accepted."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import requests
from twilio.base.exceptions import TwilioRestException

from broadcaster.sandbox.faults import Fault, FaultPlan, FaultRule

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "a token that signs"
SMS = "+15550100000"
ANNA = "+15550100001"


def once(fault, **settings):
    return FaultPlan(rules=(FaultRule(fault=fault, next=1, **settings),))


def outcomes(sandbox):
    return [entry["outcome"] for entry in sandbox.journal() if entry["kind"] == "create"]


@pytest.mark.parametrize(
    ("fault", "code", "accepted"),
    [
        (Fault.TOO_MANY_REQUESTS, 20429, False),
        (Fault.SERVER_ERROR, 20500, False),
        (Fault.SERVER_ERROR_AFTER_ACCEPT, 20500, True),
    ],
)
def test_an_error_is_answered_once(client, sandbox, fault, code, accepted):
    sandbox.set_faults(once(fault))
    with pytest.raises(TwilioRestException) as caught:
        client.messages.create(to=ANNA, from_=SMS, body="Dag")
    assert caught.value.code == code
    assert outcomes(sandbox) == ["accepted" if accepted else "failed"]
    assert len(client.messages.list(to=ANNA)) == accepted
    assert client.messages.create(to=ANNA, from_=SMS, body="Dag").status == "queued"


@pytest.mark.parametrize(
    ("fault", "accepted"),
    [
        (Fault.CLOSE_BEFORE_ACCEPT, False),
        (Fault.HANG_BEFORE_ACCEPT, False),
        (Fault.CLOSE_AFTER_ACCEPT, True),
        (Fault.HANG_AFTER_ACCEPT, True),
        (Fault.LATE_ACCEPT, True),
    ],
)
def test_a_cut_line_leaves_the_client_without_an_answer(client, sandbox, fault, accepted):
    sandbox.set_faults(once(fault, seconds=0.05))
    with pytest.raises(requests.ConnectionError):
        client.messages.create(to=ANNA, from_=SMS, body="Dag")
    sandbox.settle()
    assert outcomes(sandbox) == ["accepted" if accepted else "failed"]
    assert len(client.messages.list(to=ANNA)) == accepted
    assert len(sandbox.messages("Anna")) == accepted
    assert sandbox.journal()[0]["to"] == ANNA


def test_a_late_acceptance_comes_after_the_line_was_cut(client, sandbox):
    sandbox.set_faults(once(Fault.LATE_ACCEPT, seconds=0.2))
    with pytest.raises(requests.ConnectionError):
        client.messages.create(to=ANNA, from_=SMS, body="Dag")
    entry = sandbox.wait_for(lambda entry: entry["kind"] == "create")
    assert (entry["outcome"], entry["fault"]) == ("accepted", "late_accept")
    came, decided = (datetime.fromisoformat(entry[key]) for key in ("time", "answered_at"))
    assert decided - came >= timedelta(seconds=0.2)


@pytest.mark.parametrize("fault", [Fault.GARBAGE_AFTER_ACCEPT, Fault.CUT_AFTER_ACCEPT])
def test_a_broken_answer_hides_an_accepted_message(client, sandbox, fault):
    sandbox.set_faults(once(fault))
    with pytest.raises((requests.RequestException, ValueError)):
        client.messages.create(to=ANNA, from_=SMS, body="Dag")
    assert outcomes(sandbox) == ["accepted"]


def test_a_429_says_when_to_come_back(sandbox):
    sandbox.set_faults(once(Fault.TOO_MANY_REQUESTS))
    url = f"{sandbox.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    answer = requests.post(url, {"To": ANNA}, auth=(ACCOUNT, TOKEN), timeout=10)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Twilio-Concurrent-Requests"] == "1"


def test_callbacks_get_lost_and_come_twice(client, sandbox, product):
    rules = tuple(
        FaultRule(fault=fault, operation="callback", next=1)
        for fault in (Fault.DROP_CALLBACK, Fault.REPEAT_CALLBACK)
    )
    sandbox.set_faults(FaultPlan(rules=rules))
    url = f"{product.base}/status"
    client.messages.create(to=ANNA, from_=SMS, body="Dag", status_callback=url)
    sandbox.settle()
    assert [h.form["MessageStatus"] for h in product.callbacks()] == ["delivered", "delivered"]


def test_a_callback_is_overtaken_by_the_next(client, sandbox, product):
    rule = FaultRule(fault=Fault.REORDER_CALLBACK, operation="callback", next=1, seconds=20)
    sandbox.set_faults(FaultPlan(rules=(rule,)))
    url = f"{product.base}/status"
    client.messages.create(to=ANNA, from_=SMS, body="Dag", status_callback=url)
    sandbox.settle()
    assert [h.form["MessageStatus"] for h in product.callbacks()] == ["delivered", "sent"]


def test_a_callback_that_nothing_overtakes_comes_late(client, sandbox, product):
    rule = FaultRule(fault=Fault.REORDER_CALLBACK, operation="callback", seconds=0.05)
    sandbox.set_faults(FaultPlan(rules=(rule,)))
    url = f"{product.base}/status"
    client.messages.create(to=ANNA, from_=SMS, body="Dag", status_callback=url)
    sandbox.settle()
    heard = {h.form["MessageStatus"] for h in product.callbacks()}
    assert heard == {"sent", "delivered"}


def test_faults_are_set_over_http_too(client, sandbox):
    rule = {"fault": "server_error", "operation": "list", "next": 1}
    url = f"{sandbox.url}/sandbox/faults"
    answer = requests.post(url, json={"rules": [rule], "seed": 7}, timeout=10).json()
    assert (answer["seed"], answer["rules"][0]["fault"]) == (7, "server_error")
    client.messages.create(to=ANNA, from_=SMS, body="Dag")
    api = f"{sandbox.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    statuses = [requests.get(api, auth=(ACCOUNT, TOKEN), timeout=10).status_code for _ in range(2)]
    assert statuses == [500, 200]
    assert requests.get(url, timeout=10).json()["struck"] == {"server_error": 1}
