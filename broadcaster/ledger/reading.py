"""The one pass over the entries of a bundle that gathers all that later steps compare."""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Sequence, Sized
from dataclasses import dataclass, field
from typing import NamedTuple

from broadcaster.ledger.entry import DocumentEntry, DocumentKind, Entry, parse
from broadcaster.ledger.errors import BundleError, CanonicalError, EntryError
from broadcaster.ledger.glance import Seen, glance
from broadcaster.ledger.histories import Histories
from broadcaster.ledger.merkle import EMPTY_ROOT, Frontier, leaf_hashes
from broadcaster.ledger.unbundle import MAX_DOCUMENTS, Bundle


class Found(NamedTuple):
    """What is left to be known of entries that somebody else has looked at.

    Attributes:
        subtrees: What `merkle.complete_subtrees` gives for them.
        packed: What `histories.pack` gives for them.
        notices: SHA-256 of every notice that they name, hex.
        terms: SHA-256 of all terms that they name, hex.
    """

    subtrees: list[tuple[int, bytes]]
    packed: list[bytes]
    notices: set[str]
    terms: set[str]


@dataclass(slots=True, kw_only=True)
class Reading:
    """What was gathered.

    Attributes:
        frontier: The tree over the entries so far.
        anchor_root: Root over the entries up to the anchor.
        named: Notices and terms that consent entries name.
        logged: Notices and terms that the log holds with their full text.
    """

    frontier: Frontier = field(default_factory=Frontier)
    anchor_root: bytes = EMPTY_ROOT
    named: set[tuple[DocumentKind, str]] = field(default_factory=set)
    logged: set[tuple[DocumentKind, str]] = field(default_factory=set)

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.frontier.size

    @property
    def root(self) -> bytes:
        """Root over all entries."""
        return self.frontier.root()

    def grow(self, leaves: list[bytes], anchor: int) -> None:
        """Add leaves to the tree, and look at its root where the anchor is."""
        left = anchor - self.frontier.size
        if 0 < left <= len(leaves):
            self.frontier = self.frontier.extend(leaf_hashes(leaves[:left]))
            self.anchor_root = self.frontier.root()
            leaves = leaves[left:]
        self.frontier = self.frontier.extend(leaf_hashes(leaves))

    def take(self, found: Found, histories: Histories) -> None:
        """Add what another process has found in the next leaves.

        Raises:
            BundleError: there are more documents than a bundle can hold.
        """
        histories.add_packed(found.packed)
        self._name_all(found.notices, found.terms)
        self.frontier = self.frontier.extend_by(found.subtrees)

    def note_all(self, leaves: Sequence[bytes], histories: Histories) -> None:
        """Remember which documents the next leaves name or are, and whom they are about.

        Raises:
            EntryError: one is not canonical or breaks the rules of its version.
            BundleError: there are more documents than a bundle can hold.
        """
        first = self.frontier.size
        seen = glance(leaves)
        if seen is not None:
            self._note_seen(first, seen, histories)
            return
        for index, leaf in enumerate(leaves, first):
            one = glance([leaf])
            if one is None:
                self.note_parsed(index, parse_at(index, leaf), histories)
            else:
                self._note_seen(index, one, histories)

    def _note_seen(self, first: int, seen: Seen, histories: Histories) -> None:
        histories.add_all(first, seen.subjects, seen.prevs)
        self._name_all(seen.notices, seen.terms)

    def _name_all(self, notices: set[str], terms: set[str]) -> None:
        for digest in notices:
            self._name(DocumentKind.NOTICE, digest)
        for digest in terms:
            self._name(DocumentKind.TERMS, digest)

    def note_parsed(self, index: int, entry: Entry, histories: Histories) -> None:
        """Remember the same of an entry that was parsed in full.

        Raises:
            BundleError: there are more documents than a bundle can hold.
        """
        if isinstance(entry, DocumentEntry):
            if entry.kind is not DocumentKind.CONFIG:
                self.logged.add((entry.kind, entry.sha256))
                check_count(self.logged)
            return
        histories.add(index, unhexlify(entry.subject), entry.prev)
        if entry.notice is not None:
            self._name(DocumentKind.NOTICE, entry.notice.sha256)
        if entry.terms is not None:
            self._name(DocumentKind.TERMS, entry.terms.sha256)

    def _name(self, kind: DocumentKind, digest: str) -> None:
        self.named.add((kind, digest))
        check_count(self.named)


def read_entries(bundle: Bundle, histories: Histories, *, anchor: int) -> Reading:
    """Read every entry of a bundle once.

    Args:
        bundle: The bundle, its manifest read.
        histories: Gets the `prev` of every consent entry, to be checked afterwards.
        anchor: The size at which to look at the root; 0 for none.

    Raises:
        EntryError: an entry is not canonical or breaks the rules of its version; its index is said.
        BundleError: the file is damaged.
    """
    reading = Reading()
    for leaves in bundle.read_entries():
        reading.note_all(leaves, histories)
        reading.grow(leaves, anchor)
    return reading


def parse_at(index: int, leaf: bytes) -> Entry:
    """Parse an entry, and say its index where it is wrong.

    Raises:
        EntryError: it is not canonical or breaks the rules of its version.
    """
    try:
        return parse(leaf)
    except (CanonicalError, EntryError) as error:
        message = f"entry {index}: {error}"
        raise EntryError(message) from error


def check_count(documents: Sized) -> None:
    """Check that entries name no more documents than a bundle can hold.

    Raises:
        BundleError: they do.
    """
    if len(documents) > MAX_DOCUMENTS:
        message = f"the entries name more than {MAX_DOCUMENTS:,} documents"
        raise BundleError(message)
