"""Comparing a restored database with the provider's list, so that nobody gets anything twice.

What people texted is read first. Then every message that the provider sent and the database does
not know is given to the delivery that it must be of: the same person, the same words. Bulletins
stay held until a person says what goes on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

import structlog
from sqlalchemy.orm import Session

from broadcaster.core.address import Address, Channel
from broadcaster.core.bulletin import ON_ITS_WAY, BulletinState, HeldReason
from broadcaster.core.delivery import OPEN, TAKEN, State, merge, state_of
from broadcaster.core.errors import ListUnreadable, Unheard
from broadcaster.core.lookup import CLOCK_SLACK, is_hidden, is_ours, is_taken, may_be, words
from broadcaster.core.messages import Listed
from broadcaster.ports import Connection
from broadcaster.runtime import Runtime
from broadcaster.services import listening, restoring, settling
from broadcaster.storage import (
    audience,
    bulletins,
    hearing,
    incidents,
    installation,
    restored,
    unknowns,
)
from broadcaster.storage.models import Bulletin, Delivery, Sender

_log = structlog.get_logger()

_AT_ONCE = 500
# So many messages that the database had before it was found to be old: the rest is older still.
_ENOUGH_KNOWN = 500
_FURTHEST = timedelta(days=400)
_REDACTED, _AMBIGUOUS = "redacted", "ambiguous"
_ATTRIBUTED, _HELD, _UNEXPLAINED = "attributed", "held", "unexplained"
_GOES_OUT = ON_ITS_WAY | {BulletinState.SCHEDULED}


class Stage(StrEnum):
    """How far the comparison is."""

    CURRENT = "current"  # there is nothing to compare
    SETTLING = "settling"  # the list may not show everything yet
    UNREADABLE = "unreadable"  # the list could not be read
    COMPARED = "compared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a comparison came to.

    Args:
        stage: how far it is.
        until: from when the list shows everything, while it is settling.
        attributed: messages that were found to be of a delivery.
        held: deliveries of which the list does not tell: a person decides.
        unexplained: messages that nothing explains: of bulletins that the backup does not have.
        bulletins: how many wait for a person's word now.
    """

    stage: Stage
    until: datetime | None = None
    attributed: int = 0
    held: int = 0
    unexplained: int = 0
    bulletins: int = 0


@dataclass(frozen=True, slots=True)
class _Texts:
    """Which bulletins a message can be of.

    Args:
        by_words: bulletins that are not over, by their words, the first written first.
        due: those that were on their way or should have begun, with the moment each was written.
        later: those that begin later, likewise.
        alike: what was found for other words.
    """

    by_words: dict[str, list[int]]
    due: dict[int, datetime]
    later: dict[int, datetime]
    alike: dict[str, list[int]] = field(default_factory=dict)

    def of(self, message: Listed) -> list[int]:
        """Return the bulletins: with its words, or altered ones; else all that may have gone out.

        Other words alone never prove that a message is of none of them.
        """
        if is_hidden(message):
            return _written_before(self.due, message.created)
        found = self.by_words.get(words(message.text)) or self._alike(message)
        return found or _written_before(self.due, message.created)

    def _alike(self, message: Listed) -> list[int]:
        if message.text not in self.alike:
            alike = (text for text in self.by_words if may_be(message, text))
            self.alike[message.text] = [one for text in alike for one in self.by_words[text]]
        return self.alike[message.text]

    def doubt(self, message: Listed) -> str | None:
        """Return why nobody can say that a message is of these bulletins; None if one can."""
        if is_hidden(message):
            return _REDACTED
        return None if words(message.text) in self.by_words else _AMBIGUOUS


def _written_before(written: Mapping[int, datetime], moment: datetime) -> list[int]:
    """Return the bulletins that were written before a moment of the provider's clock."""
    return [number for number, made in written.items() if made <= moment + CLOCK_SLACK]


