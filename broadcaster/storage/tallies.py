"""How many deliveries of a bulletin stand where, kept as it happens: nothing counts all rows.

Every change of state adds its differences in the same transaction. They are only ever added, so
that no two writers wait for each other, and folded into one row now and then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from broadcaster.core.delivery import State
from broadcaster.storage.models import Delivery, Tally

# Until they have an outcome, deliveries go to and fro too often for that to be worth a row.
_UNCOUNTED = frozenset({State.QUEUED, State.CLAIMED, State.HANDED_OVER})
_FOLD_ABOVE = 200
_FOLD_AT_ONCE = 20_000
# More than all workers together write between two looks.
_RECENT = 20_000


class Key(NamedTuple):
    """What is counted together."""

    bulletin_id: int
    state: State
    reason: str | None = None
    error_code: int | None = None


def key(
    bulletin_id: int, state: State, reason: str | None = None, error_code: int | None = None
) -> Key:
    """Return under which key a delivery in this state is counted."""
    if state in _UNCOUNTED:
        return Key(bulletin_id, State.QUEUED)
    return Key(bulletin_id, state, reason, error_code)


def key_of(delivery: Delivery) -> Key:
    """Return under which key a delivery is counted as it stands."""
    return key(delivery.bulletin_id, State(delivery.state), delivery.reason, delivery.error_code)


def add(session: Session, differences: Mapping[Key, int]) -> None:
    """Add differences; what comes to nothing is not written.

    Args:
        session: the transaction that changes the deliveries.
        differences: by key, how many came and (negative) how many went.
    """
    rows = [
        {**one._asdict(), "state": one.state.value, "n": n} for one, n in differences.items() if n
    ]
    if rows:
        session.execute(insert(Tally), rows)


def moved(session: Session, moves: Iterable[tuple[Key, Key]]) -> None:
    """Count deliveries that went from one key to another."""
    moved_many(session, ((before, after, 1) for before, after in moves))


def moved_many(session: Session, moves: Iterable[tuple[Key, Key, int]]) -> None:
    """Count deliveries that went from one key to another, so many each time."""
    differences: Counter[Key] = Counter()
    for before, after, n in moves:
        differences[before] -= n
        differences[after] += n
    add(session, differences)


def of(session: Session, bulletin_id: int) -> dict[Key, int]:
    """Return how many deliveries of a bulletin stand where."""
    rows = session.execute(
        select(Tally.state, Tally.reason, Tally.error_code, func.sum(Tally.n))
        .where(Tally.bulletin_id == bulletin_id)
        .group_by(Tally.state, Tally.reason, Tally.error_code)
    ).all()
    return {
        Key(bulletin_id, State(state), reason, code): int(n) for state, reason, code, n in rows if n
    }


def forget(session: Session, bulletin_id: int) -> None:
    """Forget the counts of a bulletin whose deliveries are discarded."""
    session.execute(delete(Tally).where(Tally.bulletin_id == bulletin_id))


def grown(session: Session) -> list[int]:
    """Return the bulletins whose differences have become many.

    Only those that were counted lately can have: years of others are not looked at.
    """
    newest = session.execute(select(func.max(Tally.id))).scalar_one() or 0
    lately = select(Tally.bulletin_id).where(Tally.id > newest - _RECENT).distinct()
    return list(
        session.execute(
            select(Tally.bulletin_id)
            .where(Tally.bulletin_id.in_(lately))
            .group_by(Tally.bulletin_id)
            .having(func.count() > _FOLD_ABOVE)
        ).scalars()
    )


def fold(session: Session, bulletin_id: int) -> None:
    """Replace many differences of a bulletin by their sums."""
    rows = (
        session.execute(
            select(Tally)
            .where(Tally.bulletin_id == bulletin_id)
            .order_by(Tally.id)
            .limit(_FOLD_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        .scalars()
        .all()
    )
    sums: Counter[Key] = Counter()
    for row in rows:
        sums[Key(bulletin_id, State(row.state), row.reason, row.error_code)] += row.n
    session.execute(delete(Tally).where(Tally.id.in_([row.id for row in rows])))
    add(session, sums)
