"""Preparing rows of an import: read, checked and sealed before any transaction begins.

For a long file a process of its own does it, a batch ahead of the one that writes: sealing a row
costs as much as storing it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from json.encoder import encode_basestring
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from broadcaster.core.address import Address, Channel
from broadcaster.core.errors import BroadcasterError, Conflict
from broadcaster.core.importing import REFERENCE, Claim, Limits, Refusal, check
from broadcaster.core.sealing import Keyring
from broadcaster.ledger.entry import commit_to, document_hash
from broadcaster.ledger.fields import format_moment
from broadcaster.ledger.stencil import random_ids
from broadcaster.services import sheet
from broadcaster.services.sheet import Row, Sheet

#: Rows in one transaction: it lasts a fraction of a second, and then others have their turn.
BATCH = 4_000
_LONG = 10 * BATCH
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
        channel: on which channel people are to be reached.
        limits: between which moments they may have agreed.
    """

    path: Path
    sheet: Sheet
    offset: int
    line: int
    channel: Channel
    limits: Limits


class Candidate(NamedTuple):
    """A row that claims what it must, not yet compared with what we know.

    Args:
        line: where it stands in the file.
        number: the person's.
        key: their blind index.
        wording: hash of the words they agreed to.
        occurred: when, as entries write it.
        private: the evidence, as canonical JSON.
    """

    line: int
    number: str
    key: bytes
    wording: str
    occurred: str
    private: str


class Sealed(NamedTuple):
    """What is stored of a candidate whom we do not know yet.

    Args:
        entry_id: a random id for the entry.
        subject: a random id for the person.
        wrapped: their key, wrapped.
        address: their address, sealed.
        evidence: the evidence, sealed.
        commitment: what the entry says of it.
    """

    entry_id: str
    subject: str
    wrapped: bytes
    address: bytes
    evidence: bytes
    commitment: str


class Batch(NamedTuple):
    """Some rows, prepared.

    Args:
        start: how many bytes of the file are before them.
        end: how many bytes end with them.
        line: the last of their lines.
        rows: how many they are.
        candidates: those that claim what they must.
        sealed: what is stored of each of those; empty for a dry run.
        refused: line and reason of the others.
        wordings: what candidates agreed to, by hash; without those that are named by a hash.
    """

    start: int
    end: int
    line: int
    rows: int
    candidates: Sequence[Candidate]
    sealed: Sequence[Sealed]
    refused: Sequence[tuple[int, Refusal]]
    wordings: Mapping[str, str]


def batches(keyring: Keyring, task: Task, *, sealing: bool = True) -> Iterator[Batch]:
    """Yield the rows of a file, prepared, batch by batch."""
    with closing(task.path.open("rb")) as file:
        rows = sheet.rows(file, task.sheet, offset=task.offset, line=task.line)
        start = task.offset
        while part := list(islice(rows, BATCH)):
            yield _prepare(keyring, task, start, part, sealing=sealing)
            start = part[-1].end


@contextmanager
def ahead(keyring: Keyring, task: Task) -> Iterator[Iterator[Batch]]:
    """Yield the same batches; those of a long file are made by another process meanwhile."""
    if task.sheet.rows < _LONG:
        yield batches(keyring, task)
        return
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, keyring.master_key, task), daemon=True)
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


def _work(connection: Connection, master_key: bytes, task: Task) -> None:
    """Prepare batches and send them; the last word is nothing, or what went wrong."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for batch in batches(Keyring(master_key), task):
            connection.send(batch)
        connection.send(None)
    except BrokenPipeError:
        return  # Nobody waits for it any more.
    except BroadcasterError as error:
        connection.send(error)


def _prepare(
    keyring: Keyring, task: Task, start: int, rows: Sequence[Row], *, sealing: bool
) -> Batch:
    candidates, refused, addresses = [], [], []
    texts: dict[str, str] = {}
    hashes: dict[str, str] = {}
    for row in rows:
        claim = Refusal.COLUMNS if row.cells is None else check(row.cells, task.limits)
        if isinstance(claim, Refusal):
            refused.append((row.line, claim))
            continue
        wording = hashes.get(claim.wording)
        if wording is None:
            wording = hashes[claim.wording] = _hash_of(claim.wording, texts)
        address = Address(task.channel, claim.number)
        addresses.append(address)
        candidates.append(
            Candidate(
                row.line,
                claim.number,
                keyring.blind_index(address),
                wording,
                format_moment(claim.occurred),
                evidence(task.sheet.sha256, row.line, claim, address, wording),
            )
        )
    sealed = _seal(keyring, addresses, candidates) if sealing else []
    last = rows[-1]
    return Batch(start, last.end, last.last, len(rows), candidates, sealed, refused, texts)


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


def _seal(
    keyring: Keyring, addresses: Sequence[Address], candidates: Sequence[Candidate]
) -> list[Sealed]:
    """Make a key for each candidate, and seal address and evidence under it."""
    made = []
    keys = keyring.new_subjects(addresses)
    ids = zip(random_ids(len(candidates)), _subjects(len(candidates)), strict=True)
    for one, new, (entry_id, subject) in zip(candidates, keys, ids, strict=True):
        commitment = commit_to(new.key, one.private.encode())
        evidence_sealed = new.seal_text(one.private)
        made.append(
            Sealed(entry_id, subject, new.wrapped, new.address_sealed, evidence_sealed, commitment)
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
