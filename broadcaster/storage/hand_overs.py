"""Handing over: what is written down just before requests leave, and what became of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Boolean, TextClause, bindparam, case, null, or_, select, text, update
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import State
from broadcaster.storage import tallies
from broadcaster.storage.claims import Claim
from broadcaster.storage.ids import IdList, among
from broadcaster.storage.models import Bulletin, Delivery
from broadcaster.storage.models.bulletins import AT_ONCE


class Outcome(NamedTuple):
    """What became of one hand-over; back to queued means that the provider certainly took nothing.

    Args:
        delivery_id: which delivery.
        bulletin_id: its bulletin.
        attempt: the number of the hand-over that this is about.
        state: where the delivery stands from now on.
        sid: the provider's id, if it took the message.
        error_code: the provider's reason, if it refused.
        reason: ours, if nobody knows.
        not_before: until when it waits if it goes back into the queue.
    """

    delivery_id: int
    bulletin_id: int
    attempt: int
    state: State
    sid: str | None = None
    error_code: int | None = None
    reason: str | None = None
    not_before: datetime | None = None


def hand_over(
    session: Session, claims: Sequence[Claim], worker: str, now: datetime
) -> dict[int, int]:
    """Write down that requests leave now; return the number of the attempt of each that may.

    What was taken back since, what another worker has, and what belongs to a bulletin that goes
    out no more may not. Nearly always all of them may, and then one count says so.
    """
    wanted = {"ids": [one.delivery_id for one in claims], "of_worker": worker, "moment": now}
    attempts = {one.delivery_id: one.handed_before + 1 for one in claims}
    attempt = session.begin_nested()
    connection = session.connection()
    if connection.execute(_HAND_OVER, wanted).rowcount == len(attempts):
        attempt.commit()
        return attempts
    attempt.rollback()
    handed = connection.execute(_HAND_OVER.returning(Delivery.id), wanted).scalars().all()
    return {number: attempts[number] for number in handed}


_IDS = bindparam("ids", type_=IdList())
_HAND_OVER = (
    update(Delivery)
    .where(
        among(Delivery.id, _IDS),
        Delivery.state == State.CLAIMED.value,
        Delivery.worker == bindparam("of_worker"),
        Delivery.lease > bindparam("moment", type_=Delivery.lease.type),
        Delivery.bulletin_id.in_(
            select(Bulletin.id).where(
                Bulletin.state == BulletinState.SENDING.value,
                or_(
                    Bulletin.not_after.is_(None),
                    Bulletin.not_after > bindparam("moment", type_=Bulletin.not_after.type),
                ),
            )
        ),
    )
    .values(
        state=State.HANDED_OVER.value,
        handed=bindparam("moment", type_=Delivery.handed.type),
        attempt=Delivery.attempt + 1,
        looked=None,
        changed=bindparam("moment", type_=Delivery.changed.type),
    )
)


def write_outcomes(session: Session, outcomes: Sequence[Outcome], now: datetime) -> list[Outcome]:
    """Write down what became of hand-overs; return those that found their row changed meanwhile.

    A callback may have come first, or another worker may have given the hand-over up: only what
    is still handed over, in the same attempt, takes its state from here.
    """
    ordered = sorted(outcomes, key=lambda one: one.delivery_id)
    written = _write(session, ordered, now)
    same = Counter((one.bulletin_id, one.state, one.reason, one.error_code) for one in written)
    tallies.moved_many(
        session,
        (
            (
                tallies.key(bulletin_id, State.QUEUED),
                tallies.key(bulletin_id, state, reason, error_code),
                n,
            )
            for (bulletin_id, state, reason, error_code), n in same.items()
        ),
    )
    return [] if len(written) == len(ordered) else [one for one in ordered if one not in written]


def _write(session: Session, ordered: Sequence[Outcome], now: datetime) -> Sequence[Outcome]:
    """Write outcomes whose rows are still handed over, in the same attempt; return these.

    Nearly always that is all of them, and then one count says so. Else it is done again, with a
    look at each.
    """
    attempt = session.begin_nested()
    if _write_all(session, ordered, now) == len(ordered):
        attempt.commit()
        return ordered
    attempt.rollback()
    rows = session.execute(
        select(Delivery.id, Delivery.attempt)
        .where(
            among(
                Delivery.id,
                bindparam("ids", [one.delivery_id for one in ordered], type_=IdList()),
            ),
            Delivery.state == State.HANDED_OVER.value,
        )
        .order_by(Delivery.id)
        .with_for_update()
    ).all()
    still = {(row.id, row.attempt) for row in rows}
    writable = [one for one in ordered if (one.delivery_id, one.attempt) in still]
    _write_all(session, writable, now)
    return writable


def _write_all(session: Session, ordered: Sequence[Outcome], now: datetime) -> int:
    """Write outcomes; return how many rows there were to write to."""
    accepted = [one for one in ordered if one.state is State.ACCEPTED]
    others = [_row(one, now) for one in ordered if one.state is not State.ACCEPTED]
    connection = session.connection()
    written = 0
    if accepted:
        written += connection.execute(*_accept(connection.dialect.name, accepted)).rowcount
    if others:
        written += connection.execute(_WRITE, others).rowcount
    return written


def _accept(database: str, accepted: Sequence[Outcome]) -> tuple[TextClause, dict[str, Any]]:
    """Return one statement that accepts many, and its parameters.

    A statement for each would give up and take back the interpreter's lock for each, and the
    requests under way would wait for that.
    """
    if database == "sqlite":
        rows = [(one.delivery_id, one.attempt, one.sid) for one in accepted]
        return _ACCEPT_SQLITE, {"rows": json.dumps(rows)}
    return _ACCEPT_POSTGRESQL, {
        "ids": [one.delivery_id for one in accepted],
        "attempts": [one.attempt for one in accepted],
        "sids": [one.sid for one in accepted],
    }


_ACCEPT = """
    UPDATE deliveries SET state = 'accepted', sid = taken.sid FROM {rows}
    WHERE deliveries.id = taken.id AND deliveries.state = 'handed_over'
    AND deliveries.attempt = taken.attempt
