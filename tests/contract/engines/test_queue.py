"""The queue of the distributed engine may be lost at any moment, and nobody waits in vain."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from broadcaster import bootstrap
from broadcaster.bootstrap import check_queue, prepare_queue
from broadcaster.core.bulletin import BulletinState
from broadcaster.core.errors import DatabaseMismatch, InvalidInput
from broadcaster.engines import queue
from broadcaster.engines.queue import ChunkQueue
from broadcaster.services import brakes, starting
from broadcaster.storage import chunks, statistics
from tests.contract.engines.newsroom import eventually

_JOBS = "SELECT count(*) FROM broadcaster_queue.procrastinate_jobs"


def run(newsroom, statement, **values):
    """Do something behind the engine's back."""
    with newsroom.runtime.transaction() as session:
        done = session.execute(text(statement), values)
        return done.scalars().all() if done.returns_rows else None


def jobs_of(newsroom):
    """The chunks that wait or are being sent, the most urgent first."""
    return run(
        newsroom, "SELECT args FROM broadcaster_queue.procrastinate_jobs ORDER BY priority DESC, id"
    )


def test_chunks_are_enqueued_in_the_transaction_that_made_the_deliveries(distributed, monkeypatch):
    monkeypatch.setattr(chunks, "SIZE", 10)
    people = distributed.subscribe(25)
    number = distributed.bulletin()

    starting.start_due(distributed.runtime)

    found = jobs_of(distributed)
    assert [one["bulletin_id"] for one in found] == [number] * 3
    assert sum(one["last"] - one["first"] + 1 for one in found) == len(people)
    assert all(set(one) == {"bulletin_id", "first", "last"} for one in found)


def test_a_transaction_that_is_rolled_back_enqueues_nothing(distributed):
    with Session(distributed.runtime.writer) as session:
        ChunkQueue().enqueue(session, "send_chunk", {"bulletin_id": 1, "first": 1, "last": 9})
        session.rollback()

    assert jobs_of(distributed) == []


def test_a_chunk_waits_at_most_once(distributed):
    for _ in range(3):
        with distributed.runtime.transaction() as session:
            for _ in range(2):
                ChunkQueue().enqueue(
                    session, "send_chunk", {"bulletin_id": 1, "first": 1, "last": 9}
                )

    assert len(jobs_of(distributed)) == 1


def test_bulletins_take_turns(distributed):
    with distributed.runtime.transaction() as session:
        for bulletin in (1, 2):
            for first in (1, 11, 21):
                ChunkQueue().enqueue(
                    session,
                    "send_chunk",
                    {"bulletin_id": bulletin, "first": first, "last": first + 9},
                )

    assert [(one["first"], one["bulletin_id"]) for one in jobs_of(distributed)] == [
        (first, bulletin) for first in (1, 11, 21) for bulletin in (1, 2)
    ]


def test_a_small_bulletin_does_not_wait_for_a_large_one(distributed, monkeypatch):
    """Four chunks fill a worker for many seconds; one of them gives way."""
    monkeypatch.setattr(chunks, "SIZE", 75)
    distributed.subscribe(300)
    few = distributed.subscribe(5, "SPORT")
    distributed.slow(1.0)
    distributed.engine()
    large = distributed.bulletin()
    eventually(lambda: len(distributed.accepted()) > 3)

    distributed.finished(distributed.bulletin("SPORT"))

    assert set(few) <= set(distributed.accepted())
    assert distributed.bulletin_state(large) == BulletinState.SENDING


def test_a_queue_that_was_emptied_fills_again(distributed, monkeypatch):
    monkeypatch.setattr(chunks, "SIZE", 20)
    people = distributed.subscribe(100)
    number = distributed.bulletin()
    starting.start_due(distributed.runtime)
    run(distributed, "DELETE FROM broadcaster_queue.procrastinate_jobs")

    distributed.engine()
    distributed.finished(number)

    assert sorted(distributed.accepted()) == people


def test_jobs_of_the_dead_are_forgotten_and_their_chunks_sent(distributed):
    """Of workers without a sign of life, and of workers whose row is gone already."""
    people = distributed.subscribe(30)
    number = distributed.bulletin()
    starting.start_due(distributed.runtime)
    run(
        distributed,
        "INSERT INTO broadcaster_queue.procrastinate_workers (last_heartbeat)"
        " VALUES (now() - interval '1 hour')",
    )
    run(
        distributed,
        "UPDATE broadcaster_queue.procrastinate_jobs SET status = 'doing',"
        " worker_id = (SELECT max(id) FROM broadcaster_queue.procrastinate_workers)",
    )
    run(
        distributed,
        "INSERT INTO broadcaster_queue.procrastinate_jobs (queue_name, task_name, status, args)"
        " SELECT queue_name, task_name, status, args FROM broadcaster_queue.procrastinate_jobs",
    )

    distributed.engine()
    distributed.finished(number)

    assert sorted(distributed.accepted()) == people
    eventually(lambda: run(distributed, _JOBS) == [0])


