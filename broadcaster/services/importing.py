"""Import with proof: a file of people who agreed elsewhere, each by an entry of the ledger.

The file goes in batches, each a short transaction with the place that was reached, so that texts
are answered meanwhile, and a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from sqlalchemy.orm import Session

from broadcaster.core.address import Channel
from broadcaster.core.errors import Conflict, InvalidInput
from broadcaster.core.importing import SENTENCES, Limits, Refusal
from broadcaster.core.reasons import check_public
from broadcaster.ledger.entry import Event
from broadcaster.runtime import Runtime
from broadcaster.services import admitting, preparing, vetting
from broadcaster.services.preparing import Batch, Task
from broadcaster.services.sheet import Sheet
from broadcaster.services.vetting import Order, Verdict
from broadcaster.storage import enrolling, imports, keystate, ledger, lists
from broadcaster.storage.models import Import
from broadcaster.storage.trial import trial

_LINES = 1_000
_DAYS_OF_A_YEAR = 365.25
_REPORT_HEADER = ("line", "reason", "what")
_IMPORTED = f'"event":"{Event.IMPORT.value}"'.encode()

Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an import came to.

    Args:
        number: the import's; None for a dry run.
        sheet: the file.
        accepted: how many people joined.
        already: how many were on the list already.
        refused: how many rows brought nobody.
        reasons: those by reason.
        wordings: hashes of the words that people agreed to.
        went_on: the last line that an earlier run had done, if one was killed.
    """

    number: int | None
    sheet: Sheet
    accepted: int = 0
    already: int = 0
    refused: int = 0
    reasons: Mapping[str, int]
    wordings: Sequence[str] = ()
    went_on: int | None = None


def prepare(
    session: Session,
    *,
    keyword: str,
    channel: Channel | None,
    reason: str,
    actor: str,
    sha256: str,
) -> Order:
    """Say what is imported: to which list, on which channel, by whom and why.

    Args:
        session: an open transaction.
        keyword: the list's.
        channel: on which channel; the list's only one if left out.
        reason: why; it becomes public.
        actor: who imports, as entries name them.
        sha256: the file's hash.

    Raises:
        NotFound: there is no such list.
        InvalidInput: the channel is none of the list's, or the reason says nothing or too much.
    """
    item = lists.by_keyword(session, keyword)
    offered = [Channel(sender.channel) for sender in lists.senders(session, item.id)]
    if channel is None and len(offered) == 1:
        channel = offered[0]
    if channel not in offered:
        names = " or ".join(sorted(one.value for one in offered))
        message = f"Say on which channel these people agreed to be reached: --channel {names}."
        raise InvalidInput(message)
    return Order(
        list_id=item.id,
        slug=item.slug,
        channel=channel,
        sha256=sha256,
        actor=actor,
        reason=check_public(reason),
    )


def run(runtime: Runtime, path: Path, found: Sheet, order: Order, tell: Tell) -> Outcome:
    """Import a file, or go on with it.

    Args:
        runtime: the parts.
        path: the file.
        found: what `sheet.survey` said about it.
        order: what is imported.
        tell: is told now and then how many rows are done, those of an earlier run included.

    Raises:
        Conflict: it is finished already, or another process imports it.
        InvalidInput: it was begun with another reason.
    """
    begun, went_on = runtime.run(lambda session: _begin(session, runtime, found, order))
    number, order = begun.id, replace(order, actor=begun.actor)
    done = begun.accepted + begun.already + begun.refused
    task = replace(
        _task(runtime, path, found, order, begun.started),
        offset=begun.offset,
        line=begun.line,
        reached=begun.reached,
    )
    with preparing.ahead(runtime.keyring, task) as batches:
        for batch in batches:
            _write(runtime, number, order, batch)
            done += batch.rows
            tell(done)
    with runtime.transaction() as session:
        imports.lock(session, number).finished = runtime.clock.now()
    with runtime.reading() as session:
        return outcome(session, number, found, went_on=went_on)


@contextmanager
def rehearse(
    runtime: Runtime, path: Path, found: Sheet, order: Order, tell: Tell
) -> Iterator[tuple[Outcome, Iterator[tuple[int, str]]]]:
    """Do everything that `run` does but change nothing; yield the outcome and what was refused."""
    wordings = list[str]()
    rows = accepted = already = refused = 0
    task = _task(runtime, path, found, order, runtime.clock.now())
    with trial() as book:
        for batch in preparing.batches(runtime.keyring, task, sealing=False):
            with runtime.reading() as session:
                verdict = vetting.vet(
                    session,
                    runtime.keyring,
                    order,
                    batch,
                    wordings=wordings,
                    brought=lambda indexes, _entries: book.taken(indexes),
                    locked=False,
                )
            book.take([batch.candidates[at].key for at, _known in verdict.admitted])
            book.refuse([*batch.refused, *verdict.refused])
            rows += batch.rows
            accepted += len(verdict.admitted)
            already += verdict.already
            refused += len(batch.refused) + len(verdict.refused)
            tell(rows)
        yield (
            Outcome(
                number=None,
                sheet=found,
                accepted=accepted,
                already=already,
                refused=refused,
                reasons=book.reasons(),
                wordings=wordings,
            ),
            book.refusals(),
        )


