"""The ledger on the command line: verified where it lies, and replayed against the tables."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broadcaster.ledger.keys import NoteSigner, parse_vkey
from tests.witness import SmallWitness, running


@pytest.fixture
def sql(newsroom, home):
    """Change the database behind everybody's back."""

    def run(statement):
        with closing(sqlite3.connect(home / "broadcaster.sqlite3")) as database, database:
            wanted = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'ledger%'"
            for (name,) in database.execute(wanted).fetchall():
                database.execute(f'DROP TRIGGER "{name}"')
            database.execute(statement)

    return run


def test_a_ledger_that_nobody_touched_verifies(newsroom):
    done = newsroom("ledger", "verify")
    assert done.code == 0
    assert "Every entry is what was written" in done.out


def test_a_changed_row_is_named(newsroom, sql):
    sql("UPDATE ledger_entries SET subject = 'x' WHERE idx = 3")
    done = newsroom("ledger", "verify")
    assert done.code == 1
    assert "ledger_entries 3: is filed under another subject" in done.out
    assert "NOT what was written" in done.err


def test_a_flood_of_findings_is_cut_short(newsroom, sql):
    sql("UPDATE ledger_entries SET leaf_hash = x'00'")
    sql(
        "INSERT INTO ledger_tiles WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n"
        " WHERE i < 70) SELECT 0, i, x'00', x'00' FROM n"
    )
    done = newsroom("ledger", "verify")
    assert done.code == 1
    assert len(done.out.splitlines()) == 51
    assert "more" in done.out.splitlines()[-1]


def test_a_witness_signs(newsroom, monkeypatch):
    assert "ledger.witnesses" in newsroom("ledger", "witness").err
    log = parse_vkey(newsroom("ledger", "show", "--vkey").out.strip())
    signer = NoteSigner(
        name="witness.example.org/w1", private_key=Ed25519PrivateKey.from_private_bytes(b"w" * 32)
    )
    with running(SmallWitness(signer=signer, log=log)) as one:
        monkeypatch.setenv("BROADCASTER_LEDGER__WITNESSES", one.setting)
        done = newsroom("ledger", "witness")
        assert (done.code, done.out) == (0, f"{signer.name} has signed {one.known.size} entries.\n")
        one.known = None
        one.signer = NoteSigner(
            name=signer.name, private_key=Ed25519PrivateKey.from_private_bytes(b"x" * 32)
        )
    done = newsroom("ledger", "witness")
    assert done.code == 1
    assert f"{signer.name} has not signed" in done.err


def test_a_replay_compares_and_mends(newsroom, sql):
    assert newsroom("ledger", "replay", "--check").out == "The tables say what the ledger says.\n"
    sql("UPDATE subscriptions SET state = 'out' WHERE state = 'in'")
    done = newsroom("ledger", "replay", "--check")
    assert done.code == 1
    assert "--repair" in done.err
    assert done.out.count("the ledger says in by entry") == len(done.out.splitlines()) >= 2
    assert newsroom("ledger", "replay", "--repair").code == 0
    assert newsroom("ledger", "replay", "--check").code == 0


@pytest.mark.parametrize("options", [(), ("--check", "--repair")])
def test_a_replay_wants_to_know_which(newsroom, options):
    done = newsroom("ledger", "replay", *options)
    assert (done.code, done.out) == (2, "")


def test_the_record_of_processing_is_shown_and_exported(newsroom):
    shown = newsroom("ledger", "register")
    (one,) = json.loads(newsroom("ledger", "register", "--json").out)
    exported = json.loads(newsroom("ledger", "register", "--format", "json").out)
    text = newsroom("ledger", "register", "--format", "markdown").out

    assert shown.code == 0
    assert "Transfers outside the Union: United States (Twilio)" in shown.out
    assert one["in_force"] is True
    assert exported == one
    assert text.startswith("# Record of processing activities")
    assert one["sha256"] in text
    # The commands run under other settings than the people who wrote to us.
    assert "the next entry logs the new record" in shown.err


