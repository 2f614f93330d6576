"""Every command does its work, says what is wrong in words, and leaves nothing half done."""

from __future__ import annotations

import csv
import json
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from broadcaster.cli.server import WebServer
from broadcaster.core.errors import InvalidInput
from broadcaster.ledger.__main__ import main as verify
from tests.functional.homes import TWILIO

LIST = (
    *("--name", "Het Nieuws", "--sender", "whatsapp:+15550100100", "--what", "Nieuws."),
    *("--frequency", "Dagelijks", "--hours", "'s ochtends", "--stored", "Je nummer."),
    *("--response-time", "Binnen een dag."),
)


def test_init_makes_everything_once_and_again_changes_nothing(run, home):
    first = run("init")
    kept = {path.name: path.read_bytes() for path in (home / "keys").iterdir()}
    second = run("init")

    assert (first.code, second.code) == (0, 0)
    assert sorted(kept) == [
        *("ledger.key", "master.key", "session.key", "subjects.keys", "subjects.keys.lock")
    ]
    assert first.out.count("Made ") == 4
    assert "Made " not in second.out
    assert {path.name: path.read_bytes() for path in (home / "keys").iterdir()} == kept


def test_what_init_makes_is_for_nobody_else(run, home):
    run("init")

    for path in (home, *(home / "keys").iterdir()):
        assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO), path


def test_an_account_is_opened_with_a_password_that_is_shown_once(ready):
    added = ready("user", "add", "anna", "--role", "admin")

    assert added.code == 0
    assert len(added.out.splitlines()[-1]) >= 16
    assert json.loads(ready("user", "list", "--json").out) == [
        {"name": "anna", "role": "admin", "active": True}
    ]


def test_a_password_comes_from_standard_input_and_is_not_printed(ready):
    added = ready(
        *("user", "add", "bob", "--role", "editor", "--password-stdin"), stdin="quite a long one\n"
    )

    assert added.code == 0
    assert "quite a long one" not in added.out + added.err


def test_roles_change_and_accounts_close(ready):
    ready("user", "add", "anna", "--role", "admin")
    ready("user", "add", "bob", "--role", "editor")

    assert ready("user", "role", "bob", "auditor").code == 0
    assert ready("user", "disable", "bob").code == 0
    assert ready("user", "reset-password", "bob").code == 0

    assert "bob   auditor  disabled" in ready("user", "list").out