@dataclass(slots=True)
class _Findings:
    """What was found so far.

    Args:
        counts: of how many messages came what.
        left: the ids of those that no delivery carries now.
        hidden: the newest moment of those without words that no bulletin explains.
    """

    counts: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    hidden: datetime | None = None

    def add(self, other: _Findings) -> None:
        self.counts += other.counts
        self.left += other.left
        self.hidden = max(filter(None, (self.hidden, other.hidden)), default=None)


def compare(runtime: Runtime) -> Comparison:
    """Compare a restored database with the provider's list, if that is due.

    It may be called again and again: what was found stays found.
    """
    now = runtime.clock.now()
    with runtime.reading() as session:
        since = installation.get(session).restored
        settle = timedelta(seconds=settling.settling_time(session, runtime))
        senders = hearing.senders(session)
    if since is None:
        return Comparison(stage=Stage.CURRENT)
    if since > now:
        # The clock has been set back since.
        runtime.run(lambda session: installation.set_restored(session, now))
        since = now
    if now < since + settle:
        return Comparison(stage=Stage.SETTLING, until=since + settle)
    try:
        listening.catch_up(runtime, [sender.id for sender in senders])
        found = asyncio.run(_compare(runtime, senders, since))
    except (Unheard, ListUnreadable):
        return Comparison(stage=Stage.UNREADABLE)
    counts = found.counts
    waiting = runtime.run(partial(_finish, runtime=runtime, found=found))
    _log.warning("database_compared", **counts)
    return Comparison(
        stage=Stage.COMPARED,
        bulletins=waiting,
        attributed=counts[_ATTRIBUTED],
        held=counts[_HELD],
        unexplained=counts[_UNEXPLAINED],
    )


def _finish(session: Session, *, runtime: Runtime, found: _Findings) -> int:
    """Let the database count as current, and what it has no place for as known from now on."""
    now = runtime.clock.now()
    row = installation.lock(session)
    row.restored = None
    session.flush()
    unknowns.explain(session, found.left, unknowns.COMPARED, now)
    if unexplained := found.counts[_UNEXPLAINED]:
        incidents.note(session, "restored_unexplained", f"{unexplained} messages", now)
    return restored.note_compared(session, now)


async def _compare(runtime: Runtime, senders: Sequence[Sender], since: datetime) -> _Findings:
    with runtime.reading() as session:
        texts = _texts(restored.unfinished(session), runtime.clock.now())
    found = _Findings()
    async with runtime.provider.connect() as connection:
        for sender in senders:
            found.add(await _compare_one(runtime, connection, sender, texts, since))
    if found.hidden is not None:
        # One of these may have been sent early, and nobody can tell: a person says so.
        for number in _written_before(texts.later, found.hidden):
            runtime.run(partial(_hold, runtime=runtime, number=number))
    return found


def _texts(unfinished: Sequence[Bulletin], now: datetime) -> _Texts:
    by_words: dict[str, list[int]] = {}
    due, later = {}, {}
    for bulletin in unfinished:
        # A draft goes out only when a person says so, who sees what became of the others.
        if bulletin.state == BulletinState.DRAFT:
            continue
        by_words.setdefault(words(bulletin.text), []).append(bulletin.id)
        begins = bulletin.starts_at if bulletin.state == BulletinState.SCHEDULED else None
        if begins is not None and begins > now:
            later[bulletin.id] = bulletin.created
        else:
            due[bulletin.id] = bulletin.created
    return _Texts(by_words, due, later)


async def _compare_one(
    runtime: Runtime, connection: Connection, sender: Sender, texts: _Texts, since: datetime
) -> _Findings:
    """Read the messages of one number, back to those that the database had all along."""
    address = Address(Channel(sender.channel), sender.address)
    begin = restoring.beginning(sender, runtime.clock.now(), _FURTHEST)
    found = _Findings()
    batch: list[Listed] = []
    async for one in connection.messages(sender=address, since=begin):
        if is_ours(one) and is_taken(one):
            batch.append(one)
        if len(batch) == _AT_ONCE:
            found.add(_attribute(runtime, sender, batch, texts, since))
            batch = []
        if found.counts["had"] >= _ENOUGH_KNOWN:
            break
    found.add(_attribute(runtime, sender, batch, texts, since))
    return found


