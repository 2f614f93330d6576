"""Putting a newsroom's database back under a new process, and comparing it afterwards."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

from broadcaster.runtime import Memory
from broadcaster.services import brakes, comparing, restoring
from broadcaster.storage import hearing
from broadcaster.storage.models import Bulletin
from tests.backup import kept

SETTLE = 601


@contextmanager
def backup(world):
    """Keep a copy of the database; give a function that puts it back, under a new process."""
    world.runtime.database.dispose()
    with kept(world.runtime.settings.database.url) as put_back:
        yield lambda: _put_back(world, put_back)


def _put_back(world, put_back) -> None:
    world.runtime.database.dispose()
    put_back()
    world.runtime = replace(world.runtime, memory=Memory())


def recognise(world) -> bool:
    with world.runtime.reading() as session:
        numbers = [one.id for one in hearing.senders(session)]
    return restoring.recognise(world.runtime, numbers)


def compare(world):
    world.clock.advance(seconds=SETTLE)
    return comparing.compare(world.runtime)


def bulletin(world, number) -> Bulletin:
    with world.runtime.reading() as session:
        return session.get_one(Bulletin, number)


def go_on(world, number) -> None:
    now = world.clock.now()
    with world.runtime.transaction() as session:
        brakes.go_on(session, world.runtime, number, now=now)