@pytest.mark.parametrize(
    "arguments",
    [
        ("user", "add", "anna", "--role", "editor"),
        ("user", "add", "ANNA", "--role", "editor"),
        ("user", "add", "", "--role", "editor"),
        ("user", "add", "x" * 10_240, "--role", "editor"),
        ("user", "add", "a\x1b[2Jb", "--role", "editor"),
        ("user", "add", "bob", "--role", "king"),
        ("user", "add", "bob"),
        ("user", "add", "bob", "--role", "editor", "--password", "on the command line"),
        ("user", "role", "anna", "editor"),
        ("user", "disable", "anna"),
        ("user", "disable", "nobody"),
        ("user", "reset-password", "nobody"),
        ("user", "role", "nobody", "admin"),
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)
def test_a_bad_account_or_the_last_admin_is_refused(ready, arguments):
    ready("user", "add", "anna", "--role", "admin")
    before = ready("user", "list", "--json").out

    done = ready(*arguments)

    assert (done.code, done.out) == (2, "")
    assert "\x1b" not in done.err
    assert len(done.err) < 1000
    assert ready("user", "list", "--json").out == before


@pytest.mark.parametrize("stdin", ["", "\n", "short\n", "x" * 300 + "\n", "bob bob bob bob\n"])
def test_a_bad_password_opens_no_account(ready, stdin):
    done = ready("user", "add", "bob", "--role", "editor", "--password-stdin", stdin=stdin)

    assert done.code == 2
    assert json.loads(ready("user", "list", "--json").out) == []


def test_a_list_is_added_shown_and_changed(ready):
    assert "people join it with NRC" in ready("list", "add", "NRC", *LIST).out
    assert "version 2" in ready("list", "set", "NRC", "--frequency", "Wekelijks").out
    assert ready("list", "set", "nrc", "--closed", "--sender", "+15550100101").code == 0

    (shown,) = json.loads(ready("list", "show", "--json").out)
    assert shown["state"] == "closed"
    assert shown["senders"] == ["+15550100101", "whatsapp:+15550100100"]
    assert shown["notice"]["nl"]["frequency"] == "Wekelijks"
    for_people = ready("list", "show", "NRC").out
    assert "senders: +15550100101, whatsapp:+15550100100\n" in for_people
    assert "    frequency: Wekelijks\n" in for_people


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "STOP", *LIST),
        ("add", "nrc", *LIST),
        ("add", "", *LIST),
        ("add", "SPORT", *LIST, "--sender", "0612"),
        ("add", "SPORT", *LIST, "--sender", "whatsapp:+15550100101"),
        ("add", "SPORT", *LIST, "--zone", "Mars/Base"),
        ("add", "SPORT", *LIST, "--zone", "EST"),
        ("add", "SPORT", *LIST, "--language", "xx"),
        ("add", "SPORT", *LIST[:-2]),
        ("add", "SPORT", *LIST, "--what", "twee\nregels"),
        ("set", "NRC"),
        ("set", "NRC", "--what", "\x1b[2J"),
        ("set", "NRC", "--name", "x" * 81),
        ("set", "NRC", "--zone", "UTC"),
        ("set", "KRANT", "--closed"),
        ("show", "KRANT"),
    ],
    ids=lambda arguments: " ".join((*arguments[:2], *arguments[-2:])),
)
def test_a_bad_list_is_refused_and_nothing_changes(ready, arguments):
    ready("list", "add", "NRC", *LIST)
    before = ready("list", "show", "--json").out, ready("ledger", "show").out

    done = ready("list", *arguments)

    assert (done.code, done.out) == (2, "")
    assert "\x1b" not in done.err
    assert (ready("list", "show", "--json").out, ready("ledger", "show").out) == before


def test_the_ledger_leaves_in_three_forms_that_agree(newsroom, tmp_path, capsys):
    size = json.loads(newsroom("ledger", "show", "--json").out)["size"]
    for form in ("jsonl", "csv", "bundle"):
        assert newsroom("ledger", "export", "--format", form, "-o", tmp_path / form).code == 0

    assert (tmp_path / "jsonl").read_bytes().count(b"\n") == size
    rows = list(csv.reader((tmp_path / "csv").read_text().splitlines()))
    assert len(rows) == size + 1
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    vkey = json.loads(newsroom("ledger", "show", "--json").out)["vkey"]
    assert verify(["verify", str(tmp_path / "bundle"), "--vkey", vkey]) == 0
    assert "Verified." in capsys.readouterr().out


def test_an_export_of_the_empty_ledger_verifies(ready, tmp_path):
    assert ready("ledger", "export", "--format", "bundle", "-o", tmp_path / "empty").code == 0
    assert verify(["verify", str(tmp_path / "empty")]) == 0


def test_an_export_replaces_a_file_only_when_forced(newsroom, tmp_path):
    taken = tmp_path / "taken.csv"
    taken.write_text("mine")

    refused = newsroom("ledger", "export", "--format", "csv", "-o", taken)
    assert (refused.code, taken.read_text()) == (2, "mine")
    assert "--force" in refused.err

    assert newsroom("ledger", "export", "--format", "csv", "-o", taken, "--force").code == 0
    assert taken.read_text().startswith("index,")


