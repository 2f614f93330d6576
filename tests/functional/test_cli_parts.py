"""A part of the ledger on the command line, checked by the program that is inside of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.fixture
def vkey(newsroom):
    return newsroom("ledger", "show", "--vkey").out.strip()


@pytest.fixture
def subject(newsroom, tmp_path):
    newsroom("ledger", "export", "--format", "jsonl", "-o", tmp_path / "all.jsonl")
    lines = (tmp_path / "all.jsonl").read_text().splitlines()
    return next(entry["subject"] for entry in map(json.loads, lines) if "subject" in entry)


@pytest.mark.parametrize("option", ["--subject", "--list"])
def test_a_part_is_written_and_verifies_with_and_without_us(
    newsroom, tmp_path, vkey, subject, option
):
    target = tmp_path / "part.zip"
    name = subject if option == "--subject" else "nrc"
    made = newsroom("ledger", "export", "--format", "bundle", option, name, "-o", target)
    assert made.code == 0
    assert f"python3 {target} --vkey '{vkey}'" in made.err
    checked = newsroom("verify", target, "--vkey", vkey)
    assert (checked.code, checked.out.splitlines()[-1]) == (0, "Verified.")
    done = subprocess.run(  # noqa: S603 - our own bundle
        [sys.executable, "-I", "-S", target, "--vkey", vkey],
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Verified.")
    assert "only the whole log can show" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--format bundle --list nrc --subject x", "one --subject or one --list"),
        ("--format bundle --event opt_in", "one --subject or one --list"),
        ("--format bundle --subject nrc", "32 hex digits"),
        ("--format bundle --list nobody", "No entry has the list 'nobody'"),
    ],
)
def test_a_part_that_cannot_be_is_refused_and_nothing_written(newsroom, tmp_path, words, said):
    target = tmp_path / "part.zip"
    done = newsroom("ledger", "export", *words.split(), "-o", target)
    assert done.code == 2
    assert said in done.err
    assert list(tmp_path.glob("*part*")) == []
