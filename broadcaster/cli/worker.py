"""``broadcaster worker``: the sender without the web."""

from __future__ import annotations

import signal
import sys
from threading import Event
from types import FrameType

import click
import structlog

from broadcaster.bootstrap import DISTRIBUTED, build_engine
from broadcaster.cli.output import say
from broadcaster.cli.runtime import open_runtime, settle_in
from broadcaster.logs import configure
from broadcaster.ports import Engine

_log = structlog.get_logger()
# A process that a signal ends has this much more than the signal's number as its code.
_SIGNALLED = 128
_FAILED = 1


@click.command()
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=None,
    help="Requests under way at once. [default: sending.concurrency]",
)
@click.option("--once", is_flag=True, help="Do what there is to do now, then end.")
@click.pass_context
def worker(context: click.Context, *, concurrency: int | None, once: bool) -> None:
    """Send what is due, without the web.

    With the engine distributed, run as many as wanted, on as many machines as wanted.
    """
    runtime = open_runtime(live=True, concurrency=concurrency)
    configure(runtime.settings.log)
    engine = build_engine(runtime)
    stop = _Stop(engine, once=once)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if once:
        worked = engine.once()
        context.exit(stop.code or (0 if worked else _FAILED))
    beside = ", others may run beside it" if runtime.settings.engine == DISTRIBUTED else ""
    settle_in(runtime)
    engine.start()
    say(f"A worker runs{beside}. Stop it with Ctrl-C.")
    sys.stdout.flush()
    try:
        # Waiting without an end in a way that a signal interrupts.
        Event().wait()
    finally:
        engine.stop()
        _log.info("stopped")


class _Stop:
    """Ends the worker at a signal: what is under way ends first, what is queued stays queued."""

    def __init__(self, engine: Engine, *, once: bool) -> None:
        self.code = 0
        self._engine = engine
        self._once = once

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self.code = _SIGNALLED + number
        if self._once:
            # The work is below this very call; it is told, and comes to its end.
            self._engine.stop()
        else:
            sys.exit(self.code)