def test_what_a_living_worker_has_is_not_given_to_another(distributed):
    distributed.subscribe(30)
    distributed.bulletin()
    starting.start_due(distributed.runtime)
    run(
        distributed,
        "INSERT INTO broadcaster_queue.procrastinate_workers (last_heartbeat) VALUES (now())",
    )
    run(
        distributed,
        "UPDATE broadcaster_queue.procrastinate_jobs SET status = 'doing',"
        " worker_id = (SELECT max(id) FROM broadcaster_queue.procrastinate_workers)",
    )

    queue.refill(distributed.runtime, "send_chunk")

    assert run(distributed, _JOBS) == [1]


def test_a_paused_bulletin_is_not_enqueued_until_it_goes_on(distributed):
    people = distributed.subscribe(30)
    number = distributed.bulletin()
    starting.start_due(distributed.runtime)
    now = distributed.runtime.clock.now()
    with distributed.runtime.transaction() as session:
        brakes.pause(session, number, now=now)
    run(distributed, "DELETE FROM broadcaster_queue.procrastinate_jobs")

    queue.refill(distributed.runtime, "send_chunk")
    assert jobs_of(distributed) == []

    with distributed.runtime.transaction() as session:
        brakes.go_on(session, distributed.runtime, number, now=now)
    distributed.engine()
    distributed.finished(number)
    assert sorted(distributed.accepted()) == people


def test_a_worker_that_was_taken_for_dead_goes_on(distributed):
    """As after a suspended machine: its row is gone, and what it had was given to others."""
    people = distributed.subscribe(300)
    distributed.slow(1.0)
    distributed.engine()
    workers = "FROM broadcaster_queue.procrastinate_workers"
    number = distributed.bulletin()
    eventually(lambda: len(distributed.accepted()) > 3)
    before = run(distributed, f"SELECT id {workers}")
    run(distributed, f"DELETE {workers}")

    eventually(lambda: run(distributed, f"SELECT id {workers}") not in ([], before))
    assert distributed.bulletin_state(number) == BulletinState.SENDING
    distributed.slow(0)
    distributed.finished(number)

    assert sorted(distributed.accepted()) == people


def test_a_database_that_went_away_is_found_again(distributed):
    distributed.engine()
    eventually(lambda: run(distributed, "SELECT id FROM broadcaster_queue.procrastinate_workers"))
    run(
        distributed,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )

    people = distributed.subscribe(20)
    distributed.finished(distributed.bulletin())

    assert sorted(distributed.accepted()) == people


def test_postgresql_looks_at_the_deliveries_again_after_many_were_made(distributed):
    distributed.subscribe(1)
    number = distributed.bulletin()
    run(
        distributed,
        "INSERT INTO subscribers"
        " (id, subject, channel, address_index, address_sealed, key_wrapped, created)"
        " SELECT i, i, 'sms', sha256(CAST(CAST(i AS text) AS bytea)), 'x', 'x', now()"
        " FROM generate_series(1000, 7999) i",
    )
    run(
        distributed,
        "INSERT INTO deliveries"
        " (bulletin_id, subscriber_id, sender_id, state, attempt, not_before, changed)"
        " SELECT :number, i, 1, 'queued', 0, now(), now() FROM generate_series(1000, 7999) i",
        number=number,
    )

    def refresh():
        with distributed.runtime.transaction() as session:
            return statistics.refresh(session)

    eventually(refresh)
    eventually(lambda: not refresh())


def test_a_queue_of_another_version_is_refused_and_made_anew(distributed):
    run(distributed, "COMMENT ON SCHEMA broadcaster_queue IS 'procrastinate 1'")

    with pytest.raises(DatabaseMismatch, match="db upgrade"):
        check_queue(distributed.runtime)
    refused = distributed.process("worker", wait=False)
    assert b"Stop all workers" in refused.communicate()[1]
    assert refused.returncode == 3

    assert distributed.process("db", "upgrade").wait() == 0
    check_queue(distributed.runtime)


def test_a_database_without_a_queue_says_what_to_do(distributed):
    run(distributed, "DROP SCHEMA broadcaster_queue CASCADE")

    for command in (["worker"], ["serve", "--port", "1"]):
        refused = distributed.process(*command, wait=False)
        assert b"no queue yet. Run: broadcaster db upgrade" in refused.communicate()[1]
        assert refused.returncode == 3

    assert prepare_queue(distributed.runtime.settings, distributed.runtime.database)
    assert not prepare_queue(distributed.runtime.settings, distributed.runtime.database)


def test_without_the_extra_the_distributed_engine_says_how_to_get_it(distributed, monkeypatch):
    monkeypatch.setattr(bootstrap, "find_spec", lambda _name: None)

    for needs_it in (bootstrap.build_engine, bootstrap.check_queue):
        with pytest.raises(InvalidInput, match=r"broadcaster\[scale\]"):
            needs_it(distributed.runtime)
