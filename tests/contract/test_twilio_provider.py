"""What the provider promises about sending, against a server that misbehaves in every known way."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from broadcaster.core.address import Address
from broadcaster.core.messages import (
    Accepted,
    Deferred,
    InboundMessage,
    OutboundMessage,
    ProviderStatus,
    Refused,
    Unknown,
)
from broadcaster.providers.twilio import TwilioProvider
from broadcaster.providers.twilio.carrier import STOP_WORDS
from broadcaster.sandbox.faults import Fault
from tests.contract.twilio_stub import (
    ACCOUNT,
    CALLBACK,
    NOWHERE,
    PATH,
    PATIENCE,
    SID,
    TEXT,
    TOKEN,
    accepting,
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

OPENAPI = Path(__file__).parents[3] / "shared" / "data" / "twilio_messages_openapi.json"
LONG = aiohttp.ClientTimeout(total=PATIENCE)


def send_one(answer, **options):
    """Send one message to a stub; tell the outcome and what the stub saw."""

    async def story():
        async with (
            serving(answer) as stub,
            provider_at(stub.url, **options).connect() as connection,
        ):
            return await connection.send(message(), begin_within=60), stub.seen

    return play(story)


def refusing(status, code):
    body = {"code": code, "message": "The 'To' number +15550100001 …", "status": status}
    return answering(status, body)


def problem(status, claimed, code):
    """Twilio's newer form of an error, RFC 9457."""
    body = {"type": "https://www.twilio.com/x", "title": "x", "status": claimed, "code": code}
    return answering(status, body)


