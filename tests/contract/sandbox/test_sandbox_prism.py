"""Prism, a proxy that knows only Twilio's OpenAPI description, is the referee in between.

It answers 422 to a request that breaks the description, and 500 to an answer that does. Install
it with ``npm install --prefix DIR @stoplight/prism-cli@5`` and let TEST_PRISM name
``DIR/node_modules/@stoplight/prism-cli/dist/index.js``.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests
from twilio.base.exceptions import TwilioRestException

from broadcaster.core.address import Address
from broadcaster.core.messages import Accepted, OutboundMessage
from broadcaster.providers.twilio import TwilioProvider

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "a token that signs"
SMS = "+15550100000"
WHATSAPP = "whatsapp:+15550100000"
ANNA = "+15550100001"
RESOURCE = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
PATIENCE = 60


@pytest.fixture(scope="session")
def prism():
    """Return the command that starts Prism."""
    node = shutil.which("node")
    place = os.environ.get("TEST_PRISM")
    if node is None:
        pytest.skip("Prism needs node, which this machine does not have.")
    if not place or not Path(place).is_file():
        pytest.skip("TEST_PRISM does not name an installed Prism (dist/index.js).")
    return [node, place]


@pytest.fixture
def referee(prism, specification_path, sandbox, tmp_path):
    """Put Prism in front of the sandbox and return its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [*prism, "proxy", "--errors", "-h", "127.0.0.1", "-p", port]
    log = tmp_path / "prism.log"
    with (
        log.open("w") as output,
        subprocess.Popen(  # noqa: S603 - the command is ours
            [*command, str(specification_path), sandbox.url], stdout=output, stderr=output
        ) as process,
    ):
        try:
            wait_until_it_listens(int(port), process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def wait_until_it_listens(port, process, log):
    """Return once Prism accepts connections; the pause is between two looks, not for luck."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.1)
    pytest.fail(f"Prism does not start: {log.read_text()[-2000:]}")


def test_good_requests_and_all_answers_pass(referee, connect, sandbox):
    client = connect(referee)
    sandbox.inbound(f"whatsapp:{ANNA}", WHATSAPP, "Dag")
    sids = []
    for phone, sender in ((ANNA, SMS), (f"whatsapp:{ANNA}", WHATSAPP)):
        message = client.messages.create(
            to=phone,
            from_=sender,
            body="Dag, één nieuwtje 👍\nRef B142",
            validity_period=600,
            status_callback="http://127.0.0.1:9/status?d=17",
        )
        assert (message.status, message.to) == ("queued", phone)
        sids.append(message.sid)
    sandbox.settle()
    assert [client.messages(sid).fetch().status for sid in sids] == ["delivered"] * 2
    assert [m.sid for m in client.messages.list(to=ANNA)] == sids[:1]
    assert len(client.messages.list(page_size=1)) == 3
    assert client.messages(sids[0]).update(body="").body == ""
    assert client.messages(sids[0]).delete()
    with pytest.raises(TwilioRestException) as caught:
        client.messages.create(to="12", from_=SMS, body="Dag")
    assert (caught.value.status, caught.value.code) == (400, 21211)
    kinds = {entry["kind"] for entry in sandbox.journal()}
    assert {"create", "fetch", "list", "update", "delete"} <= kinds


def test_the_products_own_requests_pass(referee, sandbox):
    """What the product really sends is what Twilio's description allows."""
    provider = TwilioProvider(account_sid=ACCOUNT, auth_token=TOKEN, api_base=referee)
    sandbox.inbound(f"whatsapp:{ANNA}", WHATSAPP, "Dag")

    async def send():
        async with provider.connect() as connection:
            return [
                await connection.send(
                    OutboundMessage(
                        sender=Address.parse(sender),
                        recipient=Address.parse(recipient),
                        text="Dag, één nieuwtje",
                        status_callback="https://news.example.org/webhooks/twilio/status/17-ab",
                    ),
                    begin_within=60,
                )
                for recipient, sender in ((ANNA, SMS), (f"whatsapp:{ANNA}", WHATSAPP))
            ]

    outcomes = asyncio.run(send())

    assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted]
    created = [entry for entry in sandbox.journal() if entry["kind"] == "create"]
    assert [entry["sid"] for entry in created] == [outcome.sid for outcome in outcomes]


@pytest.mark.parametrize(
    "fields",
    [
        {"To": None},
        {"From": None},
        {"Body": None},
        {"ValidityPeriod": "abc"},
        {"StatusCallback": "not a url"},
        {"MessagingServiceSid": "MG1"},
        {"ScheduleType": "sometime"},
    ],
)
def test_wrong_requests_are_refused_before_they_reach_the_sandbox(referee, sandbox, fields):
    form = {"To": ANNA, "From": SMS, "Body": "Dag"} | fields
    answer = requests.post(referee + RESOURCE, form, auth=(ACCOUNT, TOKEN), timeout=30)
    assert answer.status_code == 422
    assert sandbox.journal() == []


def test_a_request_without_credentials_is_refused(referee, sandbox):
    form = {"To": ANNA, "From": SMS, "Body": "Dag"}
    assert requests.post(referee + RESOURCE, form, timeout=30).status_code == 401
    assert sandbox.journal() == []


def test_an_unknown_field_that_the_referee_lets_through_is_refused_by_the_sandbox(referee):
    form = {"To": ANNA, "From": SMS, "Body": "Dag", "Bdoy": "typing error"}
    answer = requests.post(referee + RESOURCE, form, auth=(ACCOUNT, TOKEN), timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (400, 20001)
