"""What may be concluded from Twilio's own list: all that it says, or nothing at all."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qsl

import pytest
from aiohttp import web

from broadcaster.core.address import Address
from broadcaster.core.errors import ListUnreadable
from broadcaster.core.messages import Accepted, Direction, Listed, ProviderStatus
from broadcaster.sandbox import message as sandbox_message
from broadcaster.sandbox.clock import MovableClock
from broadcaster.sandbox.faults import Fault, FaultPlan, FaultRule
from tests.contract.twilio_stub import (
    ACCOUNT,
    NOWHERE,
    OURS,
    PATH,
    PATIENCE,
    TEXT,
    TOKEN,
    answering,
    cut,
    hang,
    message,
    play,
    provider_at,
    reset,
    sandbox,
    serving,
    speak_no_http,
)

ANNA, BERT = Address.parse("+15550100001"), Address.parse("+15550100002")
SENDER = Address.parse(OURS)
NOON = datetime(2025, 11, 24, 12, 0, tzinfo=UTC)  # past, or the sandbox would not list it yet
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def read(url, *, since=LONG_AGO, patience=10.0, **wanted):
    async with provider_at(url, timeout=patience).connect() as connection:
        return [listed async for listed in connection.messages(since=since, **wanted)]


def sid(number):
    return f"SM{number:032x}"


def entry(number=1, **changes):
    """A message as Twilio lists it; a higher number is an older one."""
    created = NOON - timedelta(seconds=number)
    return {
        "account_sid": ACCOUNT,
        "body": TEXT,
        "date_created": format_datetime(created),
        "date_sent": None,
        "direction": "outbound-api",
        "error_code": None,
        "from": OURS,
        "num_media": "0",
        "sid": sid(number),
        "status": "queued",
        "to": ANNA.wire,
    } | changes


def page(entries, link=None, **changes):
    return {"messages": entries, "next_page_uri": link, "uri": f"{PATH}?PageSize=1"} | changes


def following(number):
    return f"{PATH}?PageSize=1000&Page={number}&PageToken=PA{number}"


def listing(*answers):
    """A stub that answers one page after the other, and how it was asked."""

    async def answer(stub, request):
        return await answers[min(len(stub.seen), len(answers)) - 1](stub, request)

    return answer


def read_stub(*answers, **wanted):
    """Read a list that a stub gives; return it and the queries."""

    async def story():
        async with serving(listing(*answers)) as stub:
            listed = await read(stub.url, **wanted)
            assert {request.path for request, _ in stub.seen} == {PATH}
            return listed, [dict(parse_qsl(request.query_string)) for request, _ in stub.seen]

    return play(story)


def unreadable(*answers, **options):
    """Tell why a list that a stub gives cannot be read."""
    with pytest.raises(ListUnreadable) as caught:
        read_stub(*answers, **options)
    assert caught.value.reason in str(caught.value)
    return caught.value.reason


def fill(server, count, *, to=ANNA, first=0):
    """Put messages into the sandbox, a second apart; return their ids, newest first."""
    numbers = range(first, first + count)

    async def add(exchange):
        for number in reversed(numbers):
            created = NOON - timedelta(seconds=number)
            exchange.store.add(
                sandbox_message.Message(
                    sid=sid(number),
                    sender=OURS,
                    to=to.wire,
                    body=TEXT,
                    direction=sandbox_message.Direction.API,
                    status=sandbox_message.Status.QUEUED,
                    created=created,
                    updated=created,
                )
            )

    server._call(add)
    return [sid(number) for number in numbers]


def queries(server):
    listed = [entry for entry in server.journal() if entry["kind"] == "list"]
    return [dict(parse_qsl(entry["query"])) for entry in listed]


def test_what_was_accepted_is_listed_with_all_that_is_known_of_it():
    async def story(url):
        async with provider_at(url).connect() as connection:
            outcome = await connection.send(message(callback=NOWHERE), begin_within=60)
            listed = [one async for one in connection.messages(to=ANNA, since=LONG_AGO)]
            return outcome, listed

    with sandbox() as server:
        before = server.clock.now().replace(microsecond=0)
        outcome, (listed,) = play(lambda: story(server.url))
    assert before <= listed.created <= before + timedelta(minutes=5)
    assert listed.status in {ProviderStatus.QUEUED, ProviderStatus.SENT, ProviderStatus.DELIVERED}
    assert outcome == Accepted(sid=listed.sid)
    assert listed == Listed(
        sid=listed.sid,
        sender=SENDER,
        recipient=ANNA,
        text=TEXT,
        status=listed.status,
        created=listed.created,
        direction=Direction.OUTBOUND_API,
    )


@pytest.mark.parametrize("relative", [False, True], ids=["absolute links", "relative links"])
def test_more_than_a_thousand_messages_are_read_page_by_page_each_once(relative):
    with sandbox(relative_page_uris=relative) as server:
        fill(server, 50, to=BERT, first=9000)
        sids = fill(server, 2350)
        listed = play(lambda: read(server.url, to=ANNA))
        asked = queries(server)
    assert [one.sid for one in listed] == sids
    assert [query["PageSize"] for query in asked] == ["100", "1000", "1000", "1000"]
    assert all(query["To"] == ANNA.wire for query in asked)
    assert not any("DateSent" in name for query in asked for name in query)


@pytest.mark.parametrize(("count", "asked"), [(0, 1), (1, 1), (100, 1), (101, 2), (1000, 2)])
def test_a_short_list_needs_few_requests(count, asked):
    with sandbox() as server:
        sids = fill(server, count)
        listed = play(lambda: read(server.url, sender=SENDER))
        assert len(queries(server)) == asked
    assert [one.sid for one in listed] == sids


def test_reading_ends_soon_after_the_moment_that_was_asked_for():
    with sandbox() as server:
        sids = fill(server, 5000)
        listed = play(lambda: read(server.url, since=NOON - timedelta(seconds=30)))
        assert len(queries(server)) == 1
    assert [one.sid for one in listed] == sids[:31]


def test_a_message_of_the_very_second_is_not_missed():
    """Twilio tells whole seconds; what was made at 12:00:00.9 says 12:00:00."""
    since = NOON + timedelta(microseconds=900_000)
    listed, _ = read_stub(answering(200, page([entry(0), entry(1)])), since=since)
    assert [one.sid for one in listed] == [sid(0)]


def test_a_few_older_ones_at_the_end_of_a_page_do_not_end_the_reading():
    """Such as some that were made long ago and sent late."""
    newer, late = [entry(number) for number in range(1, 6)], [entry(90_000), entry(90_001)]
    first = answering(200, page([*newer[:3], *late], following(1)))
    listed, _ = read_stub(
        first,
        first,
        answering(200, page(newer[3:])),
        since=NOON - timedelta(minutes=5),
    )
    assert [one.sid for one in listed] == [sid(number) for number in range(1, 6)]


def test_only_what_is_to_or_from_an_address_is_read():
    with sandbox() as server:
        mine = fill(server, 3)
        assert play(lambda: read(server.url, to=BERT)) == []
        assert play(lambda: read(server.url, sender=BERT)) == []
        both = play(lambda: read(server.url, to=ANNA, sender=SENDER))
        assert queries(server)[-1] == {"To": ANNA.wire, "From": OURS, "PageSize": "100"}
    assert [one.sid for one in both] == mine


def test_a_list_that_lags_shows_a_message_later():
    clock = MovableClock()

    async def story(server):
        async with provider_at(server.url).connect() as connection:
            await connection.send(message(callback=NOWHERE), begin_within=60)
        seen = []
        for _ in range(2):
            seen.append(len(await read(server.url, to=ANNA)))
            clock.advance(timedelta(seconds=700))
        return seen

    with sandbox(clock=clock) as server:
        server.set_faults(FaultPlan(list_lag=600.0))
        assert play(lambda: story(server)) == [0, 1]


def test_a_missed_text_is_read_as_its_webhook_would_have_been():
    with sandbox() as server:
        server.inbound("+15550100001", OURS, "STOP nu é")
        server.inbound(f"whatsapp:{ANNA.wire}", f"whatsapp:{OURS}", "NRC UIT")
        provider = provider_at(server.url)
        to = Address.parse(f"whatsapp:{OURS}")
        (on_whatsapp,) = play(lambda: read(server.url, to=to))
        (by_sms,) = (
            one for one in play(lambda: read(server.url, to=SENDER)) if one.recipient == SENDER
        )
    first, second = provider.inbound_of(by_sms), provider.inbound_of(on_whatsapp)
    assert (first.body, first.author, first.sender) == ("STOP nu é", ANNA, SENDER)
    assert (second.body, second.author.wire) == ("NRC UIT", f"whatsapp:{ANNA.wire}")
    assert first.sid == by_sms.sid
    assert (first.button, first.opt_out_type, first.media) == (None, None, 0)
    assert provider.parse_inbound(first.parameters) == first


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.TOO_MANY_REQUESTS, "too_busy"),
        (Fault.SERVER_ERROR, "http_500"),
        (Fault.SERVER_ERROR_AFTER_ACCEPT, "http_500"),
        (Fault.GARBAGE_AFTER_ACCEPT, "garbage"),
        (Fault.CUT_AFTER_ACCEPT, "cut_answer"),
        (Fault.CLOSE_AFTER_ACCEPT, "connection_lost"),
        (Fault.HANG_AFTER_ACCEPT, "timeout"),
        (Fault.HANG_BEFORE_ACCEPT, "timeout"),
    ],
)
@pytest.mark.parametrize("at", [1, 2, 3], ids=["first page", "second", "last"])
def test_a_list_that_breaks_anywhere_says_nothing(fault, reason, at):
    # Time enough for the pages before, where the fault is not that no answer comes.
    patience = 10.0 if reason != "timeout" else 0.5 if at == 1 else 2.0

    async def story(server):
        async with provider_at(server.url, timeout=patience).connect() as connection:
            heard = []
            if at == 1:
                break_it(server, fault)
            try:
                async for one in connection.messages(to=ANNA, since=LONG_AGO):
                    heard.append(one)
                    if len(heard) == (1 if at == 2 else 101):
                        await asyncio.to_thread(break_it, server, fault)
            except ListUnreadable as error:
                return error.reason, len(heard)
            return "read", len(heard)

    with sandbox() as server:
        fill(server, 1150)
        assert play(lambda: story(server)) == (reason, {1: 0, 2: 100, 3: 1000}[at])


def break_it(server, fault):
    rule = FaultRule(fault=fault, operation="list", seconds=PATIENCE)
    server.set_faults(FaultPlan(rules=(rule,)))


NO_LISTS = {
    "line cut": (reset, "connection_lost"),
    "answer cut short": (cut, "cut_answer"),
    "no http": (speak_no_http, "garbage"),
    "nothing": (answering(200, ""), "garbage"),
    "null": (answering(200, "null"), "garbage"),
    "an array": (answering(200, "[]"), "garbage"),
    "an empty object": (answering(200, "{}"), "garbage"),
    "a deep array": (answering(200, "[" * 100_000), "garbage"),
    "no text": (answering(200, b"\xff\xfe"), "garbage"),
    "a page for people": (answering(200, "<html>ok</html>"), "garbage"),
    "no links": (answering(200, {"messages": []}), "garbage"),
    "messages an object": (answering(200, page({})), "garbage"),
    "messages a text": (answering(200, page("")), "garbage"),
    "no messages": (answering(200, page(None)), "garbage"),
    "a message null": (answering(200, page([None])), "garbage"),
    "a message an array": (answering(200, page([[]])), "garbage"),
    "words that are no text": (
        answering(200, json.dumps(page([entry(body="é")]), ensure_ascii=False).encode("latin-1")),
        "garbage",
    ),
    "of no place": (answering(200, page([], uri=None)), "foreign_link"),
    "of another account": (
        answering(200, page([], uri=PATH.replace("0a", "0b"))),
        "foreign_link",
    ),
    "created": (answering(201, page([])), "http_201"),
    "without content": (answering(204, ""), "http_204"),
    "redirect": (answering(307, "", Location=PATH), "http_307"),
    "wrong secret": (answering(401, {"code": 20003}), "http_401"),
    "not found": (answering(404, "<html>"), "http_404"),
    "too busy": (answering(429, ""), "too_busy"),
    "unavailable": (answering(503, page([])), "http_503"),
}


@pytest.mark.parametrize(("answer", "reason"), NO_LISTS.values(), ids=NO_LISTS.keys())
def test_an_answer_that_is_no_list_is_not_taken_for_an_empty_one(answer, reason):
    assert unreadable(answer) == reason


@pytest.mark.parametrize(
    "changes",
    [
        {"account_sid": "AC" + "0b" * 16},
        {"account_sid": None},
        {"sid": None},
        {"sid": "SM1"},
        {"sid": sid(1) + "\n"},
        {"sid": 7},
        {"date_created": None},
        {"date_created": "2026-11-24T12:00:00Z"},
        {"date_created": "Mon, 99 Nov 2025 12:00:00 +0000"},
        {"date_created": 17},
        {"direction": None},
        {"direction": "sideways"},
        {"status": None},
        {"body": 17},
        {"body": ["x"]},
        {"from": {}},
        {"to": 15550100001},
        {"error_code": "x"},
        {"error_code": True},
        {"error_code": -1},
        {"error_code": 1.5},
        {"num_media": "many"},
    ],
    ids=str,
)
def test_one_entry_without_its_form_makes_the_whole_list_unreadable(changes):
    entries = [entry(1), entry(2, **changes), entry(3)]
    assert unreadable(answering(200, page(entries))) == "garbage"


@pytest.mark.parametrize(
    ("wanted", "changes"),
    [
        ({"to": BERT}, {}),
        ({"to": ANNA}, {"to": None}),
        ({"sender": BERT}, {}),
        ({"sender": SENDER}, {"from": None}),
    ],
)
def test_a_list_that_did_not_keep_to_the_address_is_not_believed(wanted, changes):
    assert unreadable(answering(200, page([entry(**changes)])), **wanted) == "other_address"


def test_a_list_with_the_oldest_first_is_not_believed():
    """Its end, with what was accepted a moment ago, would never be reached."""
    entries = [entry(number) for number in range(100, 0, -1)]
    upside_down = answering(200, page(entries, following(1)))
    assert unreadable(upside_down, since=NOON - timedelta(seconds=5)) == "order"


def test_a_list_that_repeats_its_link_has_an_end():
    first = answering(200, page([entry(1)], following(1)))
    again = answering(200, page([entry(2)], following(1)))
    assert unreadable(first, first, again, again) == "repeated_page"


def test_a_list_that_repeats_its_page_has_an_end():
    async def same(stub, request):
        return web.json_response(page([entry(1), entry(2)], following(len(stub.seen))))

    assert unreadable(same) == "repeated_page"


def test_a_list_without_end_has_one(monkeypatch):
    monkeypatch.setattr("broadcaster.providers.twilio.listing._MOST_PAGES", 20)

    async def ever_more(stub, request):
        older = entry(len(stub.seen), date_created=format_datetime(NOON))
        return web.json_response(page([older], following(len(stub.seen))))

    assert unreadable(ever_more) == "endless"


@pytest.mark.parametrize(
    "link",
    [
        "/2010-04-01/Accounts/AC" + "0b" * 16 + "/Messages.json?Page=1",
        "/elsewhere?Page=1",
        f"{PATH}",
        f"{PATH}?",
        f"{PATH}?Page=1 2",
        f"{PATH}?Page=é",
        "https://[::1",
        "",
        17,
        ["x"],
    ],
)
def test_a_link_that_leads_out_of_the_list_is_not_followed(link):
    page_with_link = answering(200, page([entry(1)], link))
    assert unreadable(page_with_link) in {"foreign_link", "garbage"}


def test_a_link_to_another_host_is_followed_on_ours_only():
    """Our credentials go nowhere else, whatever a link says."""
    elsewhere = f"https://elsewhere.example{following(1)}"
    listed, asked = read_stub(
        answering(200, page([entry(1)], elsewhere)),
        answering(200, page([entry(1)], elsewhere)),
        answering(200, page([entry(2)])),
    )
    assert [one.sid for one in listed] == [sid(1), sid(2)]
    assert asked[-1]["PageToken"] == "PA1"


def test_messages_that_come_while_reading_hide_and_repeat_nothing():
    listed, _ = read_stub(
        answering(200, page([entry(3), entry(4)], following(1))),
        answering(200, page([entry(1), entry(2), entry(3)], following(2))),
        answering(200, page([entry(3), entry(4), entry(5)], following(3))),
        answering(200, page([])),
    )
    assert sorted(one.sid for one in listed) == [sid(number) for number in range(1, 6)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"from": None}, {"sender": None}),
        ({"from": "BANK"}, {"sender": None}),
        ({"to": "12345"}, {"recipient": None}),
        ({"body": None}, {"text": ""}),
        ({"status": "failed", "error_code": 30003}, {"error_code": 30003}),
        ({"error_code": "30003"}, {"error_code": 30003}),
        ({"error_code": 0}, {"error_code": None}),
        ({"status": "teleported"}, {"status": ProviderStatus.UNRECOGNISED}),
        ({"direction": "outbound-reply"}, {"direction": Direction.OUTBOUND_REPLY}),
        ({"direction": "outbound-call"}, {"direction": Direction.OUTBOUND_REPLY}),
        ({"direction": "outbound-new"}, {"direction": Direction.OUTBOUND_API}),
        ({"num_media": "2"}, {"media": 2}),
        ({"num_media": None}, {"media": 0}),
        ({"date_created": "Mon, 24 Nov 2025 13:00:00 +0100"}, {"created": NOON}),
        ({"date_created": "Mon, 24 Nov 2025 12:00:00 -0000"}, {"created": NOON}),
        ({"SomethingNew": {"x": 1}}, {}),
    ],
)
def test_what_twilio_may_leave_out_or_add_is_read(changes, expected):
    (listed,), _ = read_stub(answering(200, page([entry(1, **changes)])))
    assert {name: getattr(listed, name) for name in expected} == expected


def test_a_provider_that_hangs_or_is_not_there_is_left():
    assert unreadable(hang, patience=0.3) == "timeout"
    with pytest.raises(ListUnreadable) as caught:
        play(lambda: read("http://127.0.0.1:9"))
    assert caught.value.reason == "not_reached"


def test_no_number_no_words_and_no_secret_reach_the_log_or_an_error(caplog):
    caplog.set_level(logging.DEBUG)
    answers = (
        answering(200, page([entry(1)])),
        answering(200, page([entry(1, sid="+15550100001")])),
        answering(200, page([entry(1)], "https://x.example/+15550100001")),
        answering(503, TEXT),
        answering(200, json.dumps(TEXT)),
        reset,
    )
    told = []
    for answer in answers:
        try:
            told.append(repr(read_stub(answer, to=ANNA)[0]))
        except ListUnreadable as error:
            told += traceback.format_exception(error)
    told += [record.getMessage() for record in caplog.records]
    for secret in ("15550100001", "5550100099", "Nieuws", TOKEN):
        assert secret not in " ".join(told)
