"""Replay: the ledger folded into subscriptions, and compared with the tables that are used.

The tables are a projection, never the truth. Where they differ, the ledger is right, and a repair
writes what it says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from broadcaster.core.folding import Person, Standing, fold
from broadcaster.ledger.entry import ConsentEntry, parse
from broadcaster.runtime import Runtime
from broadcaster.storage import people as stored_people
from broadcaster.storage import replay
from broadcaster.storage.models import Subscriber, Subscription

_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that the tables say otherwise than the ledger.

    Args:
        subject: of whom, as entries name them.
        what: ``stopped``, ``last entry``, or the list's name.
        ledger: what the ledger says, in words.
        table: what the table says, in words.
    """

    subject: str
    what: str
    ledger: str
    table: str


def check(runtime: Runtime, *, repair: bool = False) -> Iterator[Difference]:
    """Yield every difference between the tables and the ledger.

    Args:
        runtime: the parts.
        repair: whether to write what the ledger says; it is committed person by person, each
            before their differences are yielded.

    Raises:
        LedgerError: an entry cannot be read; verify the ledger first.
    """
    after = 0
    while True:
        with runtime.reading() as session:
            names = replay.list_names(session)
            group = replay.people(session, after, _AT_ONCE)
            found = _compare(session, group, names)
        if not group:
            return
        after = group[-1].id
        for person in found:
            if repair:
                # The person may have written since: what is written is what the ledger says then.
                yield from runtime.run(_repairing(person.id))
            else:
                yield from found[person]


def _repairing(subscriber_id: int) -> Callable[[Session], list[Difference]]:
    def repair(session: Session) -> list[Difference]:
        names = replay.list_names(session)
        subscriber = stored_people.lock(session, subscriber_id)
        person = _folded(session, [subscriber])[subscriber.subject]
        rows = replay.subscriptions(session, [subscriber.id])
        differences = _differences(subscriber, person, rows, names)
        _write(session, subscriber, person, rows, names)
        return differences

    return repair


def _compare(
    session: Session, group: Sequence[Subscriber], names: dict[int, str]
) -> dict[Subscriber, list[Difference]]:
    people = _folded(session, group)
    rows: dict[int, list[Subscription]] = defaultdict(list)
    for row in replay.subscriptions(session, [one.id for one in group]):
        rows[row.subscriber_id].append(row)
    found = {one: _differences(one, people[one.subject], rows[one.id], names) for one in group}
    return {one: differences for one, differences in found.items() if differences}


def _folded(session: Session, group: Sequence[Subscriber]) -> dict[str, Person]:
    entries: dict[str, list[tuple[int, ConsentEntry]]] = defaultdict(list)
    for subject, index, leaf in replay.entries(session, [one.subject for one in group]):
        entry = parse(leaf)
        if isinstance(entry, ConsentEntry):
            entries[subject].append((index, entry))
    return {one.subject: fold(entries[one.subject]) for one in group}


def _differences(
    subscriber: Subscriber, person: Person, rows: Sequence[Subscription], names: dict[int, str]
) -> list[Difference]:
    found: list[tuple[str, str, str]] = []
    if person.stopped != subscriber.stopped_at:
        found.append(("stopped", _when(person.stopped), _when(subscriber.stopped_at)))
    if person.last != subscriber.last_entry:
        found.append(("last entry", _number(person.last), _number(subscriber.last_entry)))
    table = {names[row.list_id]: _standing(row) for row in rows}
    for name in sorted(person.lists.keys() | table.keys()):
        ledger, kept = person.lists.get(name), table.get(name)
        if ledger != kept:
            found.append((name, _say(ledger), _say(kept)))
    return [
        Difference(subject=subscriber.subject, what=what, ledger=ledger, table=kept)
        for what, ledger, kept in found
    ]


def _write(
    session: Session,
    subscriber: Subscriber,
    person: Person,
    rows: Sequence[Subscription],
    names: dict[int, str],
) -> None:
    subscriber.stopped_at, subscriber.last_entry = person.stopped, person.last
    numbers = {name: number for number, name in names.items()}
    for row in rows:
        if names[row.list_id] not in person.lists:
            session.delete(row)
    session.flush()
    for name, one in person.lists.items():
        # A list that is not there any more has nobody on it.
        if name in numbers:
            stored_people.set_subscription(
                session,
                subscriber_id=subscriber.id,
                list_id=numbers[name],
                state="in" if one.is_in else "out",
                entry=one.entry,
                notice=one.notice,
                now=one.since,
            )


def _standing(row: Subscription) -> Standing:
    return Standing(is_in=row.state == "in", entry=row.entry, notice=row.notice, since=row.since)


def _say(one: Standing | None) -> str:
    if one is None:
        return "nothing"
    told = f", told {one.notice[:8]}" if one.notice else ""
    return f"{'in' if one.is_in else 'out'} by entry {one.entry}{told} since {_when(one.since)}"


def _when(moment: datetime | None) -> str:
    return "no" if moment is None else moment.isoformat(timespec="microseconds")


def _number(index: int | None) -> str:
    return "none" if index is None else str(index)
