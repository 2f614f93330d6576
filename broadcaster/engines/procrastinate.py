"""The distributed engine: Procrastinate on PostgreSQL, on as many machines as wanted.

Every worker ticks the clock's jobs and sends chunks; none is special. Procrastinate only brings a
chunk to a worker that is free. Nothing depends on it: claims and leases in our own tables keep
two workers apart, and what a dead worker had is enqueued again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from threading import Event, Thread
from time import monotonic

import structlog
from procrastinate import App, JobContext, PsycopgConnector

from broadcaster.engines import queue, queue_tables
from broadcaster.engines.apscheduler import EmbeddedEngine
from broadcaster.jobs import BY_CHUNK, CHUNK_JOBS, EVERY, JOBS, ChunkJob, GoesOn
from broadcaster.runtime import Runtime
from broadcaster.storage import statistics

_log = structlog.get_logger()

# Chunks at once in a process: one that goes slowly, at its sender's pace, must not keep others.
_SLOTS = 4
# Seconds after which a chunk gives way to one that is as urgent.
_TURN = 5.0
# How often a stop is noticed, and how soon a lost queue is looked for again.
_GLANCE, _AGAIN = 0.05, 1.0
_EVERY: Mapping[str, float] = {"refill": 0.5, "give_way": 0.4, "analyze": 1.0}


@dataclass(slots=True)
class _Run:
    """A chunk that this worker is sending."""

    priority: int
    worker_id: int | None
    began: float
    gives_way: bool = False


class DistributedEngine:
    """One worker among others.

    Args:
        runtime: the parts; ``sending.concurrency`` is shared out over the chunks sent at once.

    Raises:
        DatabaseMismatch: the database has no queue, or one of another version.
    """

    def __init__(self, runtime: Runtime) -> None:
        queue_tables.check(runtime.database)
        sending = runtime.settings.sending
        self._slots = min(_SLOTS, sending.concurrency)
        share = replace(sending, concurrency=sending.concurrency // self._slots)
        self._runtime = replace(runtime, settings=replace(runtime.settings, sending=share))
        ticks = {name: job for name, job in JOBS.items() if name not in BY_CHUNK}
        ticks |= {"refill": self._refill, "give_way": self._give_way, "analyze": _analyze}
        self._clock = EmbeddedEngine(runtime, ticks, {**EVERY, **_EVERY})
        self._thread = Thread(target=self._keep_working, name="chunks")
        self._stopping = Event()
        self._running: dict[int, _Run] = {}
        self._failed = False

    def start(self) -> None:
        """Begin ticking, and sending what is enqueued."""
        self._clock.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for what is under way; what is queued stays queued for other workers."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._clock.stop()

    def once(self) -> bool:
        """Do once what there is to do, until no chunk waits; tell whether all of it worked."""
        worked = [self._clock.once(), self._work(wait=False), self._clock.once()]
        return all(worked) and not self._failed

    def _keep_working(self) -> None:
        """Send until stopped; a database that goes away for a while is waited for."""
        while not self._stopping.is_set():
            self._work(wait=True)
            self._stopping.wait(_AGAIN)

    def _work(self, *, wait: bool) -> bool:
        try:
            asyncio.run(self._until_stopped(wait=wait))
        except Exception:  # noqa: BLE001 - the process lives, whatever became of the connection
            _log.exception("queue_lost")
            return False
        return True

    async def _until_stopped(self, *, wait: bool) -> None:
        worker = asyncio.create_task(self._serve(wait=wait))
        while not (self._stopping.is_set() or worker.done()):
            await asyncio.wait({worker}, timeout=_GLANCE)
        # Procrastinate takes this as the wish to end what is under way first.
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker

    async def _serve(self, *, wait: bool) -> None:
        threads = ThreadPoolExecutor(self._slots + 1, thread_name_prefix="chunk")
        asyncio.get_running_loop().set_default_executor(threads)
        app = self._app()
        async with app.open_async():
            await app.run_worker_async(
                queues=[queue.CHUNKS],
                concurrency=self._slots,
                wait=wait,
                fetch_job_polling_interval=1.0,
                delete_jobs="always",
                install_signal_handlers=False,
                update_heartbeat_interval=queue.HEARTBEAT,
                stalled_worker_timeout=queue.DEAD,
            )

    def _app(self) -> App:
        database = self._runtime.database
        _, parameters = database.dialect.create_connect_args(database.url)
        parameters["options"] = f"-c search_path={queue.SCHEMA}"
        app = App(connector=PsycopgConnector(kwargs=parameters, min_size=1, max_size=3))
        for name, job in CHUNK_JOBS.items():
            app.task(name=name, queue=queue.CHUNKS, pass_context=True)(
                partial(self._send, name, job)
            )
        return app

    def _send(self, name: str, job: ChunkJob, context: JobContext, **arguments: int) -> None:
        run = _Run(context.job.priority, context.job.worker_id, monotonic())
        self._running[id(run)] = run
        try:
            job(self._runtime, lambda: not self._gives_up(run), arguments)
        except Exception:  # noqa: BLE001 - logged; what is left of the chunk is enqueued again
            self._failed = True
            _log.exception("job_failed", job=name, **arguments)
        finally:
            del self._running[id(run)]
        if self._gives_up(run):
            with self._runtime.transaction() as session:
                queue.put(session, name, arguments, priority=run.priority)

    def _gives_up(self, run: _Run) -> bool:
        return run.gives_way or self._stopping.is_set()

    def _refill(self, runtime: Runtime, _goes_on: GoesOn) -> None:
        for name in CHUNK_JOBS:
            queue.refill(runtime, name)

    def _give_way(self, runtime: Runtime, _goes_on: GoesOn) -> None:
        """Let go of what others have been given, or of the least urgent chunk if one waits that is more so.

        A worker that was suspended, or cut off from the database, was taken for dead.
        """
        running = list(self._running.values())
        if not running:
            return
        with runtime.reading() as session:
            living = queue.living(session)
            waiting = queue.most_urgent(session)
        for run in running:
            run.gives_way = run.gives_way or run.worker_id not in living
        least = min(running, key=lambda run: (run.priority, run.began))
        if len(running) < self._slots or waiting is None or waiting < least.priority:
            return
        if waiting > least.priority or monotonic() - least.began > _TURN:
            least.gives_way = True


def _analyze(runtime: Runtime, _goes_on: GoesOn) -> None:
    """A chunk is found by its ids only if PostgreSQL knows how many rows there are around it."""
    with runtime.transaction() as session:
        statistics.refresh(session)
