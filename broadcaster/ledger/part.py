"""Verification of a part of a log: one person or one list, everybody else nothing but hashes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from broadcaster.ledger.checkpoint import Checkpoint
from broadcaster.ledger.entry import (
    ALL_LISTS,
    ConsentEntry,
    DocumentEntry,
    DocumentKind,
    Entry,
)
from broadcaster.ledger.errors import BundleError, ProofError
from broadcaster.ledger.histories import Histories
from broadcaster.ledger.manifest import Part
from broadcaster.ledger.merkle import leaf_hash
from broadcaster.ledger.proof import verify_inclusion
from broadcaster.ledger.proven import Place, parse_place
from broadcaster.ledger.reading import Reading, check_count, parse_at
from broadcaster.ledger.unbundle import Bundle

#: What a part does not prove, by its kind.
LIMITS = {
    "subject": (
        "this is the part of the log that is about one person. Nothing before the last entry here "
        "is left out, since each names the one before; whether another came after it, only the "
        "whole log can show"
    ),
    "list": (
        "this is the part of the log that is about one list. Each entry is proven; that none is "
        "left out, only the whole log can show"
    ),
}


@dataclass(slots=True, kw_only=True)
class PartReading(Reading):
    """What was gathered of a part of a log.

    Attributes:
        count: Number of entries in the part.
        registers: Registers of processing that consent entries name.
    """

    count: int = 0
    registers: set[str] = field(default_factory=set)


def read_part(bundle: Bundle, histories: Histories) -> PartReading:
    """Read every entry of a part once.

    Args:
        bundle: The bundle, its manifest read.
        histories: Gets the `prev` of every consent entry, to be checked afterwards.

    Raises:
        EntryError: an entry is not canonical or breaks the rules of its version; its index is said.
        BundleError: the file is damaged, or the entries are not in the order of the log.
    """
    reading = PartReading()
    for place, leaf in _placed(bundle):
        entry = parse_at(place.index, leaf)
        reading.count += 1
        reading.note_parsed(place.index, entry, histories)
        if isinstance(entry, ConsentEntry):
            reading.registers.add(entry.config)
            check_count(reading.registers)
    return reading


def check_inclusion(bundle: Bundle, head: Checkpoint) -> None:
    """Check the proof of every entry of a part.

    Raises:
        ProofError: one does not lead from its entry to the signed root; its index is said.
    """
    for place, leaf in _placed(bundle):
        try:
            verify_inclusion(place.index, head.size, leaf_hash(leaf), place.proof, head.root)
        except ProofError as error:
            message = f"entry {place.index}: {error}"
            raise ProofError(message) from error


def check_scope(bundle: Bundle, part: Part, reading: PartReading) -> None:
    """Check that a part holds what it says, and nothing about anybody or anything else.

    Raises:
        BundleError: it does not; the entry is named.
    """
    about = 0
    for place, leaf in _placed(bundle):
        entry = parse_at(place.index, leaf)
        if isinstance(entry, ConsentEntry):
            about += 1
        if not _is_in(entry, part, reading):
            message = f"entry {place.index} does not belong to the {part.kind} '{part.name}'"
            raise BundleError(message)
    if not about:
        message = f"it holds no entry of the {part.kind} '{part.name}'"
        raise BundleError(message)


def _is_in(entry: Entry, part: Part, reading: PartReading) -> bool:
    if isinstance(entry, DocumentEntry):
        if entry.kind is DocumentKind.CONFIG:
            return entry.sha256 in reading.registers
        return (entry.kind, entry.sha256) in reading.named
    if part.kind == "subject":
        return entry.subject == part.name
    return entry.list in {part.name, ALL_LISTS}


def _placed(bundle: Bundle) -> Iterator[tuple[Place, bytes]]:
    before = -1
    for leaf, line in bundle.read_proven():
        place = parse_place(line)
        if place.index <= before:
            message = f"entry {place.index} is not where the log has it, after entry {before}"
            raise BundleError(message)
        before = place.index
        yield place, leaf
