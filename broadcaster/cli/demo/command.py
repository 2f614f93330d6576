"""The command itself: run the demo until Ctrl-C, or play its story once."""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from broadcaster.cli.demo import story
from broadcaster.cli.demo.stage import AUDITOR, EDITOR, Stage, set_up
from broadcaster.cli.output import say
from broadcaster.core.errors import Conflict
from broadcaster.sandbox.config import Timing

_PORT = 8000


@click.command()
@click.option("--once", is_flag=True, help="Play the whole story by itself and exit 0 or 1.")
@click.option(
    "--port",
    type=click.IntRange(1, 65534),
    default=None,
    help=f"The product's port; the phones get the next one. [default: {_PORT}]",
)
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    envvar="BROADCASTER_HOME",
    help="Keep the data here. [default: BROADCASTER_HOME, or a directory that goes at the end]",
)
@click.pass_context
def demo(context: click.Context, *, once: bool, port: int | None, home: Path | None) -> None:
    """Run everything on simulated phones: nothing leaves this machine, nothing costs money."""
    with ExitStack() as stack:
        kept = home is not None
        if home is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="broadcaster-")))
        is_new = not home.is_dir()
        if not is_new:
            stack.enter_context(_alone(home))
        if once:
            stage = set_up(
                stack,
                home.absolute(),
                port=port or 0,
                phones_port=0,
                timing=Timing(sent=0.05, delivered=0.1),
                concurrency=story.CONCURRENCY,
            )
            passed = story.play(stage)
            stack.close()
            context.exit(0 if passed else 1)
        own = port or _PORT
        stage = set_up(stack, home.absolute(), port=own, phones_port=own + 1)
        if is_new:
            stack.enter_context(_alone(home))
        _welcome(stage, kept=kept)
        # Waiting without an end in a way that Ctrl-C interrupts.
        threading.Event().wait()


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Let one demo at a time use a home: each sets its addresses and passwords anew.

    Raises:
        Conflict: another one runs there.
    """
    # The directory itself is locked: where one is to be refused, no file may be left behind.
    door = os.open(home, os.O_RDONLY)
    try:
        _lock(door, home)
        yield
    finally:
        os.close(door)


def _lock(door: int, home: Path) -> None:
    try:
        fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        message = f"A demo runs in {home} already. Stop it first, or give another --home."
        raise Conflict(message) from error


def _welcome(stage: Stage, *, kept: bool) -> None:
    say("")
    say("Broadcaster runs, on simulated phones. Nothing leaves this machine.")
    say("")
    say(f"  1. The phones     {stage.phones_url}   text NRC AAN from one of them")
    say(f"  2. The newsroom   {stage.url}   sign in and send a bulletin:")
    say(f"                    {EDITOR} / {stage.passwords[EDITOR]}")
    say("  3. Text STOP from a phone, and send another.")
    say(f"  4. The ledger     {stage.url}/ledger   download and verify it:")
    say(f"                    {AUDITOR} / {stage.passwords[AUDITOR]}")
    say("")
    if kept:
        say(f"  Data: {stage.home}. Other commands use it with BROADCASTER_HOME={stage.home}")
        say("  Stop with Ctrl-C.")
    else:
        say("  Stop with Ctrl-C; the data goes with it. To keep it: --home DIRECTORY")
