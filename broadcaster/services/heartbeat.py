"""The heartbeat: a number in the database that only grows, and is kept beside it, too.

A database whose number is lower than one that was seen before is an older one. That also tells
when the provider cannot be asked.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from broadcaster.core.uptime import monotonic
from broadcaster.runtime import Runtime
from broadcaster.services import restoring
from broadcaster.storage import installation

_log = structlog.get_logger()

_FILE = "beat"
_KEPT_EVERY = 3.0
# A home that cannot be written to is complained about now and then.
_COMPLAINED_EVERY = 600.0
_LONGEST = 20


def beat(runtime: Runtime, *, clock: Callable[[], float] = monotonic) -> bool:
    """Count one on, and tell whether the database is one that has to be compared first.

    Args:
        runtime: the parts.
        clock: the monotonic clock.
    """
    memory, path = runtime.memory, runtime.settings.home / _FILE
    seen = max(memory.beat, _read(path))
    memory.beat, is_restored = runtime.run(partial(_beat, runtime=runtime, seen=seen))
    if clock() - memory.beat_kept >= _KEPT_EVERY:
        memory.beat_kept = clock()
        try:
            _keep(path, memory.beat)
        except OSError as error:
            memory.beat_kept += _COMPLAINED_EVERY
            _log.warning("heartbeat_not_kept", reason=error.strerror)
    return is_restored


def _beat(session: Session, *, runtime: Runtime, seen: int) -> tuple[int, bool]:
    row = installation.lock(session)
    if row.beat < seen and row.restored is None:
        restoring.declare(session, runtime, "heartbeat")
    # Also with what another process has seen: it must not find the same thing again.
    row.beat = max(row.beat, seen) + 1
    session.flush()
    return row.beat, row.restored is not None


def is_current(session: Session, runtime: Runtime, *, seen: int) -> bool:
    """Tell whether the database may be sent from: not restored, and not behind what was seen of it.

    PostgreSQL may fall back under a process that lives, to a standby that lagged or to a copy. Then
    that is written down in this transaction, which may do nothing else.

    Args:
        session: a transaction that may write, and has taken no lock yet.
        runtime: the clock.
        seen: what ``runtime.memory.beat`` was before the transaction began: no later one can find
            less, whoever counts on meanwhile.
    """
    beat, restored = installation.standing(session)
    if beat < seen and restored is None:
        restoring.declare(session, runtime, "heartbeat")
        return False
    return restored is None


def _read(path: Path) -> int:
    """Return the number that was kept; 0 if there is none that can be read."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return 0
    return int(text) if text.isdecimal() and len(text) < _LONGEST else 0


def _keep(path: Path, number: int) -> None:
    """Replace the file as a whole: it is never half a number."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as out:
            out.write(f"{number}\n")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
