"""What an auditor sees of the ledger: pages of entries, one entry with its proof, and how it grew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from broadcaster.core.errors import LedgerBroken, NotFound
from broadcaster.ledger.entry import ConsentEntry, DocumentEntry, Entry, parse
from broadcaster.ledger.errors import LedgerError
from broadcaster.runtime import Runtime
from broadcaster.services import proving
from broadcaster.storage import filing, ledger
from broadcaster.storage.filing import Choice, Facet, Filed
from broadcaster.storage.models import LedgerEntry

_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An entry in a list.

    Args:
        index: its place in the log.
        recorded: when it was written.
        entry: what it says; None if its bytes are no entry any more.
    """

    index: int
    recorded: datetime
    entry: Entry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some entries, the newest first.

    Args:
        rows: the entries.
        onward: where the next page begins; None on the last.
    """

    rows: Sequence[Listed]
    onward: Filed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That an entry is in the log.

    Args:
        size: of the log that it is proved for.
        root: of that log, in hex.
        path: the hashes from the leaf to the root, in hex.
        is_signed: whether that is what the newest checkpoint signs.
    """

    size: int
    root: str
    path: Sequence[str]
    is_signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One entry, with all that is known about it.

    Args:
        index: its place in the log.
        recorded: when it was written.
        entry: what it says; None if its bytes are no entry any more.
        leaf: its exact bytes, as text.
        leaf_hash: in hex.
        proof: None if the tree is damaged.
        later: the next entry of the same person.
        documents: where the documents that it names are logged, by their hashes.
    """

    index: int
    recorded: datetime
    entry: Entry | None
    leaf: str
    leaf_hash: str
    proof: Proof | None
    later: int | None
    documents: dict[str, int]


def page(session: Session, choice: Choice, *, before: Filed | None, limit: int) -> Page:
    """Return the newest entries of a choice that stand before a place."""
    places = filing.newest(session, choice, before=before, limit=limit + 1)
    kept = places[:limit]
    rows = ledger.entries_at(session, [place.idx for place in kept])
    return Page(
        rows=[
            Listed(index=row.idx, recorded=row.recorded, entry=_read(row.leaf))
            for row in (rows[place.idx] for place in kept if place.idx in rows)
        ],
        onward=kept[-1] if len(places) > limit else None,
    )


def facets(session: Session) -> list[Facet]:
    """Return what can be filtered by."""
    return list(filing.facets(session))


def show(session: Session, index: int) -> Shown:
    """Return one entry with its proof.

    Raises:
        NotFound: there is no such entry.
    """
    row = ledger.entries_at(session, [index]).get(index)
    if row is None:
        message = "There is no such entry in the ledger."
        raise NotFound(message)
    entry = _read(row.leaf)
    return Shown(
        index=index,
        recorded=row.recorded,
        entry=entry,
        leaf=row.leaf.decode(errors="replace"),
        leaf_hash=row.leaf_hash.hex(),
        proof=_prove(session, row),
        later=_later(session, entry, index),
        documents=ledger.places(session, _named(entry)),
    )


def growth(session: Session, runtime: Runtime) -> list[tuple[date, int]]:
    """Return how many entries each of the last days brought, by the organisation's clock."""
    zone = ZoneInfo(runtime.settings.organisation.zone)
    today = runtime.clock.now().astimezone(zone).date()
    days = [today - timedelta(days=ago) for ago in range(_DAYS - 1, -1, -1)]
    days.append(today + timedelta(days=1))
    midnights = [datetime.combine(day, time(), zone) for day in days]
    sizes = [filing.size_before(session, midnight) for midnight in midnights]
    pairs = pairwise(sizes)
    return [
        (day, max(after - before, 0)) for day, (before, after) in zip(days, pairs, strict=False)
    ]


def _later(session: Session, entry: Entry | None, index: int) -> int | None:
    if not isinstance(entry, ConsentEntry):
        return None
    return ledger.next_of(session, entry.subject, index)


def _read(leaf: bytes) -> Entry | None:
    try:
        return parse(leaf)
    except LedgerError:
        return None


def _named(entry: Entry | None) -> list[str]:
    if isinstance(entry, DocumentEntry) or entry is None:
        return []
    named = [entry.config]
    named += [one.sha256 for one in (entry.notice, entry.terms) if one is not None]
    return named


def _prove(session: Session, row: LedgerEntry) -> Proof | None:
    """Prove it under the newest checkpoint; if it is newer than that, in the log as it stands."""
    try:
        latest = ledger.latest_checkpoint(session)
        is_signed = latest is not None and latest.size > row.idx
        size = latest.size if latest is not None and is_signed else ledger.frontier(session).size
        path = proving.inclusion(session, row.idx, size)
        return Proof(
            size=size,
            root=proving.root(session, size).hex(),
            path=[one.hex() for one in path],
            is_signed=is_signed,
        )
    except (LedgerBroken, LedgerError):
        return None
