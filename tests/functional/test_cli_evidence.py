"""Evidence on the command line: as JSON that verifies, as a page, as a PDF; and who opened it."""

from __future__ import annotations

import json
import sqlite3
import stat
import sys
from contextlib import closing

import pytest

from broadcaster.core.address import Address
from tests.world import phone

WHY = "Complaint, case 2026-14"


@pytest.fixture
def token(newsroom, home):
    """Whom the ledger names first."""
    with closing(sqlite3.connect(home / "broadcaster.sqlite3")) as database:
        return database.execute(
            "SELECT subject FROM ledger_entries WHERE subject IS NOT NULL ORDER BY idx"
        ).fetchone()[0]


def test_a_pack_is_written_verifies_and_its_opening_is_kept(newsroom, token, tmp_path):
    file = tmp_path / "pack.json"
    done = newsroom("people", "evidence", token, "--reason", WHY, "--by", "anna", "-o", file)
    assert done.code == 0
    assert "--vkey" in done.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_bytes())["address"] == phone(0)
    vkey = newsroom("ledger", "show", "--vkey").out.strip()
    verified = newsroom("verify", file, "--vkey", vkey)
    assert verified.code == 0
    assert "ok      private parts" in verified.out
    assert newsroom("verify", file, "--vkey", vkey, "--since", file).code == 2
    (kept,) = json.loads(newsroom("people", "openings", "--json").out)
    assert kept["actor"] == "anna (operator)"
    assert (kept["subject"], kept["reason"], kept["full"]) == (token, WHY, True)
    assert WHY in newsroom("people", "openings", token).out
    assert newsroom("people", "openings", "0" * 32).out == ""


def test_a_changed_pack_does_not_verify(newsroom, token, tmp_path):
    file = tmp_path / "pack.json"
    newsroom("people", "evidence", token, "--reason", WHY, "-o", file)
    file.write_bytes(file.read_bytes().replace(b"NRC AAN", b"NRC UIT"))
    done = newsroom("verify", file)
    assert done.code == 1
    assert "FAILED  private parts" in done.out


def test_a_number_comes_in_by_standard_input_and_never_by_the_command_line(newsroom, tmp_path):
    file = tmp_path / "pack.json"
    refused = newsroom("people", "evidence", phone(0), "--reason", WHY, "-o", file)
    assert refused.code == 2
    assert not file.exists()
    done = newsroom("people", "evidence", "-", "--reason", WHY, "-o", file, stdin=f"{phone(0)}\n")
    assert done.code == 0
    assert phone(0)[-8:] not in done.out + done.err


def test_a_masked_pack_says_who_nobody_is(newsroom, token, tmp_path):
    file = tmp_path / "pack.html"
    words = ("--reason", WHY, "--masked", "--format", "html", "-o", file)
    assert newsroom("people", "evidence", token, *words).code == 0
    page = file.read_text()
    assert phone(0)[-8:] not in page
    assert "•••0000" in page
    assert 'href="data:text/css;base64,' in page
    assert "They texted" not in page


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("0" * 32, "--reason", WHY), "nobody by that token"),
        (("SM" + "0" * 32, "--reason", WHY), "No message"),
        (("TOKEN", "--reason", "why"), "Say why"),
        (("TOKEN", "--reason", "call 0655550001 back"), "phone numbers"),
        (("TOKEN",), "--reason"),
    ],
)
def test_what_cannot_be_opened_is_refused_and_writes_nothing(
    newsroom, token, tmp_path, words, what
):
    words = [token if word == "TOKEN" else word for word in words]
    done = newsroom("people", "evidence", *words, "-o", tmp_path / "pack.json")
    assert done.code == 2
    assert what in done.err
    assert list(tmp_path.glob("*pack*")) == []
    assert newsroom("people", "openings").out == ""


def test_the_help_says_what_a_reason_must_be_and_what_masked_leaves(newsroom):
    said = " ".join(newsroom("people", "evidence", "--help").out.split())
    assert "Why it is opened, in 5 to 500 characters and without phone numbers" in said
    assert "of the number the first and last four characters stay" in said
    assert Address.parse("whatsapp:+31612340001").masked == "+316•••0001"


def test_a_file_that_is_there_is_kept(newsroom, token, tmp_path):
    file = tmp_path / "pack.json"
    file.write_text("mine")
    assert newsroom("people", "evidence", token, "--reason", WHY, "-o", file).code == 2
    assert file.read_text() == "mine"
    gone = tmp_path / "nowhere" / "pack.json"
    assert newsroom("people", "evidence", token, "--reason", WHY, "-o", gone).code == 2
    done = newsroom("people", "evidence", token, "--reason", WHY, "-o", file, "--force")
    assert done.code == 0


def test_a_pdf_is_printed_from_the_page_alone(newsroom, token, tmp_path):
    try:
        pytest.importorskip("weasyprint", reason="weasyprint is not installed")
    except OSError:
        pytest.skip("WeasyPrint does not find Pango")
    file = tmp_path / "pack.pdf"
    words = ("--reason", WHY, "--format", "pdf", "-o", file)
    assert newsroom("people", "evidence", token, *words).code == 0
    assert file.read_bytes().startswith(b"%PDF-")


def test_without_the_extra_the_command_says_how_to_get_it(newsroom, token, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    file = tmp_path / "pack.pdf"
    done = newsroom("people", "evidence", token, "--reason", WHY, "--format", "pdf", "-o", file)
    assert done.code == 2
    assert "pip install 'broadcaster[pdf]'" in done.err
    assert newsroom("people", "openings").out == ""