def outcome(session: Session, number: int, found: Sheet, *, went_on: int | None = None) -> Outcome:
    """Tell what an import has come to so far."""
    one = imports.lock(session, number)
    return Outcome(
        number=number,
        sheet=found,
        accepted=one.accepted,
        already=one.already,
        refused=one.refused,
        reasons=imports.reasons(session, number),
        wordings=json.loads(one.wordings),
        went_on=went_on,
    )


def report(refusals: Iterable[tuple[int, str]]) -> Iterator[bytes]:
    """Write what was refused as CSV, in pieces: line, reason, and what it means."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(_REPORT_HEADER)
    rows = ((line, reason, SENTENCES[Refusal(reason)]) for line, reason in refusals)
    while True:
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
        piece = list(islice(rows, _LINES))
        if not piece:
            return
        writer.writerows(piece)


def _begin(
    session: Session, runtime: Runtime, found: Sheet, order: Order
) -> tuple[Import, int | None]:
    known = imports.find(session, order.sha256, order.list_id, order.channel.value)
    epoch = runtime.keyring.table.epoch
    if known is None:
        now = runtime.clock.now()
        known = Import(
            file_sha256=order.sha256,
            list_id=order.list_id,
            channel=order.channel.value,
            actor=order.actor,
            reason=order.reason,
            first=ledger.frontier(session).size,
            offset=found.start,
            line=1,
            epoch=epoch,
            started=now,
            moved=now,
        )
        session.add(known)
        session.flush()
        return known, None
    if known.finished is not None:
        message = (
            f"This file was imported on {known.started:%Y-%m-%d} (import {known.id}): "
            f"{known.accepted:,} joined, {known.already:,} were on the list, {known.refused:,} were "
            f"refused. Nothing was done; broadcaster people imports {known.id} has its report."
        )
        raise Conflict(message)
    if known.reason != order.reason:
        message = f"This import was begun with another reason; go on with --reason '{known.reason}'"
        raise InvalidInput(message)
    if known.epoch != epoch:
        _begin_window_again(session, known, epoch)
    return known, known.line


def _begin_window_again(session: Session, known: Import, epoch: int) -> None:
    """Begin again with the rows that were read at once last: their order was by other keys.

    Whoever they have brought is on the list already.
    """
    known.epoch, known.reached = epoch, None
    known.first = ledger.frontier(session).size
    known.refused -= imports.forget_refusals(session, known.id, after=known.line)
    session.flush()


def _task(runtime: Runtime, path: Path, found: Sheet, order: Order, started: datetime) -> Task:
    """Say what is to be prepared from the beginning; every run of an import reads rows alike."""
    years = runtime.settings.ledger.import_years
    oldest = started - timedelta(days=years * _DAYS_OF_A_YEAR) if years else None
    return Task(
        path=path,
        sheet=found,
        offset=found.start,
        line=1,
        reached=None,
        channel=order.channel,
        limits=Limits(oldest=oldest, newest=started),
    )


def _write(runtime: Runtime, number: int, order: Order, batch: Batch) -> None:
    """Import some rows in one transaction, together with the place that was reached."""

    def write(session: Session) -> None:
        enrolling.make_room(session)
        _refuse_other_keys(session, runtime, batch)
        one, now = imports.lock(session, number), runtime.clock.now()
        if (one.offset, one.reached) != (batch.start, batch.before) or one.finished is not None:
            message = "Another process imports this file. This one has stopped; nothing is lost."
            raise Conflict(message)
        verdict, wordings = _admit(session, runtime, order, batch, one)
        refused = [*batch.refused, *verdict.refused]
        imports.add_refusals(session, number, refused)
        one.offset, one.line, one.moved = batch.end, batch.line, now
        one.reached = batch.reached
        one.accepted += len(verdict.admitted)
        one.already += verdict.already
        one.refused += len(refused)
        one.wordings = json.dumps(wordings)

    runtime.run(write)


def _refuse_other_keys(session: Session, runtime: Runtime, batch: Batch) -> None:
    """Make sure that a batch was sealed under the keys that are in force, until the commit.

    Raises:
        Conflict: somebody is being forgotten, so keys vanish and people move in the index.
    """
    epoch = keystate.share(session, runtime.keyring)
    table = runtime.keyring.table
    if (table.generation, epoch) != batch.keys or len(table.indexes) > 1:
        message = (
            "Somebody is being forgotten at this moment, and keys are changing. Run the import"
            " again in some minutes; it goes on where it stopped."
        )
        raise Conflict(message)


def _admit(
    session: Session, runtime: Runtime, order: Order, batch: Batch, one: Import
) -> tuple[Verdict, list[str]]:
    """Vet a batch and admit who may join; again if somebody in it has texted us at this moment."""
    while True:
        wordings = json.loads(one.wordings)
        verdict = vetting.vet(
            session,
            runtime.keyring,
            order,
            batch,
            wordings=wordings,
            brought=lambda _indexes, entries: _brought(session, one.first, entries),
            locked=True,
        )
        now = runtime.clock.now()
        if admitting.admit(session, runtime, order, batch, verdict=verdict, now=now):
            return verdict, wordings


def _brought(session: Session, first: int, entries: Mapping[bytes, int]) -> set[bytes]:
    """Tell who is on the list by an entry that this import, or another one meanwhile, wrote."""
    recent = {entry: index for index, entry in entries.items() if entry >= first}
    leaves = enrolling.leaves(session, recent)
    # In canonical JSON no text can look like this; a quotation mark would be escaped.
    return {recent[entry] for entry, leaf in leaves.items() if _IMPORTED in leaf}
