"""``broadcaster serve``: the web, and with the embedded engine the sender in the same process."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import click
import structlog

from broadcaster.app import create_app
from broadcaster.bootstrap import DISTRIBUTED, build_engine, check_queue
from broadcaster.cli.output import say
from broadcaster.cli.runtime import open_runtime, settle_in
from broadcaster.cli.server import WebServer
from broadcaster.logs import configure

_log = structlog.get_logger()
# A process that a signal ends has this much more than the signal's number as its code.
_SIGNALLED = 128


@click.command()
@click.option("--host", default=None, help="Address to listen on. [default: web.host]")
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="[default: web.port]")
@click.option(
    "--worker/--no-worker",
    default=None,
    help="Send as well, or answer the web only. [default: send, unless engine is distributed]",
)
@click.pass_context
def serve(
    context: click.Context, *, host: str | None, port: int | None, worker: bool | None
) -> None:
    """Answer the web and send what is due."""
    runtime = open_runtime(live=True)
    check_queue(runtime)
    configure(runtime.settings.log)
    sends = worker if worker is not None else runtime.settings.engine != DISTRIBUTED
    web = runtime.settings.web
    server = WebServer(
        create_app(runtime), host=host or web.host, port=port or web.port, threads=web.threads
    )
    engine = build_engine(runtime) if sends else None
    stop = _Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if engine is not None:
        settle_in(runtime)
        engine.start()
    say(f"Broadcaster listens on {server.url}. Stop it with Ctrl-C.")
    if not sends:
        say("It sends nothing itself: that is done by 'broadcaster worker', wherever it runs.")
    sys.stdout.flush()
    try:
        server.run()
    finally:
        if engine is not None:
            engine.stop()
        _log.info("stopped")
    context.exit(stop.code)


class _Stop:
    """Ends the server at a signal: what is under way ends first, what is queued stays queued.

    The server takes the exit for its own end and returns, so the code is kept for the process.
    """

    def __init__(self) -> None:
        self.code = 0

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self.code = _SIGNALLED + number
        sys.exit(self.code)