def test_an_export_never_replaces_a_device_a_pipe_or_a_directory(newsroom, tmp_path):
    pipe = tmp_path / "pipe"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(pipe))

        for target in (pipe, tmp_path, tmp_path / "missing" / "file"):
            done = newsroom("ledger", "export", "--format", "csv", "-o", target, "--force")
            assert (done.code, done.out) == (2, "")

        assert stat.S_ISSOCK(pipe.stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "pipe"]


def test_an_export_that_breaks_off_leaves_no_file(newsroom, tmp_path, home):
    with sqlite3.connect(home / "broadcaster.sqlite3") as database:
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type='trigger'")
        for (name,) in triggers.fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE ledger_entries SET leaf = x'7b' WHERE idx = 1")
    database.close()

    done = newsroom("ledger", "export", "--format", "bundle", "-o", tmp_path / "out.zip")

    assert done.code in {1, 2, 3}
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_checkpoint_is_a_signed_note_over_the_present_size(newsroom):
    size = json.loads(newsroom("ledger", "show", "--json").out)["size"]

    lines = newsroom("ledger", "checkpoint").out.splitlines()

    assert lines[:2] == ["news.example.org/ledger", str(size)]
    assert lines[4].startswith("— news.example.org/ledger ")


@pytest.mark.parametrize(
    "environ",
    [{"TZ": "Asia/Kolkata"}, {"LANG": "tr_TR.UTF-8"}, {"LANG": "C", "LC_ALL": "C", "TZ": "UTC"}],
    ids=str,
)
def test_36_zone_and_locale_of_the_machine_change_no_byte_of_an_export(
    newsroom, terminal, tmp_path, environ
):
    newsroom("ledger", "export", "--format", "csv", "-o", tmp_path / "here")

    arguments = ("ledger", "export", "--format", "csv", "-o", tmp_path / "there")
    assert terminal(*arguments, **TWILIO, **environ).returncode == 0

    assert (tmp_path / "there").read_bytes() == (tmp_path / "here").read_bytes()


def test_the_database_is_brought_up_to_date(run, home):
    home.mkdir()

    assert "revision" in run("db", "upgrade").out
    versions = json.loads(run("db", "current", "--json").out)
    assert versions["database"] == versions["program"]
    assert run("db", "upgrade").code == 0
    assert run("db", "downgrade", "base", "--yes").code == 0
    assert "empty" in run("db", "current").out


@pytest.mark.parametrize(
    "arguments", [("upgrade", "nosuch"), ("downgrade", "nosuch", "--yes"), ("downgrade", "+1")]
)
def test_an_unknown_revision_is_refused(ready, arguments):
    done = ready("db", *arguments, stdin="y\n")

    assert done.code == 2
    assert json.loads(ready("db", "current", "--json").out)["database"]


ASKING = [
    ("db", "current"),
    ("ledger", "show"),
    ("ledger", "checkpoint"),
    ("ledger", "export", "--format", "csv", "-o", "out.csv"),
    ("user", "list"),
    ("user", "add", "bob", "--role", "editor"),
    ("list", "show"),
]


@pytest.mark.parametrize("arguments", ASKING, ids=" ".join)
def test_5_a_missing_database_is_named_and_not_made(ready, home, arguments):
    (home / "broadcaster.sqlite3").unlink()

    done = ready(*arguments)

    assert (done.code, done.out) == (2, "")
    assert "broadcaster init" in done.err
    assert [path.name for path in home.iterdir()] == ["keys"]


def _newer(path):
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()


def _truncated(path):
    path.write_bytes(path.read_bytes()[:30_000])


def _random(path):
    path.write_bytes(bytes(range(7, 256)) * 40)


def _foreign(path):
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE somebody_elses (a)")
    database.close()


