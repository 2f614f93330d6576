"""Newsrooms to measure: many subscribers with sealed addresses, on either kind of database.

People are written straight into the tables: how they joined is not what is measured. Everything
that sending reads is real: every address is sealed under a key of its own, and can be opened. The
databases themselves give out the ids, 1 and up in the order of writing.
"""

from __future__ import annotations

import secrets
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from broadcaster.bootstrap import build_runtime, make_keys
from broadcaster.core.address import Address, Channel
from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import State
from broadcaster.core.sealing import Keyring, seal_address
from broadcaster.runtime import Runtime
from broadcaster.services import bulletins, starting
from broadcaster.settings import load
from broadcaster.storage import lists, schema
from broadcaster.storage.models import (
    Base,
    Bulletin,
    Delivery,
    Subscriber,
    Subscription,
    Tally,
)
from broadcaster.storage.session import WRITES, make_engine
from broadcaster.testing import ACCOUNT_SID, AUTH_TOKEN
from tests.world import populate

POSTGRESQL = "postgresql+psycopg://postgres@127.0.0.1:5432"
KINDS = ("sqlite", "postgresql")
EVERYBODY = "NRC"
SOME = "SPORT"
TEXT = "Goedemorgen! Dit is het nieuws van vandaag."
_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Newsroom:
    """A database and the keys that open it.

    Args:
        kind: which kind of database.
        url: where it is.
        home: the directory with the keys.
    """

    kind: str
    url: str
    home: Path

    def environ(self, base: str, **more: str) -> dict[str, str]:
        """Return the settings of a process that works here, with no limit on its pace.

        Args:
            base: where the provider is.
            more: settings that are different here.
        """
        return {
            "BROADCASTER_HOME": str(self.home),
            "BROADCASTER_DATABASE__URL": self.url,
            "BROADCASTER_PUBLIC_URL": "https://news.example.org",
            "BROADCASTER_ORGANISATION__NAME": "De Testkrant",
            "BROADCASTER_ORGANISATION__CONTACT": "redactie@testkrant.example",
            "BROADCASTER_TWILIO__ACCOUNT_SID": ACCOUNT_SID,
            "BROADCASTER_TWILIO__AUTH_TOKEN": AUTH_TOKEN,
            "BROADCASTER_TWILIO__API_BASE": base,
            "BROADCASTER_SENDING__WHATSAPP_RATE": "0",
            "BROADCASTER_SENDING__SMS_RATE": "0",
            "BROADCASTER_SENDING__WHATSAPP_DAILY_LIMIT": "0",
            "BROADCASTER_LOG__LEVEL": "WARNING",
            **more,
        }

    @contextmanager
    def open(self, base: str = "http://127.0.0.1:1", **more: str) -> Iterator[Runtime]:
        """Open it as the program does: the machine's clock and the real provider's client."""
        runtime = build_runtime(load(self.environ(base, **more), self.home))
        yield runtime
        runtime.database.dispose()

    @contextmanager
    def copied(self) -> Iterator[Newsroom]:
        """Give a copy of it and throw that away afterwards, so that every run begins alike."""
        if self.kind == "sqlite":
            path = self.home / f"{uuid.uuid4().hex}.sqlite3"
            shutil.copy(self.home / "template.sqlite3", path)
            yield Newsroom(kind=self.kind, url=f"sqlite:///{path}", home=self.home)
            for file in self.home.glob(f"{path.name}*"):
                file.unlink()
            return
        template = sa.make_url(self.url).database
        with _database(f'TEMPLATE "{template}"') as url:
            yield Newsroom(kind=self.kind, url=url, home=self.home)


@contextmanager
def newsroom(kind: str, folder: Path, people: int, some: int = 0) -> Iterator[Newsroom]:
    """Make a newsroom.

    Args:
        kind: sqlite or postgresql.
        folder: where files may be put.
        people: how many are on the list of everybody.
        some: how many of them are on the small list too.
    """
    home = folder / f"{kind}-{people}"
    home.mkdir()
    make_keys(home, "news.example.org/ledger")
    with ExitStack() as stack:
        url = f"sqlite:///{home / 'template.sqlite3'}"
        if kind == "postgresql":
            url = stack.enter_context(_database())
        made = Newsroom(kind=kind, url=url, home=home)
        engine = make_engine(url).execution_options(**{WRITES: True})
        schema.upgrade(engine)
        with made.open() as runtime:
            populate(runtime)
            add_people(runtime, people, some)
        settle(engine)
        engine.dispose()
        yield made


@contextmanager
def _database(template: str = "") -> Iterator[str]:
    name = f"broadcaster_benchmark_{uuid.uuid4().hex[:12]}"
    _administer(f'CREATE DATABASE "{name}" {template}')
    try:
        yield f"{POSTGRESQL}/{name}"
    finally:
        _administer(f'DROP DATABASE "{name}" WITH (FORCE)')


