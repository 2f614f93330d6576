"""Proofs from the ledger in the database: that an entry is there, and that history was extended."""

from __future__ import annotations

from sqlalchemy.orm import Session

from broadcaster.core.errors import LedgerBroken, NotFound
from broadcaster.ledger.checkpoint import open_checkpoint
from broadcaster.ledger.entry import DocumentEntry, parse
from broadcaster.ledger.errors import LedgerError
from broadcaster.ledger.merkle import EMPTY_ROOT, consistency_path, inclusion_path, range_root
from broadcaster.ledger.receipt import Receipt
from broadcaster.runtime import Runtime
from broadcaster.services import audit
from broadcaster.storage import ledger, tiles


def inclusion(session: Session, index: int, size: int) -> list[bytes]:
    """Prove that an entry is in the log of so many entries.

    Raises:
        WrongRange: there is no such entry.
    """
    return inclusion_path(index, size, tiles.subtrees(session))


def consistency(session: Session, size1: int, size2: int) -> list[bytes]:
    """Prove that the log of ``size2`` entries extends that of ``size1``.

    Raises:
        WrongRange: ``size1`` is 0 or larger than ``size2``.
    """
    return consistency_path(size1, size2, tiles.subtrees(session))


def root(session: Session, size: int) -> bytes:
    """Return the root of the log's first entries, so many of them.

    Raises:
        LedgerBroken: hashes of the tree are missing.
    """
    return range_root(0, size, tiles.subtrees(session)) if size else EMPTY_ROOT


def example(session: Session, runtime: Runtime) -> Receipt | None:
    """Return a receipt that anybody may see: of the first entry, if that is a document and signed."""
    latest = ledger.latest_checkpoint(session)
    if latest is None or latest.size == 0:
        return None
    try:
        head = open_checkpoint(latest.note.encode(), runtime.signer.key)
        (entry,) = ledger.leaves(session, 0, 1)
        is_document = isinstance(parse(entry.leaf), DocumentEntry)
        proof = inclusion(session, 0, head.size)
    except (LedgerError, LedgerBroken):
        # A ledger that is damaged has no example to show; elsewhere this is said out loud.
        return None
    if not is_document:
        return None
    return Receipt(entry=entry.leaf, index=0, proof=proof, checkpoint=latest.note.encode())


def receipt(runtime: Runtime, index: int) -> Receipt:
    """Return a receipt of an entry, under the newest checkpoint; sign one if it is newer than all.

    Raises:
        NotFound: there is no such entry.
        LedgerBroken: the log is no extension of what was signed before.
    """
    with runtime.reading() as session:
        size = ledger.frontier(session).size
        latest = ledger.latest_checkpoint(session)
    if not 0 <= index < size:
        entries = f"entries 0 to {size - 1}" if size else "no entries yet"
        message = f"There is no entry {index}; the ledger has {entries}."
        raise NotFound(message)
    if latest is None or latest.size <= index:
        note = runtime.run(lambda session: audit.checkpoint(session, runtime))[1]
    else:
        note = latest.note.encode()
    head = open_checkpoint(note, runtime.signer.key)
    with runtime.reading() as session:
        (entry,) = ledger.leaves(session, index, index + 1)
        proof = inclusion(session, index, head.size)
    return Receipt(entry=entry.leaf, index=index, proof=proof, checkpoint=note)
