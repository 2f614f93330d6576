"""Homes for commands that run in this process: empty, ready, and with people in the ledger."""

from __future__ import annotations

import io
import shutil
import sys
from contextlib import contextmanager

import pytest

from broadcaster.bootstrap import make_keys
from broadcaster.cli import main
from tests.world import World, make_runtime, phone, populate

TWILIO = {
    "BROADCASTER_PUBLIC_URL": "https://news.example.org",
    "TWILIO_ACCOUNT_SID": "AC" + "0123456789abcdef" * 2,
    "TWILIO_AUTH_TOKEN": "0123456789abcdef" * 2,
}


class Done:
    """What a command left behind: its code and what it printed."""

    def __init__(self, code, printed):
        self.code, self.out, self.err = code, printed.out, printed.err
        assert "Traceback" not in self.err


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def run(home, monkeypatch, capsys):
    """Run a command in this process, in a home of its own."""
    monkeypatch.setenv("BROADCASTER_HOME", str(home))
    monkeypatch.chdir(home.parent)

    def run(*arguments, stdin=None):
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        return Done(main([str(one) for one in arguments]), capsys.readouterr())

    return run


@pytest.fixture
def ready(run, home, migrated_sqlite):
    """A home as 'init' makes it."""
    home.mkdir()
    make_keys(home, "news.example.org/ledger")
    shutil.copy(migrated_sqlite, home / "broadcaster.sqlite3")
    return run


@pytest.fixture
def newsroom(ready, home, clock, provider, monkeypatch):
    """A home with two lists and some people in the ledger."""
    path = home / "broadcaster.sqlite3"
    for name, value in TWILIO.items():
        monkeypatch.setenv(name, value)
    with contextmanager(make_runtime)(f"sqlite:///{path}", home, clock, provider) as runtime:
        populate(runtime)
        world = World(runtime, clock, provider)
        for number in range(3):
            world.text(phone(number), "NRC AAN")
        world.text(phone(1), "STOP")
    return ready
