"""Each sender's token bucket: moments at which its messages may go, given out once to all workers.

A bucket is one number: the moment from which the next message may go. Whoever takes slots moves it
on in the same transaction, so that all workers together never go faster than one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from broadcaster.storage.models import Pacing
from broadcaster.storage.upsert import insert

#: How far ahead slots are given out, in seconds: what is taken and not used is lost.
HORIZON = 1.0
# No slot is nearer than this, in seconds: until its request may begin, two transactions are to be
# committed, and where that takes longer than a slot lasts the last of a bulletin would never go.
LEAD = 0.1
# A worker whose database is slow takes slots further ahead, at most by this, in seconds.
_LONGEST_LEAD = 1.2
# Of what the sender is allowed: a request that arrives a little late must not make one second
# too full. At most 20 ms of delay are absorbed at any rate.
_SHARE = 0.98
# One message may take the slots of so many: the most segments that 1,600 characters can have.
_MOST_SEGMENTS = 30
# A clock that was set back by less is waited for, in seconds.
_CLOCK_SLACK = 60.0
# The clocks of two machines are no further apart than this.
_AHEAD = timedelta(seconds=5)
_LONGEST_BACK_OFF = 30.0
_FIRST_BACK_OFF = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """Moments given out: ``count`` of them, the first after ``delay`` seconds, ``step`` apart."""

    count: int
    delay: float = 0.0
    step: float = 0.0


def prepare(session: Session, sender_ids: Collection[int]) -> None:
    """Make sure that each sender has a bucket."""
    known = set(
        session.execute(select(Pacing.sender_id).where(Pacing.sender_id.in_(sender_ids))).scalars()
    )
    for sender_id in sorted(set(sender_ids) - known):
        session.execute(
            insert(session, Pacing)
            .values(sender_id=sender_id, next_slot=0.0, pushed_back=0)
            .on_conflict_do_nothing(index_elements=["sender_id"])
        )


def lock(session: Session, sender_ids: Collection[int]) -> None:
    """Lock the buckets of senders, in order, until the transaction ends; make those that lack."""
    if not sender_ids:
        return
    prepare(session, sender_ids)
    session.execute(
        select(Pacing.sender_id)
        .where(Pacing.sender_id.in_(sender_ids))
        .order_by(Pacing.sender_id)
        .with_for_update()
    ).all()


def is_standing(session: Session, sender_id: int, now: datetime) -> bool:
    """Tell whether a sender is paused or stopped at this moment."""
    row = session.connection().execute(_STANDING, {"of_sender": sender_id}).one_or_none()
    if row is None:
        return False
    pause = _pause(row.paused_since, row.paused_until, now)
    return row.stopped_code is not None or pause is not None


_STANDING = select(Pacing.paused_since, Pacing.paused_until, Pacing.stopped_code).where(
    Pacing.sender_id == bindparam("of_sender")
)


def paused_until(bucket: Pacing, now: datetime) -> datetime | None:
    """Return until when a sender is paused; None where it is not at this moment."""
    return _pause(bucket.paused_since, bucket.paused_until, now)


def _pause(since: datetime | None, until: datetime | None, now: datetime) -> datetime | None:
    """Return until when a pause lasts that is under way.

    One that has yet to begin was set by a clock that has been set back since: it is none.
    """
    if since is None or until is None or since > now + _AHEAD:
        return None
    return until if until > now else None


def free(
    session: Session,
    sender_id: int,
    *,
    rate: float,
    cost: int,
    now: datetime,
    lead: float = LEAD,
) -> int:
    """Return how many messages may be taken now; locks the bucket until the transaction ends.

    Args:
        session: an open transaction that may write.
        sender_id: whose bucket.
        rate: units a second that the sender is allowed; over 0.
        cost: units of one message: 1 on WhatsApp, its segments on SMS.
        now: the present moment.
        lead: no slot is nearer than so many seconds.
    """
    step = _step(rate, cost)
    horizon = HORIZON + lead - LEAD
    ahead = _moment(session, now) + horizon - _start(session, sender_id, step, now)
    return int(ahead / step) + 1 if ahead >= 0 else 0


def take(
    session: Session,
    sender_id: int,
    *,
    rate: float,
    cost: int,
    count: int,
    now: datetime,
    lead: float = LEAD,
) -> Slots:
    """Take slots that `free` has promised in the same transaction."""
    step = _step(rate, cost)
    start = _start(session, sender_id, step, now, lead=lead)
    _move(session, sender_id, start + step * count)
    # Last of all: the caller looks at its own clock next.
    moment = _moment(session, now)
    return Slots(count=count, delay=max(start - moment, 0.0), step=step)


def push_back(
    session: Session, sender_id: int, *, least: float, jitter: float, now: datetime
) -> float:
    """Pause a sender that the provider told to go slower; return for how many seconds.

    100 ms, doubled each time, at most 30 s, more or less 10 % (Twilio's advice for HTTP 429); never
    less than the provider asked for.

    Args:
        session: an open transaction that may write.
        sender_id: whose bucket.
        least: seconds that the provider named; 0 if it named none.
        jitter: a random number from -1 to 1.
        now: the present moment.
    """
    prepare(session, [sender_id])
    row = session.execute(
        select(Pacing).where(Pacing.sender_id == sender_id).with_for_update()
    ).scalar_one()
    seconds = min(_FIRST_BACK_OFF * 2.0 ** min(row.pushed_back, 12), _LONGEST_BACK_OFF)
    seconds = max(seconds * (1 + jitter / 10), least)
    row.pushed_back += 1
    until = now + timedelta(seconds=seconds)
    row.paused_until = max(paused_until(row, now) or until, until)
    row.paused_since = now
    session.flush()
    return seconds


def relax(session: Session, sender_ids: Collection[int]) -> None:
    """Forget earlier back-offs: the provider takes messages again."""
    for sender_id in sender_ids:
        session.connection().execute(_RELAX, {"of_sender": sender_id})


_RELAX = (
    update(Pacing)
    .where(Pacing.sender_id == bindparam("of_sender"), Pacing.pushed_back > 0)
    .values(pushed_back=0)
)


def stop(session: Session, sender_id: int, code: int) -> None:
    """Let a sender stand still until a person says that it goes on."""
    prepare(session, [sender_id])
    session.execute(
        update(Pacing)
        .where(Pacing.sender_id == sender_id)
        .values(stopped_code=code)
        .execution_options(synchronize_session=False)
    )


def start_again(session: Session, sender_ids: Collection[int]) -> None:
    """Let senders go on that were stopped or paused: a person has said so."""
    session.execute(
        update(Pacing)
        .where(Pacing.sender_id.in_(sender_ids))
        .values(stopped_code=None, paused_since=None, paused_until=None, pushed_back=0)
        .execution_options(synchronize_session=False)
    )


def stopped(session: Session) -> dict[int, int]:
    """Return the senders that stand still until a person says that they go on, and the code."""
    rows = session.execute(
        select(Pacing.sender_id, Pacing.stopped_code).where(Pacing.stopped_code.is_not(None))
    )
    return {sender_id: code for sender_id, code in rows if code is not None}


def _step(rate: float, cost: int) -> float:
    """Return how many seconds lie between two messages."""
    return cost / (rate * _SHARE)


def _start(
    session: Session, sender_id: int, step: float, now: datetime, *, lead: float = 0.0
) -> float:
    """Return from when the next slot is free, no nearer than ``lead``; the row is locked."""
    moment = _moment(session, now)
    following = session.execute(
        select(Pacing.next_slot).where(Pacing.sender_id == sender_id).with_for_update()
    ).scalar_one()
    if following > moment + HORIZON + _MOST_SEGMENTS * step + _CLOCK_SLACK:
        # Nobody gives out slots that far ahead: the clock was set back. Those given out before
        # may lie in the coming second still.
        following = moment + HORIZON + _LONGEST_LEAD + step
        _move(session, sender_id, following)
    return float(max(following, moment + lead))


def _move(session: Session, sender_id: int, next_slot: float) -> None:
    session.execute(
        update(Pacing)
        .where(Pacing.sender_id == sender_id)
        .values(next_slot=next_slot)
        .execution_options(synchronize_session=False)
    )


def _moment(session: Session, now: datetime) -> float:
    """Return the present moment by the one clock that all workers share."""
    if session.get_bind().dialect.name == "sqlite":
        return now.timestamp()
    return float(
        session.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one()
    )
