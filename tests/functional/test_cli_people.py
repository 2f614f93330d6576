"""People on the command line: imported with proof, in a dry run first, and after a kill."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime

import pytest

from broadcaster.cli import people
from broadcaster.core.importing import SENTENCES, Refusal
from tests.functional.homes import TWILIO
from tests.integration.importing import WORDING, number, row

HEADER = "number;when;medium;wording;source\n"
IMPORT = ("--list", "NRC", "--channel", "sms", "--reason", "moved from another system")


@pytest.fixture
def file(home):
    """Write a file beside the home."""

    def write(rows, name="people.csv"):
        path = home.parent / name
        text = HEADER + "".join(";".join(one.values()) + "\n" for one in rows)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_dry_run_says_what_the_import_then_does(newsroom, home, file):
    path = file([row(10), row(11, when="soon"), row(12), row(10)])
    report = home.parent / "report.csv"
    more = ("--report", report, "--force", "--json")

    said = newsroom("people", "import", path, *IMPORT, "--dry-run", *more)
    foretold = report.read_bytes()
    done = newsroom("people", "import", path, *IMPORT, *more)

    assert (said.code, done.code) == (0, 0)
    assert "4 rows, between fields a semicolon" in done.err
    assert foretold == report.read_bytes()
    lines = list(csv.reader(io.StringIO(foretold.decode())))
    assert [line[:2] for line in lines] == [
        ["line", "reason"],
        ["3", "moment_unclear"],
        ["5", "duplicate"],
    ]
    told, did = json.loads(said.out), json.loads(done.out)
    assert (told.pop("import"), did.pop("import")) == (None, 1)
    assert (told.pop("dry_run"), did.pop("dry_run")) == (True, False)
    assert told == did
    assert (did["accepted"], did["refused"], did["rows"]) == (2, 2, 4)
    for printed in (said, done):
        assert number(10)[1:] not in printed.out + printed.err


def test_in_a_terminal_it_says_how_many_of_how_many_rows_are_done(newsroom, file, monkeypatch):
    """Where nobody looks, nothing is said on the way."""
    path = file([row(10), row(11), row(12, when="soon"), row(10)])
    assert " of 4 rows" not in newsroom("people", "import", path, *IMPORT, "--dry-run").err
    monkeypatch.setattr(people, "_TOLD_EVERY", 0)
    monkeypatch.setattr(people, "_is_watched", lambda: True)
    for more in (["--dry-run"], []):
        done = newsroom("people", "import", path, *IMPORT, *more)
        assert "4 of 4 rows are done.\n" in done.err


def test_what_it_came_to_adds_up_to_the_rows_of_the_file(newsroom, file):
    path = file([row(10), row(11), row(12, when="soon"), row(10)])
    assert newsroom("people", "import", path, *IMPORT, "--dry-run").out.splitlines() == [
        "4 rows: 2 would have joined, 0 were on the list already, 2 would have been refused:",
        f"  1: {SENTENCES[Refusal.DUPLICATE]}",
        f"  1: {SENTENCES[Refusal.MOMENT_UNCLEAR]}",
        "Nothing was changed.",
    ]
    last = newsroom("people", "import", path, *IMPORT).out.splitlines()
    assert last[0] == "4 rows: 2 joined, 0 were on the list already, 2 were refused:"
    assert last[-1] == "This is import 1. Its refused rows: broadcaster people imports 1"


def test_the_list_of_imports_and_the_report_of_one(newsroom, file):
    path = file([row(10), row(11, source="")])
    assert "1 joined" in newsroom("people", "import", path, *IMPORT).out

    (one,) = json.loads(newsroom("people", "imports", "--json").out)
    assert (one["number"], one["accepted"], one["refused"], one["by"]) == (1, 1, 1, "operator")
    assert one["finished"] is not None
    assert "moved from another system" in newsroom("people", "imports").out
    assert newsroom("people", "imports", "1").out.splitlines()[1].startswith("3,source,")
    assert "no import 2" in newsroom("people", "imports", "2").err
    again = newsroom("people", "import", path, *IMPORT)
    assert again.code == 2
    assert "1 joined" in again.err


def test_who_imports_is_named_by_their_number(newsroom, file):
    path = file([row(10)])
    assert (
        "Nobody called 'nobody'"
        in newsroom("people", "import", path, *IMPORT, "--by", "nobody").err
    )
    assert newsroom("people", "import", path, *IMPORT, "--by", "editor").code == 0
    (one,) = json.loads(newsroom("people", "imports", "--json").out)
    assert one["by"] == "user-1"


def test_a_persons_consent_is_printed_in_the_forms_of_standards(newsroom, file):
    newsroom("people", "import", file([row(10)]), *IMPORT)
    on = json.loads(newsroom("ledger", "at", "nrc", datetime.now(UTC).isoformat(), "--json").out)[
        "subjects"
    ]

    found = []
    for token in on:
        iso = json.loads(newsroom("people", "consent", token, "--format", "27560").out)
        (receipt,) = json.loads(newsroom("people", "consent", token, "--format", "kantara").out)
        assert iso["@graph"][0]["pii_principal_id"] == receipt["piiPrincipalId"] == token
        found.append(receipt["collectionMethod"])
    assert sorted(found) == ["import, sms", "keyword, whatsapp", "keyword, whatsapp"]
    assert "32 hex digits" in newsroom("people", "consent", "x", "--format", "27560").err


REFUSED = {
    "Latin-1": ((HEADER + "é").encode("latin-1"), "is not UTF-8"),
    "another table": (b"name,city\nJan,Delft\n", "the header lacks number, when"),
    "zeros": (bytes(200_000), "zero byte"),
    "nothing": (b"", "the header lacks"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_none_is_refused_and_nothing_is_done(newsroom, home, name):
    data, said = REFUSED[name]
    path = home.parent / "people.csv"
    path.write_bytes(data)

    done = newsroom("people", "import", path, *IMPORT)

    assert done.code == 2
    assert said in done.err
    assert json.loads(newsroom("people", "imports", "--json").out) == []


def test_what_is_no_file_is_refused(newsroom, home):
    os.mkfifo(home.parent / "pipe")
    assert newsroom("people", "import", home.parent, *IMPORT).code == 2
    assert newsroom("people", "import", home.parent / "none", *IMPORT).code == 2


def test_an_import_that_was_killed_goes_on_and_nobody_is_lost_or_twice(newsroom, home, file):
    """Kill -9 somewhere in the middle, twice; the helper that reads ahead ends by itself."""
    rows = 41_000
    path = file([row(0, number=f"+1555010{one:08d}") for one in range(rows)])
    command = [sys.executable, "-m", "broadcaster", "people", "import", str(path), *IMPORT]
    environ = os.environ | TWILIO | {"BROADCASTER_HOME": str(home)}

    reached = 0
    for _ in range(2):
        with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - our own command
            while process.poll() is None and accepted(home) <= reached:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        assert accepted(home) > reached
        reached = accepted(home)
    done = newsroom("people", "import", path, *IMPORT, "--json")

    assert done.code == 0
    assert json.loads(done.out)["accepted"] == rows
    # Rows that are read at once are done by keys, not by lines: the line is where they begin.
    assert json.loads(done.out)["went_on_after_line"] is not None
    assert newsroom("ledger", "verify").code == 0
    with closing(sqlite3.connect(home / "broadcaster.sqlite3")) as database:
        said = database.execute(
            "SELECT count(*), count(DISTINCT subscriber_id) FROM subscriptions"
            " JOIN lists ON lists.id = list_id WHERE state = 'in' AND slug = 'nrc'"
            " AND notice NOT IN (SELECT sha256 FROM notices)"
        ).fetchone()
        assert said == (rows, rows)
        text = database.execute("SELECT text FROM documents WHERE text = ?", (WORDING,))
        assert len(text.fetchall()) == 1


def accepted(home):
    """How many have joined so far."""
    with closing(sqlite3.connect(home / "broadcaster.sqlite3")) as database:
        return database.execute("SELECT coalesce(sum(accepted), 0) FROM imports").fetchone()[0]
