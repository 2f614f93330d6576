"""The embedded engine: APScheduler as a clock that ticks, and nothing more.

Bulletins are never APScheduler jobs: its job stores cannot be shared between processes, and lose
what was due while they were down. The database is the schedule; a tick only looks.

APScheduler reckons with the machine's clock, which can be set back and forth. So three small parts
are ours, and with them no jump of that clock stops the ticks or piles them up.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from threading import Event

import structlog
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.job import Job as Tick
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from broadcaster.jobs import EVERY, JOBS, Job
from broadcaster.runtime import Runtime

_log = structlog.get_logger()

# The scheduler looks at least so often, in seconds, whatever it reckons.
_GLANCE = 0.3


class Every(BaseTrigger):  # type: ignore[misc] # APScheduler has no types
    """A tick at every interval, counted from the last look: all that was missed is one tick.

    APScheduler's own interval would make a list of each moment that a clock set forward leaps over.

    Args:
        seconds: the interval.
    """

    def __init__(self, seconds: float) -> None:
        self.interval = timedelta(seconds=seconds)

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        """Return the one moment that comes next."""
        return now + self.interval


class _Ticks(MemoryJobStore):  # type: ignore[misc] # APScheduler has no types
    """Remembers when each job ticks next, and notices that the clock was set back."""

    def get_due_jobs(self, now: datetime) -> list[Tick]:
        """Return what ticks now.

        No tick is further ahead than its interval; one that is was reckoned by an earlier clock.
        """
        for job in self.get_all_jobs():
            if job.next_run_time > now + job.trigger.interval:
                job.next_run_time = now
                self.update_job(job)
        due: list[Tick] = super().get_due_jobs(now)
        return due


class _Scheduler(BackgroundScheduler):  # type: ignore[misc] # APScheduler has no types
    """Looks at what is due, and again soon: how long it waits must not depend on the clock.

    The wait itself is by the monotonic clock, but its length is the difference of two looks at the
    other one, and that may have been set back in between.
    """

    def _process_jobs(self) -> float | None:
        wait: float | None = super()._process_jobs()
        return None if wait is None else min(wait, _GLANCE)


class EmbeddedEngine:
    """Runs every job at its interval, in threads of this process.

    Args:
        runtime: the parts.
        jobs: what to run; everything if left out.
        every: seconds between two runs of each.
    """

    def __init__(
        self,
        runtime: Runtime,
        jobs: Mapping[str, Job] = JOBS,
        every: Mapping[str, float] = EVERY,
    ) -> None:
        self._runtime = runtime
        self._jobs = jobs
        self._scheduler = _Scheduler(
            timezone=UTC,
            jobstores={"default": _Ticks()},
            # Late ticks are one tick; a tick that still runs is not started again; none is
            # dropped for being late (the default drops what is over a second late).
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._stopping = Event()
        for name, job in jobs.items():
            self._scheduler.add_job(job, Every(every[name]), args=[runtime, self._goes_on], id=name)
        self._scheduler.add_listener(_report, EVENT_JOB_ERROR)

    def start(self) -> None:
        """Begin ticking."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop ticking and wait for what is under way; what is queued stays queued."""
        self._stopping.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def once(self) -> bool:
        """Do once, here and now, what there is to do; tell whether all of it worked."""
        worked = [self._try(name, job) for name, job in self._jobs.items()]
        return all(worked)

    def _try(self, name: str, job: Job) -> bool:
        try:
            job(self._runtime, self._goes_on)
        except Exception:  # noqa: BLE001 - as with a tick: logged, and the other jobs are done
            _log.exception("job_failed", job=name)
            return False
        return True

    def _goes_on(self) -> bool:
        return not self._stopping.is_set()


def _report(event: JobExecutionEvent) -> None:
    """A failed tick is logged and the next one tries again; the process lives."""
    _log.error("job_failed", job=event.job_id, exc_info=event.exception)
