"""A person's consent as a story: one per list, each event with what was told and what was in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from broadcaster.ledger.entry import ALL_LISTS, ConsentEntry, Event, State

_ENDS_ALL = frozenset({Event.OPT_OUT_ALL, Event.PROVIDER_STOP, Event.ERASED})


@dataclass(frozen=True, slots=True)
class Happened:
    """An event in the story.

    Args:
        index: its entry's place in the ledger.
        entry: the entry.
        state: how consent for the story's list stands after it.
    """

    index: int
    entry: ConsentEntry
    state: State


@dataclass(slots=True)
class Story:
    """A person's consent to one list.

    Args:
        name: the list's stable id.
        events: what happened, in order; at least one.
    """

    name: str
    events: list[Happened] = field(default_factory=list)

    @property
    def first(self) -> Happened:
        """What it began with."""
        return self.events[0]

    @property
    def last(self) -> Happened:
        """What it came to."""
        return self.events[-1]

    @property
    def given(self) -> Happened | None:
        """The event by which consent stands now; None if it does not."""
        return self.last if self.last.state is State.GIVEN else None


def tell(entries: Iterable[tuple[int, ConsentEntry]]) -> list[Story]:
    """Tell a person's stories, in the order in which they began.

    An event that concerns all lists ends every consent that stands.

    Args:
        entries: all of one person, each with its index, in order.
    """
    stories: dict[str, Story] = {}
    for index, entry in entries:
        if entry.list != ALL_LISTS:
            story = stories.setdefault(entry.list, Story(entry.list))
            story.events.append(Happened(index, entry, entry.state))
        elif entry.event in _ENDS_ALL:
            for story in stories.values():
                if story.given is not None:
                    story.events.append(Happened(index, entry, entry.state))
    return list(stories.values())


Registers = Mapping[str, Mapping[str, object]]
"""Records of processing, by the hash that entries name."""


def said(register: Mapping[str, object], name: str, otherwise: str = "") -> str:
    """Return what a record of processing says in one field; older ones have fewer."""
    value = register.get(name)
    if isinstance(value, list):
        return "; ".join(str(one) for one in value) or otherwise
    return str(value) if value else otherwise


def listed(register: Mapping[str, object], name: str) -> list[str]:
    """Return what a record of processing lists in one field."""
    value = register.get(name)
    return [str(one) for one in value] if isinstance(value, list) else []