OUTCOMES = {
    "created": (accepting(), Accepted(sid=SID)),
    "created with media": (accepting("MM" + "2c" * 16), Accepted(sid="MM" + "2c" * 16)),
    "invalid number": (refusing(400, 21211), Refused(code=21211)),
    "stopped at the carrier": (refusing(400, 21610), Refused(code=21610)),
    "wrong secret": (refusing(401, 20003), Refused(code=20003)),
    "problem details": (problem(400, 400, 21617), Refused(code=21617)),
    "a no without a code": (answering(404, "<html>"), Refused(code=404)),
    "a no with a code of no form": (refusing(400, "x"), Refused(code=400)),
    "too busy for 7 s": (
        answering(429, "{}", Retry_After="7"),
        Deferred(retry_after=7.0, named=True),
    ),
    "too busy": (refusing(429, 20429), Deferred(retry_after=1.0)),
    "too busy until a date": (
        answering(429, "", Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"),
        Deferred(retry_after=1.0),
    ),
    "too busy for ever": (answering(429, "", Retry_After="inf"), Deferred(retry_after=1.0)),
    "too busy for a week": (
        answering(429, "", Retry_After="604800"),
        Deferred(retry_after=3600, named=True),
    ),
    "too busy, said with 400": (refusing(400, 20429), Deferred(retry_after=1.0)),
    "failure": (refusing(500, 20500), Unknown(reason="http_500")),
    "unavailable": (answering(503, "<html>busy</html>"), Unknown(reason="http_503")),
    "a failure dressed as a no": (problem(503, 400, 21211), Unknown(reason="http_503")),
    "a gateway gave up": (answering(408, ""), Unknown(reason="http_408")),
    "redirect": (answering(307, "", Location=PATH), Unknown(reason="http_307")),
    "created, garbage": (answering(201, "<html>ok</html>"), Unknown(reason="garbage")),
    "created, no text": (answering(201, b"\xff\xfe\xfd"), Unknown(reason="garbage")),
    "created, a list": (answering(201, [SID]), Unknown(reason="garbage")),
    "created, nothing": (answering(201, ""), Unknown(reason="no_sid")),
    "created, no id": (answering(201, {"status": "queued"}), Unknown(reason="no_sid")),
    "created, id of no form": (accepting("SM1"), Unknown(reason="no_sid")),
    "created, id a number": (accepting(17), Unknown(reason="no_sid")),
    "line cut after accepting": (reset, Unknown(reason="connection_lost")),
    "answer cut short": (cut, Unknown(reason="cut_answer")),
    "no http": (speak_no_http, Unknown(reason="garbage")),
}


@pytest.mark.parametrize(("answer", "expected"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_every_answer_has_its_outcome_after_a_single_request(answer, expected):
    outcome, seen = send_one(answer)
    assert outcome == expected
    assert [request.path for request, _ in seen] == [PATH]


def test_a_provider_that_hangs_is_left_with_an_unknown_outcome():
    """The library overrules the session's time-out with none at all; ours must hold."""
    outcome, seen = send_one(hang, timeout=0.3)
    assert outcome == Unknown(reason="timeout")
    assert len(seen) == 1


@pytest.mark.parametrize("code", [status for status in range(300, 600, 7) if status != 429])
def test_no_status_but_4xx_is_a_no(code):
    outcome, _ = send_one(answering(code, ""))
    refused = 400 <= code < 500 and code != 408
    assert outcome == (Refused(code=code) if refused else Unknown(reason=f"http_{code}"))


def test_where_nobody_listens_nothing_was_sent():
    async def story():
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        async with provider_at(f"http://127.0.0.1:{port}").connect() as connection:
            return await connection.send(message(), begin_within=60)

    assert play(story) == Deferred(retry_after=1.0)


def test_a_server_that_is_not_twilio_is_told_nothing():
    """TLS fails before the request, so nothing was sent."""

    async def story():
        async with serving(accepting()) as stub:
            secure = stub.url.replace("http:", "https:")
            async with provider_at(secure).connect() as connection:
                return await connection.send(message(), begin_within=60), stub.seen

    assert play(story) == (Deferred(retry_after=1.0), [])


def test_a_message_that_found_no_free_line_of_ours_was_not_sent_and_need_not_wait():
    async def story():
        arrived = asyncio.Event()

        async def hold(stub, request):
            arrived.set()
            return await hang(stub, request)

        async with (
            serving(hold) as stub,
            provider_at(stub.url, pool=1, timeout=0.2).connect() as connection,
        ):
            session = connection._client.http_client.session
            occupant = asyncio.create_task(session.get(stub.url, timeout=LONG))
            await arrived.wait()
            outcome = await connection.send(message(), begin_within=60)
            occupant.cancel()
            await asyncio.gather(occupant, return_exceptions=True)
            return outcome, [request.method for request, _ in stub.seen]

    assert play(story) == (Deferred(retry_after=0.0), ["GET"])


def test_words_without_a_written_form_are_refused_unsent():
    async def story():
        async with (
            serving(accepting()) as stub,
            provider_at(stub.url).connect() as connection,
        ):
            unwritable = OutboundMessage(
                sender=message().sender,
                recipient=message().recipient,
                text="\ud800",
                status_callback=CALLBACK,
            )
            return await connection.send(unwritable, begin_within=60), stub.seen

    assert play(story) == (Refused(code=400), [])


def test_cancelling_is_not_swallowed():
    """The caller must hear of it: the request may have been accepted."""

    async def story():
        arrived = asyncio.Event()

        async def hold(stub, request):
            arrived.set()
            return await hang(stub, request)

        async with (
            serving(hold) as stub,
            provider_at(stub.url).connect() as connection,
        ):
            sending = asyncio.create_task(connection.send(message(), begin_within=60))
            await arrived.wait()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            return sending.cancelled()

    assert play(story)


@pytest.mark.parametrize("prefix", ["", "whatsapp:"])
def test_the_request_is_exactly_what_twilio_expects(prefix):
    async def story():
        async with (
            serving(accepting()) as stub,
            provider_at(stub.url).connect() as connection,
        ):
            await connection.send(message(prefix=prefix), begin_within=60)
            return stub.seen[0]

    request, form = play(story)
    assert (request.method, request.path, request.query_string) == ("POST", PATH, "")
    assert form == {
        "To": prefix + "+15550100001",
        "From": prefix + "+15550100099",
        "Body": TEXT,
        "StatusCallback": CALLBACK,
    }
    assert request.content_type == "application/x-www-form-urlencoded"
    credentials = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert request.headers["Authorization"] == f"Basic {credentials}"
    assert request.headers["User-Agent"].startswith("twilio-python/")


def test_the_rest_of_the_time_goes_along_in_whole_seconds():
    async def story():
        async with (
            serving(accepting()) as stub,
            provider_at(stub.url).connect() as connection,
        ):
            await connection.send(message(validity=600), begin_within=60)
            await connection.send(message(), begin_within=60)
            return [form.get("ValidityPeriod") for _, form in stub.seen]

    assert play(story) == ["600", None]


@pytest.mark.parametrize("validity", [0, -1, 36_001, 1.5, float("nan")])
def test_a_validity_that_twilio_would_refuse_cannot_be_asked_for(validity):
    with pytest.raises(ValueError, match="1 to 36000 whole seconds"):
        message(validity=validity)


@pytest.mark.parametrize("text", ["a", "é", "a b+c&d=e%20\n", "😀" * 70, "\U00010ffff", "x" * 1600])
def test_every_text_arrives_as_it_was_written(text):
    async def story():
        async with (
            serving(accepting()) as stub,
            provider_at(stub.url).connect() as connection,
        ):
            # Twice, because its written form is kept.
            for _ in range(2):
                await connection.send(replace(message(), text=text), begin_within=60)
            return [form["Body"] for _, form in stub.seen]

    assert play(story) == [text, text]


@pytest.mark.skipif(not OPENAPI.exists(), reason="Twilio's description is not beside this checkout")
def test_the_request_has_only_fields_of_twilios_own_description():
    description = json.loads(OPENAPI.read_text(encoding="utf-8"))
    create = description["paths"]["/2010-04-01/Accounts/{AccountSid}/Messages.json"]["post"]
    schema = create["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]

    async def story():
        async with serving(accepting()) as stub, provider_at(stub.url).connect() as connection:
            await connection.send(message(validity=600), begin_within=60)
            return stub.seen[0][1]

    form = play(story)
    assert set(schema["required"]) <= set(form) <= set(schema["properties"])


def test_no_variable_of_the_environment_leads_a_message_astray(monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        nowhere = f"http://127.0.0.1:{server.getsockname()[1]}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, nowhere)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("TWILIO_EDGE", "dublin")
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC" + "ff" * 16)
    outcome, seen = send_one(accepting())
    assert outcome == Accepted(sid=SID)
    credentials = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert seen[0][0].headers["Authorization"] == f"Basic {credentials}"


@pytest.mark.parametrize("pool", [10, 100])
def test_a_hundred_messages_go_out_over_the_whole_pool_at_once(pool):
    """The stub answers nobody until the pool is full, and counts who was there at once."""

    async def story():
        full = asyncio.Barrier(pool)
        present, most = 0, 0

        async def answer_together(stub, request):
            nonlocal present, most
            present += 1
            most = max(most, present)
            await full.wait()
            present -= 1
            return await accepting()(stub, request)

        async with (
            serving(answer_together) as stub,
            provider_at(stub.url, pool=pool).connect() as connection,
        ):
            numbers = [f"+155501{index:05}" for index in range(100)]
            outcomes = await asyncio.gather(
                *(connection.send(message(number), begin_within=60) for number in numbers)
            )
            return outcomes, most, sorted(form["To"] for _, form in stub.seen) == numbers

    outcomes, most, each_once = play(story)
    assert outcomes == [Accepted(sid=SID)] * 100
    assert most == pool
    assert each_once


def test_no_number_no_words_and_no_secret_reach_the_log(caplog):
    caplog.set_level(logging.DEBUG)
    answers = (accepting(), refusing(400, 21211), answering(503, TEXT), reset, cut)
    outcomes = [send_one(answer)[0] for answer in answers]
    for outcome in outcomes:
        assert re.fullmatch("[a-z0-9_]+", getattr(outcome, "reason", "none"))
    told = " ".join([*map(repr, outcomes), *(record.getMessage() for record in caplog.records)])
    for secret in ("5550100", "Nieuws", TOKEN, ACCOUNT, "status?d="):
        assert secret not in told


@pytest.mark.parametrize(
    "url",
    [
        "http://api.twilio.com",
        "http://127.0.0.1.example",
        "http://localhost@example.com",
        "ftp://127.0.0.1",
        "api.twilio.com",
        "https://",
        "https://api.twilio.com/v2",
        "https://api.twilio.com?x=1",
        "https://user@api.twilio.com",
        "https://api.twilio.com:x",
        "",
    ],
)
def test_an_api_that_cannot_be_right_or_would_leak_the_secret_is_refused(url):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - urllib words some of them
        provider_at(url)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.twilio.com",
        "https://api.twilio.com/",
        "http://localhost:4010",
        "http://127.0.0.2:1",
        "http://[::1]:4010",
    ],
)
def test_plain_http_is_for_this_machine(url):
    assert provider_at(url)


@pytest.mark.parametrize(
    "wrong",
    [
        {"account_sid": "AC1"},
        {"account_sid": ACCOUNT + "\n"},
        {"auth_token": ""},
        {"timeout": 0.0},
        {"timeout": float("nan")},
        {"pool": 0},
    ],
)
def test_an_account_that_cannot_be_right_is_refused(wrong):
    with pytest.raises(ValueError, match="Twilio's"):
        TwilioProvider(**({"account_sid": ACCOUNT, "auth_token": TOKEN} | wrong))


@pytest.mark.parametrize(
    ("fault", "expected", "accepted"),
    [
        (Fault.TOO_MANY_REQUESTS, Deferred(retry_after=1.0, named=True), False),
        (Fault.SERVER_ERROR, Unknown(reason="http_500"), False),
        (Fault.CLOSE_BEFORE_ACCEPT, Unknown(reason="connection_lost"), False),
        (Fault.HANG_BEFORE_ACCEPT, Unknown(reason="timeout"), False),
        (Fault.SERVER_ERROR_AFTER_ACCEPT, Unknown(reason="http_500"), True),
        (Fault.CLOSE_AFTER_ACCEPT, Unknown(reason="connection_lost"), True),
        (Fault.HANG_AFTER_ACCEPT, Unknown(reason="timeout"), True),
        (Fault.GARBAGE_AFTER_ACCEPT, Unknown(reason="garbage"), True),
        (Fault.CUT_AFTER_ACCEPT, Unknown(reason="cut_answer"), True),
    ],
)
def test_what_the_sandbox_may_have_accepted_is_never_called_refused(fault, expected, accepted):
    patience = 0.3 if expected == Unknown(reason="timeout") else 10.0

    async def story(server):
        async with provider_at(server.url, timeout=patience).connect() as connection:
            return await connection.send(message(callback=NOWHERE), begin_within=60)

    with sandbox(fault) as server:
        assert play(lambda: story(server)) == expected
        (entry,) = [entry for entry in server.journal() if entry["kind"] == "create"]
    assert (entry["outcome"] == "accepted") is accepted


@asynccontextmanager
async def product(provider, told):
    """A product that checks and reads every webhook, and answers inbound ones."""

    async def read(stub, request):
        pairs = list((await request.post()).items())
        signature = request.headers["X-Twilio-Signature"]
        assert provider.is_authentic(stub.url + request.path_qs, pairs, signature)
        assert not provider.is_authentic(stub.url + "/elsewhere", pairs, signature)
        if request.path == "/status":
            told.append(provider.parse_status(dict(pairs)))
            return web.Response(status=204)
        inbound = provider.parse_inbound(dict(pairs))
        told.append(inbound)
        answer = () if provider.answers_stop_itself(inbound) else ("Welkom <bij> NRC & meer",)
        return web.Response(text=provider.render_answer(answer), content_type="text/xml")

    async with serving(read) as stub:
        yield stub


def test_a_conversation_with_the_sandbox_is_signed_read_and_answered():
    async def story(server):
        provider, told = provider_at(server.url), []
        async with product(provider, told) as stub, provider.connect() as connection:
            server.point_to(stub.url)
            texted = ("whatsapp:+15550100001", "whatsapp:+15550100099", "NRC AAN é")
            received = await asyncio.to_thread(server.inbound, *texted)
            callback = f"{stub.url}/status?d=17"
            outcome = await connection.send(
                message(prefix="whatsapp:", callback=callback), begin_within=60
            )
            await asyncio.to_thread(server.settle)
            return received, outcome, told, server.messages("+15550100001")

    with sandbox() as server:
        received, outcome, told, phone = play(lambda: story(server))
    inbound, *statuses = told
    assert (inbound.sid, inbound.body) == (received["sid"], "NRC AAN é")
    assert inbound.author == Address.parse("whatsapp:+15550100001")
    assert isinstance(outcome, Accepted)
    assert {update.sid for update in statuses} == {outcome.sid}
    assert ProviderStatus.DELIVERED in {update.status for update in statuses}
    assert [bubble["body"] for bubble in phone] == ["NRC AAN é", "Welkom <bij> NRC & meer", TEXT]


def test_we_and_the_carrier_agree_on_who_answers_a_stop_and_what_it_blocks():
    texts = [*sorted(STOP_WORDS), " stop ", "Stop please", "STOP.", "NRC UIT"]

    async def story(server):
        provider, told = provider_at(server.url), []
        async with product(provider, told) as stub, provider.connect() as connection:
            server.point_to(stub.url)
            verdicts, outbound = [], message(callback=f"{stub.url}/status")
            for text in texts:
                asked = ("+15550100001", "+15550100099")
                stopped = await asyncio.to_thread(server.inbound, *asked, text)
                after_stop = await connection.send(outbound, begin_within=60)
                await asyncio.to_thread(server.inbound, *asked, "UNSTOP")
                after_start = await connection.send(outbound, begin_within=60)
                verdicts.append((bool(stopped["carrier_reply"]), after_stop, type(after_start)))
            await asyncio.to_thread(server.settle)
            return verdicts, [each for each in told if isinstance(each, InboundMessage)]

    with sandbox() as server:
        verdicts, told = play(lambda: story(server))
    provider = provider_at("https://api.twilio.com")
    for text, (carrier_answered, after_stop, after_start) in zip(texts, verdicts, strict=True):
        (inbound,) = [message for message in told if message.body == text]
        assert provider.answers_stop_itself(inbound) is carrier_answered
        assert (after_stop == Refused(code=21610)) is carrier_answered
        assert after_start is Accepted
    assert all(provider.lifts_block_itself(each) for each in told if each.body == "UNSTOP")