def test_a_ledger_without_entries_has_no_record_yet(ready):
    assert "no record yet" in ready("ledger", "register").err


def test_what_was_found_stops_sending_until_it_was_put_back_and_verified(newsroom, sql):
    sql("UPDATE ledger_entries SET subject = 'x' || subject WHERE idx = 3")
    done = newsroom("ledger", "verify", "--json")
    assert done.code == 1
    assert [one["where"] for one in json.loads(done.out)["findings"]] == ["ledger_entries 3"]
    sql("UPDATE ledger_entries SET subject = substr(subject, 2) WHERE idx = 3")
    done = newsroom("ledger", "verify")
    assert done.code == 0
    assert "Sending may go on" in done.err
    assert "Sending may go on" not in newsroom("ledger", "verify").err


def test_the_index_is_made_anew_from_the_entries(newsroom, sql):
    sql("UPDATE ledger_index SET facet = facet + 1 WHERE idx = 3")
    sql("DELETE FROM ledger_index WHERE idx = 2")
    done = newsroom("ledger", "verify", "--json")
    assert [one["where"] for one in json.loads(done.out)["findings"]] == [
        "ledger_index 2",
        "ledger_index 3",
    ]
    assert newsroom("ledger", "reindex").code == 0
    assert newsroom("ledger", "verify").code == 0


def test_a_damaged_head_is_mended_if_nothing_else_is(newsroom, sql):
    sql("UPDATE ledger_head SET frontier = zeroblob(length(frontier))")
    done = newsroom("ledger", "verify")
    assert (done.code, "ledger_head: says" in done.out) == (1, True)
    assert "mend-head" in done.err
    done = newsroom("ledger", "mend-head")
    assert (done.code, "entries again" in done.out) == (0, True)
    assert newsroom("ledger", "verify").code == 0
    assert "Nothing was changed" in newsroom("ledger", "mend-head").out


def test_what_was_found_last_counts_for_the_advice_too(newsroom, sql):
    sql(
        "WITH RECURSIVE more(n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM more WHERE n < 1100)"
        " INSERT INTO ledger_index SELECT n, 1, '2026-01-01 00:00:00.000000' FROM more"
    )
    assert "reindex" in newsroom("ledger", "verify").err
    sql("UPDATE documents SET text = text || 'x'")
    assert "Restore it from a backup" in newsroom("ledger", "verify").err


def test_an_export_can_take_a_part_and_is_written_down(newsroom, home, tmp_path):
    where = tmp_path / "part.jsonl"
    part = ("ledger", "export", "--format", "jsonl", "-o", str(where), "--event", "document notice")
    done = newsroom(*part)
    assert (done.code, "a part of the ledger" in done.err) == (0, True)
    lines = where.read_text().splitlines()
    assert lines
    assert all('"kind":"notice"' in line for line in lines)
    with closing(sqlite3.connect(home / "broadcaster.sqlite3")) as database:
        [row] = database.execute("SELECT user_id, form, chosen, state, entries FROM exports")
    assert row == (None, "jsonl", "event document notice", "sent", len(lines))


def test_a_bundle_is_whole_or_of_one_person_or_list(newsroom, home, tmp_path):
    where = tmp_path / "part.zip"
    bundle = ("ledger", "export", "--format", "bundle", "-o", str(where))
    for filters in (("--event", "opt_in"), ("--list", "nrc", "--actor", "subject")):
        assert (newsroom(*bundle, *filters).code, where.exists()) == (2, False)
    assert newsroom(*bundle, "--list", "nrc").code == 0
    with closing(sqlite3.connect(home / "broadcaster.sqlite3")) as database:
        [row] = database.execute("SELECT form, chosen, state, length FROM exports")
    assert row == ("bundle", "list nrc", "sent", where.stat().st_size)