def _attribute(
    runtime: Runtime, sender: Sender, batch: Sequence[Listed], texts: _Texts, since: datetime
) -> _Findings:
    """Give messages to their deliveries; count also what the database had all along."""
    sids = [one.sid for one in batch]
    with runtime.reading() as session:
        known = unknowns.attributed(session, sids)
        had = restored.untouched_since(session, sids, since)
        strange = [one for one in batch if one.sid not in known]
        people = restoring.people_of(session, runtime, strange)
    numbers = {number for one in strange if one.sid in people for number in texts.of(one)}
    for number in sorted(numbers):
        runtime.run(partial(_freeze, runtime=runtime, number=number))
    give = partial(
        _give, runtime=runtime, sender=sender, strange=strange, people=people, texts=texts
    )
    found = _Findings(Counter(had=had))
    if strange:
        found.add(runtime.run(give))
    return found


def _freeze(session: Session, *, runtime: Runtime, number: int) -> None:
    """Make the deliveries of a bulletin that was on its way; one that would start later holds."""
    now = runtime.clock.now()
    bulletin = _hold(session, runtime=runtime, number=number)
    if bulletin.audience is None:
        bulletin.audience = audience.freeze(session, number, bulletin.list_id, now)
        bulletin.started = bulletin.moved = now
        session.flush()


def _hold(session: Session, *, runtime: Runtime, number: int) -> Bulletin:
    """Hold a bulletin for the restore, unless it is over or is held for that already."""
    bulletin = bulletins.lock(session, number)
    is_held = bulletin.state == BulletinState.HELD and bulletin.held_reason == HeldReason.RESTORED
    if bulletin.state in _GOES_OUT and not is_held:
        restoring.hold(session, runtime, number)
    return bulletin


def _give(
    session: Session,
    *,
    runtime: Runtime,
    sender: Sender,
    strange: Sequence[Listed],
    people: dict[str, int],
    texts: _Texts,
) -> _Findings:
    """Give each message to one delivery; whoever else compares at this moment waits, and sees it.

    Those of which one can say whose they are come first, and of the others the oldest.
    """
    now = runtime.clock.now()
    numbers = {number for one in strange for number in texts.of(one)}
    rows = restored.lock_deliveries(session, numbers, set(people.values()))
    known = unknowns.attributed(session, [one.sid for one in strange])
    found = _Findings()
    oldest_first = strange[::-1]
    for one in sorted(oldest_first, key=lambda one: texts.doubt(one) is not None):
        if one.sid in known:
            continue
        person, doubt = people.get(one.sid), texts.doubt(one)
        places = [
            row
            for number in texts.of(one)
            if person is not None and (row := rows.get((number, person))) is not None
        ]
        if doubt is not None:
            places = [row for row in places if row.sender_id == sender.id]
        came_to = _place(session, one, places, doubt, now)
        found.counts[came_to] += 1
        if came_to == _UNEXPLAINED and person is not None and is_hidden(one):
            found.hidden = max(found.hidden or one.created, one.created)
        # What is older is never looked at again.
        if came_to != _ATTRIBUTED and one.created >= now - restoring.WITHIN:
            found.left.append(one.sid)
    return found


def _place(
    session: Session,
    message: Listed,
    places: Sequence[Delivery],
    doubt: str | None,
    now: datetime,
) -> str:
    """Give a message to the first delivery that has none; say what that came to."""
    free = [row for row in places if row.sid is None and State(row.state) not in TAKEN]
    if doubt is not None:
        may_be_its = [row for row in free if State(row.state) in OPEN | {State.HELD}]
        for row in may_be_its:
            if State(row.state) is not State.HELD:
                unknowns.decide(session, row, State.HELD, now, reason=doubt)
        return _HELD if may_be_its else _UNEXPLAINED
    if not free:
        return _UNEXPLAINED
    row = free[0]
    state = merge(State(row.state), state_of(message.status) or State.ACCEPTED)
    unknowns.decide(session, row, state, now, sid=message.sid, code=message.error_code)
    return _ATTRIBUTED
