"""Preparing rows of an import: read, checked and sealed before any transaction begins.

For a long file a process of its own does it, a batch ahead of the one that writes: sealing a row
costs as much as storing it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from json.encoder import encode_basestring
from multiprocessing.connection import Connection
from operator import attrgetter
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import NamedTuple

from broadcaster.core.address import Address, Channel
from broadcaster.core.errors import BroadcasterError, Conflict
from broadcaster.core.importing import REFERENCE, Claim, Limits, Refusal, check
from broadcaster.core.keytable import KeyTable
from broadcaster.core.sealing import Keyring
from broadcaster.ledger.entry import commit_to, document_hash
from broadcaster.ledger.fields import format_moment
from broadcaster.ledger.stencil import random_ids
from broadcaster.services import sheet
from broadcaster.services.sheet import Row, Sheet

#: Rows in one transaction: it lasts a fraction of a second, and then others have their turn.
BATCH = 4_000
#: Batches for which rows are read at once and put in the order of their people's blind indexes. In
#: the order of the file each row would rewrite a page of the index of its own.
WINDOW = 6
_LONG = 10 * BATCH
_WAITING = 2
_SHARED_BYTES = 4
_SUBJECT_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be prepared.

    Args:
        path: the file.
        sheet: what was found out about it.
        offset: where to begin, in bytes.
        line: how many lines are before that.
        reached: up to which blind index the first window is done already, if it is begun.
        channel: on which channel people are to be reached.
        limits: between which moments they may have agreed.
    """

    path: Path
    sheet: Sheet
    offset: int
    line: int
    reached: bytes | None
    channel: Channel
    limits: Limits


class Candidate(NamedTuple):
    """A row that claims what it must, not yet compared with what we know.

    Args:
        line: where it stands in the file.
        number: the person's.
        key: their blind index.
        elsewhere: their blind index on each other channel, in order.
        wording: hash of the words they agreed to.
        occurred: when, as entries write it.
        private: the evidence, as canonical JSON.
    """

    line: int
    number: str
    key: bytes
    elsewhere: tuple[bytes, ...]
    wording: str
    occurred: str
    private: str


class Sealed(NamedTuple):
    """What is stored of a candidate whom we do not know yet.

    Args:
        entry_id: a random id for the entry.
        subject: a random id for the person.
        wrapped: their key, wrapped.
        leaf: under which leaf of the key tree.
        address: their address, sealed.
        evidence: the evidence, sealed.
        commitment: what the entry says of it.
    """

    entry_id: str
    subject: str
    wrapped: bytes
    leaf: int
    address: bytes
    evidence: bytes
    commitment: str


class Batch(NamedTuple):
    """Some rows of a window, prepared.

    Args:
        start: how many bytes of the file are before the window.
        before: up to which blind index the window is done before them; None if it is not begun.
        end: how many bytes of the file are done with them.
        line: the last line that is.
        reached: up to which blind index the window is done with them; None if it is complete.
        rows: how many they are.
        candidates: those that claim what they must.
        sealed: what is stored of each of those; empty for a dry run.
        refused: line and reason of the others.
        wordings: what candidates agreed to, by hash; without those that are named by a hash.
        keys: the generation and the epoch of the key table that they were sealed under.
    """

    start: int
    before: bytes | None
    end: int
    line: int
    reached: bytes | None
    rows: int
    candidates: Sequence[Candidate]
    sealed: Sequence[Sealed]
    refused: Sequence[tuple[int, Refusal]]
    wordings: Mapping[str, str]
    keys: tuple[int, int]


class Place(NamedTuple):
    """Where a window begins: bytes and lines before it."""

    offset: int
    line: int


@dataclass(slots=True)
class _Window:
    """Rows that have been read at once."""

    task: Task
    last: Row
    candidates: list[Candidate] = field(default_factory=list)
    refused: list[tuple[int, Refusal]] = field(default_factory=list)
    wordings: dict[str, str] = field(default_factory=dict)


@cache
def others_than(channel: Channel) -> tuple[Channel, ...]:
    """Return the other channels, in order."""
    return tuple(one for one in Channel if one is not channel)


def batches(keyring: Keyring, task: Task, *, sealing: bool = True) -> Iterator[Batch]:
    """Yield the rows of a file, prepared, batch by batch."""
    with closing(task.path.open("rb")) as file:
        rows = sheet.rows(file, task.sheet, offset=task.offset, line=task.line)
        start, line, reached = task.offset, task.line, task.reached
        while window := list(islice(rows, WINDOW * BATCH)):
            read = _read(keyring, task, window)
            yield from _cut(keyring, read, Place(start, line), reached, sealing=sealing)
            start, line, reached = window[-1].end, window[-1].last, None


@contextmanager
def ahead(keyring: Keyring, task: Task) -> Iterator[Iterator[Batch]]:
    """Yield the same batches; those of a long file are made by another process meanwhile."""
    if task.sheet.rows < _LONG:
        yield batches(keyring, task)
        return
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    given = (theirs, keyring.master_key, _portable(keyring.table), task)
    process = context.Process(target=_work, args=given, daemon=True)
    process.start()
    # Only the other process holds that end now: when either is killed, the other one notices.
    theirs.close()
    try:
        yield _received(ours)
    finally:
        ours.close()
        process.join()


def _received(connection: Connection) -> Iterator[Batch]:
    while True:
        try:
            found = connection.recv()
        except EOFError:
            message = "The process that reads the file was ended. Run the import again to go on."
            raise Conflict(message) from None
        if found is None:
            return
        if isinstance(found, BroadcasterError):
            raise found
        yield found


