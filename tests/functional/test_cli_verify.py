"""Whatever the product writes can be given to 'verify': it is checked, or named as what it is."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest


@pytest.fixture
def written(newsroom, home):
    """One file of each kind, by the commands that make them; and the log's key."""
    folder = home.parent / "written"
    folder.mkdir()
    with closing(sqlite3.connect(home / "broadcaster.sqlite3")) as database:
        (token,) = database.execute("SELECT min(subject) FROM ledger_entries").fetchone()
    for form in ("bundle", "jsonl", "csv", "xlsx"):
        newsroom("ledger", "export", "--format", form, "-o", folder / f"ledger.{form}")
    for form in ("json", "html"):
        words = ("--reason", "case 2026-14", "--format", form, "-o", folder / f"pack.{form}")
        assert newsroom("people", "evidence", token, *words).code == 0
    newsroom("ledger", "receipt", 1, "-o", folder / "one.tlog-proof")
    (folder / "old.checkpoint").write_text(newsroom("ledger", "checkpoint").out)
    (folder / "vkey").write_text(newsroom("ledger", "show", "--vkey").out)
    (folder / "empty").touch()
    return folder


SAID = {
    "ledger.jsonl": "as a table",
    "ledger.csv": "as a table",
    "ledger.xlsx": "as a table",
    "pack.html": "to be read",
    "old.checkpoint": "--since",
    "vkey": "--vkey",
    "empty": "is empty",
}


def bare(folder, *words):
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-I", "-S", *words],
        capture_output=True,
        check=False,
        cwd=folder,
        text=True,
    )


def test_everything_that_is_written_is_checked_or_named_as_what_it_is(newsroom, written):
    for name in ("ledger.bundle", "pack.json", "one.tlog-proof"):
        done = newsroom("verify", written / name, "--vkey", written / "vkey")
        assert (done.code, done.out.splitlines()[-1]) == (0, "Verified.")
    for name, said in SAID.items():
        done = newsroom("verify", written / name, "--vkey", written / "vkey")
        assert (done.code, done.out) == (2, ""), name
        assert name in done.err
        assert said in done.err


def test_the_verifier_in_a_bundle_checks_a_pack_and_names_what_it_does_not_check(written):
    done = bare(written, "ledger.bundle", "pack.json", "--vkey", "vkey")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ok      private parts: " in done.stdout
    assert "came out of the bundle" in done.stdout
    assert "Verified." in done.stdout
    # Its own name comes first, so nothing of the bundle is looked at.
    assert "bundle: " not in done.stdout
    pack = written / "pack.json"
    pack.write_bytes(pack.read_bytes().replace(b"NRC AAN", b"NRC UIT"))
    done = bare(written, "ledger.bundle", "pack.json")
    assert done.returncode == 1
    assert "FAILED  private parts" in done.stdout
    for name, said in {**SAID, "one.tlog-proof": "is a receipt"}.items():
        done = bare(written, "ledger.bundle", name)
        assert (done.returncode, done.stdout) == (2, ""), name
        assert said in done.stderr
