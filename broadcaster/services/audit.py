"""What an auditor takes away: the log's head, checkpoints, and exports in four forms.

An export covers exactly the entries of one checkpoint. They never change, so it can be read in
pieces, as slowly as the auditor's line, without holding anything open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain

import structlog
from sqlalchemy.orm import Session

from broadcaster.core.errors import LedgerBroken
from broadcaster.ledger.bundle import stream_bundle
from broadcaster.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from broadcaster.ledger.entry import DocumentKind
from broadcaster.ledger.errors import LedgerError
from broadcaster.ledger.merkle import Frontier, consistency_path
from broadcaster.ledger.proof import verify_consistency
from broadcaster.runtime import Runtime
from broadcaster.services import tabling, verifying
from broadcaster.services.findings import Finding
from broadcaster.storage import ledger, taking, tiles
from broadcaster.storage.filing import Choice
from broadcaster.storage.taking import Stored

_log = structlog.get_logger()
# So many entries are read at once; of a choice, so many are looked at.
_AT_ONCE, _LOOKED_AT = 2_000, 5_000
#: No filter: every entry.
EVERYTHING = Choice()

Chunks = Iterator[bytes]
Seen = Callable[[int, int], None]


class Format(StrEnum):
    """The forms of an export."""

    JSONL = "jsonl"
    CSV = "csv"
    XLSX = "xlsx"
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
    """Tell where the log stands; of a head that is damaged the size that it says, and no root."""
    latest = ledger.latest_checkpoint(session)
    try:
        tree = ledger.frontier(session)
        size, root = tree.size, tree.root().hex()
    except LedgerError:
        size, root = ledger.size(session), ""
    return Head(
        size=size,
        root=root,
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


def export(runtime: Runtime, form: Format, choice: Choice = EVERYTHING) -> Chunks:
    """Yield an export in chunks, in constant memory.

    The checkpoint is signed and kept before the first chunk, so that what leaves the house can
    later be held against the log.

    Args:
        runtime: the parts.
        form: which form.
        choice: which entries; a bundle always holds all.
    """
    size, signed = runtime.run(lambda session: checkpoint(session, runtime))
    return write(runtime, form, Covered(size, signed), choice)


@dataclass(frozen=True, slots=True)
class Covered:
    """What an export covers: so many entries, under this signed checkpoint."""

    size: int
    checkpoint: bytes


def write(
    runtime: Runtime,
    form: Format,
    covered: Covered,
    choice: Choice = EVERYTHING,
    seen: Callable[[int, int], None] = lambda _read, _taken: None,
) -> Chunks:
    """Yield an export of what a checkpoint covers, in chunks.

    Args:
        runtime: the parts.
        form: which form.
        covered: how far, and under which checkpoint.
        choice: which entries; a bundle always holds all.
        seen: is told, now and then, how many entries were read and how many of them taken.
    """
    if form is Format.JSONL:
        return (
            b"\n".join([*piece, b""]) for piece in _leaves(runtime, covered, choice, seen) if piece
        )
    if form is Format.BUNDLE:
        return _bundle(runtime, covered, seen)
    pieces = _pieces(runtime, covered, choice, seen)
    if form is Format.XLSX:
        return tabling.to_xlsx(pieces, _about(runtime, covered, choice))
    return tabling.to_csv(pieces)


def _bundle(runtime: Runtime, covered: Covered, seen: Seen) -> Chunks:
    with runtime.reading() as session:
        notices = [item.text.encode() for item in ledger.documents(session, DocumentKind.NOTICE)]
        terms = [item.text.encode() for item in ledger.documents(session, DocumentKind.TERMS)]
    return stream_bundle(
        checkpoint=covered.checkpoint,
        key=runtime.signer.key,
        entries=chain.from_iterable(_leaves(runtime, covered, EVERYTHING, seen)),
        notices=notices,
        terms=terms,
    )


def _about(runtime: Runtime, covered: Covered, choice: Choice) -> list[tuple[str, str]]:
    lines = [
        ("Ledger", runtime.signer.name),
        ("Entries covered", f"{covered.size}"),
        ("Chosen", choice.in_words().replace("\n", ", ") or "all entries"),
        ("Public key", runtime.signer.key.to_text()),
        ("Checkpoint", covered.checkpoint.decode()),
    ]
    if not choice.is_all:
        lines.insert(
            0, ("Note", "This is a part of the ledger: only the entries that were chosen.")
        )
    return lines


def _leaves(
    runtime: Runtime, covered: Covered, choice: Choice, seen: Seen
) -> Iterator[Sequence[bytes]]:
    if not choice.is_all:
        for piece in _pieces(runtime, covered, choice, seen):
            yield [stored.leaf for stored in piece]
        return
    for first, end in taking.spans(covered.size, _AT_ONCE):
        with runtime.reading() as session:
            leaves = taking.leaves(session, first, end)
        yield leaves
        seen(end, end)


def _pieces(
    runtime: Runtime, covered: Covered, choice: Choice, seen: Seen
) -> Iterator[Sequence[Stored]]:
    taken = 0
    for first, end in taking.spans(covered.size, _AT_ONCE if choice.is_all else _LOOKED_AT):
        with runtime.reading() as session:
            if choice.is_all:
                piece = taking.stored(session, first, end)
            else:
                piece = taking.chosen(session, choice, first, end)
        taken += len(piece)
        yield piece
        seen(end, taken)
