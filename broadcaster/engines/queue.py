"""The queue of chunks in PostgreSQL: filled in the caller's transaction, emptied by Procrastinate.

It holds numbers of bulletins and deliveries and nothing else, and it may be lost at any moment:
what is to be sent stands in our own tables, and ``refill`` puts back what no worker has.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from broadcaster.runtime import Runtime
from broadcaster.storage import chunks, claims, installation, pacing, verification
from broadcaster.storage.claims import Chunk

_log = structlog.get_logger()

#: The schema of PostgreSQL that Procrastinate's tables are in.
SCHEMA = "broadcaster_queue"
#: The name of the queue among Procrastinate's.
CHUNKS = "chunks"
#: Seconds between two signs of life of a worker, and after how long without one it is dead.
HEARTBEAT, DEAD = 1.0, 5.0

# With fewer chunks than this in the queue, a bulletin gets new ones, up to twice as many.
_FEW = 8
_ONE_AT_A_TIME = 0x62726F61
_PLACES = "places in the queue"

_PUT = text("""
    INSERT INTO broadcaster_queue.procrastinate_jobs
        (queue_name, task_name, priority, queueing_lock, args)
    VALUES (:queue, :job, :priority, :lock, CAST(:arguments AS jsonb))
    ON CONFLICT DO NOTHING
""")
_CHUNKS = text("""
    SELECT CAST(args ->> 'first' AS bigint), CAST(args ->> 'last' AS bigint)
    FROM broadcaster_queue.procrastinate_jobs
    WHERE queue_name = :queue AND args @> CAST(:bulletin AS jsonb)
    ORDER BY 1
""")
_MOST_URGENT = text("""
    SELECT priority FROM broadcaster_queue.procrastinate_jobs
    WHERE status = 'todo' AND queue_name = :queue ORDER BY priority DESC LIMIT 1
""")
_LIVING = text("SELECT id FROM broadcaster_queue.procrastinate_workers")
_BURY_WORKERS = text("SELECT broadcaster_queue.procrastinate_prune_stalled_workers_v1(:seconds)")
_DROP_THEIR_JOBS = text("""
    DELETE FROM broadcaster_queue.procrastinate_jobs
    WHERE status <> 'todo' AND (status <> 'doing' OR worker_id IS NULL)
""")


class ChunkQueue:
    """Puts chunk jobs before Procrastinate's workers."""

    def enqueue(self, session: Session, job: str, arguments: Mapping[str, int]) -> None:
        """Let a worker do a job once this transaction is committed.

        Of the chunks that a transaction enqueues for a bulletin, each later one is less urgent:
        so bulletins take turns, and one with a small audience does not wait for a large one.
        """
        places: Counter[int] = session.info.setdefault(_PLACES, Counter())
        bulletin_id = arguments["bulletin_id"]
        put(session, job, arguments, priority=-places[bulletin_id])
        places[bulletin_id] += 1


def put(session: Session, job: str, arguments: Mapping[str, int], *, priority: int) -> None:
    """Enqueue a chunk job, unless the same one already waits."""
    session.execute(
        _PUT,
        {
            "queue": CHUNKS,
            "job": job,
            "priority": priority,
            "lock": f"{job}:{arguments['bulletin_id']}:{arguments['first']}",
            "arguments": json.dumps(dict(arguments)),
        },
    )


def most_urgent(session: Session) -> int | None:
    """Return the priority of the chunk that is next, or None if none waits."""
    priority: int | None = session.execute(_MOST_URGENT, {"queue": CHUNKS}).scalar_one_or_none()
    return priority


def living(session: Session) -> frozenset[int]:
    """Return the ids of the workers that nobody has taken for dead."""
    return frozenset(session.execute(_LIVING).scalars())


def refill(runtime: Runtime, job: str) -> None:
    """Enqueue what is to be sent and no worker has: whatever was lost, put off or stood still.

    Jobs of workers that gave no sign of life are forgotten first. Procrastinate itself would keep
    them for ever. One worker at a time does this, whichever comes first.
    """
    with runtime.transaction() as session:
        if not session.execute(select(func.pg_try_advisory_xact_lock(_ONE_AT_A_TIME))).scalar():
            return
        _forget_the_dead(session)
        if installation.is_restored(session) or verification.is_broken(session):
            return
        now = runtime.clock.now()
        for bulletin_id, senders in _going(session, now).items():
            _top_up(session, job, bulletin_id, senders, now)


def _going(session: Session, now: datetime) -> dict[int, set[int]]:
    """Return what has somebody waiting, and by which senders it may go at this moment."""
    going: dict[int, set[int]] = {}
    for lot in claims.lots(session, None, now):
        if not pacing.is_standing(session, lot.sender_id, now):
            going.setdefault(lot.bulletin_id, set()).add(lot.sender_id)
    return going


def _top_up(
    session: Session, job: str, bulletin_id: int, senders: Collection[int], now: datetime
) -> None:
    taken = _taken(session, bulletin_id)
    if len(taken) >= _FEW:
        return
    found = chunks.waiting(
        session,
        bulletin_id,
        senders=senders,
        now=now,
        outside=taken,
        most=2 * _FEW - len(taken),
    )
    for place, one in enumerate(found):
        put(session, job, one._asdict(), priority=-place)


def _taken(session: Session, bulletin_id: int) -> Sequence[Chunk]:
    """Return the chunks of a bulletin that wait in the queue or that a living worker has."""
    bulletin = json.dumps({"bulletin_id": bulletin_id})
    rows = session.execute(_CHUNKS, {"queue": CHUNKS, "bulletin": bulletin})
    return [Chunk(bulletin_id, first, last) for first, last in rows]


def _forget_the_dead(session: Session) -> None:
    """Delete the rows of dead workers and of the jobs that they, or nobody, will ever end."""
    buried = session.execute(_BURY_WORKERS, {"seconds": DEAD}).all()
    if buried:
        _log.warning("workers_lost", workers=len(buried))
    session.execute(_DROP_THEIR_JOBS)
