"""What the ledger alone answers on the command line: who was on a list, who should have got it, and why."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing, contextmanager

import pytest

from tests.world import World, make_runtime, phone


@pytest.fixture
def sent(newsroom, home, clock, provider):
    """The same home after a bulletin to two people, one of whom left on the way."""
    path = home / "broadcaster.sqlite3"
    with contextmanager(make_runtime)(f"sqlite:///{path}", home, clock, provider) as runtime:
        world = World(runtime, clock, provider)
        world.sids = iter([])
        world.bulletin()
        world.start()
        world.text(phone(0), "STOP", sid="SM" + "e" * 32)
        world.send()
    return newsroom


@pytest.fixture
def sql(home):
    def run(statement):
        with closing(sqlite3.connect(home / "broadcaster.sqlite3")) as database, database:
            return database.execute(statement).fetchall()

    return run


def moment(clock):
    return clock.now().isoformat()


def test_who_was_on_a_list_at_a_moment(newsroom, clock):
    now = json.loads(newsroom("ledger", "at", "nrc", moment(clock), "--json").out)
    assert now["count"] == len(now["subjects"]) == 2
    listed = newsroom("ledger", "at", "nrc", moment(clock))
    assert listed.out.splitlines() == now["subjects"]
    assert json.loads(newsroom("ledger", "at", "nrc", "2001-01-01 10:00", "--json").out) == {
        "list": "nrc",
        "moment": "2001-01-01T09:00:00+00:00",
        "count": 0,
        "subjects": [],
    }


@pytest.mark.parametrize(
    ("moment", "what"),
    [
        ("yesterday", "2026-03-03T14:00"),
        ("2026-03-03", "2026-03-03T14:00"),
        ("2999-01-01T00:00Z", "still to come"),
        ("2026-03-29T02:30", "the next time was 03:00"),
        ("2026-10-25T02:30", "twice"),
    ],
)
def test_a_moment_that_is_none_is_refused(newsroom, moment, what):
    done = newsroom("ledger", "at", "nrc", moment)
    assert (done.code, done.out) == (2, "")
    assert what in done.err


def test_a_list_that_the_ledger_does_not_know_is_said_to_be_unknown(newsroom):
    assert newsroom("ledger", "at", "nowhere", "2026-01-01T00:00Z").code == 2


def test_the_audience_is_derived_again(sent):
    done = sent("ledger", "audience", 1)
    assert done.code == 0
    assert "No difference" in done.err
    assert "        2  by the ledger and in the audience" in done.out
    assert json.loads(sent("ledger", "audience", 1, "--json").out) == {
        "bulletin": 1,
        "list": "nrc",
        "ledger_size": 7,
        "frozen": "2026-11-24T06:00:00.000000Z",
        "in_both": 2,
        "only_ledger": 0,
        "only_sent": 0,
        "wrong_entries": 0,
        "difference": 0,
        "sent": 1,
        "withheld": {"left": 1},
        "unreachable": 0,
        "erased": 0,
        "recovered": 0,
        "differences": [],
    }


def test_a_difference_is_named_and_is_the_exit_code(sent, sql):
    sql("UPDATE deliveries SET entry = 0 WHERE handed IS NOT NULL")
    done = sent("ledger", "audience", 1)
    assert done.code == 1
    assert "entry 0 is not of this person" in done.out
    assert "DIFFER: 1" in done.err
    assert json.loads(sent("ledger", "audience", 1, "--json").out)["difference"] == 1


def test_no_bulletin_no_answer_but_the_numbers_that_there_are(sent):
    assert sent("ledger", "audience", 0).code == 2
    done = sent("ledger", "audience", 99)
    assert (done.code, done.out) == (2, "")
    assert "There is no bulletin 99. " in done.err
    assert "These have begun: 1 (nrc, 2026-11-24).\n" in done.err


def test_before_any_bulletin_has_begun_that_is_said(newsroom):
    done = newsroom("ledger", "audience", 1)
    assert done.code == 2
    assert "There is no bulletin 1. None has begun yet." in done.err


def another(sql):
    """One more bulletin, as the first."""
    columns = [row[1] for row in sql("PRAGMA table_info(bulletins)") if row[1] != "id"]
    names = ", ".join(columns)
    sql(f"INSERT INTO bulletins ({names}) SELECT {names} FROM bulletins WHERE id = 1")  # noqa: S608 - ours


def test_of_many_bulletins_the_newest_are_named_and_where_the_others_are(sent, sql):
    for _ in range(6):
        another(sql)
    said = sent("ledger", "audience", 99).err
    assert "The newest that have begun: 7 (nrc, 2026-11-24), 6 (" in said
    assert "3 (nrc, 2026-11-24). All: " in said
    assert "https://news.example.org/ledger/audience" in said


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("draft", "Bulletin 2 is a draft; nothing of it has gone out."),
        ("scheduled", "Bulletin 2 has not begun yet."),
        ("cancelled", "Bulletin 2 was cancelled before it began, so nobody got it."),
        ("held", "Bulletin 2 has not begun yet."),
    ],
)
def test_a_bulletin_that_never_began_is_said_to_be_that(sent, sql, state, why):
    another(sql)
    sql(f"UPDATE bulletins SET state = '{state}', audience = NULL, started = NULL WHERE id = 2")  # noqa: S608 - ours
    done = sent("ledger", "audience", 2)
    assert (done.code, done.out) == (2, "")
    assert f"{why} These have begun: 1 (nrc, 2026-11-24)." in done.err


def test_which_entry_allowed_a_message(sent, sql):
    ((sid, entry),) = sql("SELECT sid, entry FROM deliveries WHERE handed IS NOT NULL")
    done = sent("ledger", "message", sid)
    assert done.code == 0
    rows = dict(re.split(r" {2,}", line, maxsplit=1) for line in done.out.splitlines()[1:])
    first = f"Entry {entry} allowed it: opt_in, list nrc, by keyword on whatsapp.\n"
    assert done.out.startswith(first)
    assert rows["message"] == f"{sid}, delivery 2"
    assert rows["bulletin"] == "1, to NRC Ochtend (nrc)"
    assert rows["handed over"] == "2026-11-24T06:00:00.000000Z"
    assert rows["state"] == "accepted"
    assert rows["entry"].startswith(f"{entry}, by subject, under rule list-on@")
    assert re.fullmatch(r"nrc, version 1, in nl; its words are entry \d+", rows["notice"])
    assert {"person", "happened", "recorded"} < rows.keys()
    assert "{" not in done.out
    assert f"broadcaster ledger receipt {entry} -o entry-{entry}.tlog-proof" in done.err
    told = json.loads(sent("ledger", "message", sid, "--json").out)
    assert (told["entry"], told["fault"]) == (entry, None)
    assert told["receipt"].startswith("c2sp.org/tlog-proof@v1\n")
    assert json.loads(told["leaf"])["event"] == "opt_in"


def test_a_message_that_never_left_needed_no_entry(sent, sql):
    ((number,),) = sql("SELECT id FROM deliveries WHERE handed IS NULL")
    done = sent("ledger", "message", number)
    assert done.code == 0
    assert done.out.startswith("It was not handed over, so no entry had to allow it.\n")
    assert re.search(r"^state +skipped, left$", done.out, re.MULTILINE)
    assert "handed over " not in done.out


def test_a_message_that_the_ledger_does_not_allow_is_said_so(sent, sql):
    sql("UPDATE deliveries SET entry = NULL WHERE handed IS NOT NULL")
    ((sid,),) = sql("SELECT sid FROM deliveries WHERE handed IS NOT NULL")
    done = sent("ledger", "message", sid)
    assert done.code == 1
    assert "no entry is written down" in done.err
    assert "allowed it" not in done.out
    assert f"{sid}, delivery" in done.out


@pytest.mark.parametrize("named", ["SM" + "0" * 32, "77", "what", "+15550100001"])
def test_a_message_that_is_none_is_refused(sent, named):
    done = sent("ledger", "message", named)
    assert done.code == 2
    assert "+1555" not in done.err
