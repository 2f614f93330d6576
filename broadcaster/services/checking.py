"""Verification of the ledger as it stands in the database: every row that was changed is named.

An export is verified by `broadcaster.ledger.verify`, which trusts nothing of ours. This here finds
which row of which table is wrong, so that it can be put back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from broadcaster.ledger.checkpoint import open_checkpoint
from broadcaster.ledger.entry import ConsentEntry, DocumentEntry, parse
from broadcaster.ledger.errors import LedgerError
from broadcaster.ledger.histories import Histories
from broadcaster.ledger.merkle import HASH_SIZE, Frontier, leaf_hash, root
from broadcaster.ledger.tiles import WIDTH
from broadcaster.runtime import Runtime
from broadcaster.storage import checks
from broadcaster.storage.models import Checkpoint, LedgerEntry, LedgerTile

_AT_ONCE = 2_000
_LARGEST_GAP = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written.

    Args:
        where: the table and the row.
        what: in a sentence.
    """

    where: str
    what: str


@dataclass(slots=True)
class _Level:
    """The tiles of one level, as far as the log has grown."""

    hashes: list[bytes] = field(default_factory=list)
    whole: int = 0


def check(runtime: Runtime) -> Iterator[Finding]:
    """Yield everything in the ledger's tables that is not what was written.

    Entries are read in pieces and memory stays flat. What is appended meanwhile is left for the
    next time.
    """
    with Histories() as histories:
        yield from _Check(runtime, histories).run()


