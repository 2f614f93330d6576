"""What belongs to entries: the index by which they are searched, and their sealed evidence.

An entry commits to its evidence. So evidence that is there must open under its person's key and be
what was committed to; of whom was erased there is none, and nothing to compare.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence

from cryptography.exceptions import InvalidTag

from broadcaster.core.errors import KeyGone
from broadcaster.core.sealing import open_text
from broadcaster.ledger import canonical
from broadcaster.ledger.entry import ConsentEntry, Entry, evidence_commitment
from broadcaster.ledger.errors import LedgerError
from broadcaster.runtime import Runtime
from broadcaster.services.findings import Finding
from broadcaster.storage import checks
from broadcaster.storage.checks import StoredEntry, StoredEvidence, StoredFacet
from broadcaster.storage.filing import Facet, facet_of

# Keys of people who were met; a person has few entries, and they are often close to each other.
_KEYS = 10_000


class Belongings:
    """Compares what belongs to entries, piece by piece.

    Args:
        runtime: the parts.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.erased = 0
        self._runtime = runtime
        self._entries: dict[int, tuple[StoredEntry, Entry]] = {}
        self._facets: dict[int, StoredFacet] = {}
        self._used: dict[int, int] = {}
        self._keys: dict[bytes, bytes] = {}

    def begin(self, facets: Sequence[StoredFacet]) -> None:
        """Take note of the facets that are there."""
        self._facets = {one.id: one for one in facets}

    def add(self, row: StoredEntry, entry: Entry) -> None:
        """Take note of an entry of this piece."""
        self._entries[row.idx] = (row, entry)

    def end_of_piece(self, start: int, end: int) -> Iterator[Finding]:
        """Compare what belongs to the entries from ``start`` up to but not including ``end``."""
        with self._runtime.reading() as session:
            filed = checks.index(session, start, end)
            evidence = checks.evidence(session, start, end)
        for idx, (row, entry) in self._entries.items():
            yield from self._check_filed(idx, row, entry, filed.pop(idx, None))
        yield from self._check_evidence(evidence)
        for idx in filed:
            yield Finding(f"ledger_index {idx}", "belongs to no entry")
        self._entries.clear()

    def end(self) -> Iterator[Finding]:
        """Compare the facets with those that entries have."""
        for number, one in self._facets.items():
            where = f"ledger_facets {number}"
            values = (one.event, one.list, one.method, one.actor)
            if Facet(*(value.decode(errors="replace") for value in values)).number != number:
                yield Finding(where, "its words are not those of its number")
            elif number not in self._used:
                yield Finding(where, "no entry has it")
        for number, idx in self._used.items():
            if number not in self._facets:
                yield Finding(f"ledger_facets {number}", f"is missing; entry {idx} has it")

    def _check_filed(
        self, idx: int, row: StoredEntry, entry: Entry, filed: checks.StoredIndex | None
    ) -> Iterator[Finding]:
        number = facet_of(row.leaf).number
        self._used.setdefault(number, idx)
        where = f"ledger_index {idx}"
        if filed is None:
            yield Finding(where, "is missing")
        elif filed.facet != number:
            yield Finding(where, "is not what its entry says")
        elif filed.recorded != checks.moment(entry.recorded):
            yield Finding(where, "has another moment than its entry")

    def _check_evidence(self, evidence: dict[int, StoredEvidence]) -> Iterator[Finding]:
        bare: dict[int, str] = {}
        for idx, (_row, entry) in self._entries.items():
            if not isinstance(entry, ConsentEntry):
                continue
            kept = evidence.pop(idx, None)
            if kept is None:
                bare[idx] = entry.subject
            elif (what := self._fault(entry, kept)) is not None:
                yield Finding(f"evidence {idx}", what)
        for idx in evidence:
            yield Finding(f"evidence {idx}", "belongs to no entry")
        if bare:
            with self._runtime.reading() as session:
                there = checks.with_keys(session, set(bare.values()))
            for idx in (idx for idx, subject in bare.items() if subject in there):
                yield Finding(f"evidence {idx}", "is missing, though its person was not erased")
            self.erased += sum(subject not in there for subject in bare.values())

    def _fault(self, entry: ConsentEntry, kept: StoredEvidence) -> str | None:
        """Say what is wrong with evidence, if anything is."""
        if kept.subject != entry.subject.encode() or kept.key_wrapped is None:
            return "is filed under another person than its entry's"
        try:
            key = self._key(kept.key_wrapped)
            private = canonical.parse(open_text(key, kept.sealed).encode())
        except KeyGone:
            # An older copy of the database, from before its person was erased.
            self.erased += 1
            return None
        except (InvalidTag, ValueError, LedgerError):
            return "does not open under its person's key"
        if not isinstance(private, dict):
            return "is not what its entry commits to"
        if not hmac.compare_digest(evidence_commitment(key, private), entry.evidence):
            return "is not what its entry commits to"
        return None

    def _key(self, wrapped: bytes) -> bytes:
        key = self._keys.get(wrapped)
        if key is None:
            if len(self._keys) >= _KEYS:
                self._keys.clear()
            key = self._keys[wrapped] = self._runtime.keyring.unwrap(wrapped)
        return key
