"""``broadcaster serve``: the web, and in the same process the sender."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import click
import structlog

from broadcaster.app import create_app
from broadcaster.bootstrap import build_engine
from broadcaster.cli.output import say
from broadcaster.cli.runtime import open_runtime
from broadcaster.cli.server import WebServer
from broadcaster.logs import configure

_log = structlog.get_logger()
_TERMINATED = 143


@click.command()
@click.option("--host", default=None, help="Address to listen on. [default: web.host]")
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="[default: web.port]")
@click.option("--no-worker", is_flag=True, help="Answer the web only; send nothing.")
def serve(*, host: str | None, port: int | None, no_worker: bool) -> None:
    """Answer the web and send what is due."""
    runtime = open_runtime(live=True)
    configure(runtime.settings.log)
    web = runtime.settings.web
    server = WebServer(
        create_app(runtime), host=host or web.host, port=port or web.port, threads=web.threads
    )
    engine = None if no_worker else build_engine(runtime)
    signal.signal(signal.SIGTERM, _terminate)
    if engine is not None:
        engine.start()
    say(f"Broadcaster listens on {server.url}. Stop it with Ctrl-C.")
    try:
        server.run()
    finally:
        if engine is not None:
            engine.stop()
        _log.info("stopped")


def _terminate(_number: int, _frame: FrameType | None) -> None:
    """Stop as Ctrl-C does: what is under way ends first, what is queued stays queued."""
    sys.exit(_TERMINATED)
