"""Verification of the ledger as it stands in the database: every row that was changed is named.

An export is verified by `broadcaster.ledger.verify`, which trusts nothing of ours. This here finds
which row of which table is wrong, so that it can be put back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from broadcaster.ledger.checkpoint import open_checkpoint
from broadcaster.ledger.entry import ConsentEntry, DocumentEntry, Entry, parse
from broadcaster.ledger.errors import LedgerError
from broadcaster.ledger.histories import Histories
from broadcaster.ledger.merkle import HASH_SIZE, Frontier, complete_root, leaf_hash
from broadcaster.ledger.tiles import HEIGHT, WIDTH
from broadcaster.runtime import Runtime
from broadcaster.services.belongings import Belongings
from broadcaster.services.findings import Finding
from broadcaster.storage import checks
from broadcaster.storage.checks import (
    Beyond,
    StoredCheckpoint,
    StoredDocument,
    StoredEntry,
    StoredHead,
)
from broadcaster.storage.models import LedgerTile

__all__ = ["HEAD", "Finding", "Outcome", "check"]

#: Where the head is, as findings name it.
HEAD = "ledger_head"
_AT_ONCE = 2_000
_LARGEST_GAP = 10_000


@dataclass(slots=True)
class Outcome:
    """What a verification went through.

    Args:
        size: how many entries there were.
        erased: how many of them have no evidence any more, because their person is gone.
        is_whole: whether it came to its end.
    """

    size: int = 0
    erased: int = 0
    is_whole: bool = False


@dataclass(slots=True)
class _Level:
    """The tiles of one level, as far as the log has grown."""

    hashes: list[bytes] = field(default_factory=list)
    whole: int = 0


def check(
    runtime: Runtime, outcome: Outcome | None = None, *, goes_on: Callable[[], bool] = lambda: True
) -> Iterator[Finding]:
    """Yield everything in the ledger's tables that is not what was written.

    Entries are read in pieces and memory stays flat. What is appended meanwhile is left for the
    next time.

    Args:
        runtime: the parts.
        outcome: is filled in at the end.
        goes_on: asked between the pieces; False ends it before its end.
    """
    with Histories() as histories:
        yield from _Check(runtime, histories, outcome or Outcome(), goes_on).run()


class _Check:
    """One run over the log, from its first entry to its last."""

    def __init__(
        self,
        runtime: Runtime,
        histories: Histories,
        outcome: Outcome,
        goes_on: Callable[[], bool],
    ) -> None:
        self._runtime = runtime
        self._histories = histories
        self._outcome = outcome
        self._goes_on = goes_on
        self._belongings = Belongings(runtime)
        self._tree = Frontier()
        self._levels: list[_Level] = []
        self._documents: dict[str, DocumentEntry] = {}
        self._places: dict[str, int] = {}
        self._checkpoints: list[StoredCheckpoint] = []
        self._is_torn = False

    def run(self) -> Iterator[Finding]:
        """Do it."""
        with self._runtime.reading() as session:
            checks.steady(session)
            head = checks.head(session)
            end = checks.last(session) + 1
            self._checkpoints = list(reversed(checks.checkpoints(session)))
            documents = checks.documents(session)
            beyond = checks.beyond(session, end, _whole(end))
            self._belongings.begin(checks.facets(session))
        yield from self._check_checkpoints()
        expected = 0
        while rows := self._next(expected, end):
            for row in rows:
                yield from self._check_gap(expected, row.idx)
                yield from self._check_entry(row)
                expected = row.idx + 1
            yield from self._belongings.end_of_piece(rows[0].idx, expected)
            if not self._goes_on():
                return
        yield from self._check_end(head, end, documents, beyond)
        self._outcome.size, self._outcome.erased = end, self._belongings.erased
        self._outcome.is_whole = True

    def _next(self, start: int, end: int) -> Sequence[StoredEntry]:
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

    def _check_entry(self, row: StoredEntry) -> Iterator[Finding]:
        where = f"ledger_entries {row.idx}"
        hashed = leaf_hash(row.leaf)
        if hashed != row.leaf_hash:
            yield Finding(where, "its bytes are not those of its hash")
        yield from self._check_columns(where, row)
        yield from self._grow(hashed)

    def _check_columns(self, where: str, row: StoredEntry) -> Iterator[Finding]:
        try:
            entry = parse(row.leaf)
        except LedgerError as error:
            yield Finding(where, f"is no entry: {error}")
            return
        subject = entry.subject.encode() if isinstance(entry, ConsentEntry) else None
        if row.subject != subject:
            yield Finding(where, "is filed under another subject than its own")
        if row.recorded != checks.moment(entry.recorded):
            yield Finding(where, "is filed under another moment than its own")
        self._remember(row, entry)

    def _remember(self, row: StoredEntry, entry: Entry) -> None:
        self._belongings.add(row, entry)
        if isinstance(entry, ConsentEntry):
            self._histories.add(row.idx, bytes.fromhex(entry.subject), entry.prev)
        else:
            self._documents[entry.sha256] = entry
            self._places[entry.sha256] = row.idx

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
            kept = checks.tile(session, level, index)
        yield from _compare_tile(level, index, hashes, kept)
        yield from self._fill(level + 1, complete_root(hashes))

    def _compare(self, kept: StoredCheckpoint) -> Iterator[Finding]:
        try:
            head = open_checkpoint(kept.note, self._runtime.signer.key)
        except LedgerError:
            return  # It has been named already.
        if head.root != self._tree.root():
            what = f"the first {kept.size:,} entries are not those that were signed"
            yield Finding(f"checkpoints {kept.size}", what)

    def _check_checkpoints(self) -> Iterator[Finding]:
        for kept in reversed(self._checkpoints):
            where = f"checkpoints {kept.size}"
            try:
                head = open_checkpoint(kept.note, self._runtime.signer.key)
            except LedgerError as error:
                yield Finding(where, f"is not what was signed: {error}")
                continue
            if head.size != kept.size:
                yield Finding(where, f"is filed under another size than its own, {head.size}")
            elif not _adds_up(kept):
                yield Finding(where, "is not what was kept: its row does not add up to its sum")
        self._checkpoints = [one for one in self._checkpoints if one.size]

    def _check_end(
        self,
        head: StoredHead | None,
        end: int,
        documents: Sequence[StoredDocument],
        beyond: Beyond,
    ) -> Iterator[Finding]:
        yield from self._check_head(head, end)
        for kept in reversed(self._checkpoints):
            what = f"was signed over more entries than the {self._tree.size:,} that are there"
            yield Finding(f"checkpoints {kept.size}", what)
        spare = [f"ledger_tiles {level}/{index}" for level, index in beyond.tiles]
        spare += [f"ledger_index {index}" for index in beyond.filed]
        spare += [f"evidence {index}" for index in beyond.evidence]
        for where in spare:
            yield Finding(where, "belongs to no entry")
        yield from self._belongings.end()
        yield from self._check_documents(documents)
        try:
            self._histories.check()
        except LedgerError as error:
            yield Finding("ledger_entries", str(error))

    def _check_head(self, head: StoredHead | None, end: int) -> Iterator[Finding]:
        if head is None:
            yield Finding(HEAD, "is gone")
            return
        if head != (1, self._tree.size, self._tree.to_bytes()):
            what = f"says {head.size} entries and another tree than the {end:,} that are there"
            yield Finding(HEAD, what)
        is_number = isinstance(head.size, int)  # In SQLite it may have become anything.
        if is_number and end < head.size == int.from_bytes(head.frontier[:8], "big"):
            yield Finding(f"ledger_entries {end} to {head.size - 1}", "are missing at the end")

    def _check_documents(self, documents: Sequence[StoredDocument]) -> Iterator[Finding]:
        for row in documents:
            name = row.sha256.decode(errors="replace")
            logged, where = self._documents.pop(name, None), f"documents {name[:16]}"
            if hashlib.sha256(row.text).hexdigest() != name:
                yield Finding(where, "its text is not that of its hash")
            elif logged is None:
                yield Finding(where, "no entry logged it")
            elif (row.kind, row.entry) != (logged.kind.value.encode(), self._places[name]):
                yield Finding(where, f"is not as entry {self._places[name]} logged it")
        for name in self._documents:
            where = f"documents {name[:16]}"
            yield Finding(where, f"is missing; entry {self._places[name]} logged it")


def _whole(size: int) -> list[int]:
    """Return how many whole tiles so many entries make, at each level that has any."""
    whole = []
    while size := size >> HEIGHT:
        whole.append(size)
    return whole


def _adds_up(kept: StoredCheckpoint) -> bool:
    digest = hashlib.sha256(b"%d\n%b\n%b" % (kept.size, kept.created, kept.note)).digest()
    return digest == kept.sum


def _compare_tile(
    level: int, index: int, hashes: Sequence[bytes], kept: LedgerTile | None
) -> Iterator[Finding]:
    where = f"ledger_tiles {level}/{index}"
    if kept is None:
        yield Finding(where, "is missing")
        return
    if kept.root != complete_root(hashes):
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
