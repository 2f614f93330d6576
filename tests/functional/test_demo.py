"""The demo plays its story on its own, keeps its data where it is told, and spares what is real."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

STEPS = 8


def _environ(home):
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return kept | {"HOME": str(home)}


def _run(home, *command, timeout=120, **environ):
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", *map(str, command)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=home,
        env=_environ(home) | environ,
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A demo that has played its story in a home of its own."""
    home = tmp_path_factory.mktemp("demo")
    # A developer's own account must never be used by a demo.
    real = {"TWILIO_ACCOUNT_SID": f"AC{'0' * 32}", "TWILIO_AUTH_TOKEN": "f" * 32}
    return home, _run(home, "broadcaster", "demo", "--once", "--home", home / "kept", **real)


def test_the_story_goes_as_promised_and_prints_each_step(played):
    _home, done = played

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split(".")[0] for line in lines[:STEPS]] == [str(n + 1) for n in range(STEPS)]
    assert lines[STEPS].startswith("All as promised")


def test_the_home_it_kept_works_with_the_other_commands_and_its_ledger_verifies(played):
    home, _done = played
    own = {"BROADCASTER_HOME": str(home / "kept")}

    export = ("ledger", "export", "--format", "bundle", "-o", "bundle.zip")
    assert _run(home, "broadcaster", *export, **own).returncode == 0

    assert _run(home, "broadcaster.ledger", "verify", "bundle.zip").returncode == 0
    assert "SPORT" in _run(home, "broadcaster", "list", "show", **own).stdout


def test_the_home_holds_one_whole_database_file_when_the_demo_has_ended(played):
    home, _done = played

    assert [path.name for path in (home / "kept").glob("*.sqlite3*")] == ["broadcaster.sqlite3"]


def test_the_demo_does_not_serve_as_a_real_installation(played):
    home, _done = played

    kept = (home / "kept" / "config.toml").read_text()

    assert 'mode = "demo"' in kept
    assert 'api_base = "http://127.0.0.1:' in kept


def test_a_home_of_a_real_installation_is_refused_and_left_alone(tmp_path):
    real = {"BROADCASTER_HOME": str(tmp_path / "real")}
    assert _run(tmp_path, "broadcaster", "init", **real).returncode == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.toml").write_text('public_url = "https://news.example.org"\n')
    before = _contents(tmp_path)

    for name in ("real", "other"):
        done = _run(tmp_path, "broadcaster", "demo", "--once", "--home", tmp_path / name)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--home" in done.stderr
    assert _contents(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("letter.txt", "mine"),
        ("config.toml", "= no toml"),
        ("config.toml", "\x00"),
        ("config.toml", 'mode = "demo"\n'),
        ("config.toml", 'mode = "demo"\ntwilio = 1\n'),
    ],
)
def test_a_directory_with_anything_else_is_refused_and_left_alone(tmp_path, name, content):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / name).write_text(content)
    before = _contents(tmp_path)

    done = _run(tmp_path, "broadcaster", "demo", "--once", "--home", tmp_path / "full")

    assert (done.returncode, done.stdout) == (2, "")
    assert "--home" in done.stderr
    assert _contents(tmp_path) == before


def test_a_taken_port_is_named_and_nothing_is_written(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        done = _run(tmp_path, "broadcaster", "demo", "--port", port, "--home", tmp_path / "home")

    assert (done.returncode, done.stdout) == (2, "")
    assert str(port) in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_demo_runs_until_it_is_interrupted(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-u", "-m", "broadcaster", "demo", "--port", str(port)]
    with subprocess.Popen(  # noqa: S603 - our own program
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=_environ(tmp_path) | {"TMPDIR": str(tmp_path)},
    ) as process:
        try:
            said = next(line for line in process.stdout if f"http://127.0.0.1:{port}" in line)
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://127.0.0.1:{port}/healthz", timeout=20) as answer:
                assert answer.read() == b"ok\n"
        finally:
            process.send_signal(signal.SIGINT)
        _printed, log = process.communicate(timeout=60)

    assert "sign in" in said
    assert process.returncode == 130
    assert "Traceback" not in log
    assert list(tmp_path.iterdir()) == []


def _contents(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_second_demo_in_the_same_home_is_refused_and_changes_nothing(tmp_path):
    home = tmp_path / "home"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-u", "-m", "broadcaster", "demo", "--port", str(port)]
    with subprocess.Popen(  # noqa: S603 - our own program
        [*command, "--home", str(home)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=_environ(tmp_path),
    ) as first:
        try:
            # It has made this home itself, and says so last.
            assert any("Stop with Ctrl-C" in line for line in first.stdout)
            before = (home / "config.toml").read_bytes()

            done = _run(tmp_path, "broadcaster", "demo", "--once", "--home", home)

            assert (done.returncode, done.stdout) == (2, "")
            assert "runs in" in done.stderr
            assert (home / "config.toml").read_bytes() == before
        finally:
            first.terminate()
    assert _run(tmp_path, "broadcaster", "demo", "--once", "--home", home).returncode == 0