"""
_ACCEPT_SQLITE = text(
    _ACCEPT.format(
        rows="""(
            SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS attempt,
                json_extract(value, '$[2]') AS sid FROM json_each(:rows)
        ) AS taken"""
    )
)
_ACCEPT_POSTGRESQL = text(
    _ACCEPT.format(
        rows="""unnest(
            CAST(:ids AS bigint[]), CAST(:attempts AS integer[]), CAST(:sids AS varchar[])
        ) AS taken (id, attempt, sid)"""
    )
)
_STILL = (
    Delivery.id == bindparam("row"),
    Delivery.state == State.HANDED_OVER.value,
    Delivery.attempt == bindparam("of_attempt"),
)
_WRITE = (
    update(Delivery)
    .where(*_STILL)
    .values(
        state=bindparam("new_state"),
        # The provider took nothing for certain: there was no hand-over.
        handed=case((bindparam("took_nothing", type_=Boolean), null()), else_=Delivery.handed),
        sid=bindparam("new_sid"),
        error_code=bindparam("new_error"),
        reason=bindparam("new_reason"),
        not_before=bindparam("new_not_before", type_=Delivery.not_before.type),
        changed=bindparam("moment", type_=Delivery.changed.type),
    )
)


def _row(outcome: Outcome, now: datetime) -> dict[str, Any]:
    queued = outcome.state is State.QUEUED
    return {
        "row": outcome.delivery_id,
        "of_attempt": outcome.attempt,
        "new_state": outcome.state.value,
        "took_nothing": queued,
        "new_sid": outcome.sid,
        "new_error": None if queued else outcome.error_code,
        "new_reason": None if queued else outcome.reason,
        "new_not_before": outcome.not_before or _soon(outcome),
        "moment": now,
    }


def _soon(outcome: Outcome) -> datetime:
    """Return from when somebody waits who may be asked for again at once.

    The moment is before every clock, so that setting one back makes nobody wait; and a little later
    with each attempt, so that nobody comes before those who were tried less often.
    """
    return AT_ONCE + timedelta(seconds=outcome.attempt)
