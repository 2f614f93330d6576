"""Taking the ledger away: small exports at once, large ones into a file, and all of them written down.

A file is made by whichever worker comes first. It renews its lease as it goes; of one that was lost
on the way another makes the file again, from the beginning: what is covered never changes.
"""

from __future__ import annotations

import os
import secrets
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from broadcaster.core.errors import BroadcasterError, NotFound
from broadcaster.core.uptime import monotonic
from broadcaster.ledger.errors import LedgerError
from broadcaster.ledger.manifest import Part
from broadcaster.runtime import Runtime
from broadcaster.services import audit, parts
from broadcaster.services.audit import EVERYTHING, Chunks, Covered, Format
from broadcaster.storage import exports, filing, ledger
from broadcaster.storage.exports import ExportState
from broadcaster.storage.filing import Choice
from broadcaster.storage.models import Export

_log = structlog.get_logger()

#: An export of more entries is made in the background.
AT_ONCE = 20_000
#: For so long a file can be fetched.
KEPT = timedelta(days=1)
_LEASE = timedelta(seconds=60)
# Seconds between two words about how far a file is.
_SAID_EVERY = 1.0
_DIRECTORY = "exports"
_PART = ".part"
_ENDINGS = {Format.BUNDLE: "zip", Format.JSONL: "jsonl", Format.CSV: "csv", Format.XLSX: "xlsx"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What became of a wish for an export.

    Args:
        number: of the export.
        name: how the file is called where it arrives.
        chunks: the file itself, if it is small; it has to be read to its end.
    """

    number: int
    name: str
    chunks: Chunks | None


class _StoppedError(Exception):
    """This process ends; another one makes the file."""


def ask(
    runtime: Runtime,
    form: Format,
    choice: Choice = EVERYTHING,
    *,
    user_id: int | None,
    at_once: int | None = AT_ONCE,
) -> Asked:
    """Ask for an export: a small one is given now, a large one is left to the background.

    Args:
        runtime: the parts.
        form: which form.
        choice: which entries; a bundle always holds all.
        user_id: who asks; None is the operator, at the command line.
        at_once: the most entries that are given now; None is any number.
    """
    if form is Format.BUNDLE:
        choice = EVERYTHING

    def begin(session: Session) -> tuple[int, Covered, bool]:
        size, signed = audit.checkpoint(session, runtime)
        is_small = at_once is None or _is_small(session, choice, size, at_once)
        export = Export(
            created=runtime.clock.now(),
            user_id=user_id,
            form=form.value,
            chosen=choice.in_words(),
            size=size,
            state=(ExportState.SENT if is_small else ExportState.WAITING).value,
        )
        return exports.add(session, export), Covered(size, signed), is_small

    number, covered, is_small = runtime.run(begin)
    name = file_name(form, is_part=not choice.is_all)
    if not is_small:
        return Asked(number=number, name=name, chunks=None)
    return Asked(number=number, name=name, chunks=_sent(runtime, number, form, covered, choice))


def give_part(runtime: Runtime, part: Part, *, user_id: int | None) -> Chunks:
    """Give one person's or one list's entries with their proofs, and write down that they went.

    Args:
        runtime: the parts.
        part: whose, or which list's.
        user_id: who asks; None is the operator, at the command line.

    Raises:
        NotFound: the ledger has no entry about this subject or list.
        LedgerBroken: the log is no extension of what was signed before, or a document is missing.
    """
    chunks = parts.export(runtime, part)

    def begin(session: Session) -> int:
        latest = ledger.latest_checkpoint(session)
        export = Export(
            created=runtime.clock.now(),
            user_id=user_id,
            form=Format.BUNDLE.value,
            chosen=f"{part.kind} {part.name}",
            size=latest.size if latest else 0,
            state=ExportState.SENT.value,
        )
        return exports.add(session, export)

    return _noted(runtime, runtime.run(begin), chunks)


def _noted(runtime: Runtime, number: int, chunks: Chunks) -> Iterator[bytes]:
    """Give a part away, and write down at its end that all of it went."""
    length = 0
    for chunk in chunks:
        length += len(chunk)
        yield chunk
    now = runtime.clock.now()
    runtime.run(partial(_note_sent, number=number, entries=None, length=length, now=now))


def file_name(form: Format, *, is_part: bool) -> str:
    """Name a file by its form, and by whether it holds only some of the entries."""
    return f"ledger{'-part' if is_part else ''}.{_ENDINGS[form]}"


def open_file(session: Session, runtime: Runtime, number: int) -> tuple[Export, Path]:
    """Return an export whose file can be fetched, and where it is.

    Raises:
        NotFound: there is no such export, its file is gone, or it lies on another machine.
    """
    export = exports.get(session, number)
    path = _directory(runtime) / (export.file or "")
    if export.state != ExportState.READY or not path.is_file():
        message = "The file of this export is not here."
        raise NotFound(message)
    return export, path


def make_next(runtime: Runtime, goes_on: Callable[[], bool]) -> bool:
    """Make the file of one export that waits; tell whether there was one."""
    with runtime.reading() as session:
        if exports.next_to_make(session, runtime.clock.now()) is None:
            return False
    worker = str(uuid.uuid4())
    number = runtime.run(partial(_claim, worker=worker, now=runtime.clock.now()))
    if number is None:
        return False
    try:
        _make(runtime, number, worker, goes_on)
    except _StoppedError:
        runtime.run(partial(_end, number=number, worker=worker, state=ExportState.WAITING))
    except (OSError, LedgerError, BroadcasterError):
        _log.exception("export_failed", export=number)
        ended = partial(
            _end, number=number, worker=worker, state=ExportState.FAILED, now=runtime.clock.now()
        )
        runtime.run(ended)
    return True


def sweep(runtime: Runtime) -> None:
    """Remove the files that were made a day ago, and what was left half made."""
    now = runtime.clock.now()
    with runtime.reading() as session:
        old = exports.made_before(session, now - KEPT)
    for export in old:
        (_directory(runtime) / (export.file or "-")).unlink(missing_ok=True)
        runtime.run(partial(_forget_file, number=export.id))
    for path in _directory(runtime).glob(f"*{_PART}"):
        if now.timestamp() - path.stat().st_mtime > KEPT.total_seconds():
            path.unlink(missing_ok=True)


def _is_small(session: Session, choice: Choice, size: int, at_once: int) -> bool:
    if size <= at_once:
        return True
    if choice.is_all:
        return False
    return len(filing.newest(session, choice, before=None, limit=at_once + 1)) <= at_once


def _sent(
    runtime: Runtime, number: int, form: Format, covered: Covered, choice: Choice
) -> Iterator[bytes]:
    """Give an export away, and write down at its end that all of it went."""
    seen = {"taken": 0}
    length = 0

    def note(_read: int, taken: int) -> None:
        seen["taken"] = taken

    for chunk in audit.write(runtime, form, covered, choice, note):
        length += len(chunk)
        yield chunk
    runtime.run(
        partial(
            _note_sent,
            number=number,
            entries=seen["taken"],
            length=length,
            now=runtime.clock.now(),
        )
    )


def _note_sent(
    session: Session, *, number: int, entries: int | None, length: int, now: datetime
) -> None:
    row = exports.lock(session, number)
    row.entries, row.length, row.ended, row.done = entries, length, now, row.size
    session.flush()


def _claim(session: Session, *, worker: str, now: datetime) -> int | None:
    row = exports.next_to_make(session, now)
    if row is None:
        return None
    row.state, row.worker, row.lease, row.done = (
        ExportState.MAKING.value,
        worker,
        now + _LEASE,
        0,
    )
    session.flush()
    return row.id


def _make(runtime: Runtime, number: int, worker: str, goes_on: Callable[[], bool]) -> None:
    with runtime.reading() as session:
        row = exports.get(session, number)
        kept = ledger.checkpoint_of(session, row.size)
    form, choice = Format(row.form), read_choice(row.chosen)
    directory = _directory(runtime)
    directory.mkdir(mode=0o700, exist_ok=True)
    name = f"{number}-{secrets.token_hex(8)}.{_ENDINGS[form]}"
    draft = directory / (name + _PART)
    progress = _Progress(runtime, number, worker, goes_on)
    try:
        with draft.open("xb") as out:
            out.writelines(
                audit.write(runtime, form, Covered(row.size, kept), choice, progress.seen)
            )
            out.flush()
            os.fsync(out.fileno())
            length = out.tell()
        draft.replace(directory / name)
    finally:
        draft.unlink(missing_ok=True)
    runtime.run(
        partial(
            _end,
            number=number,
            worker=worker,
            state=ExportState.READY,
            now=runtime.clock.now(),
            entries=progress.taken,
            length=length,
            file=name,
        )
    )


def _end(
    session: Session,
    *,
    number: int,
    worker: str,
    state: ExportState,
    now: datetime | None = None,
    entries: int | None = None,
    length: int | None = None,
    file: str | None = None,
) -> None:
    row = exports.lock(session, number)
    if row.worker != worker:
        return  # Another one took it over.
    row.state, row.worker, row.lease = state.value, None, None
    row.entries, row.length, row.file, row.ended = entries, length, file, now
    row.done = row.size if state is ExportState.READY else 0
    session.flush()


def _forget_file(session: Session, *, number: int) -> None:
    row = exports.lock(session, number)
    row.state, row.file = ExportState.GONE.value, None
    session.flush()


class _Progress:
    """Says how far a file is, renews the lease, and ends the work when that is wanted."""

    def __init__(
        self, runtime: Runtime, number: int, worker: str, goes_on: Callable[[], bool]
    ) -> None:
        self.taken = 0
        self._runtime = runtime
        self._number = number
        self._worker = worker
        self._goes_on = goes_on
        self._said = monotonic()

    def seen(self, read: int, taken: int) -> None:
        self.taken = taken
        if not self._goes_on():
            raise _StoppedError
        if monotonic() - self._said >= _SAID_EVERY:
            self._said = monotonic()
            if not self._runtime.run(partial(self._say, read=read)):
                raise _StoppedError

    def _say(self, session: Session, *, read: int) -> bool:
        row = exports.lock(session, self._number)
        if row.worker != self._worker:
            return False
        row.done, row.lease = read, self._runtime.clock.now() + _LEASE
        session.flush()
        return True


def read_choice(text: str) -> Choice:
    """Read what `Choice.in_words` wrote."""
    parts = dict(part.split(" ", 1) for part in text.split("\n") if part)
    since, until = parts.pop("since", None), parts.pop("until", None)
    return Choice(
        since=datetime.fromisoformat(since) if since else None,
        until=datetime.fromisoformat(until) if until else None,
        **parts,
    )


def _directory(runtime: Runtime) -> Path:
    return runtime.settings.home / _DIRECTORY
