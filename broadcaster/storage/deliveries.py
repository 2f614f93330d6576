"""Deliveries: taking back what waits, and what became of each that was handed over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.orm import Session

from broadcaster.core.delivery import OPEN, WAITING, SkipReason, State
from broadcaster.storage import bulletins, tallies
from broadcaster.storage.models import Bulletin, Delivery, StatusEvent
from broadcaster.storage.models.bulletins import AT_ONCE, IS_OF_PERSON, IS_QUEUED, IS_UNDER_WAY

_WAITING = [state.value for state in sorted(WAITING)]


def withdraw(session: Session, subscriber_id: int, list_id: int | None, now: datetime) -> None:
    """Take back what waits for a person who left a list, or everything.

    What a worker has claimed is taken back, too: it cannot be handed over any more.

    Args:
        session: an open transaction that holds the person's lock.
        subscriber_id: who left.
        list_id: the list they left; None when they left all.
        now: the present moment.
    """
    _skip_of_person(session, subscriber_id, list_id, SkipReason.LEFT, now)


def suspend(session: Session, subscriber_id: int, now: datetime) -> None:
    """Take back what waits for a person whose address turned out to be dead."""
    _skip_of_person(session, subscriber_id, None, SkipReason.SUSPENDED, now)


def _skip_of_person(
    session: Session, subscriber_id: int, list_id: int | None, reason: SkipReason, now: datetime
) -> None:
    waiting = (
        select(Delivery.id)
        .where(Delivery.subscriber_id == subscriber_id, IS_OF_PERSON, Delivery.state.in_(_WAITING))
        .order_by(Delivery.id)
    )
    if list_id is not None:
        waiting = waiting.join(Bulletin, Bulletin.id == Delivery.bulletin_id).where(
            Bulletin.list_id == list_id
        )
    bulletin_ids = _leave_queue(
        session, waiting.with_for_update(of=Delivery), State.SKIPPED, reason.value, now
    )
    _count_out(session, Counter(bulletin_ids), State.SKIPPED, reason.value)


def is_in_flight(session: Session, subscriber_id: int) -> bool:
    """Tell whether a request for this person is being made at this moment."""
    return (
        session.execute(
            select(Delivery.id)
            .where(
                Delivery.subscriber_id == subscriber_id,
                IS_OF_PERSON,
                Delivery.state == State.HANDED_OVER.value,
            )
            .limit(1)
        ).first()
        is not None
    )


def put_back(session: Session, bulletin_id: int, now: datetime) -> None:
    """Put back into the queue what workers have claimed of a bulletin but not handed over."""
    claimed = (
        select(Delivery.id)
        .where(
            Delivery.bulletin_id == bulletin_id,
            IS_UNDER_WAY,
            Delivery.state == State.CLAIMED.value,
        )
        .order_by(Delivery.id)
        .with_for_update()
    )
    session.execute(
        update(Delivery)
        .where(Delivery.id.in_(claimed), Delivery.state == State.CLAIMED.value)
        .values(state=State.QUEUED.value, lease=None, changed=now)
        .execution_options(synchronize_session=False)
    )


def leave_queue(
    session: Session,
    bulletin_id: int,
    state: State,
    reason: SkipReason | None,
    *,
    limit: int,
    now: datetime,
) -> int:
    """Decide that some of what waits of a bulletin goes out no more; return how many.

    Args:
        session: an open transaction that may write.
        bulletin_id: which bulletin.
        state: skipped or expired.
        reason: why it is skipped.
        limit: how many at most: a million rows in one transaction would keep everybody waiting.
        now: the present moment.
    """
    put_back(session, bulletin_id, now)
    waiting = (
        select(Delivery.id)
        .where(Delivery.bulletin_id == bulletin_id, IS_QUEUED)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    word = reason.value if reason else None
    left = len(_leave_queue(session, waiting, state, word, now))
    _count_out(session, Counter({bulletin_id: left}), state, word)
    return left


def _leave_queue(
    session: Session,
    waiting: Select[*tuple[Any, ...]],
    state: State,
    reason: str | None,
    now: datetime,
) -> Sequence[int]:
    """Move what waits to a state; return the bulletin of each.

    Rows are locked in the order of their ids by the query itself, and looked at again by the
    update: a hand-over that came first has the row.
    """
    return (
        session.execute(
            update(Delivery)
            .where(Delivery.id.in_(waiting), Delivery.state.in_(_WAITING))
            .values(state=state.value, reason=reason, lease=None, changed=now)
            .returning(Delivery.bulletin_id)
            .execution_options(synchronize_session=False)
        )
        .scalars()
        .all()
    )


def _count_out(
    session: Session, bulletin_ids: Counter[int], state: State, reason: str | None
) -> None:
    differences: Counter[tallies.Key] = Counter()
    for bulletin_id, n in bulletin_ids.items():
        differences[tallies.key(bulletin_id, State.QUEUED)] -= n
        differences[tallies.key(bulletin_id, state, reason)] += n
    tallies.add(session, differences)


def release_leases(session: Session, now: datetime, furthest: datetime) -> int:
    """Put back claims whose lease ran out: they were never handed over, so that is safe.

    Args:
        session: an open transaction that may write.
        now: the present moment.
        furthest: no lease reaches further; one that does was given before the clock was set back.
    """
    lapsed = (
        select(Delivery.id)
        .where(
            IS_UNDER_WAY,
            Delivery.state == State.CLAIMED.value,
            (Delivery.lease <= now) | (Delivery.lease > furthest),
        )
        .with_for_update(skip_locked=True)
    )
    return int(
        session.execute(
            update(Delivery)
            .where(Delivery.id.in_(lapsed), Delivery.state == State.CLAIMED.value)
            .values(state=State.QUEUED.value, lease=None, changed=now)
            .execution_options(synchronize_session=False)
        ).rowcount  # type: ignore[attr-defined] # an UPDATE has one
    )


def give_up_hand_overs(
    session: Session, longest: timedelta, state: State, now: datetime, limit: int
) -> int:
    """Mark hand-overs that are too old: their worker died and nobody knows the outcome.

    Args:
        session: an open transaction that may write.
        longest: how long one can take; whatever is that far ahead is from before the clock was set
            back.
        state: unknown, to be looked up; or held, for a person.
        now: the present moment.
        limit: how many at most.
    """
    lost = (
        select(Delivery.id)
        .where(IS_UNDER_WAY, _is_lost(longest, now))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    bulletin_ids = (
        session.execute(
            update(Delivery)
            .where(Delivery.id.in_(lost), Delivery.state == State.HANDED_OVER.value)
            .values(state=state.value, reason=WORKER_LOST, changed=now)
            .returning(Delivery.bulletin_id)
            .execution_options(synchronize_session=False)
        )
        .scalars()
        .all()
    )
    _count_out(session, Counter(bulletin_ids), state, WORKER_LOST)
    return len(bulletin_ids)


WORKER_LOST = "worker_lost"


def has_lapsed(session: Session, now: datetime, furthest: datetime, longest: timedelta) -> bool:
    """Tell whether any lease ran out, or any hand-over takes longer than one can take."""
    lapsed = (Delivery.state == State.CLAIMED.value) & (
        (Delivery.lease <= now) | (Delivery.lease > furthest)
    )
    return any(
        session.execute(select(Delivery.id).where(IS_UNDER_WAY, which).limit(1)).first() is not None
        for which in (lapsed, _is_lost(longest, now))
    )


def _is_lost(longest: timedelta, now: datetime) -> ColumnElement[bool]:
    in_time = Delivery.handed.between(now - longest, now + longest)
    return and_(Delivery.state == State.HANDED_OVER.value, ~in_time)


def ask_again_now(session: Session, bulletin_id: int, now: datetime) -> None:
    """Let what was put off be asked again at once: a person has said that it goes on."""
    session.execute(
        update(Delivery)
        .where(
            Delivery.bulletin_id == bulletin_id,
            IS_QUEUED,
            Delivery.not_before > now,
        )
        .values(not_before=AT_ONCE)
        .execution_options(synchronize_session=False)
    )


def next_turn(session: Session, bulletin_id: int) -> datetime | None:
    """Return from when the first of those who wait for a bulletin may get it; None if nobody waits."""
    first = [
        session.execute(
            select(func.min(Delivery.not_before)).where(
                Delivery.bulletin_id == bulletin_id, Delivery.sender_id == sender_id, IS_QUEUED
            )
        ).scalar_one()
        for sender_id in bulletins.senders(session, [bulletin_id])
    ]
    return min((moment for moment in first if moment is not None), default=None)


def is_untouched(session: Session, bulletin_id: int) -> bool:
    """Tell whether nobody can have got anything of a bulletin."""
    counted = tallies.of(session, bulletin_id)
    if any(one.state not in {State.QUEUED, State.SKIPPED} for one in counted):
        return False
    touched = select(Delivery.id).where(
        Delivery.bulletin_id == bulletin_id, Delivery.handed.is_not(None)
    )
    reported = (
        select(StatusEvent.id)
        .join(Delivery, Delivery.id == StatusEvent.delivery_id)
        .where(Delivery.bulletin_id == bulletin_id)
    )
    return not (
        session.execute(touched.limit(1)).first() or session.execute(reported.limit(1)).first()
    )


def discard(session: Session, bulletin_id: int) -> None:
    """Take back a frozen audience of whom nobody got anything; it is frozen anew at the start."""
    session.execute(
        delete(Delivery)
        .where(Delivery.bulletin_id == bulletin_id)
        .execution_options(synchronize_session=False)
    )
    tallies.forget(session, bulletin_id)


def has_open(session: Session, bulletin_id: int) -> bool:
    """Tell whether any delivery of a bulletin has no outcome yet."""
    of_it = select(Delivery.id).where(Delivery.bulletin_id == bulletin_id).limit(1)
    under_way = [
        of_it.where(IS_UNDER_WAY, Delivery.state == one.value) for one in OPEN - {State.QUEUED}
    ]
    return any(
        session.execute(query).first() is not None for query in (of_it.where(IS_QUEUED), *under_way)
    )


def counts(session: Session, bulletin_id: int) -> dict[tallies.Key, int]:
    """Count a bulletin's deliveries row by row: what its tallies must come to."""
    rows = session.execute(
        select(Delivery.state, Delivery.reason, Delivery.error_code, func.count())
        .where(Delivery.bulletin_id == bulletin_id)
        .group_by(Delivery.state, Delivery.reason, Delivery.error_code)
    ).all()
    found: Counter[tallies.Key] = Counter()
    for state, reason, code, n in rows:
        found[tallies.key(bulletin_id, State(state), reason, code)] += n
    return dict(found)


def lock(session: Session, delivery_id: int) -> Delivery | None:
    """Return a delivery with its row locked until the transaction ends, if there is one."""
    return session.execute(
        select(Delivery)
        .where(Delivery.id == delivery_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