def add_people(runtime: Runtime, people: int, some: int) -> None:
    """Put people on the list of everybody, every other one on WhatsApp, and some on the other."""
    now = runtime.clock.now()
    with runtime.reading() as session:
        everybody = lists.by_keyword(session, EVERYBODY).id
        fewer = lists.by_keyword(session, SOME).id
    for numbers in _chunks(people, _AT_ONCE):
        joined = [(number, everybody) for number in numbers]
        joined += [(number, fewer) for number in numbers if number <= some]
        _insert(runtime, Subscriber, [_person(runtime.keyring, one, now) for one in numbers])
        _insert(runtime, Subscription, [_subscription(*one, now) for one in joined])


def add_past(runtime: Runtime, number: int, audience: int) -> None:
    """Add bulletins that are over, one an hour, each with an audience of its own."""
    now = runtime.clock.now()
    with runtime.reading() as session:
        of = lists.by_keyword(session, SOME).id
        people = session.execute(sa.select(sa.func.count()).select_from(Subscriber)).scalar_one()
    for numbers in _chunks(number, _AT_ONCE // audience):
        _insert(runtime, Bulletin, [_past(one, of, audience, now) for one in numbers])
        _insert(
            runtime,
            Delivery,
            [
                _delivered(one, (one * audience + place) % people + 1, now)
                for one in numbers
                for place in range(audience)
            ],
        )
        _insert(
            runtime,
            Tally,
            [
                {"bulletin_id": one, "state": State.DELIVERED.value, "n": audience}
                for one in numbers
            ],
        )


def _chunks(number: int, size: int) -> Iterator[range]:
    for first in range(1, number + 1, size):
        yield range(first, min(first + size, number + 1))


def _insert(runtime: Runtime, table: type[Base], rows: list[dict[str, Any]]) -> None:
    if rows:
        with runtime.writer.begin() as connection:
            connection.execute(sa.insert(table), rows)


def _person(keyring: Keyring, number: int, now: datetime) -> dict[str, Any]:
    channel = Channel.SMS if number % 2 else Channel.WHATSAPP
    # The range kept for fiction, with more digits than any number there has.
    address = Address(channel, f"+1555010{number:08d}")
    key, wrapped = keyring.new_subject_key()
    return {
        "subject": secrets.token_hex(16),
        "channel": channel.value,
        "address_index": keyring.blind_index(address),
        "address_sealed": seal_address(key, address),
        "key_wrapped": wrapped,
        "created": now,
    }


def _subscription(number: int, list_id: int, now: datetime) -> dict[str, Any]:
    return {
        "subscriber_id": number,
        "list_id": list_id,
        "state": "in",
        "entry": number,
        "since": now,
    }


def _past(number: int, list_id: int, audience: int, now: datetime) -> dict[str, Any]:
    moment = now - timedelta(hours=number)
    return {
        "list_id": list_id,
        "text": TEXT,
        "state": BulletinState.FINISHED.value,
        "starts_at": moment,
        "zone": "Europe/Amsterdam",
        "version": 3,
        "author_id": 1,
        "audience": audience,
        **dict.fromkeys(("created", "changed", "started", "moved", "ended"), moment),
    }


def _delivered(bulletin_id: int, subscriber_id: int, now: datetime) -> dict[str, Any]:
    moment = now - timedelta(hours=bulletin_id)
    return {
        "bulletin_id": bulletin_id,
        "subscriber_id": subscriber_id,
        "sender_id": 1 + subscriber_id % 2,
        "state": State.DELIVERED.value,
        "entry": subscriber_id,
        "attempt": 1,
        "claimed": moment,
        "sid": f"SM{bulletin_id:016x}{subscriber_id:016x}",
        "changed": moment,
    }


def schedule(runtime: Runtime, keyword: str, moment: datetime | None = None) -> int:
    """Let a bulletin go out at a moment, at once if none is given; return its number."""
    now = runtime.clock.now()
    with runtime.transaction() as session:
        item = lists.by_keyword(session, keyword)
        made = bulletins.draft(session, list_id=item.id, text=TEXT, author_id=1, now=now)
        bulletins.schedule(
            session,
            made.id,
            version=made.version,
            starts_at=moment or now,
            zone=item.zone,
            now=now,
        )
        return made.id


def start(runtime: Runtime) -> int:
    """Start a bulletin to everybody, without sending any of it yet; return its number."""
    number = schedule(runtime, EVERYBODY)
    if starting.start_due(runtime) != 1:
        message = "The bulletin did not start."
        raise RuntimeError(message)
    return number


def settle(engine: sa.Engine) -> None:
    """Do what autovacuum does by itself after so many rows; SQLite does nothing of the kind."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))


def _administer(statement: str) -> None:
    engine = sa.create_engine(f"{POSTGRESQL}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()
