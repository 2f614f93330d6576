"""The runtime that commands work with: settings, keys, and a database of our own version."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from broadcaster.bootstrap import build_runtime
from broadcaster.logs import configure
from broadcaster.runtime import Runtime
from broadcaster.settings import load
from broadcaster.storage import keystate, schema

#: Seconds that a thread may go on while another one waits for its turn.
_TURN = 0.001
# So many new objects until the next look.
_SELDOM = 200_000
_TROUBLE = "WARNING"


def open_runtime(*, live: bool = False, concurrency: int | None = None) -> Runtime:
    """Load the settings and open the database, but only if it is of our version.

    Args:
        live: also make sure that everything is set that talking with Twilio needs.
        concurrency: used instead of the setting ``sending.concurrency``.

    Raises:
        SettingsError: the settings have faults.
        DatabaseMismatch: the database is missing, damaged, or of another version.
        KeysMismatch: the key store is missing, damaged, or another's than the database's.
    """
    settings = load(live=live)
    if concurrency is not None:
        settings = replace(settings, sending=replace(settings.sending, concurrency=concurrency))
    # A command says itself what it has done, on standard output; only trouble is worth an event.
    # What runs for long asks for all of them.
    configure(replace(settings.log, level=_TROUBLE))
    runtime = build_runtime(settings)
    schema.check(runtime.database)
    with runtime.reading() as session:
        keystate.check(session, runtime.keyring)
    return runtime


def settle_in(runtime: Runtime) -> None:
    """Load what sending needs, and leave it alone when memory is tidied from now on.

    Python looks at all that is in memory now and then, and everything else stands still: for a
    tenth of a second with what is loaded here, and each message due meanwhile loses its slot.

    And the database's thread gets its turn sooner than in Python's 5 ms: it asks for one after
    each statement, and with some twenty of them a round the requests would wait for a tenth of a
    second, a stop for two.
    """
    asyncio.run(_connect(runtime))
    # Read here and now, and not when the first text comes in.
    runtime.read_vocabulary()
    sys.setswitchinterval(_TURN)
    gc.collect()
    gc.freeze()


@contextmanager
def seldom_tidied() -> Iterator[None]:
    """Look for garbage rarely in here: where rows come and go by the thousand, none is left behind."""
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_SELDOM, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


async def _connect(runtime: Runtime) -> None:
    """Open the way to the provider once: its library loads most of itself at the first use."""
    async with runtime.provider.connect():
        pass
