"""Receipts on the command line: made by the log's owner, checked by anyone."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def vkey(newsroom):
    return newsroom("ledger", "show", "--vkey").out.strip()


def test_a_receipt_is_written_and_verifies(newsroom, tmp_path, vkey):
    target = tmp_path / "mine.tlog-proof"
    made = newsroom("ledger", "receipt", "1", "-o", target)
    assert made.code == 0
    assert f"--vkey '{vkey}'" in made.err
    assert newsroom("ledger", "receipt", "1").out == target.read_text()
    checked = newsroom("verify", target, "--vkey", vkey)
    assert (checked.code, checked.out.splitlines()[-1]) == (0, "Verified.")
    target.write_bytes(target.read_bytes().replace(b"index 1", b"index 0"))
    checked = newsroom("verify", target, "--vkey", vkey)
    assert checked.code == 1
    assert "FAILED" in checked.out


def test_a_proof_is_printed_for_programs(newsroom):
    found = json.loads(newsroom("ledger", "prove", "0").out)
    assert found["index"] == 0
    assert len(found["root"]) == len(found["leaf_hash"]) == 64
    assert all(len(one) == 64 for one in found["proof"])


@pytest.mark.parametrize("command", ["receipt", "prove"])
def test_an_entry_that_is_not_there_is_said_to_be_not_there(newsroom, command):
    size = json.loads(newsroom("ledger", "show", "--json").out)["size"]
    done = newsroom("ledger", command, str(size))
    assert (done.code, done.out) == (2, "")
    assert f"entries 0 to {size - 1}" in done.err


def test_a_receipt_needs_the_key_and_nothing_older(newsroom, tmp_path, vkey):
    target = tmp_path / "mine.tlog-proof"
    newsroom("ledger", "receipt", "1", "-o", target)
    assert newsroom("verify", target).code == 2
    note = tmp_path / "old.checkpoint"
    note.write_text(newsroom("ledger", "checkpoint").out)
    done = newsroom("verify", target, "--vkey", vkey, "--since", note)
    assert (done.code, done.out) == (2, "")
