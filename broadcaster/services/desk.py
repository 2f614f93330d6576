"""What an editor sees first: what needs attention, what goes out, what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.sealing import Keyring, open_address, open_text
from broadcaster.services import bulletins
from broadcaster.storage import desk, inbound, lists
from broadcaster.storage.models import BroadcastList, Bulletin, Incident

_FEW = 5
_MANY = 200
# An incident that did not come back in this time needs nobody's attention any more.
_INCIDENTS_FOR = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A bulletin with its list, and how far it is while it goes out."""

    bulletin: Bulletin
    list: BroadcastList
    done: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingText:
    """A text that a person should read.

    Args:
        review: why.
        number: who sent it, masked.
        words: what it says.
        received: when it came.
    """

    review: str
    number: str
    words: str
    received: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything the desk shows.

    Args:
        held: bulletins that were not sent in time and wait for a person.
        sending: bulletins that are going out.
        scheduled: bulletins that go out next.
        waiting: the oldest texts that a person should read.
        waiting_count: how many there are in all.
        incidents: trouble of late.
        lists: all lists.
        people: how many people are on any list.
        is_new: no bulletin was ever scheduled.
    """

    held: Sequence[Row]
    sending: Sequence[Row]
    scheduled: Sequence[Row]
    waiting: Sequence[WaitingText]
    waiting_count: int
    incidents: Sequence[Incident]
    lists: Sequence[BroadcastList]
    people: int
    is_new: bool


def overview(session: Session, keyring: Keyring, *, now: datetime) -> Desk:
    """Gather what the desk shows."""
    counts = desk.count_by_state(session)
    return Desk(
        held=_rows(desk.soonest(session, [BulletinState.HELD], _MANY)),
        sending=_under_way(session),
        scheduled=_rows(desk.soonest(session, [BulletinState.SCHEDULED], _FEW)),
        waiting=_waiting(session, keyring),
        waiting_count=inbound.count_waiting(session),
        incidents=desk.incidents_since(session, now - _INCIDENTS_FOR, _FEW),
        lists=lists.every(session),
        people=desk.count_people(session),
        is_new=not sum(counts.values()) - counts.get(BulletinState.DRAFT, 0),
    )


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


def _waiting(session: Session, keyring: Keyring) -> list[WaitingText]:
    texts = []
    for text, subscriber in desk.waiting(session, _FEW):
        key = keyring.unwrap(subscriber.key_wrapped)
        address = open_address(key, subscriber.channel, subscriber.address_sealed)
        texts.append(
            WaitingText(
                review=text.review or "",
                number=address.masked,
                words=open_text(key, text.sealed) if text.sealed else "",
                received=text.received,
            )
        )
    return texts
