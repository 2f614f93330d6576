"""The list: newest first, filtered, in pages that the official client walks through."""

from __future__ import annotations

from datetime import timedelta

import pytest
import requests
from twilio.base.exceptions import TwilioException

from broadcaster.sandbox.faults import FaultPlan

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "a token that signs"
SMS = "+15550100000"
ANNA = "+15550100001"
OTHER = "+15550100009"
URL = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"


@pytest.fixture(params=[False, True], ids=["as the description says", "as the service does"])
def sandbox(request, start):
    return start(relative_page_uris=request.param)


def send(client, count, to=ANNA):
    return [client.messages.create(to=to, from_=SMS, body=f"No. {n}").sid for n in range(count)]


@pytest.mark.parametrize("page_size", [1, 2, 3, 7, 50])
def test_all_pages_together_are_all_messages_newest_first(client, page_size):
    sids = send(client, 7)
    assert [m.sid for m in client.messages.list(page_size=page_size)] == sids[::-1]


def test_pages_lead_forth_and_back(client):
    sids = send(client, 5)[::-1]
    first = client.messages.page(page_size=2)
    assert [m.sid for m in first] == sids[:2]
    second = first.next_page()
    third = second.next_page()
    assert [m.sid for m in third] == sids[4:]
    assert third.next_page() is None
    back = third.previous_page()
    assert [m.sid for m in back] == sids[2:4]
    assert [m.sid for m in back.previous_page()] == sids[:2]


def test_a_message_that_comes_while_paging_moves_nothing(client):
    sids = send(client, 4)[::-1]
    first = client.messages.page(page_size=2)
    send(client, 3)
    assert [m.sid for m in first.next_page()] == sids[2:]


def test_a_deleted_message_leaves_no_gap(client, sandbox):
    sids = send(client, 4)[::-1]
    sandbox.settle()
    first = client.messages.page(page_size=2)
    client.messages(sids[1]).delete()
    assert [m.sid for m in first.next_page()] == sids[2:]
    assert [m.sid for m in client.messages.list()] == [sids[0], *sids[2:]]


def test_filters_by_address(client, sandbox):
    to_anna, to_other = send(client, 2), send(client, 1, to=OTHER)
    inbound = sandbox.inbound(ANNA, SMS, "Dag")["sid"]
    assert [m.sid for m in client.messages.list(to=OTHER)] == to_other
    assert [m.sid for m in client.messages.list(to=ANNA, from_=SMS)] == to_anna[::-1]
    (heard,) = client.messages.list(to=SMS)
    assert (heard.sid, heard.direction, heard.status) == (inbound, "inbound", "received")
    assert client.messages.list(from_=OTHER) == []


def test_filters_by_the_moment_of_sending(client, sandbox, clock):
    old = send(client, 1)
    sandbox.settle()
    clock.advance(timedelta(days=2))
    between = clock.now() - timedelta(days=1)
    new = send(client, 1)
    sandbox.settle()
    assert [m.sid for m in client.messages.list(date_sent_after=between)] == new
    assert [m.sid for m in client.messages.list(date_sent_before=between)] == old
    assert client.messages.list(date_sent=between) == []


def test_a_day_reaches_to_its_end(client, sandbox):
    sids = send(client, 1)
    sandbox.settle()
    sent = client.messages(sids[0]).fetch().date_sent
    today, tomorrow = sent.date(), sent.date() + timedelta(days=1)
    counts = {
        name: len(read(sandbox, **{name: str(day)}).json()["messages"])
        for name, day in (("DateSent", today), ("DateSent>", today), ("DateSent<", today))
    }
    assert counts == {"DateSent": 1, "DateSent>": 1, "DateSent<": 1}
    assert read(sandbox, **{"DateSent>": str(tomorrow)}).json()["messages"] == []


def test_a_message_not_yet_sent_has_no_date_to_filter_by(start, connect, clock):
    client = connect(start(timing=start.timing(sent=60, delivered=60)).url)
    sids = send(client, 1)
    yesterday = clock.now() - timedelta(days=1)
    assert client.messages.list(date_sent_after=yesterday) == []
    assert [m.sid for m in client.messages.list(to=ANNA)] == sids


def test_the_list_can_lag_behind(client, sandbox, clock):
    sandbox.set_faults(FaultPlan(list_lag=5.0))
    sids = send(client, 1)
    assert client.messages.list(to=ANNA) == []
    assert client.messages(sids[0]).fetch().sid == sids[0]
    clock.advance(timedelta(seconds=6))
    assert [m.sid for m in client.messages.list(to=ANNA)] == sids


@pytest.mark.parametrize(
    "parameters",
    [
        {"PageSize": "0"},
        {"PageSize": "1001"},
        {"PageSize": "many"},
        {"Page": "-1"},
        {"PageToken": "PA" + "SM" + "0" * 32},
        {"DateSent": "yesterday"},
        {"Limit": "1"},
        {"To": [ANNA, OTHER]},
    ],
)
def test_a_wrong_query_is_refused(sandbox, parameters):
    assert read(sandbox, **parameters).status_code == 400


def test_the_client_raises_for_wrong_credentials(sandbox, connect):
    with pytest.raises(TwilioException):
        connect(sandbox.url, token="wrong").messages.list()


def read(sandbox, **parameters):
    return requests.get(sandbox.url + URL, parameters, auth=(ACCOUNT, TOKEN), timeout=10)