class _Check:
    """One run over the log, from its first entry to its last."""

    def __init__(self, runtime: Runtime, histories: Histories) -> None:
        self._runtime = runtime
        self._histories = histories
        self._tree = Frontier()
        self._levels: list[_Level] = []
        self._documents: dict[str, tuple[str, int, str]] = {}
        self._checkpoints: list[Checkpoint] = []
        self._is_torn = False

    def run(self) -> Iterator[Finding]:
        """Do it."""
        with self._runtime.reading() as session:
            head = checks.head(session)
            end = checks.last(session) + 1
            self._checkpoints = list(reversed(checks.checkpoints(session)))
            documents = checks.documents(session)
        yield from self._check_checkpoints()
        expected = 0
        while rows := self._next(expected, end):
            for row in rows:
                yield from self._check_gap(expected, row.idx)
                yield from self._check_entry(row)
                expected = row.idx + 1
        if (head.size, head.frontier) != (self._tree.size, self._tree.to_bytes()):
            what = f"says {head.size:,} entries and another tree than the {end:,} that are there"
            yield Finding("ledger_head", what)
        yield from self._check_rest(documents)

    def _next(self, start: int, end: int) -> Sequence[LedgerEntry]:
        with self._runtime.reading() as session:
            return checks.entries(session, start, end, _AT_ONCE)

    def _check_gap(self, expected: int, found: int) -> Iterator[Finding]:
        if found == expected:
            return
        is_one = found == expected + 1
        where = f"ledger_entries {expected}" + ("" if is_one else f" to {found - 1}")
        yield Finding(where, "is missing" if is_one else "are missing")
        # The tree goes on, so that what follows is still at its place. A gap that nobody would
        # make by taking entries away is not worth that: nothing after it can be compared.
        self._is_torn = self._is_torn or found - expected > _LARGEST_GAP
        for _ in range(0 if self._is_torn else found - expected):
            yield from self._grow(bytes(HASH_SIZE))

    def _check_entry(self, row: LedgerEntry) -> Iterator[Finding]:
        where = f"ledger_entries {row.idx}"
        hashed = leaf_hash(row.leaf)
        if hashed != row.leaf_hash:
            yield Finding(where, "its bytes are not those of its hash")
        yield from self._check_columns(where, row)
        yield from self._grow(hashed)

    def _check_columns(self, where: str, row: LedgerEntry) -> Iterator[Finding]:
        try:
            entry = parse(row.leaf)
        except LedgerError as error:
            yield Finding(where, f"is no entry: {error}")
            return
        subject = entry.subject if isinstance(entry, ConsentEntry) else None
        if row.subject != subject:
            yield Finding(where, "is filed under another subject than its own")
        if row.recorded != entry.recorded:
            yield Finding(where, "is filed under another moment than its own")
        if isinstance(entry, ConsentEntry):
            self._histories.add(row.idx, bytes.fromhex(entry.subject), entry.prev)
        elif isinstance(entry, DocumentEntry):
            self._documents[entry.sha256] = (entry.kind.value, row.idx, entry.text)

    def _grow(self, hashed: bytes) -> Iterator[Finding]:
        if self._is_torn:
            return
        self._tree = self._tree.append(hashed)
        yield from self._fill(0, hashed)
        while self._checkpoints and self._checkpoints[-1].size == self._tree.size:
            yield from self._compare(self._checkpoints.pop())

    def _fill(self, level: int, hashed: bytes) -> Iterator[Finding]:
        """Add a hash to a level; compare the tile that this makes whole with the one that is kept."""
        if level == len(self._levels):
            self._levels.append(_Level())
        here = self._levels[level]
        here.hashes.append(hashed)
        if len(here.hashes) < WIDTH:
            return
        hashes, here.hashes = here.hashes, []
        index, here.whole = here.whole, here.whole + 1
        with self._runtime.reading() as session:
            kept = session.get(LedgerTile, (level, index))
        yield from _compare_tile(level, index, hashes, kept)
        yield from self._fill(level + 1, root(hashes))

    def _compare(self, kept: Checkpoint) -> Iterator[Finding]:
        try:
            head = open_checkpoint(kept.note.encode(), self._runtime.signer.key)
        except LedgerError:
            return  # It has been named already.
        if head.root != self._tree.root():
            what = f"the first {kept.size:,} entries are not those that were signed"
            yield Finding(f"checkpoints {kept.size}", what)

    def _check_checkpoints(self) -> Iterator[Finding]:
        for kept in reversed(self._checkpoints):
            where = f"checkpoints {kept.size}"
            try:
                head = open_checkpoint(kept.note.encode(), self._runtime.signer.key)
            except LedgerError as error:
                yield Finding(where, f"is not what was signed: {error}")
                continue
            if head.size != kept.size:
                yield Finding(where, f"is filed under another size than its own, {head.size}")
        self._checkpoints = [one for one in self._checkpoints if one.size]

    def _check_rest(self, documents: Sequence[checks.Document]) -> Iterator[Finding]:
        for kept in reversed(self._checkpoints):
            what = f"was signed over more entries than the {self._tree.size:,} that are there"
            yield Finding(f"checkpoints {kept.size}", what)
        whole = [level.whole for level in self._levels]
        with self._runtime.reading() as session:
            spare = checks.tiles_beyond(session, whole)
        for level, index in spare:
            yield Finding(f"ledger_tiles {level}/{index}", "belongs to no entries")
        yield from self._check_documents(documents)
        try:
            self._histories.check()
        except LedgerError as error:
            yield Finding("ledger_entries", str(error))

    def _check_documents(self, documents: Sequence[checks.Document]) -> Iterator[Finding]:
        for row in documents:
            logged = self._documents.pop(row.sha256, None)
            where = f"documents {row.sha256[:16]}"
            if hashlib.sha256(row.text.encode()).hexdigest() != row.sha256:
                yield Finding(where, "its text is not that of its hash")
            elif logged is None:
                yield Finding(where, "no entry logged it")
            elif logged != (row.kind, row.entry, row.text):
                yield Finding(where, f"is not as entry {logged[1]} logged it")
        for sha256, (_kind, index, _text) in self._documents.items():
            yield Finding(f"documents {sha256[:16]}", f"is missing; entry {index} logged it")


def _compare_tile(
    level: int, index: int, hashes: Sequence[bytes], kept: LedgerTile | None
) -> Iterator[Finding]:
    where = f"ledger_tiles {level}/{index}"
    if kept is None:
        yield Finding(where, "is missing")
        return
    if kept.root != root(hashes):
        yield Finding(where, "its root is not that of what is under it")
    if kept.hashes == b"".join(hashes):
        return
    yield Finding(where, "its hashes are not those of what is under it")
    if level or len(kept.hashes) != WIDTH * HASH_SIZE:
        return
    for place, hashed in enumerate(hashes):
        if kept.hashes[place * HASH_SIZE : (place + 1) * HASH_SIZE] != hashed:
            number = index * WIDTH + place
            yield Finding(f"ledger_entries {number}", "is not what the tree was built from")
