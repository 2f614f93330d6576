"""What a person's entries in the ledger come to: which lists they are on, and whether they stopped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from broadcaster.ledger.entry import ALL_LISTS, ConsentEntry, Event, State

#: What ends everything at once.
ENDS_ALL = frozenset({Event.OPT_OUT_ALL, Event.PROVIDER_STOP, Event.ERASED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a person stands with one list.

    Args:
        is_in: whether bulletins go to them.
        entry: the index of the entry that last changed it.
        notice: the hash of what they were told when they joined, if they were.
        since: when that entry was recorded.
    """

    is_in: bool
    entry: int
    notice: str | None
    since: datetime


@dataclass(slots=True, kw_only=True)
class Person:
    """A person as the ledger has them.

    Args:
        lists: by the list's stable id, those they left included.
        stopped: since when they have stopped everything; None if they have not.
        last: the index of their newest entry.
    """

    lists: dict[str, Standing] = field(default_factory=dict)
    stopped: datetime | None = None
    last: int | None = None

    def add(self, index: int, entry: ConsentEntry) -> None:
        """Fold the next entry in.

        Args:
            index: its place in the log, after all before.
            entry: one of this person.
        """
        self.last = index
        if entry.list != ALL_LISTS:
            self._set(entry.list, index, entry)
        elif entry.event is Event.RESTART:
            self.stopped = None
        elif entry.event in ENDS_ALL:
            self._end_all(index, entry.recorded)

    def _set(self, name: str, index: int, entry: ConsentEntry) -> None:
        given = entry.state is State.GIVEN
        self.lists[name] = Standing(
            is_in=given,
            entry=index,
            notice=entry.notice.sha256 if given and entry.notice else None,
            since=entry.recorded,
        )
        if given:
            self.stopped = None

    def _end_all(self, index: int, moment: datetime) -> None:
        self.stopped = moment
        for name, one in self.lists.items():
            if one.is_in:
                self.lists[name] = Standing(
                    is_in=False, entry=index, notice=one.notice, since=moment
                )


def fold(entries: Iterable[tuple[int, ConsentEntry]]) -> Person:
    """Return what a person's entries come to.

    Args:
        entries: all of one person, each with its index, in order.
    """
    person = Person()
    for index, entry in entries:
        person.add(index, entry)
    return person
