"""People on the command line: found by their number, forgotten by their token, seen by nobody."""

from __future__ import annotations

import json

import pytest

from broadcaster.sandbox.config import SandboxConfig, Timing
from broadcaster.sandbox.server import SandboxServer
from tests.functional.homes import TWILIO
from tests.world import WHATSAPP, phone

ANNA = phone(2)


@pytest.fixture
def twilio(newsroom, monkeypatch):
    """A provider that answers."""
    config = SandboxConfig(
        account_sid=TWILIO["TWILIO_ACCOUNT_SID"],
        auth_token=TWILIO["TWILIO_AUTH_TOKEN"],
        senders=(WHATSAPP,),
        timing=Timing(sent=0.0, delivered=0.0, failed=0.0),
    )
    with SandboxServer(config) as server:
        monkeypatch.setenv("BROADCASTER_TWILIO__API_BASE", server.url)
        yield server


@pytest.fixture
def token(newsroom):
    found = newsroom("people", "find", "--number-stdin", "--json", stdin=f"{ANNA}\n")
    (one,) = json.loads(found.out)
    assert one["channel"] == "whatsapp"
    return one["token"]


def test_a_number_is_asked_for_and_answered_with_a_token(newsroom, token):
    # On whichever channel it is written.
    found = newsroom("people", "find", "--number-stdin", stdin=ANNA.removeprefix("whatsapp:"))

    assert found.out == f"{token}  whatsapp\n"
    assert "5550" not in found.out + found.err


def test_whoever_is_not_there_is_not_found(newsroom):
    unknown = newsroom("people", "find", "--number-stdin", stdin=phone(900))
    wrong = newsroom("people", "find", "--number-stdin", stdin="anna")

    assert (unknown.code, wrong.code) == (2, 2)
    assert "Nobody here has this number" in unknown.err
    assert "phone number" in wrong.err


def test_a_dry_run_tells_what_goes_and_what_stays_and_changes_nothing(newsroom, token):
    told = newsroom("people", "erase", token, "--dry-run")
    as_json = json.loads(newsroom("people", "erase", token, "--dry-run", "--json").out)

    assert told.code == 0
    assert "1 sealed evidence" in told.out
    assert "2 ledger entries: proof of consent" in told.out
    assert as_json["goes"]["texts"] == 1
    assert newsroom("people", "find", "--number-stdin", stdin=ANNA).code == 0


def test_somebody_is_forgotten_here_and_at_the_provider(newsroom, token, twilio):
    done = newsroom("people", "erase", token, "--reason", "asked for it", "--yes")
    again = newsroom("people", "erase", token, "--yes", "--json")

    assert (done.code, done.out) == (
        0,
        "Forgotten: nothing of this person is left here or at the provider.\n",
    )
    assert json.loads(again.out) == {"stage": "done", "trouble": None, "messages": 0}
    assert newsroom("people", "find", "--number-stdin", stdin=ANNA).code == 2
    assert newsroom("ledger", "verify").code == 0
    assert newsroom("ledger", "replay", "--check").code == 0
    assert [one["kind"] for one in twilio.journal()][-1] == "delete"


def test_without_the_provider_nothing_is_sent_any_more_and_the_rest_waits(
    newsroom, token, monkeypatch
):
    monkeypatch.setenv("BROADCASTER_TWILIO__API_BASE", "http://127.0.0.1:9")
    done = newsroom("people", "erase", token, "--reason", "asked for it", "--yes")

    assert done.code == 0
    assert "Nothing goes to this person any more" in done.out
    assert "not_reached" in done.err
    assert newsroom("people", "find", "--number-stdin", stdin=ANNA).code == 2


def test_it_asks_first_and_wants_a_reason(newsroom, token):
    refused = newsroom("people", "erase", token, "--reason", "x", stdin="n\n")
    silent = newsroom("people", "erase", token, "--yes")
    unknown = newsroom("people", "erase", "0" * 32, "--reason", "x", "--yes")

    assert (refused.code, silent.code, unknown.code) == (0, 2, 2)
    assert "Nothing was done" in refused.out
    assert "Say why" in silent.err
    telling = newsroom("people", "erase", token, "--reason", "asked by +31612345678", "--yes")
    assert (telling.code, "becomes public" in telling.err) == (2, True)
    assert "token" in unknown.err
    assert newsroom("people", "find", "--number-stdin", stdin=ANNA).code == 0
