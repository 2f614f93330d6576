"""A part of the ledger to take away: one person's entries or one list's, each proven.

Nothing of anybody else is in it but hashes. It is read three times rather than held: for the
documents it names, for its entries, and for their proofs.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from broadcaster.core.errors import LedgerBroken, NotFound
from broadcaster.ledger import canonical
from broadcaster.ledger.bundle import stream_part
from broadcaster.ledger.entry import ALL_LISTS, ConsentEntry, DocumentKind, parse
from broadcaster.ledger.manifest import Part
from broadcaster.ledger.merkle import HASH_SIZE, inclusion_path
from broadcaster.ledger.tiles import HEIGHT, WIDTH, Tile, subtrees
from broadcaster.runtime import Runtime
from broadcaster.services import audit
from broadcaster.storage import ledger, tiles
from broadcaster.storage.models import Document

_AT_ONCE = 2_000
_TILES_KEPT = 64

Numbered = tuple[int, bytes]


def export(runtime: Runtime, part: Part) -> Iterator[bytes]:
    """Yield a bundle of a part of the ledger in chunks.

    The checkpoint is signed and kept before the first chunk.

    Raises:
        NotFound: the ledger has no entry about this subject or list.
        LedgerBroken: the log is no extension of what was signed before, or a document is missing.
    """
    with runtime.transaction() as session:
        size, signed = audit.checkpoint(session, runtime)
    shown = _Shown(runtime, part, size)
    documents = shown.documents()
    places = sorted(one.entry for one in documents if one.entry < size)
    return stream_part(
        checkpoint=signed,
        key=runtime.signer.key,
        part=part,
        entries=lambda: heapq.merge(shown.entries(), shown.at(places), key=lambda one: one[0]),
        prove=_prover(runtime, size),
        notices=_texts(documents, DocumentKind.NOTICE),
        terms=_texts(documents, DocumentKind.TERMS),
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    runtime: Runtime
    part: Part
    size: int

    def documents(self) -> list[Document]:
        """Return what the entries name and what is logged of it: texts of notices, terms, registers."""
        needed, named = set[str](), set[str]()
        for _index, leaf in self.entries():
            entry = parse(leaf)
            if isinstance(entry, ConsentEntry):
                needed.update(one.sha256 for one in (entry.notice, entry.terms) if one is not None)
                named.add(entry.config)
        if not named:
            message = f"The ledger has no entry about the {self.part.kind} '{self.part.name}'."
            raise NotFound(message)
        with self.runtime.reading() as session:
            found = [ledger.document(session, sha256) for sha256 in sorted(needed | named)]
        documents = [one for one in found if one is not None]
        if missing := needed.difference(one.sha256 for one in documents):
            message = f"The text of {min(missing)}, which an entry names, is missing."
            raise LedgerBroken(message)
        return documents

    def entries(self) -> Iterator[Numbered]:
        """Yield the consent entries."""
        return self._of_subject(self.part.name) if self.part.kind == "subject" else self._of_list()

    def at(self, places: Sequence[int]) -> Iterator[Numbered]:
        """Yield the entries at some places."""
        for place in places:
            with self.runtime.reading() as session:
                (row,) = ledger.leaves(session, place, place + 1)
            yield row.idx, row.leaf

    def _of_subject(self, subject: str, end: int | None = None) -> Iterator[Numbered]:
        start, end = 0, self.size if end is None else end
        while start < end:
            with self.runtime.reading() as session:
                rows = ledger.leaves_of(session, subject, start, end, _AT_ONCE)
            yield from ((row.idx, row.leaf) for row in rows)
            start = rows[-1].idx + 1 if rows else end

    def _of_list(self) -> Iterator[Numbered]:
        marks = [b'"list":' + canonical.encode(name) for name in (self.part.name, ALL_LISTS)]
        for start in range(0, self.size, _AT_ONCE):
            with self.runtime.reading() as session:
                rows = ledger.leaves(session, start, min(self.size, start + _AT_ONCE))
            for row in rows:
                # Only what may be about the list is worth reading in full.
                if any(mark in row.leaf for mark in marks) and self._is_of_list(row.idx, row.leaf):
                    yield row.idx, row.leaf

    def _is_of_list(self, index: int, leaf: bytes) -> bool:
        if _is_about(leaf, self.part.name):
            return True
        entry = parse(leaf)
        if not isinstance(entry, ConsentEntry) or entry.list != ALL_LISTS:
            return False
        # What a person says about all lists is shown of those who are or were on this one.
        return any(
            _is_about(earlier, self.part.name)
            for _index, earlier in self._of_subject(entry.subject, index)
        )


def _is_about(leaf: bytes, name: str) -> bool:
    entry = parse(leaf)
    return isinstance(entry, ConsentEntry) and entry.list == name


def _texts(documents: Sequence[Document], kind: DocumentKind) -> list[bytes]:
    return [one.text.encode() for one in documents if one.kind == kind.value]


def _prover(runtime: Runtime, size: int) -> Callable[[int], list[bytes]]:
    """Give what proves entries in the tree of so many; neighbours share tiles, so a few are kept."""

    @lru_cache(maxsize=_TILES_KEPT)
    def tile(level: int, index: int) -> bytes:
        width = min(WIDTH, (size >> HEIGHT * level) - index * WIDTH)
        with runtime.reading() as session:
            return tiles.of(session, Tile(level, index, width))

    def hashes(level: int, first: int, count: int) -> Sequence[bytes]:
        index, place = divmod(first, WIDTH)
        data = tile(level, index)
        return [
            data[start : start + HASH_SIZE]
            for start in range(place * HASH_SIZE, (place + count) * HASH_SIZE, HASH_SIZE)
        ]

    subtree = subtrees(hashes)
    return lambda index: inclusion_path(index, size, subtree)