@pytest.mark.parametrize("damage", [_newer, _truncated, _random, _foreign])
@pytest.mark.parametrize("arguments", [*ASKING[1:], ("init",), ("db", "upgrade")], ids=" ".join)
def test_6_8_a_database_that_is_not_ours_is_refused_and_left_alone(ready, home, arguments, damage):
    path = home / "broadcaster.sqlite3"
    damage(path)
    before = path.read_bytes()

    done = ready(*arguments)

    assert (done.code, done.out) == (3, "")
    assert path.read_bytes() == before
    assert [found.name for found in home.parent.iterdir()] == ["home"]


def test_8_an_empty_file_is_an_empty_database(ready, home):
    (home / "broadcaster.sqlite3").write_bytes(b"")

    done = ready("ledger", "show")

    assert done.code == 3
    assert "broadcaster init" in done.err


@pytest.mark.parametrize("arguments", [("--help",), *((*one[:2], "--help") for one in ASKING)])
def test_3_help_touches_nothing(run, home, arguments):
    assert run(*arguments).code == 0
    assert not home.exists()


def test_13_a_reader_that_leaves_early_is_met_with_silence(terminal):
    assert terminal("init").returncode == 0
    command = [sys.executable, "-m", "broadcaster", "config", "reference"]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=terminal.environ
    ) as process:
        process.stdout.close()
        complaint = process.stderr.read()

    assert (process.returncode, complaint) == (141, b"")


def test_without_twilio_everything_that_is_missing_is_listed(ready):
    done = ready("serve")

    assert (done.code, done.out) == (2, "")
    for name in ("PUBLIC_URL", "TWILIO__ACCOUNT_SID", "TWILIO__AUTH_TOKEN"):
        assert f"BROADCASTER_{name}" in done.err


def test_a_taken_port_is_named(ready, monkeypatch):
    for name, value in TWILIO.items():
        monkeypatch.setenv(name, value)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        done = ready("serve", "--port", port)

    assert (done.code, done.out) == (2, "")
    assert str(port) in done.err


def test_an_address_that_is_none_is_named():
    with pytest.raises(InvalidInput, match=r"no\.such\.host\.invalid"):
        WebServer(_nobody, host="no.such.host.invalid", port=1, threads=1)


def _nobody(_environ, _start):
    raise AssertionError


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_serve_answers_until_it_is_told_to_stop(terminal, number, code):
    assert terminal("init", **TWILIO).returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "broadcaster", "serve", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=terminal.environ | TWILIO,
    ) as process:
        try:
            assert str(port).encode() in process.stdout.readline()
            assert _get(port, "/healthz") == (200, b"ok\n")
            assert _get(port, "/readyz")[0] == 200
        finally:
            process.send_signal(number)
        _printed, log = process.communicate(timeout=30)

    assert process.returncode == code
    assert b"Traceback" not in log


def _get(port, path):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return answer.status, answer.read()


def test_keywords_classify_needs_neither_home_nor_settings(run, home, tmp_path):
    (tmp_path / "in.csv").write_text(
        'text\n"NRC AAN"\n"afmelden"\n"mooi weer, hè"\n', encoding="utf-8"
    )

    done = run("keywords", "classify", "in.csv", "--list", "NRC", "-o", "out.csv")

    assert done.code == 0
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["intent"] for row in rows] == ["opt_in_list", "opt_out_all", "none"]
    assert not home.exists()


@pytest.mark.parametrize(
    ("content", "arguments"),
    [
        (b"words\nSTOP\n", ()),
        (b"text\n\xff\xfe\n", ()),
        (None, ()),
        (b"text\nSTOP\n", ("--list", "STOP")),
        (b"text\nSTOP\n", ("-o", "missing/out.csv")),
    ],
)
def test_what_cannot_be_classified_is_said_and_leaves_no_file(run, tmp_path, content, arguments):
    if content is not None:
        (tmp_path / "in.csv").write_bytes(content)
    before = list(tmp_path.iterdir())

    done = run("keywords", "classify", "in.csv", "-o", "out.csv", *arguments)

    assert (done.code, done.out) == (2, "")
    assert list(tmp_path.iterdir()) == before
