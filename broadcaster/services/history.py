"""Point in time: who was on a list at a moment, from the ledger alone."""

from __future__ import annotations

from datetime import datetime

from broadcaster.core.errors import NotFound
from broadcaster.core.folding import ENDS_ALL
from broadcaster.ledger.entry import ALL_LISTS, ConsentEntry, State, parse
from broadcaster.runtime import Runtime
from broadcaster.storage import ledger

_AT_ONCE = 2_000


def consenting(runtime: Runtime, name: str, moment: datetime) -> set[str]:
    """Return the subjects who were on a list at a moment.

    Args:
        runtime: the parts; of the database only the ledger's entries are read.
        name: the list's stable id.
        moment: entries that were recorded later do not count.

    Raises:
        NotFound: the ledger has never heard of the list.
        LedgerError: an entry cannot be read; verify the ledger first.
    """
    with runtime.reading() as session:
        size = ledger.frontier(session).size
    known, found = False, set[str]()
    for start in range(0, size, _AT_ONCE):
        with runtime.reading() as session:
            rows = ledger.leaves(session, start, min(size, start + _AT_ONCE))
        for row in rows:
            entry = parse(row.leaf)
            if not isinstance(entry, ConsentEntry):
                continue
            known = known or entry.list == name
            if entry.recorded <= moment:
                _fold(entry, name, found)
    if not known:
        message = f"No entry of the ledger is about a list '{name}'."
        raise NotFound(message)
    return found


def _fold(entry: ConsentEntry, name: str, found: set[str]) -> None:
    if entry.list == name and entry.state is State.GIVEN:
        found.add(entry.subject)
    elif entry.list == name or (entry.list == ALL_LISTS and entry.event in ENDS_ALL):
        found.discard(entry.subject)