def _portable(table: KeyTable) -> KeyTable:
    """Return a key table that can be given to another process."""
    return replace(table, leaves={leaf: dict(keys) for leaf, keys in table.leaves.items()})


def _work(connection: Connection, master_key: bytes, table: KeyTable, task: Task) -> None:
    """Prepare batches and send them; the last word is nothing, or what went wrong."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Rows come and go by the thousand, none of them in a circle: looking for garbage finds none.
    gc.disable()
    ready: Queue[Batch | BroadcasterError | None] = Queue(_WAITING)
    # A batch waits in the line until it is taken; meanwhile the next ones are prepared.
    Thread(target=_send, args=(connection, ready), daemon=True).start()
    try:
        for batch in batches(Keyring(master_key, table), task):
            ready.put(batch)
    except BroadcasterError as error:
        ready.put(error)
    ready.put(None)
    ready.join()


def _send(connection: Connection, ready: Queue[Batch | BroadcasterError | None]) -> None:
    while True:
        try:
            connection.send(ready.get())
        except OSError:
            os._exit(0)  # Nobody waits for it any more.
        ready.task_done()


def _read(keyring: Keyring, task: Task, rows: Sequence[Row]) -> _Window:
    """Check the rows of a window."""
    found = _Window(task, rows[-1])
    hashes: dict[str, str] = {}
    for row in rows:
        claim = Refusal.COLUMNS if row.cells is None else check(row.cells, task.limits)
        if isinstance(claim, Refusal):
            found.refused.append((row.line, claim))
            continue
        wording = hashes.get(claim.wording)
        if wording is None:
            wording = hashes[claim.wording] = _hash_of(claim.wording, found.wordings)
        address = Address(task.channel, claim.number)
        others = [Address(channel, claim.number) for channel in others_than(task.channel)]
        found.candidates.append(
            Candidate(
                row.line,
                claim.number,
                keyring.blind_index(address),
                tuple(map(keyring.blind_index, others)),
                wording,
                format_moment(claim.occurred),
                evidence(task.sheet.sha256, row.line, claim, address, wording),
            )
        )
    return found


def _cut(
    keyring: Keyring, window: _Window, place: Place, reached: bytes | None, *, sealing: bool
) -> Iterator[Batch]:
    """Cut a window into batches; rows of one person are never in two of them."""
    candidates, refused = sorted(window.candidates, key=attrgetter("key")), window.refused
    if reached is not None:
        # The batches that are done have its refused rows, too.
        candidates, refused = [one for one in candidates if one.key > reached], []
    start, keys = 0, (keyring.table.generation, keyring.table.epoch)
    while True:
        end = min(start + BATCH, len(candidates))
        while 0 < end < len(candidates) and candidates[end].key == candidates[end - 1].key:
            end += 1
        part, is_last = candidates[start:end], end == len(candidates)
        after = None if is_last else part[-1].key
        yield Batch(
            start=place.offset,
            before=reached,
            end=window.last.end if is_last else place.offset,
            line=window.last.last if is_last else place.line,
            reached=after,
            rows=len(part) + len(refused),
            candidates=part,
            sealed=_seal(keyring, window.task.channel, part) if sealing else [],
            refused=refused,
            wordings=window.wordings,
            keys=keys,
        )
        if is_last:
            return
        start, reached, refused = end, after, []


def _hash_of(wording: str, texts: dict[str, str]) -> str:
    """Return the hash by which entries name a wording, or which it is named by itself."""
    if wording.startswith(REFERENCE):
        return wording.removeprefix(REFERENCE)
    found = document_hash(wording)
    texts[found] = wording
    return found


def evidence(sha256: str, line: int, claim: Claim, address: Address, wording: str) -> str:
    """Write the private part of an entry, as canonical JSON."""
    quoted = encode_basestring
    form = "null" if claim.form is None else quoted(claim.form)
    ip = "null" if claim.ip is None else quoted(claim.ip)
    return (
        f'{{"address":"{address.wire}","file":"{sha256}","form":{form},"ip":{ip},"line":{line},'
        f'"medium":"{claim.medium.value}","source":{quoted(claim.source)},"wording":"{wording}"}}'
    )


def _seal(keyring: Keyring, channel: Channel, candidates: Sequence[Candidate]) -> list[Sealed]:
    """Make a key for each candidate, and seal address and evidence under it."""
    made = []
    keys = keyring.new_subjects([Address(channel, one.number) for one in candidates])
    ids = zip(random_ids(len(candidates)), _subjects(len(candidates)), strict=True)
    for one, new, (entry_id, subject) in zip(candidates, keys, ids, strict=True):
        commitment = commit_to(new.key, one.private.encode())
        evidence_sealed = new.seal_text(one.private)
        made.append(
            Sealed(
                entry_id,
                subject,
                new.wrapped,
                new.leaf,
                new.address_sealed,
                evidence_sealed,
                commitment,
            )
        )
    return made


def _subjects(count: int) -> Iterator[str]:
    """Make random ids for the people of one batch; they begin with the same random bytes.

    That they came together is in the ledger anyway, and so they stand together in its index: with
    ids that are all over it, each person would rewrite a page.
    """
    shared = os.urandom(_SHARED_BYTES).hex()
    each = 2 * (_SUBJECT_BYTES - _SHARED_BYTES)
    digits = os.urandom(count * each // 2).hex()
    for start in range(0, count * each, each):
        yield shared + digits[start : start + each]
