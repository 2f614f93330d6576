"""Braking a bulletin, and setting the pace of a number, from a terminal."""

from __future__ import annotations

import io
import json
import shutil
import sys
from contextlib import contextmanager

import pytest

from broadcaster.bootstrap import make_keys
from broadcaster.cli import main
from broadcaster.services import starting
from broadcaster.storage import pacing
from broadcaster.storage.models import Bulletin
from tests.world import SMS, WHATSAPP, World, make_runtime, phone, populate


class Done:
    """What a command left behind: its code and what it printed."""

    def __init__(self, code, printed):
        self.code, self.out, self.err = code, printed.out, printed.err
        assert "Traceback" not in self.err


@pytest.fixture
def world(tmp_path, migrated_sqlite, clock, provider):
    """A newsroom in a home of its own; a bulletin for three people is going out."""
    home = tmp_path / "home"
    home.mkdir()
    make_keys(home, "news.example.org/ledger")
    path = home / "broadcaster.sqlite3"
    shutil.copy(migrated_sqlite, path)
    with contextmanager(make_runtime)(f"sqlite:///{path}", home, clock, provider) as runtime:
        populate(runtime)
        made = World(runtime, clock, provider)
        for number in range(3):
            made.text(phone(number), "NRC AAN")
        assert made.bulletin() == 1
        starting.start_due(runtime)
        yield made


@pytest.fixture
def run(world, tmp_path, monkeypatch, capsys):
    """Run a command in this process."""
    monkeypatch.setenv("BROADCASTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BROADCASTER_PUBLIC_URL", "https://news.example.org")
    monkeypatch.chdir(tmp_path)

    def run(*arguments, stdin=None):
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        return Done(main([str(one) for one in arguments]), capsys.readouterr())

    return run


def _state(world):
    return world.report(1).bulletin.state


def test_a_bulletin_is_shown_with_numbers_that_add_up(run):
    shown = run("bulletin", "show", 1)
    assert shown.code == 0
    for words in ("state     sending", "audience  3", "queued", "list      NRC Ochtend"):
        assert words in shown.out
    found = json.loads(run("bulletin", "show", 1, "--json").out)
    assert (found["bulletin"], found["state"], found["waiting"]) == (1, "sending", 3)
    assert sum(found["counts"].values()) == found["audience"] == 3


def test_pause_and_resume_and_stop_do_what_they_say(run, world):
    paused = run("bulletin", "pause", 1)
    assert (paused.code, _state(world)) == (0, "paused")
    assert paused.out.startswith("Paused.")
    resumed = run("bulletin", "resume", 1)
    assert (resumed.code, _state(world)) == (0, "sending")
    assert "It goes on with the 3 not yet sent." in resumed.out
    stopped = run("bulletin", "stop", 1, "--yes")
    assert (stopped.code, _state(world)) == (0, "cancelled")
    assert "skipped" in stopped.out


def test_a_brake_answers_in_json_too(run):
    found = json.loads(run("bulletin", "pause", 1, "--json").out)
    assert found["state"] == "paused"


@pytest.mark.parametrize(("answer", "state"), [("y\n", "cancelled"), ("n\n", "sending")])
def test_stopping_is_asked_once_more(run, world, answer, state):
    asked = run("bulletin", "stop", 1, stdin=answer)
    assert "3 have not got it and never will. Stop bulletin 1 for good?" in asked.err
    assert _state(world) == state
    assert asked.code == (0 if state == "cancelled" else 130)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("resume", 1), "not waiting on its way"),
        (("show", 99), "There is no such bulletin."),
        (("pause", 99), "There is no such bulletin."),
        (("pause", 0), "0 is not in the range"),
        (("show", "één"), "is not a valid integer"),
        (("pause", 2**40), "There is no such bulletin."),
    ],
)
def test_what_cannot_be_done_is_said_with_a_code(run, world, arguments, says):
    done = run("bulletin", *arguments)
    assert done.code == 2
    assert says in done.err
    assert _state(world) == "sending"


