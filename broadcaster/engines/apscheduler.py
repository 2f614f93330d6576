"""The embedded engine: APScheduler as a clock that ticks, and nothing more.

Bulletins are never APScheduler jobs: its job stores cannot be shared between processes, and lose
what was due while they were down. The database is the schedule; a tick only looks.
"""

from __future__ import annotations

from datetime import UTC
from threading import Event

import structlog
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.schedulers.background import BackgroundScheduler

from broadcaster.jobs import EVERY, JOBS
from broadcaster.runtime import Runtime

_log = structlog.get_logger()


class EmbeddedEngine:
    """Runs every job at its interval, in threads of this process."""

    def __init__(self, runtime: Runtime) -> None:
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            # Late ticks are one tick; a tick that still runs is not started again; none is
            # dropped for being late (the default drops what is over a second late).
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._stopping = Event()
        for name, job in JOBS.items():
            self._scheduler.add_job(
                job, "interval", args=[runtime, self._goes_on], id=name, seconds=EVERY[name]
            )
        self._scheduler.add_listener(_report, EVENT_JOB_ERROR)

    def start(self) -> None:
        """Begin ticking."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop ticking and wait for what is under way; what is queued stays queued."""
        self._stopping.set()
        self._scheduler.shutdown(wait=True)

    def _goes_on(self) -> bool:
        return not self._stopping.is_set()


def _report(event: JobExecutionEvent) -> None:
    """A failed tick is logged and the next one tries again; the process lives."""
    _log.error("job_failed", job=event.job_id, exc_info=event.exception)
