"""What stands outside the product: Twilio with its own signature, and a terminal."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import structlog
from sqlalchemy import select
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from broadcaster.app import create_app
from broadcaster.logs import configure
from broadcaster.settings import Log
from broadcaster.storage.models import Base
from broadcaster.testing import ACCOUNT_SID, AUTH_TOKEN
from tests.functional.homes import home, newsroom, ready, run  # noqa: F401 - fixtures
from tests.world import SMS, WHATSAPP, World, make_runtime, phone, populate

HOST = "https://news.example.org"
FORM = "application/x-www-form-urlencoded"


@dataclass
class Twilio:
    """Signs webhooks with Twilio's own library and posts them to the real application."""

    world: World
    client: object
    sent: list[str] = field(default_factory=list)

    def fields(self, body=None, author=None, **more) -> list[tuple[str, str]]:
        """The fields of an inbound webhook, as pairs, so that a test can bend them."""
        author = phone(1) if author is None else author
        named = {
            "MessageSid": self.world.sid(),
            "AccountSid": ACCOUNT_SID,
            "From": author,
            "To": WHATSAPP if author.startswith("whatsapp:") else SMS,
            "Body": body,
            "NumMedia": "0",
        } | more
        self.sent.extend([author, body or ""])
        return [(name, value) for name, value in named.items() if value is not None]

    def sign(self, pairs, path="/webhooks/twilio/inbound", *, token=AUTH_TOKEN, host=HOST) -> str:
        """Compute the header as Twilio does."""
        return RequestValidator(token).compute_signature(host + path, MultiDict(pairs))

    def post(self, pairs, path="/webhooks/twilio/inbound", *, signature=None, data=None, **more):
        """Post fields with a right signature, unless a test gives another."""
        signature = self.sign(pairs, path) if signature is None else signature
        headers = {"X-Twilio-Signature": signature} if signature else {}
        return self.client.post(
            path,
            data=urllib.parse.urlencode(pairs) if data is None else data,
            headers=headers | more.pop("headers", {}),
            base_url=more.pop("base_url", HOST),
            content_type=more.pop("content_type", FORM),
            **more,
        )

    def text(self, body=None, author=None, **more):
        """Let somebody text us."""
        return self.post(self.fields(body, author, **more))

    def status(self, token, sid, status, **more):
        """Report what became of a message."""
        pairs = [("MessageSid", sid), ("AccountSid", ACCOUNT_SID), ("MessageStatus", status)]
        path = f"/webhooks/twilio/status/{token}" if token else "/webhooks/twilio/status"
        return self.post([*pairs, *more.items()], path)

    def rows(self) -> dict[str, list[str]]:
        """Every row of every table."""
        with self.world.runtime.reading() as session:
            return {
                table.name: sorted(map(repr, session.execute(select(table)).all()))
                for table in Base.metadata.sorted_tables
            }


def answers(response) -> list[str]:
    """The texts that a TwiML answer sends."""
    assert response.mimetype == "text/xml"
    root = ET.fromstring(response.text)  # noqa: S314 - our own answer
    assert root.tag == "Response"
    assert all(child.tag == "Message" for child in root)
    return [child.text for child in root]


@pytest.fixture
def read_answers():
    """Read TwiML."""
    return answers


@pytest.fixture
def twilio(world) -> Twilio:
    """Twilio, at the door of the application on each kind of database."""
    return Twilio(world, create_app(world.runtime).test_client())


@pytest.fixture
def sqlite_twilio(sqlite_world) -> Twilio:
    """Twilio, where the kind of database cannot matter."""
    return Twilio(sqlite_world, create_app(sqlite_world.runtime).test_client())


@pytest.fixture
def make_twilio(sqlite_url, tmp_path, clock) -> Iterator[Callable[..., Twilio]]:
    """Make Twilio at the door of an application with settings of its own, on SQLite."""
    with ExitStack() as stack:

        def make(provider=None, **environ):
            opened = contextmanager(make_runtime)(
                sqlite_url, tmp_path / "home", clock, provider, **environ
            )
            runtime = stack.enter_context(opened)
            populate(runtime)
            return Twilio(World(runtime, clock, provider), create_app(runtime).test_client())

        yield make


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged at the most talkative level, in both forms."""
    root = logging.getLogger()
    before, level = root.handlers, root.level
    written = io.StringIO()
    handlers = []
    for form in ("json", "console"):
        configure(Log(level="DEBUG", format=form))
        handlers += root.handlers
    for handler in handlers:
        handler.setStream(written)
    root.handlers = handlers
    yield written
    root.handlers = before
    root.setLevel(level)
    structlog.reset_defaults()


@dataclass
class Terminal:
    """Runs ``broadcaster`` as a program of its own, in a home and an environment of its own."""

    home: Path
    environ: dict[str, str]

    def __call__(self, *arguments, stdin=None, timeout=60, **environ):
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "broadcaster", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
            cwd=self.home.parent,
            env=self.environ | environ,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done


@pytest.fixture
def terminal(tmp_path) -> Terminal:
    """A terminal with an empty home."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "PYTHONPATH", "LANG", "SYSTEMROOT"}
    }
    own = {"HOME": str(tmp_path), "BROADCASTER_HOME": str(tmp_path / "home")}
    return Terminal(tmp_path / "home", kept | own)