def test_a_second_pause_says_that_there_is_nothing_to_pause(run):
    run("bulletin", "pause", 1)
    again = run("bulletin", "pause", 1)
    assert again.code == 2
    assert "nothing to pause" in again.err


def test_a_held_bulletin_says_why(run, world):
    with world.runtime.transaction() as session:
        kept = session.get(Bulletin, 1)
        kept.state, kept.held_reason, kept.held_code = "held", "refused", 20003
    assert "held: the provider refuses it to everybody" in run("bulletin", "show", 1).out
    assert json.loads(run("bulletin", "show", 1, "--json").out)["held_code"] == 20003


# Senders


def _listed(run):
    return {one["sender"]: one for one in json.loads(run("sender", "list", "--json").out)}


def test_numbers_are_listed_with_their_pace(run):
    listed = run("sender", "list")
    assert listed.code == 0
    assert "80 messages a second" in listed.out
    assert "10 segments a second" in listed.out
    assert "0 of 250 used" in listed.out
    assert "NRC Ochtend, Sport vandaag" in listed.out


def test_a_pace_is_set_lifted_and_given_back_to_the_settings(run):
    said = run("sender", "set", WHATSAPP, "--rate", "12.5", "--daily-limit", "1000")
    assert said.code == 0
    assert said.out == (
        f"{WHATSAPP} sends 12.5 messages a second; its daily limit is 0 of 1,000 used.\n"
    )
    found = _listed(run)
    assert (found[WHATSAPP]["rate"], found[WHATSAPP]["daily_limit"]) == (12.5, 1000)
    assert found[SMS]["rate"] == 10.0
    run("sender", "set", WHATSAPP, "--rate", "none", "--daily-limit", "none")
    lifted = _listed(run)[WHATSAPP]
    assert (lifted["rate"], lifted["own_rate"], lifted["daily_limit"]) == (None, 0.0, None)
    run("sender", "set", WHATSAPP, "--rate", "default", "--daily-limit", "default")
    again = _listed(run)[WHATSAPP]
    assert (again["rate"], again["own_rate"], again["daily_limit"]) == (80.0, None, 250)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((WHATSAPP,), "Nothing to change"),
        ((WHATSAPP, "--rate", "0"), "--rate takes a number over 0"),
        ((WHATSAPP, "--rate", "-1"), "--rate takes a number over 0"),
        ((WHATSAPP, "--rate", "nan"), "--rate takes a number over 0"),
        ((WHATSAPP, "--rate", "inf"), "--rate takes a number over 0"),
        ((WHATSAPP, "--rate", "fast"), "--rate takes a number over 0"),
        ((WHATSAPP, "--daily-limit", "1.5"), "--daily-limit takes a whole number"),
        ((WHATSAPP, "--daily-limit", "0"), "--daily-limit takes a whole number"),
        ((WHATSAPP, "--daily-limit", "9" * 99), "--daily-limit takes a whole number"),
        ((SMS, "--daily-limit", "100"), "Only a WhatsApp sender has a daily limit"),
        (("+15550100999", "--rate", "1"), "There is no such sender."),
        (("0612345678", "--rate", "1"), "international form"),
    ],
)
def test_a_pace_that_cannot_be_is_refused_in_words(run, arguments, says):
    before = _listed(run)
    done = run("sender", "set", *arguments)
    assert done.code == 2
    assert says in done.err
    assert _listed(run) == before


def test_a_number_that_was_refused_goes_on_at_a_persons_word(run, world):
    with world.runtime.transaction() as session:
        pacing.stop(session, 1, 20003)
    assert "stands still" in run("sender", "list").out
    assert "goes on" in run("sender", "resume", WHATSAPP).out
    assert "was not stopped" in run("sender", "resume", WHATSAPP).out
    assert "stands still" not in run("sender", "list").out
