"""The audience of a bulletin derived again from the ledger alone, and held against what was sent.

The ledger is folded up to the entry that was its last when the audience was frozen. Everybody who is
on the list then must have a delivery, and nobody else; and each message must be allowed by the newest
entry of its person. Who got nothing must have a reason, and who left must have an entry that says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import SkipReason, State
from broadcaster.core.errors import InvalidInput, NotFound
from broadcaster.ledger.entry import Event
from broadcaster.runtime import Runtime
from broadcaster.services import allowing, history
from broadcaster.services.history import Placed
from broadcaster.storage import bulletins, frozen
from broadcaster.storage.frozen import Sent
from broadcaster.storage.models import BroadcastList, Bulletin

_AT_ONCE = 1_000
#: So many differences are named; all are counted.
MOST_NAMED = 100
_NOT_BEGUN = {
    BulletinState.DRAFT.value: "is a draft; nothing of it has gone out",
    BulletinState.CANCELLED.value: "was cancelled before it began, so nobody got it",
}
_ERASED = Event.ERASED.value.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that was sent, or not sent, otherwise than the ledger says.

    Args:
        kind: ``only ledger``, ``only sent`` or ``entry``.
        subject: of whom, as entries name them; None if the person is not there any more.
        delivery: the number of the delivery, if there is one.
        what: in a sentence.
    """

    kind: str
    subject: str | None
    delivery: int | None
    what: str


@dataclass(slots=True, kw_only=True)
class Derived:
    """What the ledger says of a bulletin's audience, beside what happened.

    Attributes:
        bulletin: which.
        item: its list.
        size: how many entries counted; None where only the moment is known.
        moment: when the audience was frozen.
        both: people who are on the list by the ledger, and in the audience.
        only_ledger: people who are on the list by the ledger, and have no delivery.
        only_sent: people who have a delivery, and are not on the list by the ledger.
        wrong: messages, and withheld messages, that the ledger does not account for.
        sent: how many messages were handed over.
        withheld: how many were not, by reason: a skip's, or the delivery's state.
        unreachable: people on the list by a channel that the list did not go out by then.
        erased: people who were on the list and have been erased since.
        recovered: messages of which only the provider knew, so that no entry is written down.
        differences: those that are named.
    """

    bulletin: Bulletin
    item: BroadcastList
    size: int | None
    moment: datetime
    both: int = 0
    only_ledger: int = 0
    only_sent: int = 0
    wrong: int = 0
    sent: int = 0
    withheld: Counter[str] = field(default_factory=Counter)
    unreachable: int = 0
    erased: int = 0
    recovered: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def different(self) -> int:
        """How many differences there are; it must be 0."""
        return self.only_ledger + self.only_sent + self.wrong

    def note(self, kind: str, what: str, *, subject: str | None, delivery: int | None) -> None:
        """Name a difference, if not too many are named already."""
        if len(self.differences) < MOST_NAMED:
            one = Difference(kind=kind, subject=subject, delivery=delivery, what=what)
            self.differences.append(one)


def rederive(runtime: Runtime, bulletin_id: int) -> Derived:
    """Derive a bulletin's audience from the ledger and compare it with what was sent.

    Args:
        runtime: the parts; nothing is changed.
        bulletin_id: which.

    Raises:
        NotFound: there is no such bulletin.
        InvalidInput: its audience is not frozen yet.
        LedgerError: an entry cannot be read; verify the ledger first.
        LedgerBroken: an entry is missing.
    """
    with runtime.reading() as session:
        bulletin = bulletins.get(session, bulletin_id)
        _, item = frozen.with_lists(session, [bulletin_id])[bulletin_id]
        channels = (
            frozen.channels_now(session, item.id)
            if bulletin.channels is None
            else frozenset(bulletin.channels.split())
        )
    if bulletin.audience is None or bulletin.started is None:
        message = f"Bulletin {bulletin_id} {_NOT_BEGUN.get(bulletin.state, 'has not begun yet')}."
        raise InvalidInput(message)
    found = Derived(
        bulletin=bulletin, item=item, size=bulletin.ledger_size, moment=bulletin.started
    )
    members = _members(runtime, found)
    for batch in _batches(runtime, bulletin_id):
        _hold_against(runtime, found, members, batch)
    _explain_the_rest(runtime, found, members, channels)
    return found


