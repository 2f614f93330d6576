"""Deliveries: taking back what is queued, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import OPEN, SkipReason, State
from broadcaster.storage.models import Bulletin, Delivery, StatusEvent


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one claimed delivery; ``not_before`` puts it back into the queue."""

    delivery_id: int
    state: State
    sid: str | None = None
    error_code: int | None = None
    reason: str | None = None
    not_before: datetime | None = None


_CANCELLED = Outcome(0, State.SKIPPED, reason=SkipReason.CANCELLED.value)


def withdraw(session: Session, subscriber_id: int, list_id: int | None, now: datetime) -> None:
    """Take back what is queued for a person who left a list, or everything.

    Args:
        session: an open transaction that holds the person's lock.
        subscriber_id: who left.
        list_id: the list they left; None when they left all.
        now: the present moment.
    """
    queued = (
        select(Delivery.id)
        .where(Delivery.subscriber_id == subscriber_id, Delivery.state == State.QUEUED.value)
        .order_by(Delivery.id)
    )
    if list_id is not None:
        queued = queued.join(Bulletin, Bulletin.id == Delivery.bulletin_id).where(
            Bulletin.list_id == list_id
        )
    _skip(session, queued.with_for_update(of=Delivery), SkipReason.LEFT, now)


def is_in_flight(session: Session, subscriber_id: int) -> bool:
    """Tell whether a request for this person is being handed over at this moment."""
    return (
        session.execute(
            select(Delivery.id)
            .where(Delivery.subscriber_id == subscriber_id, Delivery.state == State.CLAIMED.value)
            .limit(1)
        ).first()
        is not None
    )


