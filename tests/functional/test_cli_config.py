"""The command line answers every misuse in words, with its exit code and without a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import pytest

from broadcaster.cli import entry, main, output, root
from broadcaster.core.errors import Conflict, DatabaseMismatch, InvalidInput, NotFound
from broadcaster.ledger.errors import BundleError

SID = "AC" + "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path):
    """Leave nothing of the developer's own settings in sight."""
    for name in list(os.environ):
        if name.startswith(("BROADCASTER_", "TWILIO_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BROADCASTER_HOME", str(tmp_path / "home"))


def _complete(monkeypatch):
    monkeypatch.setenv("BROADCASTER_PUBLIC_URL", "https://news.example.org")
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", SID)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "never-shown-token")


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ([], "Usage: broadcaster"),
        (["confg"], "Did you mean 'config'?"),
        (["zzz"], "There are demo, init"),
        (["config"], "Usage: broadcaster config"),
        (["config", "chek"], "check"),
        (["config", "show", "--jsn"], "--json"),
        (["config", "show", "extra"], "unexpected extra argument"),
        (["--verison"], "--version"),
        (["con\x1b[2Jfig"], "\\x1b[2J"),
        (["config", "show", "\udcff"], "not valid UTF-8"),
        (["config", "show", "a\x00b"], "not valid UTF-8, or holds a zero byte"),
        (["config", "show", *["x"] * 50_000], "unexpected extra argument"),
    ],
)
def test_misuse_is_explained_on_standard_error_with_exit_code_2(capsys, arguments, advice):
    assert main(arguments) == 2

    printed = capsys.readouterr()
    assert advice in printed.err
    assert printed.out == ""
    assert "\x1b" not in printed.err


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["config", "--help"], ["--version"]])
def test_help_and_version_need_no_settings(capsys, monkeypatch, arguments):
    monkeypatch.setenv("BROADCASTER_NONSENSE", "1")

    assert main(arguments) == 0
    assert capsys.readouterr().out


def test_help_lists_every_command_without_importing_frameworks():
    program = (
        "import sys; from broadcaster.cli import main; main(['--help']); "
        "print(sorted({'flask', 'sqlalchemy', 'twilio', 'marshmallow'} & set(sys.modules)))"
    )

    run = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert run.stdout.splitlines()[-1] == "[]"
    assert all(f"  {name} " in run.stdout for name in root.COMMANDS)


def test_show_hides_secrets_and_names_sources(capsys, monkeypatch):
    _complete(monkeypatch)

    assert main(["config", "show"]) == 0

    printed = capsys.readouterr().out
    assert "environment BROADCASTER_PUBLIC_URL" in printed
    assert "never-shown-token" not in printed


def test_show_as_json_has_a_row_for_every_key(capsys):
    assert main(["config", "show", "--json"]) == 0

    rows = json.loads(capsys.readouterr().out)
    assert {"key": "web.port", "value": "8000"}.items() <= {
        name: row[name] for row in rows if row["key"] == "web.port" for name in row
    }.items()


def test_check_prints_the_webhook_when_all_is_well(capsys, monkeypatch):
    _complete(monkeypatch)

    assert main(["config", "check"]) == 0
    assert "https://news.example.org/webhooks/twilio/inbound" in capsys.readouterr().out


def test_check_lists_all_faults_and_exits_2(capsys, monkeypatch):
    monkeypatch.setenv("BROADCASTER_WEB__PORT", "x")
    monkeypatch.setenv("BROADCASTER_LOG__LEVEL", "LOUD")

    assert main(["config", "check"]) == 2

    printed = capsys.readouterr().err
    assert printed.count("  - ") == 5
    assert "BROADCASTER_WEB__PORT" in printed
    assert "BROADCASTER_LOG__LEVEL" in printed
    assert "BROADCASTER_TWILIO__AUTH_TOKEN" in printed


def test_check_as_json_tells_faults_to_machines(capsys, monkeypatch):
    assert main(["config", "check", "--json"]) == 2
    assert len(json.loads(capsys.readouterr().out)["faults"]) == 3

    _complete(monkeypatch)
    assert main(["config", "check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_show_with_bad_settings_exits_2_without_a_traceback(capsys, monkeypatch):
    monkeypatch.setenv("BROADCASTER_WEB__PRT", "1")

    assert main(["config", "show"]) == 2
    assert "did you mean BROADCASTER_WEB__PORT?" in capsys.readouterr().err


def test_reference_lists_every_setting_in_three_forms(capsys):
    assert main(["config", "reference"]) == 0
    assert "BROADCASTER_TWILIO__AUTH_TOKEN" in capsys.readouterr().out

    assert main(["config", "reference", "--json"]) == 0
    assert any(row["key"] == "web.port" for row in json.loads(capsys.readouterr().out))

    assert main(["config", "reference", "--toml"]) == 0
    assert "port = 8000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput("told"), 2),
        (NotFound("told"), 2),
        (Conflict("told"), 2),
        (DatabaseMismatch("told"), 3),
        (BundleError("told"), 1),
        (click.ClickException("told"), 2),
        (PermissionError(13, "told"), 2),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (BrokenPipeError(), 141),
    ],
)
def test_every_error_has_its_exit_code_and_no_traceback(capsys, monkeypatch, error, code):
    @click.command()
    def failing():
        raise error

    monkeypatch.setattr(entry, "root", failing)

    assert main([]) == code
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    assert ("told" in printed.err) == ("told" in str(error) or "told" in repr(error))


def test_a_reader_that_has_gone_is_met_with_silence():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone:
        run = subprocess.run(
            [sys.executable, "-m", "broadcaster", "config", "reference"],
            stdout=gone,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert (run.returncode, run.stderr) == (141, b"")


def test_an_argument_of_raw_bytes_is_refused():
    run = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "broadcaster", "config", b"\xff\xfe"],
        capture_output=True,
        check=False,
    )

    assert run.returncode == 2
    assert b"not valid UTF-8" in run.stderr
    assert b"Traceback" not in run.stderr


def test_a_terminal_without_unicode_still_shows_the_settings(monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "never-shown-token")

    run = subprocess.run(
        [sys.executable, "-m", "broadcaster", "config", "show"], capture_output=True, check=False
    )

    assert run.returncode == 0
    assert b"twilio.auth_token" in run.stdout
    assert b"never-shown-token" not in run.stdout


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\rb\x00\x7f\x9b", "a\\rb\\x00\\x7f\\x9b"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff", "\\udcff"),
        ("één 👨‍👩‍👧\n\tregel", "één 👨‍👩‍👧\n\tregel"),
    ],
)
def test_what_came_from_outside_cannot_steer_the_terminal(text, expected):
    assert output.printable(text) == expected


def test_a_table_keeps_one_row_on_one_line(capsys):
    output.say_table(("A", "B"), [("x", "1\n2"), ("long", "3")])

    assert capsys.readouterr().out == "A     B\nx     1\\n2\nlong  3\n"