def _members(runtime: Runtime, found: Derived) -> dict[str, int]:
    moment = found.moment if found.size is None else None
    try:
        return history.members(runtime, found.item.slug, moment=moment, size=found.size)
    except NotFound:
        # Nobody ever joined it.
        return {}


def _batches(runtime: Runtime, bulletin_id: int) -> Iterator[list[Sent]]:
    after = 0
    while True:
        with runtime.reading() as session:
            batch = frozen.audience(session, bulletin_id, after, _AT_ONCE)
        if not batch:
            return
        yield batch
        after = batch[-1].id


def _hold_against(
    runtime: Runtime, found: Derived, members: dict[str, int], batch: list[Sent]
) -> None:
    """Compare some deliveries with the ledger; who is compared is taken out of the members."""
    with runtime.reading() as session:
        entries = allowing.of_subjects(session, [one.subject for one in batch if one.subject])
    for one in batch:
        joined = members.pop(one.subject, None) if one.subject else None
        if joined is not None:
            found.both += 1
        elif one.subject is None:
            # Their row is gone; who is left over in the ledger has an entry that says so.
            found.erased += 1
        else:
            found.only_sent += 1
            what = "is in the audience, and by the ledger not on the list"
            found.note("only sent", what, subject=one.subject, delivery=one.id)
        _account(found, one, entries.get(one.subject or "", []), joined)


def _account(found: Derived, one: Sent, entries: list[Placed], joined: int | None) -> None:
    """Count a delivery as sent or withheld, and see that the ledger accounts for either."""
    fault = None
    if allowing.was_handed_over(one):
        found.sent += 1
        if one.entry is None and one.handed is None and joined is not None:
            found.recovered += 1
        elif one.subject is not None:
            fault = allowing.judge(one, entries, found.item.slug)
    else:
        found.withheld[one.reason or one.state] += 1
        is_left = (one.state, one.reason) == (State.SKIPPED, SkipReason.LEFT)
        if is_left and joined is not None and not _left(entries, joined, found.item.slug):
            fault = "was skipped because they left, and no entry says so"
    if fault is not None:
        found.wrong += 1
        found.note("entry", fault, subject=one.subject, delivery=one.id)


def _left(entries: list[Placed], joined: int, name: str) -> bool:
    return any(
        place.entry > joined and history.puts_on(place.change, name.encode()) is False
        for place in entries
    )


def _explain_the_rest(
    runtime: Runtime, found: Derived, members: dict[str, int], channels: frozenset[str]
) -> None:
    """Look at who is on the list by the ledger and has no delivery."""
    erased_rows, found.erased = found.erased, 0
    left = sorted(members)
    for start in range(0, len(left), _AT_ONCE):
        group = left[start : start + _AT_ONCE]
        with runtime.reading() as session:
            entries = allowing.of_subjects(session, group)
        for subject in group:
            _explain(found, subject, entries[subject], members[subject], channels)
    # A delivery without a person is of somebody who was erased: as many as the ledger has erased.
    found.both += min(erased_rows, found.erased)
    found.only_sent += max(0, erased_rows - found.erased)


def _explain(
    found: Derived,
    subject: str,
    entries: list[Placed],
    joined: int,
    channels: frozenset[str],
) -> None:
    channel = next(place.change.channel for place in entries if place.entry == joined)
    if channel.decode() not in channels:
        found.unreachable += 1
    elif any(place.change.event == _ERASED for place in entries if place.entry > joined):
        found.erased += 1
    else:
        found.only_ledger += 1
        what = f"is on the list by entry {joined}, and has no delivery"
        found.note("only ledger", what, subject=subject, delivery=None)
