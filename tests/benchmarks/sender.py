"""Our whole sender, in the process that measures it."""

from __future__ import annotations

import asyncio

from broadcaster.cli.runtime import settle_in
from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import State
from broadcaster.logs import configure
from broadcaster.services import bulletins, dispatch, tending
from tests.benchmarks.newsroom import Newsroom, start
from tests.benchmarks.processes import Run, Stopwatch


def ours(place: Newsroom, base: str, pool: int) -> Run:
    """Send a bulletin to everybody: claim, decide consent, hand over, write down, count, finish."""
    with place.open(base, BROADCASTER_SENDING__CONCURRENCY=str(pool)) as runtime:
        configure(runtime.settings.log)
        number = start(runtime)
        settle_in(runtime)
        watch = Stopwatch()
        asyncio.run(dispatch.send_waiting(runtime))
        tending.tend(runtime)
        with runtime.reading() as session:
            report = bulletins.report(session, number)
        run = watch.stop(report.of(State.ACCEPTED))
    if report.bulletin.state != BulletinState.FINISHED or run.messages != report.audience:
        message = f"The bulletin is {report.bulletin.state}: {report.by_state}"
        raise RuntimeError(message)
    return run
