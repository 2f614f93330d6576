"""Ledgers to measure: many entries, each appended by the code that appends them, on either database."""

from __future__ import annotations

import json
import secrets
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from broadcaster.ledger.entry import Event, State
from broadcaster.runtime import Runtime
from broadcaster.services import audit
from broadcaster.storage import ledger
from broadcaster.storage.ledger import Leaf
from tests.benchmarks.newsroom import Newsroom, newsroom
from tests.unit.ledger.conftest import CONSENT

_AT_ONCE = 5_000
_BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
#: What happened, by turns: of ten entries seven joined.
_TURNS = (*[(Event.OPT_IN, State.GIVEN)] * 7, *[(Event.OPT_OUT, State.WITHDRAWN)] * 2)
_TURNS = (*_TURNS, (Event.OPT_OUT_ALL, State.WITHDRAWN))
_LISTS = ("nrc", "sport", "weer")


@contextmanager
def ledger_of(kind: str, folder: Path, entries: int) -> Iterator[Newsroom]:
    """Make a newsroom whose ledger has so many entries, and a signed checkpoint over them.

    One on SQLite that lies in the folder already is taken as it is, and grows if it must.
    """
    home = folder / f"{kind}-0"
    with ExitStack() as stack:
        if home.exists():
            place = Newsroom(kind=kind, url=f"sqlite:///{home / 'template.sqlite3'}", home=home)
        else:
            place = stack.enter_context(newsroom(kind, folder, people=0))
        with place.open() as runtime:
            grow(runtime, entries)
            audit.sign_what_is_new(runtime)
        _settle(place)
        yield place


def grow(runtime: Runtime, entries: int) -> None:
    """Append entries until there are so many."""
    with runtime.reading() as session:
        size = ledger.frontier(session).size
    template = _Template()
    while size < entries:
        count = min(_AT_ONCE, entries - size)
        now = _BEGAN + timedelta(seconds=size)
        leaves = [template.leaf(size + offset, now) for offset in range(count)]
        with runtime.transaction() as session:
            ledger.append(session, leaves, now)
        size += count


def connect(place: Newsroom) -> Any:
    """Open the driver's own connection."""
    url = sa.make_url(place.url)
    if place.kind == "postgresql":
        return psycopg.connect(url.set(drivername="postgresql").render_as_string())
    return sqlite3.connect(str(url.database), isolation_level=None)


class _Template:
    """Entries that differ in what differs: writing a million of them must not take all day."""

    _ID, _SUBJECT, _EVIDENCE, _MOMENT = "@id", "@subject", "@evidence", "@moment"

    def __init__(self) -> None:
        self._made: dict[tuple[int, int], str] = {}

    def leaf(self, number: int, now: datetime) -> Leaf:
        turn, list_ = number % len(_TURNS), number % len(_LISTS)
        if (turn, list_) not in self._made:
            self._made[turn, list_] = self._make(turn, list_)
        subject = secrets.token_hex(16)
        text = (
            self._made[turn, list_]
            .replace(self._ID, str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)))
            .replace(self._SUBJECT, subject)
            .replace(self._EVIDENCE, secrets.token_hex(32))
            .replace(self._MOMENT, now.replace(tzinfo=None).isoformat(timespec="microseconds"))
        )
        return Leaf(data=text.encode(), subject=subject)

    def _make(self, turn: int, list_: int) -> str:
        event, state = _TURNS[turn]
        one = replace(CONSENT, event=event, state=state, list=_LISTS[list_], prev=None)
        value = json.loads(one.to_bytes())
        value |= {
            "id": self._ID,
            "subject": self._SUBJECT,
            "evidence": self._EVIDENCE,
            "occurred": f"{self._MOMENT}Z",
            "recorded": f"{self._MOMENT}Z",
        }
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _settle(place: Newsroom) -> None:
    """Let the database end what it does after so much was written."""
    connection = connect(place)
    if place.kind == "sqlite":
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("ANALYZE")
    else:
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE ledger_entries")
        connection.execute("VACUUM ANALYZE ledger_index")
        connection.execute("VACUUM ANALYZE ledger_tiles")
    connection.close()
