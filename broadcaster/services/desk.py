"""What an editor sees first: what needs attention, what goes out, what comes next."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from broadcaster.core.address import Channel
from broadcaster.core.bulletin import BulletinState
from broadcaster.core.consent import Review
from broadcaster.core.errors import NotFound
from broadcaster.core.sealing import Keyring, open_address, open_text
from broadcaster.runtime import Runtime
from broadcaster.services import bulletins, senders, troubles
from broadcaster.services.senders import Standing
from broadcaster.services.settling import settling_time
from broadcaster.services.troubles import Trouble
from broadcaster.storage import desk, inbound, installation, lists, verification
from broadcaster.storage.desk import Place
from broadcaster.storage.models import (
    BroadcastList,
    Bulletin,
    Inbound,
    Installation,
    Subscriber,
    Verification,
)

_FEW = 5
_MANY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A bulletin with its list.

    Args:
        bulletin: the bulletin.
        list: its list.
        done: how far it is, while it goes out.
        undecided: of how many nobody knows whether they have it.
    """

    bulletin: Bulletin
    list: BroadcastList
    done: int = 0
    undecided: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingText:
    """A text that a person should read.

    Args:
        sid: its name at the provider.
        review: why.
        number: who sent it, masked.
        channel: over which channel.
        words: what it says.
        received: when it came.
        due: the last day on which it may be answered, where the law sets one.
    """

    sid: str
    review: Review
    number: str
    channel: Channel
    words: str
    received: datetime
    due: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPage:
    """Some of the texts that a person should read.

    Args:
        texts: what the law sets a date for first, then by age.
        onward: where the next page begins; None on the last.
    """

    texts: Sequence[WaitingText]
    onward: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything the desk shows.

    Args:
        held: bulletins that wait for a person: paused, or held by themselves.
        undecided: bulletins that left people undecided, and how many.
        broken: how the ledger was found to be not what was written, while that lasts.
        restored: since when the database is known to be one that was put back from a backup.
        sending: bulletins that are going out.
        scheduled: bulletins that go out next.
        waiting: the oldest texts that a person should read.
        waiting_count: how many there are in all.
        troubles: what went wrong of late.
        senders: how our own numbers stand.
        slowest: after how many seconds at most the provider's list showed a message so far.
        settle: after how long that list is believed.
        lists: all lists.
        people: how many people are on any list.
        is_new: no bulletin was ever scheduled.
    """

    held: Sequence[Row]
    undecided: Sequence[Row]
    broken: Verification | None
    restored: datetime | None
    sending: Sequence[Row]
    scheduled: Sequence[Row]
    waiting: Sequence[WaitingText]
    waiting_count: int
    troubles: Sequence[Trouble]
    senders: Sequence[Standing]
    slowest: float | None
    settle: timedelta
    lists: Sequence[BroadcastList]
    people: int
    is_new: bool


def overview(session: Session, runtime: Runtime, *, now: datetime) -> Desk:
    """Gather what the desk shows."""
    counts = desk.count_by_state(session)
    known = installation.get(session)
    verified = verification.get(session)
    numbers = senders.every(session, runtime.settings, now)
    held = _rows(desk.soonest(session, [BulletinState.HELD, BulletinState.PAUSED], _MANY))
    undecided = _undecided(session, now)
    shown = _shown(held, undecided, numbers, known, verified)
    zone = runtime.settings.organisation.zone
    return Desk(
        held=held,
        undecided=undecided,
        broken=verified if verified.broken else None,
        restored=known.restored,
        sending=_under_way(session),
        scheduled=_rows(desk.soonest(session, [BulletinState.SCHEDULED], _FEW)),
        waiting=[
            _open(text, person, runtime.keyring, zone)
            for text, person in desk.waiting(session, _FEW)
        ],
        waiting_count=inbound.count_waiting(session),
        troubles=troubles.of_late(session, now, shown=shown),
        senders=numbers,
        slowest=known.slowest_listing,
        settle=timedelta(seconds=settling_time(session, runtime)),
        lists=lists.every(session),
        people=desk.count_people(session),
        is_new=not sum(counts.values()) - counts.get(BulletinState.DRAFT, 0),
    )


def _undecided(session: Session, now: datetime) -> list[Row]:
    found = desk.undecided_since(session, now - troubles.OF_LATE, _MANY)
    return [Row(bulletin=bulletin, list=item, undecided=people) for bulletin, item, people in found]


def _shown(
    held: Sequence[Row],
    undecided: Sequence[Row],
    numbers: Sequence[Standing],
    known: Installation,
    verified: Verification,
) -> set[str]:
    """Name the incidents that the desk shows in another form, because they still last."""
    shown = {f"bulletin_{row.bulletin.held_reason} {row.bulletin.id}" for row in held}
    shown |= {f"deliveries_held {row.bulletin.id}" for row in undecided}
    if any(one.stopped_code is not None for one in numbers):
        shown.add("sender_refused None")
    if known.restored is not None:
        shown.add("restored None")
    if verified.broken is not None:
        shown.add("ledger_broken None")
    return shown


def waiting(
    session: Session, keyring: Keyring, *, zone: str, limit: int, after: Place | None = None
) -> WaitingPage:
    """Return the texts that a person should read, after a place; ``zone`` is the organisation's."""
    found = desk.waiting(session, limit + 1, after)
    return WaitingPage(
        texts=[_open(text, person, keyring, zone) for text, person in found[:limit]],
        onward=desk.place(found[limit - 1][0]) if len(found) > limit else None,
    )


def finish(session: Session, sid: str) -> Review | None:
    """Take a text off the list of those that wait; None where somebody did so before.

    Raises:
        NotFound: no text has this sid.
    """
    text = desk.lock_text(session, sid)
    if text is None:
        message = "There is no such text."
        raise NotFound(message)
    before, text.review = text.review, None
    return Review(before) if before else None


def bulletins_in(session: Session, states: Sequence[BulletinState]) -> list[Row]:
    """Return the bulletins in these states, latest first."""
    return _rows(desk.newest(session, states, _MANY))


def count_by_state(session: Session) -> dict[BulletinState, int]:
    """Count all bulletins by state."""
    return desk.count_by_state(session)


def _rows(found: Sequence[tuple[Bulletin, BroadcastList]]) -> list[Row]:
    return [Row(bulletin=bulletin, list=item) for bulletin, item in found]


def _under_way(session: Session) -> list[Row]:
    return [
        Row(bulletin=bulletin, list=item, done=bulletins.report(session, bulletin.id).done)
        for bulletin, item in desk.soonest(session, [BulletinState.SENDING], _MANY)
    ]


def _open(text: Inbound, person: Subscriber, keyring: Keyring, zone: str) -> WaitingText:
    key = keyring.unwrap(person.key_wrapped)
    received = text.received.astimezone(ZoneInfo(zone)).date()
    return WaitingText(
        sid=text.sid,
        review=Review(text.review or Review.QUESTION),
        number=open_address(key, person.channel, person.address_sealed).masked,
        channel=Channel(person.channel),
        words=open_text(key, text.sealed) if text.sealed else "",
        received=text.received,
        due=_a_month_after(received) if text.review in desk.REQUESTS else None,
    )


def _a_month_after(day: date) -> date:
    """Return the same day of the next month, or its last: GDPR article 12(3), Regulation 1182/71."""
    year, month = divmod(day.year * 12 + day.month, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