def write_outcomes(session: Session, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Write down what became of claimed deliveries.

    A callback may have come first: only what is still claimed takes its state from here. The
    callback has then stored the provider's id as well. What goes back into the queue of a bulletin
    that was cancelled meanwhile is skipped, so that nothing waits for ever.
    """
    going_back = [one.delivery_id for one in outcomes if one.state is State.QUEUED]
    cancelled = _of_cancelled_bulletins(session, going_back)
    session.connection().execute(
        update(Delivery)
        .where(Delivery.id == bindparam("row"), Delivery.state == State.CLAIMED.value)
        .values(
            state=bindparam("new_state"),
            sid=bindparam("new_sid"),
            error_code=bindparam("new_error"),
            reason=bindparam("new_reason"),
            not_before=bindparam("new_not_before", type_=Delivery.not_before.type),
            changed=bindparam("moment", type_=Delivery.changed.type),
        ),
        [
            _row(_CANCELLED if one.delivery_id in cancelled else one, one.delivery_id, now)
            for one in sorted(outcomes, key=lambda one: one.delivery_id)
        ],
    )


def _row(outcome: Outcome, delivery_id: int, now: datetime) -> dict[str, Any]:
    return {
        "row": delivery_id,
        "new_state": outcome.state.value,
        "new_sid": outcome.sid,
        "new_error": outcome.error_code,
        "new_reason": outcome.reason,
        "new_not_before": outcome.not_before,
        "moment": now,
    }


def _of_cancelled_bulletins(session: Session, delivery_ids: Sequence[int]) -> set[int]:
    """Tell which deliveries are of a cancelled bulletin; no cancellation can come in between."""
    if not delivery_ids:
        return set()
    of_these = select(Delivery.bulletin_id).where(Delivery.id.in_(delivery_ids))
    states = session.execute(
        select(Bulletin.id, Bulletin.state)
        .where(Bulletin.id.in_(of_these))
        .order_by(Bulletin.id)
        .with_for_update()
    ).all()
    over = [number for number, state in states if state == BulletinState.CANCELLED.value]
    found = select(Delivery.id).where(Delivery.id.in_(delivery_ids), Delivery.bulletin_id.in_(over))
    return set(session.execute(found).scalars())


def has_stale_claims(session: Session, before: datetime) -> bool:
    """Tell whether any claim is older than ``before``."""
    return (
        session.execute(
            select(Delivery.id)
            .where(Delivery.state == State.CLAIMED.value, Delivery.claimed < before)
            .limit(1)
        ).first()
        is not None
    )


def give_up_claims(session: Session, before: datetime, now: datetime) -> int:
    """Mark claims older than ``before`` unknown: their worker died and nobody knows the outcome.

    They are never sent again on our own say-so; a status callback may still tell.
    """
    stale = (
        select(Delivery.id)
        .where(Delivery.state == State.CLAIMED.value, Delivery.claimed < before)
        .order_by(Delivery.id)
        .with_for_update(skip_locked=True)
    )
    lost = session.execute(
        update(Delivery)
        .where(Delivery.id.in_(stale))
        .values(state=State.UNKNOWN.value, reason="worker_lost", changed=now)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(lost)


def skip_queued(session: Session, bulletin_id: int, now: datetime) -> None:
    """Take back all that is still queued of a bulletin that was cancelled."""
    queued = (
        select(Delivery.id)
        .where(Delivery.bulletin_id == bulletin_id, Delivery.state == State.QUEUED.value)
        .order_by(Delivery.id)
        .with_for_update()
    )
    _skip(session, queued, SkipReason.CANCELLED, now)


def _skip(
    session: Session, queued: Select[*tuple[Any, ...]], reason: SkipReason, now: datetime
) -> None:
    """Skip deliveries, locking them in order of id as claims do, so that neither waits in a ring."""
    session.execute(
        update(Delivery)
        .where(Delivery.id.in_(queued))
        .values(state=State.SKIPPED.value, reason=reason.value, changed=now)
        .execution_options(synchronize_session=False)
    )


def ask_again_now(session: Session, bulletin_id: int) -> None:
    """Let what was put off be asked again at once: a person has said that it goes on."""
    session.execute(
        update(Delivery)
        .where(Delivery.bulletin_id == bulletin_id, Delivery.state == State.QUEUED.value)
        .values(not_before=None)
        .execution_options(synchronize_session=False)
    )


def is_untouched(session: Session, bulletin_id: int) -> bool:
    """Tell whether nobody can have got anything of a bulletin."""
    touched = select(Delivery.id).where(
        Delivery.bulletin_id == bulletin_id,
        Delivery.state.not_in([State.QUEUED.value, State.SKIPPED.value]),
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


def total(session: Session, bulletin_id: int) -> int:
    """Count a bulletin's deliveries."""
    return session.execute(
        select(func.count()).select_from(Delivery).where(Delivery.bulletin_id == bulletin_id)
    ).scalar_one()


def has_open(session: Session, bulletin_id: int) -> bool:
    """Tell whether any delivery of a bulletin has no outcome yet."""
    return (
        session.execute(
            select(Delivery.id)
            .where(
                Delivery.bulletin_id == bulletin_id,
                Delivery.state.in_([state.value for state in OPEN]),
            )
            .limit(1)
        ).first()
        is not None
    )


def counts(session: Session, bulletin_id: int) -> list[tuple[str, str | None, int | None, int]]:
    """Count a bulletin's deliveries by state, reason and error code."""
    rows = session.execute(
        select(Delivery.state, Delivery.reason, Delivery.error_code, func.count())
        .where(Delivery.bulletin_id == bulletin_id)
        .group_by(Delivery.state, Delivery.reason, Delivery.error_code)
    ).all()
    return [(state, reason, code, number) for state, reason, code, number in rows]


def lock(session: Session, delivery_id: int) -> Delivery | None:
    """Return a delivery with its row locked until the transaction ends, if there is one."""
    return session.execute(
        select(Delivery).where(Delivery.id == delivery_id).with_for_update()
    ).scalar_one_or_none()


def stale_before(now: datetime, *, lease: float, timeout: float) -> datetime:
    """Return the moment before which a claim must have had its outcome."""
    # A request takes at most two time-outs: one for a line, one for the answer.
    return now - timedelta(seconds=lease + 2 * timeout + 30)
