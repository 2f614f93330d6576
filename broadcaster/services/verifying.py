"""Verifying the ledger by the clock and by hand, and what follows when it is not what was written.

Then everything holds: consent is a fold of the ledger, so nobody knows any more who may be written
to. Only a person who verifies again, and finds nothing, lets sending go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from threading import Event

import structlog
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import HeldReason
from broadcaster.core.uptime import monotonic
from broadcaster.runtime import Runtime
from broadcaster.services import checking
from broadcaster.services.findings import Finding
from broadcaster.storage import bulletins, deliveries, incidents, verification

_log = structlog.get_logger()

#: So many findings are kept, to be shown; the others are counted.
KEPT = 20
_DAILY = timedelta(hours=24)
# Several processes that start together need not all look.
_AT_START = timedelta(minutes=10)
# While something goes out the daily look waits, but no longer than this.
_PUT_OFF = timedelta(hours=48)
# Who began and was not heard of for so long was ended.
_LOST = timedelta(minutes=5)
_SIGN_OF_LIFE = 60.0
# Seconds of rest between two pieces: whatever else this process does comes first.
_REST = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How a verification ended.

    Args:
        is_whole: whether it came to its end.
        size: how many entries there were.
        erased: of how many there is no evidence any more.
        found: how much was wrong.
    """

    is_whole: bool
    size: int
    erased: int
    found: int


def verify_when_due(runtime: Runtime, goes_on: Callable[[], bool]) -> None:
    """Verify the whole log: when a process starts, and daily; one process at a time."""
    now = runtime.clock.now()
    with runtime.reading() as session:
        if not _is_due(session, runtime, now):
            runtime.memory.verified = True
            return
    if not runtime.run(partial(_begin, now=now)):
        return
    runtime.memory.verified = True
    verify(runtime, goes_on=_Gently(runtime, goes_on))


def verify(
    runtime: Runtime,
    tell: Callable[[Finding], None] = lambda _found: None,
    *,
    by_person: bool = False,
    goes_on: Callable[[], bool] = lambda: True,
) -> Verified:
    """Verify the whole log as it lies in the database, and write down how that ended.

    Args:
        runtime: the parts.
        tell: is told each finding.
        by_person: a person asked, so that a good end lets sending go on.
        goes_on: asked now and then; False ends it before its end.
    """
    outcome, first, found = checking.Outcome(), list[Finding](), 0
    for one in checking.check(runtime, outcome, goes_on=goes_on):
        found += 1
        tell(one)
        if len(first) < KEPT:
            first.append(one)
    ended = Verified(
        is_whole=outcome.is_whole, size=outcome.size, erased=outcome.erased, found=found
    )
    runtime.run(lambda session: _write_down(session, runtime, ended, first, by_person=by_person))
    return ended


def declare_broken(session: Session, runtime: Runtime, findings: Sequence[Finding]) -> None:
    """Write down that the ledger is not what was written, and hold everything that goes out.

    Args:
        session: an open transaction that may write.
        runtime: the clock.
        findings: the first things that were found.
    """
    now = runtime.clock.now()
    row = verification.lock(session)
    row.broken = row.broken or now
    row.findings = "\n".join(f"{one.where}: {one.what}" for one in findings[:KEPT])
    row.found = max(row.found, len(findings))
    incidents.note(session, "ledger_broken", "ledger", now)
    for one in bulletins.sending(session):
        if bulletins.hold(session, one.id, HeldReason.LEDGER, now):
            deliveries.put_back(session, one.id, now)
    session.flush()
    _log.error("ledger_broken", where=[one.where for one in findings[:KEPT]])


def _is_due(session: Session, runtime: Runtime, now: datetime) -> bool:
    looked = verification.get(session).looked
    if looked is None or looked > now:
        return True
    since = now - looked
    if since < (_DAILY if runtime.memory.verified else _AT_START):
        return False
    return since >= _PUT_OFF or not bulletins.sending(session)


def _begin(session: Session, *, now: datetime) -> bool:
    """Take the work on, unless somebody else does it."""
    row = verification.lock(session)
    if row.began is not None and timedelta() <= now - row.began < _LOST:
        return False
    row.began = now
    session.flush()
    return True


def _write_down(
    session: Session,
    runtime: Runtime,
    ended: Verified,
    first: Sequence[Finding],
    *,
    by_person: bool,
) -> None:
    row = verification.lock(session)
    row.began = None
    if ended.is_whole or ended.found:
        row.looked, row.found = runtime.clock.now(), ended.found
    if ended.is_whole:
        row.size, row.erased = ended.size, ended.erased
    if ended.found:
        declare_broken(session, runtime, first)
    elif ended.is_whole:
        if by_person and row.broken is not None:
            row.broken = None
            _log.warning("ledger_whole_again", entries=ended.size)
        if row.broken is None:
            row.findings = ""
    session.flush()


class _Gently:
    """Rests between two pieces, and now and then says that this still runs."""

    def __init__(self, runtime: Runtime, goes_on: Callable[[], bool]) -> None:
        self._runtime = runtime
        self._goes_on = goes_on
        self._rest = Event()
        self._said = monotonic()

    def __call__(self) -> bool:
        self._rest.wait(_REST)
        if monotonic() - self._said > _SIGN_OF_LIFE:
            self._said = monotonic()
            self._runtime.run(self._say)
        return self._goes_on()

    def _say(self, session: Session) -> None:
        verification.lock(session).began = self._runtime.clock.now()
        session.flush()
