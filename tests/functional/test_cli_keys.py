"""Keys on the command line: told without a secret, exchanged, and the public one for auditors."""

from __future__ import annotations

import json

from broadcaster.ledger.keys import parse_vkey


def secrets_of(home):
    return [(home / "keys" / name).read_text().strip() for name in ("master.key", "session.key")]


def test_what_there_is_is_told_without_a_secret(newsroom, home):
    told = newsroom("keys", "list")
    as_json = json.loads(newsroom("keys", "list", "--json").out)

    assert told.code == 0
    assert as_json["key_store"]["path"] == str(home / "keys" / "subjects.keys")
    assert as_json["key_store"]["opened_by"] == [as_json["master"]["fingerprint"]]
    assert as_json["key_store"]["index_epochs"] == [1]
    for secret in secrets_of(home):
        assert secret not in told.out + json.dumps(as_json)


def test_the_public_key_is_for_auditors(newsroom):
    line = newsroom("keys", "export-public").out

    assert parse_vkey(line.strip()).to_text() == line.strip()
    assert json.loads(newsroom("keys", "export-public", "--json").out)["vkey"] == line.strip()
    assert line == newsroom("ledger", "show", "--vkey").out


def test_the_master_key_is_exchanged(newsroom, home):
    before = secrets_of(home)
    begun = newsroom("keys", "rotate")
    assert begun.code == 0
    assert "restart everything" in begun.err
    assert secrets_of(home)[0] != before[0]
    assert secrets_of(home)[0] not in begun.out + begun.err

    assert newsroom("keys", "rotate").code == 2
    finished = newsroom("keys", "rotate", "--finish", "--yes")

    assert (finished.code, finished.out) == (0, "Only the new master key opens the key store.\n")
    assert newsroom("keys", "rotate", "--finish", "--yes").out == "Nothing to finish.\n"
    assert newsroom("people", "find", "--number-stdin", stdin="+15550100002").code == 0


def test_a_lost_key_store_is_not_made_anew_for_a_database_that_has_one(newsroom, home):
    path = home / "keys" / "subjects.keys"
    kept = path.read_bytes()
    path.unlink()

    missing = newsroom("keys", "list")
    made = newsroom("init")
    assert not path.exists()
    path.write_bytes(kept)

    assert missing.code == 2
    assert "Put its copy back" in missing.err
    assert "another database" in made.err
    assert newsroom("keys", "list").code == 0
    assert newsroom("people", "find", "--number-stdin", stdin="+15550100002").code == 0
