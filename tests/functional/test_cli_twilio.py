"""``broadcaster twilio reconcile`` asks a Twilio-compatible server what we have missed."""

from __future__ import annotations

import base64
import json
import shutil
import urllib.parse
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from broadcaster.bootstrap import make_keys
from broadcaster.cli import main
from broadcaster.sandbox.config import Phone, SandboxConfig, Timing
from broadcaster.sandbox.server import SandboxServer
from broadcaster.testing import ACCOUNT_SID, FakeProvider, FixedClock
from tests.world import SMS, WHATSAPP, World, make_runtime, phone, populate

TOKEN = "0123456789abcdef" * 2
NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture
def sandbox():
    """Twilio's stand-in, whose webhooks reach nobody."""
    server = SandboxServer(
        SandboxConfig(
            account_sid=ACCOUNT_SID,
            auth_token=TOKEN,
            senders=(WHATSAPP, SMS),
            phones=tuple(
                Phone(name=name, number=phone(number, whatsapp=False))
                for number, name in enumerate(("Anna", "Bram", "Cora"), start=1)
            ),
            webhook_base=NOWHERE,
            timing=Timing(sent=0.01, delivered=0.02, failed=0.02),
        )
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture
def reconcile(sandbox, tmp_path, migrated_sqlite, monkeypatch, capsys):
    """Run the command in a home whose newsroom is an hour old."""
    home = tmp_path / "home"
    home.mkdir()
    make_keys(home, "news.example.org/ledger")
    path = home / "broadcaster.sqlite3"
    shutil.copy(migrated_sqlite, path)
    clock = FixedClock(datetime.now(UTC) - timedelta(hours=1))
    made = make_runtime(f"sqlite:///{path}", home, clock, FakeProvider())
    with contextmanager(lambda: made)() as runtime:
        populate(runtime)
        World(runtime, clock, runtime.provider).text(phone(2), "NRC AAN")
    settings = {
        "HOME": str(home),
        "PUBLIC_URL": "https://news.example.org",
        "TWILIO__ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO__AUTH_TOKEN": TOKEN,
        "TWILIO__API_BASE": sandbox.url,
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"BROADCASTER_{name}", value)

    def reconcile(*options, settle=600):
        monkeypatch.setenv("BROADCASTER_SENDING__SETTLE", str(settle))
        monkeypatch.setenv("BROADCASTER_TWILIO__TIMEOUT", "1")
        capsys.readouterr()
        code = main(["twilio", "reconcile", *options])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        assert "+1555" not in printed.out + printed.err
        return code, json.loads(printed.out) if "--json" in options else printed.out

    return reconcile


def post(url, *, form=None, document=None):
    credentials = base64.b64encode(f"{ACCOUNT_SID}:{TOKEN}".encode()).decode()
    data = urllib.parse.urlencode(form).encode() if form else json.dumps(document).encode()
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    request = urllib.request.Request(  # noqa: S310 - our own server on loopback
        url,
        data=data,
        headers={"Authorization": f"Basic {credentials}", "Content-Type": kind},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
        return json.load(answer)


def bubbles(sandbox, name):
    url = f"{sandbox.url}/sandbox/phones/{name}/messages"
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - as above
        return json.load(answer)["messages"]


def test_where_nothing_was_missed_it_says_so(reconcile):
    code, printed = reconcile()

    assert code == 0
    assert "Texts that we had missed: 0." in printed
    assert "knows the newest messages" in printed


def test_a_missed_text_is_applied_and_answered(reconcile, sandbox):
    post(
        f"{sandbox.url}/sandbox/inbound",
        document={"from": phone(1), "to": WHATSAPP, "body": "NRC AAN"},
    )
    before = len(bubbles(sandbox, "Anna"))

    code, found = reconcile("--json")

    assert (code, found["missed_texts"]) == (0, 1)
    sandbox.settle()
    assert len(bubbles(sandbox, "Anna")) == before + 1
    assert reconcile("--json")[1]["missed_texts"] == 0
    assert len(bubbles(sandbox, "Anna")) == before + 1


def test_a_list_that_cannot_be_read_is_an_exit_code_of_its_own(reconcile, sandbox):
    rules = [{"fault": "server_error", "operation": "list"}]
    post(f"{sandbox.url}/sandbox/faults", document={"rules": rules})

    code, printed = reconcile()

    assert code == 1
    assert "could not be read" in printed


def test_a_message_that_nobody_here_knows_holds_everything_until_compared(reconcile, sandbox):
    url = f"{sandbox.url}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
    post(url, form={"To": phone(3, whatsapp=False), "From": SMS, "Body": "Uw afspraak"})

    code, found = reconcile("--json")
    assert (code, found["restored"]) == (1, True)
    assert found["comparison"]["stage"] == "settling"
    assert "--others-use-this-number" in reconcile()[1]

    while found["comparison"]["stage"] == "settling":
        code, found = reconcile("--json", "--others-use-this-number", settle=3)
    assert (code, found["comparison"]["unexplained"]) == (0, 1)
    code, found = reconcile("--json")
    assert (code, found["restored"]) == (0, False)
