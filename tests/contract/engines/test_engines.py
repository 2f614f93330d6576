"""Two engines, one behaviour: the same cases on each, with the database it is made for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import pytest

from broadcaster import jobs
from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import State
from broadcaster.services import starting
from broadcaster.storage import chunks
from tests.contract.engines.newsroom import eventually


def test_a_due_bulletin_reaches_everybody_once(newsroom):
    people = newsroom.subscribe(30)
    newsroom.engine()

    newsroom.finished(newsroom.bulletin())

    assert sorted(newsroom.accepted()) == people


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_beside_each_other_send_nothing_twice(newsroom, monkeypatch, workers):
    monkeypatch.setattr(chunks, "SIZE", 20)
    people = newsroom.subscribe(150)
    numbers = [newsroom.bulletin(), newsroom.bulletin()]
    for _ in range(workers):
        newsroom.engine()

    newsroom.finished(*numbers)

    assert sorted(newsroom.accepted()) == sorted(people * 2)


def test_what_is_under_way_ends_before_an_engine_does(newsroom):
    people = newsroom.subscribe(60)
    newsroom.slow(0.3)
    number = newsroom.bulletin()
    engine = newsroom.engine()
    eventually(lambda: len(newsroom.accepted()) > 5)

    engine.stop()

    states = newsroom.states(number)
    assert states == {
        State.QUEUED: len(people) - states[State.ACCEPTED],
        State.ACCEPTED: len(newsroom.accepted()),
    }
    assert states[State.QUEUED] > 0

    newsroom.slow(0)
    newsroom.engine()
    newsroom.finished(number)
    assert sorted(newsroom.accepted()) == people


def test_once_does_what_there_is_and_ends(newsroom):
    people = newsroom.subscribe(20)
    number = newsroom.bulletin()
    engine = newsroom.engine(start=False)

    assert engine.once()

    assert sorted(newsroom.accepted()) == people
    assert newsroom.bulletin_state(number) == BulletinState.FINISHED
    assert engine.once()
    assert sorted(newsroom.accepted()) == people


def test_a_chunk_that_is_sent_twice_at_once_is_sent_once(newsroom):
    people = newsroom.subscribe(60)
    number = newsroom.bulletin()
    starting.start_due(newsroom.runtime)
    with newsroom.runtime.reading() as session:
        (chunk,) = chunks.waiting(session, number)

    with ThreadPoolExecutor(3) as threads:
        list(
            threads.map(
                jobs.send_chunk,
                repeat(newsroom.runtime, 3),
                repeat(lambda: True),
                repeat(chunk._asdict()),
            )
        )
    newsroom.engine()
    newsroom.finished(number)

    assert sorted(newsroom.accepted()) == people
