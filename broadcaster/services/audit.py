"""What an auditor takes away: the log's head, checkpoints, and exports in three forms.

An export covers exactly the entries of one checkpoint. They never change, so it can be read in
pieces, as slowly as the auditor's line, without holding anything open.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import structlog
from sqlalchemy.orm import Session

from broadcaster.core.errors import LedgerBroken
from broadcaster.ledger.bundle import stream_bundle
from broadcaster.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from broadcaster.ledger.entry import ConsentEntry, DocumentKind, parse
from broadcaster.ledger.errors import LedgerError
from broadcaster.ledger.merkle import Frontier, consistency_path
from broadcaster.ledger.proof import verify_consistency
from broadcaster.runtime import Runtime
from broadcaster.services import verifying
from broadcaster.services.findings import Finding
from broadcaster.storage import ledger, tiles

_log = structlog.get_logger()
_ROWS_PER_CHUNK = 500
_BATCH = 2_000
_COLUMNS = (
    "index",
    "recorded",
    "occurred",
    "subject",
    "event",
    "state",
    "list",
    "channel",
    "method",
    "rule",
    "notice",
    "notice_version",
    "actor",
    "reason",
    "previous",
    "leaf_hash",
)
# A cell that begins like this is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


Chunks = Iterator[bytes]


class Format(StrEnum):
    """The forms of an export."""

    JSONL = "jsonl"
    CSV = "csv"
    BUNDLE = "bundle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the log stands, and the last checkpoint that was given out.

    Args:
        size: number of entries.
        root: root hash of the tree over them, in hex.
        vkey: the public key that checks the checkpoints.
        checkpoint: the last signed checkpoint, if there is one.
        checkpoint_size: how many entries it covers.
        checkpoint_at: when it was made.
    """

    size: int
    root: str
    vkey: str
    checkpoint: str | None
    checkpoint_size: int | None
    checkpoint_at: datetime | None


def head(session: Session, runtime: Runtime) -> Head:
    """Tell where the log stands."""
    tree = ledger.frontier(session)
    latest = ledger.latest_checkpoint(session)
    return Head(
        size=tree.size,
        root=tree.root().hex(),
        vkey=runtime.signer.key.to_text(),
        checkpoint=latest.note if latest else None,
        checkpoint_size=latest.size if latest else None,
        checkpoint_at=latest.created if latest else None,
    )


def checkpoint(session: Session, runtime: Runtime) -> tuple[int, bytes]:
    """Sign the log as it stands, keep the checkpoint, and return its size and its text.

    Raises:
        LedgerBroken: the log is no extension of the last checkpoint. Whoever signs two that
            contradict each other has lied once; so nothing is signed.
    """
    tree = ledger.frontier(session)
    _refuse_to_fork(session, runtime, tree)
    signed = _sign(runtime, tree)
    ledger.keep_checkpoint(session, size=tree.size, note=signed.decode(), now=runtime.clock.now())
    return tree.size, signed


def _sign(runtime: Runtime, tree: Frontier) -> bytes:
    head = Checkpoint(origin=runtime.signer.name, size=tree.size, root=tree.root())
    return sign_checkpoint(head, runtime.signer)


def _refuse_to_fork(session: Session, runtime: Runtime, tree: Frontier) -> None:
    latest = ledger.latest_checkpoint(session)
    if latest is None or latest.size == 0:
        return
    try:
        old = open_checkpoint(latest.note.encode(), runtime.signer.key)
        path = consistency_path(old.size, tree.size, tiles.subtrees(session))
        verify_consistency(old.size, tree.size, old.root, tree.root(), path)
    except (LedgerError, LedgerBroken) as error:
        message = (
            f"The ledger of {tree.size:,} entries is no extension of the checkpoint over "
            f"{latest.size:,} that was signed before ({error}). Nothing was signed; look for what "
            "was changed, and restore it from a backup."
        )
        raise LedgerBroken(message) from error


