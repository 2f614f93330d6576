"""Turns between the processes of a test run: who measures by the clock has the machine to itself."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")


@contextmanager
def taking_part(*, alone: bool) -> Iterator[None]:
    """Wait for a turn: beside others, or alone.

    Who wants to be alone holds the door, so that nobody new comes in, and waits until all others
    have left the room.

    Args:
        alone: whether nothing else may run meanwhile.
    """
    if not _RUN:
        yield
        return
    with ExitStack() as held:
        door, room = held.enter_context(_file("door")), held.enter_context(_file("room"))
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        if not alone:
            fcntl.flock(door, fcntl.LOCK_UN)
        yield


@contextmanager
def _file(name: str) -> Iterator[int]:
    path = Path(tempfile.gettempdir()) / f"broadcaster-tests-{_RUN}-{name}"
    opened = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        yield opened
    finally:
        os.close(opened)  # which also gives up the locks