def sign_what_is_new(runtime: Runtime) -> None:
    """Sign a checkpoint if the log has grown since the last one."""
    with runtime.reading() as session:
        latest, tree = ledger.latest_checkpoint(session), ledger.frontier(session)
        # Witnesses may have signed below us.
        if latest is not None and latest.note.startswith(_sign(runtime, tree).decode()):
            return
    try:
        runtime.run(lambda session: checkpoint(session, runtime))
    except LedgerBroken as error:
        _log.exception("ledger_not_signed")
        found = Finding("checkpoints", str(error))
        runtime.run(lambda session: verifying.declare_broken(session, runtime, [found]))


def export(runtime: Runtime, form: Format) -> Iterator[bytes]:
    """Yield an export in chunks, in constant memory.

    The checkpoint is signed and kept before the first chunk, so that what leaves the house can
    later be held against the log.
    """
    with runtime.transaction() as session:
        size, signed = checkpoint(session, runtime)
    return _WRITERS[form](runtime, size, signed)


def _jsonl(runtime: Runtime, size: int, _signed: bytes) -> Iterator[bytes]:
    lines: list[bytes] = []
    for leaf in _leaves(runtime, size):
        lines.append(leaf.data + b"\n")
        if len(lines) == _ROWS_PER_CHUNK:
            yield b"".join(lines)
            lines.clear()
    yield b"".join(lines)


def _csv(runtime: Runtime, size: int, _signed: bytes) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(_COLUMNS)
    for number, leaf in enumerate(_leaves(runtime, size), start=1):
        writer.writerow([as_text(cell) for cell in _row(leaf)])
        if number % _ROWS_PER_CHUNK == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _bundle(runtime: Runtime, size: int, signed: bytes) -> Iterator[bytes]:
    with runtime.reading() as session:
        notices = [item.text.encode() for item in ledger.documents(session, DocumentKind.NOTICE)]
        terms = [item.text.encode() for item in ledger.documents(session, DocumentKind.TERMS)]
    return stream_bundle(
        checkpoint=signed,
        key=runtime.signer.key,
        entries=(leaf.data for leaf in _leaves(runtime, size)),
        notices=notices,
        terms=terms,
    )


_WRITERS: Mapping[Format, Callable[[Runtime, int, bytes], Iterator[bytes]]] = {
    Format.JSONL: _jsonl,
    Format.CSV: _csv,
    Format.BUNDLE: _bundle,
}


@dataclass(frozen=True, slots=True)
class _Numbered:
    index: int
    data: bytes
    leaf_hash: bytes


def _leaves(runtime: Runtime, size: int) -> Iterator[_Numbered]:
    for start in range(0, size, _BATCH):
        with runtime.reading() as session:
            rows = ledger.leaves(session, start, min(size, start + _BATCH))
        for row in rows:
            yield _Numbered(row.idx, row.leaf, row.leaf_hash)


def _row(leaf: _Numbered) -> tuple[object, ...]:
    entry = parse(leaf.data)
    recorded = entry.recorded.isoformat()
    if not isinstance(entry, ConsentEntry):
        blank = [""] * (len(_COLUMNS) - 6)
        return (
            leaf.index,
            recorded,
            "",
            "",
            f"document {entry.kind.value}",
            *blank,
            leaf.leaf_hash.hex(),
        )
    return (
        leaf.index,
        recorded,
        entry.occurred.isoformat(),
        entry.subject,
        entry.event.value,
        entry.state.value,
        entry.list,
        entry.channel.value,
        entry.method.value,
        entry.rule,
        entry.notice.sha256 if entry.notice else "",
        entry.notice.version if entry.notice else "",
        entry.actor,
        entry.reason or "",
        "" if entry.prev is None else entry.prev,
        leaf.leaf_hash.hex(),
    )


def as_text(cell: object) -> str:
    """Write a cell so that no spreadsheet takes it for a formula (OWASP, CSV injection)."""
    text = str(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _taken(buffer: io.StringIO) -> bytes:
    data = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return data
